import {
  BPF_LDX,
  BPF_MEM,
  BPF_PROBE_MEM,
  BPF_PROBE_MEM32,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
  BPF_STX,
  CALL,
  CALL_ARGS,
  type Insn,
  LD_IMM64,
  makeInsn,
  TAIL_CALL,
} from '../isa/index.ts';
import { ERRNO } from '../uapi/index.ts';
import type { XlatedMap, XlatedProgram } from '../verifier/index.ts';
import type { DumpEncoding } from './program.ts';
import { findSubprog, type Marked } from './split.ts';

/** Whether a kernel's version is `major.minor` or later. */
export function isSince(version: string, major: number, minor: number): boolean {
  const found = Number.parseInt(version, 10);
  return found > major || (found === major && Number.parseInt(version.slice(version.indexOf('.') + 1), 10) >= minor);
}

/** What a kernel of that version does. */
export function dumpEncodingOf(version: string): DumpEncoding {
  return isSince(version, 7, 1) ? '7.2' : '6.12';
}

const low16 = (value: number): number => (value << 16) >> 16;

/** A local call as a dump has it, by encoding; @param findSubprog number of the function at a slot, or negative */
const LOCAL_CALLS: Readonly<
  Record<
    DumpEncoding,
    (
      slot: number,
      distance: number,
      callee: number,
      findSubprog: (slot: number) => number,
    ) => { off: number; imm: number }
  >
> = {
  '6.12': (slot, distance, _, findSubprog) => {
    const off = low16(distance);
    const found = findSubprog(slot + off + 1);
    return { off, imm: found < 0 ? -ERRNO.ENOENT : found };
  },
  '7.1': (_, distance, callee) => ({ off: callee, imm: distance }),
  '7.2': (_, distance, callee) => ({ off: low16(distance) === distance ? distance : 0, imm: callee }),
};

/**
 * Makes a compiled program look interpreted, as the end of `jit_subprogs` does: local calls and function addresses get
 * their distances back beside the callee's number.
 */
export function encodeForDump(
  { insns, subprogs }: Pick<XlatedProgram, 'insns' | 'subprogs'>,
  marked: Marked,
  encoding: DumpEncoding,
): Insn[] {
  const out = insns.slice();
  for (const [slot, func] of marked.funcRefs) {
    const { code, dst, src, imm } = insns[slot];
    out[slot] = makeInsn(code, dst, src, 0, imm);
    out[slot + 1] = makeInsn(0, 0, 0, 0, func);
  }
  const local = LOCAL_CALLS[encoding];
  marked.callSlots.forEach((slot, n) => {
    const { code, dst, src, imm: distance } = insns[slot];
    const { off, imm } = local(slot, distance, marked.callees[n], at => findSubprog(subprogs, at));
    out[slot] = makeInsn(code, dst, src, off, imm);
  });
  return out;
}

/** Maps by the addresses instructions hold. */
function mapRef(maps: readonly XlatedMap[], value: bigint): { map: XlatedMap; off: number | undefined } | undefined {
  for (const map of maps) {
    if (map.addr === value) return { map, off: undefined };
    const { values } = map;
    if (values !== undefined && value >= values.start && value < values.start + BigInt(values.sizeBytes)) {
      return { map, off: Number(value - values.start) };
    }
  }
  return undefined;
}

/** A `ld_imm64` with its map reference back in place: map id, and the offset of a value. Undefined for other constants. */
export function pseudoMapInsn(
  maps: readonly XlatedMap[],
  first: Insn,
  second: Insn,
): readonly [Insn, Insn] | undefined {
  if (first.src !== 0) return undefined;
  const value = (BigInt(second.imm >>> 0) << 32n) | BigInt(first.imm >>> 0);
  const ref = mapRef(maps, value);
  if (ref === undefined) return undefined;
  const src = ref.off === undefined ? BPF_PSEUDO_MAP_FD : BPF_PSEUDO_MAP_VALUE;
  return [makeInsn(first.code, first.dst, src, first.off, ref.map.id), makeInsn(0, 0, 0, 0, ref.off ?? 0)];
}

const isLoadOrStore = (code: number): boolean => (code & 7) === BPF_LDX || (code & 7) === BPF_STX || (code & 7) === 2;

/**
 * The slots as user space is shown them (`kernel/bpf/syscall.c: bpf_insn_prepare_dump`): kernel-internal instructions in
 * the form they came in, map ids in place of addresses, and no distances of calls for those who may not see addresses.
 */
export function prepareDump(insns: readonly Insn[], maps: readonly XlatedMap[], showAddresses: boolean): Insn[] {
  const out = insns.slice();
  for (let slot = 0; slot < insns.length; slot++) {
    const insn = insns[slot];
    const { code } = insn;
    if (code === TAIL_CALL) {
      out[slot] = makeInsn(CALL, insn.dst, insn.src, insn.off, 12);
    } else if (code === CALL || (code === CALL_ARGS && insn.src === BPF_PSEUDO_CALL)) {
      out[slot] = makeInsn(CALL, insn.dst, insn.src, insn.off, showAddresses ? insn.imm : 0);
    } else if (code === LD_IMM64) {
      const pair = slot + 1 < insns.length ? pseudoMapInsn(maps, insn, insns[slot + 1]) : undefined;
      if (pair !== undefined) [out[slot], out[slot + 1]] = pair;
      slot++;
    } else if (isLoadOrStore(code)) {
      const mode = code & 0xe0;
      // Signed probes and probing atomics are shown as they are.
      const probe = mode === BPF_PROBE_MEM32 || ((code & 7) === BPF_LDX && mode === BPF_PROBE_MEM);
      if (probe) out[slot] = makeInsn((code & 0x1f) | BPF_MEM, insn.dst, insn.src, insn.off, insn.imm);
    }
  }
  return out;
}
