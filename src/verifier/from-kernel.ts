import type { Btf } from '../btf/index.ts';
import { HELPERS } from '../helpers/index.ts';
import {
  BPF_HELPER_CALL,
  BPF_LDX,
  BPF_MEM,
  BPF_PROBE_MEM,
  BPF_PROBE_MEM32,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
  BPF_ST,
  BPF_STX,
  CALL,
  decodeInsns,
  EXIT,
  type Insn,
  LD_IMM64,
  makeInsn,
  TAIL_CALL,
} from '../isa/index.ts';
import type { KernelArch, KernelImage } from '../kernels/index.ts';
import type { FuncInfo, LineInfo } from '../object/index.ts';
import { bpf_func_id } from '../uapi/index.ts';
import { FarcallError, hi32, lo32, withWhere } from '../util/index.ts';
import { brandXlated } from './brand.ts';
import { functionFlags } from './fixups/function-flags.ts';
import { type FunctionTable, findFunctions, functionAt } from './fixups/functions.ts';
import { stackDepths } from './fixups/stack-depths.ts';
import type { XlatedMap, XlatedProgram } from './types.ts';
import type { KfuncName } from './xlate.ts';

/** What `BPF_OBJ_GET_INFO_BY_FD` says of a loaded program (`struct bpf_prog_info`), and what it does not say. */
export interface KernelDump {
  readonly name: string;
  /** `BPF_PROG_TYPE_*` */
  readonly type: number;
  /** `xlated_prog_insns`; bytes in the kernel's order. */
  readonly insns: Uint8Array | readonly Insn[];
  /** Where local calls have distance and number: `7.1` the other way round. Default `6.12`, which 7.2 has too. */
  readonly encoding?: '6.12' | '7.1' | '7.2';
  /** False for a program the kernel interprets: its local calls hold no numbers. Default true. */
  readonly jited?: boolean;
  readonly kernel: KernelImage;
  /** By function, from the log's `stack depth a+b`; estimated without. */
  readonly stackDepths?: readonly number[];
  /** By function; BTF's names go before. */
  readonly names?: readonly string[];
  readonly btf?: Btf;
  readonly funcInfo?: readonly FuncInfo[];
  readonly lineInfo?: readonly LineInfo[];
  /** The maps its `ld_imm64` name by id. */
  readonly maps?: readonly XlatedMap[];
  readonly kfuncs?: readonly KfuncName[];
  readonly gplCompatible?: boolean;
  /** Slots of loads that may fault (PROBE_MEM), which a dump shows as ordinary ones. */
  readonly probes?: Iterable<number>;
  /** Slots of accesses of an arena (PROBE_MEM32), which a dump shows as ordinary ones. */
  readonly arenaAccesses?: Iterable<number>;
  /** Slots of tail calls whose array and index the verifier knew, which JITs may compile to a direct jump. */
  readonly directTailCalls?: Iterable<number>;
  readonly arena?: { readonly kernVmStart: bigint; readonly userVmStart: bigint };
  /** First slot of the exception callback; a hidden one is found where `stackDepths` counts it. */
  readonly exceptionCallback?: number;
  /** Whether its zero extensions are there; default: as the architecture's JIT asks for them. */
  readonly verifierZext?: boolean;
  readonly original?: readonly Insn[];
}

/** `bpf_jit_needs_zext()` of each architecture's JIT. */
export const NEEDS_ZEXT: Readonly<Record<KernelArch, boolean>> = {
  ppc64: true,
  riscv64: true,
  s390x: true,
  x86_64: false,
  arm64: false,
};

/**
 * The program a kernel's JIT was given, back from the dump of it: maps by address again, `bpf_tail_call` its own instruction, local
 * calls and function addresses pc-relative.
 *
 * Throws `insn.*` for slots that are no program or whose function numbers do not fit, `arg.map-id` for a map that `maps` does
 * not have, `arg.stack-depths` for a wrong number of depths.
 *
 * Source: `kernel/bpf/syscall.c: bpf_insn_prepare_dump`, the end of `kernel/bpf/verifier.c: jit_subprogs`.
 */
export function xlatedFromKernel(dump: KernelDump): XlatedProgram {
  return withWhere({ name: dump.name }, () => fromKernel(dump));
}

interface CallNumber {
  readonly idx: number;
  readonly target: number;
  readonly id: number;
}

function fromKernel(dump: KernelDump): XlatedProgram {
  const { kernel } = dump;
  const given = dump.insns instanceof Uint8Array ? decodeInsns(dump.insns, kernel.order) : dump.insns;
  const numbers: CallNumber[] = [];
  const insns = undoDump(given, dump, numbers);
  markProbes(insns, dump.probes ?? [], BPF_PROBE_MEM);
  markProbes(insns, dump.arenaAccesses ?? [], BPF_PROBE_MEM32);
  let known = 0;
  // As the verifier does: imm is the place in the program's table of such calls, and 1.
  for (const idx of dump.directTailCalls ?? []) {
    if (insns[idx]?.code === TAIL_CALL) insns[idx] = { ...insns[idx], imm: ++known };
  }
  const extra = (dump.funcInfo ?? []).map(info => info.insnIdx);
  const throws = dump.kfuncs?.find(kfunc => kfunc.name === 'bpf_throw');
  const noReturn = ({ code, src, imm, off }: Insn): boolean =>
    throws !== undefined &&
    code === CALL &&
    // What is called may always throw; then the verifier has removed what stood behind.
    (src === BPF_PSEUDO_CALL || (src === BPF_PSEUDO_KFUNC_CALL && throws.imm === imm && throws.off === off));
  let functions = findFunctions(insns, withCallback(extra, dump.exceptionCallback), noReturn);
  const hidden = dump.exceptionCallback === undefined ? hiddenCallback(insns, functions, dump.stackDepths) : undefined;
  if (hidden !== undefined) functions = findFunctions(insns, withCallback(extra, hidden), noReturn);
  const callback = dump.exceptionCallback ?? hidden;
  for (const { idx, target, id } of numbers) {
    const found = functionAt(functions, target);
    if (found === id) continue;
    throw badNumber(idx, `function ${id}`, `function ${found} at slot ${target}`);
  }
  const flags = functionFlags(insns, functions);
  const calls = nameCalls(insns, dump);
  const depths = dump.stackDepths ?? stackDepths(withIds(insns, calls.helpers), functions, flags.addressTaken);
  if (depths.length !== functions.count) {
    throw new FarcallError({
      code: 'arg.stack-depths',
      message: 'not one stack depth a function',
      expected: `${functions.count}`,
      found: `${depths.length}`,
    });
  }
  const typeAt = new Map((dump.funcInfo ?? []).map(info => [info.insnIdx, info.typeId]));
  return brandXlated({
    verified: true,
    name: dump.name,
    type: dump.type,
    gplCompatible: dump.gplCompatible ?? true,
    insns,
    subprogs: Array.from({ length: functions.count }, (_, func) => {
      const start = functions.starts[func];
      const typeId = typeAt.get(start);
      return {
        start,
        end: functions.starts[func + 1],
        name: (typeId === undefined ? undefined : dump.btf?.nameOf(typeId)) ?? dump.names?.[func] ?? '',
        stackDepthBytes: depths[func],
        hasTailCall: flags.hasTailCall[func] !== 0,
        tailCallReachable: flags.tailCallReachable[func] !== 0,
        isCallback: flags.addressTaken[func] !== 0,
        isExceptionCallback: start === callback,
      };
    }),
    hiddenSubprogCount: hidden === undefined ? 0 : 1,
    kernel,
    maps: dump.maps ?? [],
    kfuncs: dump.kfuncs ?? [],
    ...calls,
    btf: dump.btf,
    funcInfo: dump.funcInfo ?? [],
    lineInfo: dump.lineInfo ?? [],
    verifierZext: dump.verifierZext ?? NEEDS_ZEXT[kernel.arch],
    arena: dump.arena,
    original: dump.original ?? given,
  });
}

/** Helper calls by id again where it is known. */
function withIds(insns: readonly Insn[], helpers: ReadonlyMap<number, number>): Insn[] {
  return insns.map(insn =>
    insn.code === CALL && insn.src === BPF_HELPER_CALL ? { ...insn, imm: helpers.get(insn.imm) ?? -1 } : insn,
  );
}

const withCallback = (slots: readonly number[], callback: number | undefined): number[] =>
  callback === undefined ? [...slots] : [...slots, callback];

function badNumber(insnIdx: number, expected: string, found: string): FarcallError {
  const message = "a call's function number does not fit where it leads";
  return new FarcallError({ code: 'insn.call-target', message, expected, found, where: { insnIdx } });
}

/** Each slot as the JIT had it; local calls' numbers are put in `numbers` to be checked once functions are known. */
function undoDump(given: readonly Insn[], dump: KernelDump, numbers: CallNumber[]): Insn[] {
  const isNew = dump.encoding === '7.1';
  const maps = new Map((dump.maps ?? []).map(map => [map.id, map]));
  const starts = (dump.funcInfo ?? []).map(info => info.insnIdx);
  const out = given.slice();
  for (let idx = 0; idx < given.length; idx++) {
    const insn = given[idx];
    if (insn.code === CALL && insn.src === BPF_HELPER_CALL && insn.imm === bpf_func_id.BPF_FUNC_tail_call) {
      out[idx] = makeInsn(TAIL_CALL, 0, 0, 0, 0);
    } else if (insn.code === CALL && insn.src === BPF_PSEUDO_CALL) {
      const whole = isNew || dump.jited === false;
      const call = whole ? insn : untruncate(insn, idx, starts);
      const id = isNew ? call.off : call.imm;
      const distance = isNew ? call.imm : call.off;
      if (dump.jited !== false) numbers.push({ idx, target: idx + 1 + distance, id });
      out[idx] = makeInsn(CALL, 0, BPF_PSEUDO_CALL, 0, distance);
    } else if (insn.code === LD_IMM64 && idx + 1 < given.length) {
      if (insn.src === BPF_PSEUDO_FUNC) {
        numbers.push({ idx, target: idx + 1 + insn.imm, id: given[idx + 1].imm });
        out[idx + 1] = makeInsn(0, 0, 0, 0, 0);
      } else if (insn.src === BPF_PSEUDO_MAP_FD || insn.src === BPF_PSEUDO_MAP_VALUE) {
        const addr = mapAddress(insn, given[idx + 1].imm, maps, idx);
        out[idx] = makeInsn(LD_IMM64, insn.dst, 0, 0, lo32(addr));
        out[idx + 1] = makeInsn(0, 0, 0, 0, hi32(addr));
      }
      idx++;
    }
  }
  return out;
}

const ENOENT = 2;

/**
 * 6.12 keeps 16 bits of a call's distance, and of the number of a callee farther off only that there is none at that place;
 * 7.2 keeps the number, and 0 of the distance. Where function records say where functions are, the rest comes from them.
 */
function untruncate(
  insn: Insn,
  idx: number,
  starts: readonly number[],
): { readonly off: number; readonly imm: number } {
  const fits = (start: number): boolean => ((start - idx - 1) << 16) >> 16 === insn.off;
  const imm = insn.imm === -ENOENT ? starts.findIndex(fits) : insn.imm;
  const start = starts[imm];
  if (start === undefined) return insn;
  const distance = start - idx - 1;
  const lost = insn.off === 0 && (distance << 16) >> 16 !== distance;
  if (!lost && !fits(start)) throw badNumber(idx, `function ${imm} at slot ${start}`, `${insn.off}`);
  return { off: distance, imm };
}

function mapAddress(insn: Insn, off: number, maps: ReadonlyMap<number, XlatedMap>, insnIdx: number): bigint {
  const map = maps.get(insn.imm);
  const isValue = insn.src === BPF_PSEUDO_MAP_VALUE;
  const base = isValue ? map?.values?.start : map?.addr;
  if (base !== undefined) return BigInt.asUintN(64, isValue ? base + BigInt(off >>> 0) : base);
  throw new FarcallError({
    code: 'arg.map-id',
    message: isValue ? 'no address of the values of this map' : 'no address of this map',
    expected: `one of the maps given (${[...maps.keys()].join(', ')})`,
    found: `map ${insn.imm}`,
    where: { insnIdx },
  });
}

function markProbes(insns: Insn[], slots: Iterable<number>, mode: number): void {
  for (const idx of slots) {
    const insn = insns[idx];
    const cls = (insn?.code ?? 0) & 7;
    const fits = cls === BPF_LDX || (mode === BPF_PROBE_MEM32 && (cls === BPF_ST || cls === BPF_STX));
    if (insn === undefined || !fits || (insn.code & 0xe0) !== BPF_MEM) {
      throw new FarcallError({
        code: 'arg.probe',
        message: 'no access that could be a probe',
        expected: mode === BPF_PROBE_MEM ? 'a load' : 'a load or store',
        found: insn === undefined ? 'no instruction' : `opcode 0x${insn.code.toString(16)}`,
        where: { insnIdx: idx },
      });
    }
    insns[idx] = { ...insn, code: (insn.code & ~0xe0) | mode };
  }
}

/** The function the verifier adds for `bpf_throw`: the last two slots, when the depths count one function more than is seen. */
function hiddenCallback(
  insns: readonly Insn[],
  functions: FunctionTable,
  depths: readonly number[] | undefined,
): number | undefined {
  const at = insns.length - 2;
  if (depths === undefined || depths.length !== functions.count + 1 || at <= 0) return undefined;
  const [move, exit] = [insns[at], insns[at + 1]];
  return move.code === 0xbf && move.dst === 0 && move.src === 1 && exit.code === EXIT ? at : undefined;
}

/** Functions of map types that the verifier puts in the place of a helper, arguments and result the same. */
const MAP_OPERATIONS: readonly { readonly pattern: RegExp; readonly id: number }[] = [
  { pattern: /^[a-z].*_lookup_elem$/, id: bpf_func_id.BPF_FUNC_map_lookup_elem },
  { pattern: /^[a-z].*_update_elem$/, id: bpf_func_id.BPF_FUNC_map_update_elem },
  { pattern: /^[a-z].*_delete_elem$/, id: bpf_func_id.BPF_FUNC_map_delete_elem },
  { pattern: /^[a-z].*_push_elem$/, id: bpf_func_id.BPF_FUNC_map_push_elem },
  { pattern: /^[a-z].*_pop_elem$/, id: bpf_func_id.BPF_FUNC_map_pop_elem },
  { pattern: /^[a-z].*_peek_elem$/, id: bpf_func_id.BPF_FUNC_map_peek_elem },
  { pattern: /^[a-z].*_lookup_percpu_elem$/, id: bpf_func_id.BPF_FUNC_map_lookup_percpu_elem },
  { pattern: /^bpf_for_each_(array|hash)_elem$/, id: bpf_func_id.BPF_FUNC_for_each_map_elem },
  { pattern: /^(cpu|dev|dev_hash|xsk)_map_redirect$/, id: bpf_func_id.BPF_FUNC_redirect_map },
];

/**
 * The ids behind helper calls: those whose own function is called, and those a map's function stands for; the names of the
 * rest, such as `__htab_map_lookup_elem`, which gives an element and not its value.
 */
function nameCalls(
  insns: readonly Insn[],
  { kernel, type }: KernelDump,
): { helpers: Map<number, number>; internalCalls: Map<number, string> } {
  const helpers = new Map<number, number>();
  const internalCalls = new Map<number, string>();
  const idOf = new Map<string, number>();
  for (const def of HELPERS) {
    if (def === undefined || def.id === bpf_func_id.BPF_FUNC_tail_call) continue;
    const symbol = kernel.helperSymbol(def.id, type);
    if (!idOf.has(symbol)) idOf.set(symbol, def.id);
  }
  for (let idx = 0; idx < insns.length; idx++) {
    const { code, src, imm } = insns[idx];
    if (code === LD_IMM64) idx++;
    if (code !== CALL || src !== BPF_HELPER_CALL || helpers.has(imm) || internalCalls.has(imm)) continue;
    const symbol = kernel.symbolAt(imm);
    const id =
      symbol === undefined
        ? undefined
        : (idOf.get(symbol) ?? MAP_OPERATIONS.find(({ pattern }) => pattern.test(symbol))?.id);
    if (id !== undefined) helpers.set(imm, id);
    else if (symbol !== undefined) internalCalls.set(imm, symbol);
  }
  return { helpers, internalCalls };
}
