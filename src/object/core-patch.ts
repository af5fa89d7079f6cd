import type { CoreReloResult } from '../btf/index.ts';
import {
  BPF_ALU,
  BPF_ALU64,
  BPF_B,
  BPF_DW,
  BPF_H,
  BPF_LD,
  BPF_LDX,
  BPF_ST,
  BPF_STX,
  BPF_W,
  BPF_X,
  CALL,
  type Insn,
  isWide,
} from '../isa/index.ts';
import { hi32, lo32, u64Of } from '../util/index.ts';

/** The helper number of the call that replaces an instruction without a match: "invalid func unknown#195896080". */
export const CORE_POISON_IMM = 0xbad2310;

const POISONED: Insn = { code: CALL, dst: 0, src: 0, off: 0, imm: CORE_POISON_IMM };

/** What became of one instruction: patched, poisoned, or why neither is possible, in libbpf's words. */
export type PatchOutcome =
  | { readonly status: 'patched' | 'poisoned' }
  | { readonly status: 'failed'; readonly code: `core.${string}`; readonly message: string };

type Relo = Pick<
  CoreReloResult,
  'poison' | 'validate' | 'origVal' | 'newVal' | 'failMemszAdjust' | 'origSize' | 'newSize'
>;
type Patcher = (insns: Insn[], idx: number, relo: Relo) => PatchOutcome;

const PATCHED: PatchOutcome = { status: 'patched' };

function failed(code: `core.${string}`, message: string): PatchOutcome {
  return { status: 'failed', code, message };
}

function unexpected(idx: number, form: string, got: number | bigint, { origVal, newVal }: Relo): PatchOutcome {
  return failed(
    'core.unexpected-value',
    `unexpected insn #${idx} (${form}) value: got ${got}, exp ${origVal} -> ${newVal}`,
  );
}

/** Whether a signed field holds the u64 the compiler is known to have put there. */
const holds = (field: number, value: bigint): boolean => BigInt.asUintN(64, BigInt(field)) === value;

/** Both slots of a ld_imm64, so that the verifier does not stumble over the second. */
function poison(insns: Insn[], idx: number): PatchOutcome {
  if (isWide(insns[idx]) && idx + 1 < insns.length) insns[idx + 1] = POISONED;
  insns[idx] = POISONED;
  return { status: 'poisoned' };
}

const patchAlu: Patcher = (insns, idx, relo) => {
  const insn = insns[idx];
  if ((insn.code & BPF_X) !== 0) return failed('core.insn', `insn #${idx} (ALU/ALU64) has no immediate operand`);
  if (relo.validate && !holds(insn.imm, relo.origVal)) return unexpected(idx, 'ALU/ALU64', insn.imm, relo);
  insns[idx] = { ...insn, imm: lo32(relo.newVal) };
  return PATCHED;
};

const SIZE_BYTES: ReadonlyMap<number, number> = new Map([
  [BPF_B, 1],
  [BPF_H, 2],
  [BPF_W, 4],
  [BPF_DW, 8],
]);
const SIZE_CODES: ReadonlyMap<number, number> = new Map([...SIZE_BYTES].map(([code, bytes]) => [bytes, code]));
const SIZE_MASK = 0x18;
const SHRT_MAX = 32767n;

const patchMemory: Patcher = (insns, idx, relo) => {
  const insn = insns[idx];
  if (relo.validate && !holds(insn.off, relo.origVal)) return unexpected(idx, 'LDX/ST/STX', insn.off, relo);
  if (relo.newVal > SHRT_MAX) {
    return failed('core.range', `insn #${idx} (LDX/ST/STX) value too big: ${relo.newVal}`);
  }
  if (relo.failMemszAdjust) return poison(insns, idx);
  let { code } = insn;
  if (relo.newSize !== relo.origSize) {
    const bytes = SIZE_BYTES.get(code & SIZE_MASK);
    if (bytes !== relo.origSize) {
      return failed(
        'core.mem-size',
        `insn #${idx} (LDX/ST/STX) unexpected mem size: got ${bytes}, exp ${relo.origSize}`,
      );
    }
    const size = SIZE_CODES.get(relo.newSize);
    if (size === undefined) {
      return failed('core.mem-size', `insn #${idx} (LDX/ST/STX) invalid new mem size: ${relo.newSize}`);
    }
    code = (code & ~SIZE_MASK) | size;
  }
  insns[idx] = { ...insn, code, off: Number(relo.newVal) };
  return PATCHED;
};

const patchWide: Patcher = (insns, idx, relo) => {
  const [first, second] = [insns[idx], insns[idx + 1]];
  const plain = isWide(first) && first.src === 0 && first.off === 0 && second !== undefined;
  if (!plain || second.code !== 0 || second.dst !== 0 || second.src !== 0 || second.off !== 0) {
    return failed('core.insn', `insn #${idx} (LDIMM64) has unexpected form`);
  }
  const imm = u64Of(second.imm, first.imm);
  if (relo.validate && imm !== relo.origVal) return unexpected(idx, 'LDIMM64', imm, relo);
  insns[idx] = { ...first, imm: lo32(relo.newVal) };
  insns[idx + 1] = { ...second, imm: hi32(relo.newVal) };
  return PATCHED;
};

const PATCHERS: ReadonlyMap<number, Patcher> = new Map([
  [BPF_ALU, patchAlu],
  [BPF_ALU64, patchAlu],
  [BPF_LDX, patchMemory],
  [BPF_ST, patchMemory],
  [BPF_STX, patchMemory],
  [BPF_LD, patchWide],
]);

/**
 * Puts what a CO-RE relocation came to into the instruction at slot `idx` of `insns`, changing the array: imm of
 * arithmetic, offset and access size of loads and stores, the 64 bits of ld_imm64. Where the target has no match the
 * instruction becomes a call of {@link CORE_POISON_IMM}. Source: `tools/lib/bpf/relo_core.c: bpf_core_patch_insn`.
 */
export function patchCoreInsn(insns: Insn[], idx: number, relo: Relo): PatchOutcome {
  const insn = insns[idx];
  if (insn === undefined) return failed('core.insn', `there is no insn #${idx}`);
  if (relo.poison) return poison(insns, idx);
  const patch = PATCHERS.get(insn.code & 7);
  if (patch !== undefined) return patch(insns, idx, relo);
  const { code, src, dst, off, imm } = insn;
  const text = `code:0x${code.toString(16)}, src:0x${src.toString(16)}, dst:0x${dst.toString(16)}, off:${off}, imm:${imm}`;
  return failed('core.insn', `trying to relocate unrecognized insn #${idx}, ${text}`);
}
