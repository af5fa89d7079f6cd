import {
  BPF_LDX,
  BPF_MEM,
  BPF_PROBE_MEM,
  BPF_PROBE_MEM32,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
  BPF_ST,
  BPF_STX,
  CALL,
  type Insn,
  isPseudoCall,
  isPseudoFunc,
  isWide,
  LD_IMM64,
  makeInsn,
  TAIL_CALL,
} from '../../src/isa/index.ts';
import { defaultLayout, type KernelImage } from '../../src/kernels/index.ts';
import { bpf_func_id } from '../../src/uapi/index.ts';
import { hi32, u64Of } from '../../src/util/index.ts';
import type { XlatedMap, XlatedProgram } from '../../src/verifier/index.ts';

/** What a 6.12 kernel shows of such a program once it is compiled (`jit_subprogs`, `bpf_insn_prepare_dump`). */
export function dumpOf({ insns, subprogs, maps }: XlatedProgram): Insn[] {
  const out = insns.slice();
  const several = subprogs.length > 1;
  const idAt = (slot: number): number => subprogs.findIndex(({ start }) => start === slot);
  for (let idx = 0; idx < out.length; idx++) {
    const insn = out[idx];
    const cls = insn.code & 7;
    const mode = insn.code & 0xe0;
    if (insn.code === TAIL_CALL) out[idx] = makeInsn(CALL, 0, 0, 0, bpf_func_id.BPF_FUNC_tail_call);
    else if (isPseudoCall(insn) && several) {
      out[idx] = makeInsn(CALL, 0, insn.src, insn.imm, idAt(idx + 1 + insn.imm));
    } else if (isPseudoFunc(insn) && several) {
      out[idx + 1] = makeInsn(0, 0, 0, 0, idAt(idx + 1 + insn.imm));
    } else if (insn.code === LD_IMM64) {
      const found = mapAt(maps, u64Of(out[idx + 1].imm, insn.imm));
      if (found !== undefined) {
        const src = found.off === undefined ? BPF_PSEUDO_MAP_FD : BPF_PSEUDO_MAP_VALUE;
        out[idx] = { ...insn, src, imm: found.id };
        out[idx + 1] = makeInsn(0, 0, 0, 0, found.off ?? 0);
      }
    } else if (
      (cls === BPF_LDX && mode === BPF_PROBE_MEM) ||
      ((cls === BPF_LDX || cls === BPF_ST || cls === BPF_STX) && mode === BPF_PROBE_MEM32)
    ) {
      out[idx] = { ...insn, code: (insn.code & ~0xe0) | BPF_MEM };
    }
    if (isWide(insn)) idx++;
  }
  return out;
}

function mapAt(maps: readonly XlatedMap[], addr: bigint): { readonly id: number; readonly off?: number } | undefined {
  for (const { id, addr: own, values } of maps) {
    if (addr === own) return { id };
    if (values === undefined) continue;
    const off = addr - values.start;
    if (off >= 0n && off < BigInt(values.sizeBytes)) return { id, off: Number(off) };
  }
  return undefined;
}

/** How two dumps part: the first slot that differs, or that one is longer. */
export interface DumpDifference {
  readonly slot: number;
  readonly why: string;
}

/** Which of our own places are those of a real kernel. */
export interface KnownPlaces {
  /** Whether the distance of a function was recorded, and is not made up. */
  isRecorded(distance: number): boolean;
  /** Whether the address is one given to a kernel object that nobody knows the place of. */
  isObject(hi: number): boolean;
}

export function knownPlaces(image: KernelImage): KnownPlaces {
  const { end } = defaultLayout(image.arch).linearMap;
  const objects = hi32(end - (1n << 32n));
  return {
    isRecorded: distance => image.hasSymbol(image.symbolAt(distance) ?? ''),
    isObject: hi => hi === objects,
  };
}

const ADDR_PERCPU_MOVE = 0xbf;
const isKernelAddress = (hi: number): boolean => hi < 0;
/** Arenas are mapped anywhere in user space, whole gigabytes at a time. */
const isUserAddress = (hi: number): boolean => hi > 0 && hi < 0x8000;

/**
 * Compares what a kernel shows with what we would show. Ids of maps need only correspond; addresses of kernel objects and of
 * arenas are different on every boot; distances of kernel functions are compared as they are.
 */
export function compareDumps(
  theirs: readonly Insn[],
  ours: readonly Insn[],
  known: KnownPlaces = { isRecorded: () => true, isObject: () => false },
): DumpDifference | undefined {
  const ids = new Map<number, number>();
  const count = Math.min(theirs.length, ours.length);
  for (let slot = 0; slot < count; slot++) {
    const a = theirs[slot];
    const b = ours[slot];
    if (a.code !== b.code || a.dst !== b.dst || a.src !== b.src || a.off !== b.off) return { slot, why: 'instruction' };
    if (a.code === LD_IMM64) {
      const [a1, b1] = [theirs[slot + 1], ours[slot + 1]];
      if (a1 === undefined || b1 === undefined) return { slot, why: 'half a ld_imm64' };
      if (a.src === BPF_PSEUDO_MAP_FD || a.src === BPF_PSEUDO_MAP_VALUE) {
        if ((ids.get(a.imm) ?? b.imm) !== b.imm || a1.imm !== b1.imm) return { slot, why: 'map' };
        ids.set(a.imm, b.imm);
      } else if (a.imm !== b.imm || a1.imm !== b1.imm) {
        const masked =
          a.src === 0 &&
          (known.isObject(b1.imm) ||
            (isKernelAddress(a1.imm) && isKernelAddress(b1.imm)) ||
            (isUserAddress(a1.imm) && isUserAddress(b1.imm)));
        if (!masked) return { slot, why: 'constant' };
      }
      slot++;
      continue;
    }
    if (a.imm === b.imm) continue;
    const next = theirs[slot + 1];
    const percpu = a.code === 0xb4 && next?.code === ADDR_PERCPU_MOVE && next.off === -1;
    // Who loads without rights is not shown where the kernel is.
    if (a.code === CALL && (a.imm === 0 || !known.isRecorded(b.imm))) continue;
    if (!percpu) return { slot, why: a.code === CALL ? 'call' : 'constant' };
  }
  return theirs.length === ours.length ? undefined : { slot: count, why: 'length' };
}
