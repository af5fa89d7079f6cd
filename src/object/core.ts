import { type Btf, CORE_RELO_KINDS, type CoreReloResult, CoreResolver, formatCoreSpec } from '../btf/index.ts';
import type { Insn } from '../isa/index.ts';
import { FarcallError } from '../util/index.ts';
import { patchCoreInsn } from './core-patch.ts';
import { type KconfigValues, kconfigData } from './kconfig.ts';
import { attempt, objectError } from './problem.ts';
import type { CoreReloSpec, ObjectMap, ObjectSpec, ProgramSpec, SubprogSpec } from './types.ts';

export interface RelocateOptions {
  /** The kernel's BTF. Without it CO-RE relocations are left as they are. */
  readonly targetBtf?: Btf;
  /** BTF of the kernel's modules, split from `targetBtf`; asked for types the kernel itself does not have. */
  readonly moduleBtfs?: readonly Btf[];
  /** Values of the .kconfig variables; without it the .kconfig map stays as it is. */
  readonly kconfig?: KconfigValues;
}

/** What became of one CO-RE relocation of one program. */
export interface CoreReloReport {
  readonly program: string;
  /** The function of the program that holds the instruction. */
  readonly subprog: string;
  /** In the program's instructions. */
  readonly insnIdx: number;
  /** The number in libbpf's messages. */
  readonly index: number;
  /** `BPF_CORE_*` without the prefix; `kind N` for one that is not known. */
  readonly kind: string;
  /** `poisoned`: no match, replaced by a call that the verifier rejects if it is reached. */
  readonly status: 'patched' | 'poisoned' | 'failed';
  /** Values and matching specs; undefined where resolution failed. */
  readonly resolution: CoreReloResult | undefined;
  /** Why it failed, with libbpf's `prog 'x': relo #0:` in front. */
  readonly error: FarcallError | undefined;
}

export interface RelocateResult {
  readonly spec: ObjectSpec;
  /** By program, in the order of its relocations. */
  readonly results: readonly CoreReloReport[];
  /** What libbpf would refuse the load for beside failed relocations: .kconfig values that are missing or do not fit. */
  readonly problems: readonly string[];
}

/**
 * Fits an object to a kernel: carries out CO-RE relocations and fills .kconfig. The given spec does not change. A program
 * with a relocation that fails (ambiguous candidates, an instruction that does not hold what BTF says) gets it as its
 * `problem`; libbpf refuses the whole object. struct_ops programs are to be loaded if a map that is made by itself uses them.
 *
 * Source: `tools/lib/bpf/libbpf.c: bpf_object__relocate_core, bpf_object__resolve_externs,
 * bpf_object_adjust_struct_ops_autoload`.
 */
export function relocateObject(spec: ObjectSpec, options: RelocateOptions = {}): RelocateResult {
  const results: CoreReloReport[] = [];
  const { targetBtf, moduleBtfs = [] } = options;
  let programs = adjustAutoload(spec);
  if (targetBtf !== undefined && spec.btf !== undefined) {
    const resolver = new CoreResolver(spec.btf, [targetBtf, ...moduleBtfs]);
    programs = programs.map(program => relocateProgram(program, resolver, results));
  }
  const problems: string[] = [];
  const maps = options.kconfig === undefined ? spec.maps : fillKconfig(spec, options.kconfig, problems);
  return { spec: { ...spec, programs, maps }, results, problems };
}

function adjustAutoload(spec: ObjectSpec): readonly ProgramSpec[] {
  if (spec.structOps.length === 0) return spec.programs;
  const wanted = new Map<string, boolean>();
  for (const { section, programs } of spec.structOps) {
    for (const { prog } of programs) wanted.set(prog, wanted.get(prog) === true || !section.startsWith('?'));
  }
  return spec.programs.map(program => ({ ...program, autoload: wanted.get(program.name) ?? program.autoload }));
}

function fillKconfig(spec: ObjectSpec, values: KconfigValues, problems: string[]): readonly ObjectMap[] {
  const filled = kconfigData(spec, values);
  problems.push(...filled.problems);
  return spec.maps.map(map => (map.section === '.kconfig' ? { ...map, data: filled.data } : map));
}

function relocateProgram(program: ProgramSpec, resolver: CoreResolver, results: CoreReloReport[]): ProgramSpec {
  if (program.coreRelos.length === 0) return program;
  const insns: Insn[] = program.insns.slice();
  let problem = program.problem;
  let position = 0;
  for (const relo of program.coreRelos) {
    while (position + 1 < program.subprogs.length && program.subprogs[position + 1].insnIdx <= relo.insnIdx) position++;
    const report = relocateOne(program, program.subprogs[position], relo, insns, resolver);
    problem ??= report.error;
    results.push(report);
  }
  return { ...program, insns, ...(problem === undefined ? {} : { problem }) };
}

function relocateOne(
  program: ProgramSpec,
  subprog: SubprogSpec,
  relo: CoreReloSpec,
  insns: Insn[],
  resolver: CoreResolver,
): CoreReloReport {
  const { insnIdx, index } = relo;
  const where = { section: subprog.section, name: program.name, insnIdx };
  const head = `prog '${subprog.name}': relo #${index}`;
  const common = {
    program: program.name,
    subprog: subprog.name,
    insnIdx,
    index,
    kind: CORE_RELO_KINDS[relo.kind]?.kind ?? `kind ${relo.kind}`,
  };
  const resolution = attempt(() => resolver.resolve(relo));
  if (resolution instanceof FarcallError) {
    const { code, problem, expected, found, where: inner } = resolution;
    const name = inner?.name === undefined ? '' : ` ${inner.name}:`;
    const error = new FarcallError({ code, message: `${head}:${name} ${problem}`, expected, found, where });
    return { ...common, status: 'failed', resolution: undefined, error };
  }
  const outcome = patchCoreInsn(insns, insnIdx, resolution);
  if (outcome.status !== 'failed') return { ...common, status: outcome.status, resolution, error: undefined };
  const error = objectError(outcome.code as `core.${string}`, where, `${head}: ${outcome.message}`);
  return { ...common, status: 'failed', resolution, error };
}

/** A relocation in one line: what was sought, what was found, what was done. */
export function coreReloText(report: CoreReloReport): string {
  const head = `prog '${report.subprog}': relo #${report.index}:`;
  const { resolution } = report;
  if (report.error !== undefined) return report.error.problem;
  if (resolution === undefined) return `${head} ${report.status}`;
  const local = formatCoreSpec(resolution.localSpec);
  const missing = resolution.kind.kind === 'TYPE_ID_LOCAL' ? 'itself' : 'no matching targets found';
  const target = resolution.targetSpec === undefined ? missing : formatCoreSpec(resolution.targetSpec);
  const action = report.status === 'poisoned' ? 'poisoned' : `patched ${resolution.origVal} -> ${resolution.newVal}`;
  return `${head} ${local} -> ${target}: ${action}`;
}
