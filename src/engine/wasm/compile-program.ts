import type { HelperDef } from '../../helpers/index.ts';
import { BPF_PSEUDO_KFUNC_CALL, CALL, type Insn } from '../../isa/index.ts';
import { helperImport, kfuncImport, MAIN_STATE, translateProgram, type WasmOptions } from '../../jit/index.ts';
import { MAP_HANDLE, PROG_ARRAY_PTRS } from '../../maps/index.ts';
import { progTypeRow } from '../../progtypes/index.ts';
import { type EngineHost, type EngineProgram, PROG_HANDLE } from '../types.ts';
import { shapeOf } from './call-shape.ts';
import { type LinkHelper, linkHelpers } from './link-helpers.ts';
import type { CacheableOptions, CompiledProgram, ModuleCache } from './module-cache.ts';
import { surveyOf } from './survey.ts';
import { isTrusted, stackDepths, stackReach } from './trust.ts';

/** How programs are compiled, whatever kind of code is asked for. */
export interface CompileHow {
  readonly cache: ModuleCache;
  readonly linkHelper: LinkHelper | undefined;
  /** Code of long programs that is good for a few runs; default `quick`. */
  readonly firstRuns?: 'quick' | 'full' | undefined;
}

/** Which code of a program is wanted. */
export interface CodeKind {
  readonly counted: boolean;
  readonly probeReads: boolean;
  /** Address of its first function's word; 0 if no instruction takes one. */
  readonly funcBase: number;
  /** Threads share the memory. */
  readonly shared?: boolean;
  /** How much work goes into code that was proven; default all. */
  readonly effort?: 'quick' | 'full';
  /** Where the state of runs is; default that of the machine's own thread. */
  readonly stateAddr?: number;
}

/**
 * How many arguments the functions outside take that a program calls, and whether they return something.
 *
 * @param own the program's own instructions, as it was before functions were put behind them
 */
function shapesOf(insns: readonly Insn[], own: readonly Insn[], host: EngineHost): CacheableOptions['shapes'] {
  const found: Record<string, readonly [number, boolean]> = {};
  const note = (name: string, def: HelperDef | undefined): void => {
    const { args, returns } = shapeOf(def);
    found[name] = [args, returns];
  };
  const noteCall = ({ src, imm, off }: Insn): void => {
    if (src === 0) note(helperImport(imm), host.helper(imm));
    else if (src === BPF_PSEUDO_KFUNC_CALL) note(kfuncImport(imm, off), host.kfunc(imm, off));
  };
  for (const slot of surveyOf(own).calls) noteCall(insns[slot]);
  for (let slot = own.length; slot < insns.length; slot++) if (insns[slot].code === CALL) noteCall(insns[slot]);
  return found;
}

/** A program ready for a compiler: its helpers linked in, and what makes contexts of packets behind it. */
export interface PreparedCode {
  readonly insns: readonly Insn[];
  readonly options: CacheableOptions;
}

/** What compilers of verified and other programs are given. */
export function prepareCode(
  program: EngineProgram,
  host: EngineHost,
  linkHelper: LinkHelper | undefined,
  kind: CodeKind,
): PreparedCode {
  const trusted = isTrusted(program, host);
  const entries = program.exceptionCallback === undefined ? [] : [program.exceptionCallback];
  const depths = stackDepths(program);
  let { insns } = program;
  let added: readonly number[] = [];
  let contextSlot: number | undefined;
  if (trusted) {
    // What helpers do is none of a program's instructions.
    if (linkHelper !== undefined && !kind.counted) {
      const stateAddr = kind.stateAddr ?? MAIN_STATE;
      ({ insns, addedDepths: added } = linkHelpers(insns, host, linkHelper, stateAddr));
    }
    // Code for a few runs is not what batches of packets are given.
    const context = kind.effort === 'quick' ? undefined : progTypeRow(program.type)?.packets?.make();
    if (context !== undefined) {
      contextSlot = insns.length;
      entries.push(contextSlot);
      insns = [...insns, ...context.insns];
      added = [...added, context.stackDepthBytes];
    }
  }
  const options: CacheableOptions = {
    unproven: program.proof?.ok !== true,
    checked: !trusted,
    probeReads: kind.probeReads,
    counted: kind.counted,
    shared: kind.shared,
    stateAddr: kind.stateAddr,
    effort: kind.effort,
    entries,
    contextSlot,
    funcBase: kind.funcBase,
    stackDepths: depths === undefined ? undefined : [...depths, ...added],
    stackReach:
      trusted && depths !== undefined && kind.effort !== 'quick' ? stackReach(program, host, depths.length) : undefined,
    tailCalls: trusted
      ? { maxEntries: MAP_HANDLE.maxEntries, elements: PROG_ARRAY_PTRS, entry: PROG_HANDLE.bpfFunc }
      : undefined,
    shapes: shapesOf(insns, program.insns, host),
  };
  return { insns, options };
}

/** How programs of the host call what is outside of them. */
export const shapesIn = (host: EngineHost): Pick<WasmOptions, 'helperShape' | 'kfuncShape'> => ({
  helperShape: id => shapeOf(host.helper(id)),
  kfuncShape: (btfId, fdIdx) => shapeOf(host.kfunc(btfId, fdIdx)),
});

/** The module of a program; throws JitError for programs without a translation. */
export function compileProgram(
  program: EngineProgram,
  host: EngineHost,
  { cache, linkHelper }: CompileHow,
  kind: CodeKind,
): CompiledProgram {
  const { insns, options } = prepareCode(program, host, linkHelper, kind);
  return cache.module(insns, options, () => translateProgram(insns, { ...options, ...shapesIn(host) }));
}
