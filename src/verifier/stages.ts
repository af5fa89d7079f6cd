import type { Insn } from '../isa/index.ts';
import { checkBtfInfo, checkBtfInfoEarly, funcName, type InfoTables } from './btf-info.ts';
import { type CfgMarks, checkCfg } from './cfg.ts';
import type { KfuncCalls } from './kfunc-calls.ts';
import { SourceLines } from './source-lines.ts';
import { addSubprogsAndKfuncs, checkSubprogs, type SubprogInfo, type SubprogTable } from './subprogs.ts';
import type { Rejection, Subprog } from './types.ts';
import type { VerifierLog } from './verifier-log.ts';

/** The stages of `bpf_check` in order, and who refuses in them. `bpf_prog_load` comes before all. */
export const STAGES = [
  'bpf_prog_load',
  'check_btf_info_early',
  'add_subprog_and_kfunc',
  'check_subprogs',
  'check_btf_info',
  'resolve_pseudo_ldimm64',
  'check_cfg',
  'check_attach_btf_id',
  'do_check',
  'check_max_stack_depth',
  'fixups',
] as const;
export type Stage = (typeof STAGES)[number];

/** Slots a program may have: with CAP_BPF, and without. */
const MAX_INSNS = 1_000_000;
const MAX_INSNS_UNPRIVILEGED = 4096;

/** What the stages before the walk look at. */
export interface EarlySource<Imms> {
  readonly insns: readonly Insn[];
  readonly tables: InfoTables;
  readonly capBpf: boolean;
  readonly kfuncs: KfuncCalls;
  readonly log: VerifierLog;
  /** The stage `resolve_pseudo_ldimm64`. */
  readonly resolveImms: () => Rejection | Imms;
  /** Told of the functions as soon as they are found: later stages may refuse. */
  readonly foundSubprogs?: (subprogs: SubprogTable) => void;
}

/** What they find. */
export interface EarlyFindings<Imms> {
  readonly subprogs: SubprogTable;
  readonly lines: SourceLines;
  readonly imms: Imms;
  readonly cfg: CfgMarks;
}

const isRejection = (result: object): result is Rejection => 'ok' in result;

/** From `bpf_prog_load` to `check_cfg`; the first stage that refuses decides. Source: `kernel/bpf/verifier.c: bpf_check`. */
export function earlyStages<Imms extends object>(source: EarlySource<Imms>): Rejection | EarlyFindings<Imms> {
  const { insns, tables, capBpf, kfuncs, log } = source;
  const enter = (stage: Stage): void => {
    log.stage = stage;
  };

  enter('bpf_prog_load');
  if (insns.length === 0 || insns.length > (capBpf ? MAX_INSNS : MAX_INSNS_UNPRIVILEGED)) {
    return log.reject('programLength', []);
  }

  enter('check_btf_info_early');
  const funcs = checkBtfInfoEarly(tables, log);
  if ('ok' in funcs) return funcs;

  enter('add_subprog_and_kfunc');
  const subprogs = addSubprogsAndKfuncs({ insns, capBpf, kfuncs, funcInfo: funcs, log });
  if ('ok' in subprogs) return subprogs;
  source.foundSubprogs?.(subprogs);

  enter('check_subprogs');
  const refused = checkSubprogs(insns, subprogs, log);
  if (refused !== undefined) return refused;

  enter('check_btf_info');
  const records = checkBtfInfo({ ...tables, insns, funcs, subprogs }, log);
  if ('ok' in records) return records;

  enter('resolve_pseudo_ldimm64');
  const imms = source.resolveImms();
  if (isRejection(imms)) return imms;

  enter('check_cfg');
  const lines = new SourceLines(records, tables.btf, log);
  const cfg = checkCfg({ insns, subprogs, kfuncs, capBpf, lines, log });
  return 'ok' in cfg ? cfg : { subprogs, lines, imms, cfg };
}

/** A function as it leaves the verifier. */
export const subprogOf = (subprog: SubprogInfo): Subprog => ({
  start: subprog.start,
  end: subprog.end,
  name: funcName(subprog.func),
  stackDepthBytes: subprog.stackDepthBytes,
  hasTailCall: subprog.hasTailCall,
  tailCallReachable: subprog.tailCallReachable,
  isCallback: subprog.isReferenced || subprog.isCallback,
  isExceptionCallback: subprog.isExceptionCallback,
});

/** Id of the exception callback that main names; 0 for none. */
export const exceptionCallbackOf = ({ list }: SubprogTable): number =>
  Math.max(
    0,
    list.findIndex(subprog => subprog.isExceptionCallback),
  );
