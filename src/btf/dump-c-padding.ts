import type { Btf } from './btf.ts';
import { K } from './kind.ts';

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

/**
 * Whether a struct can only have its layout with `__attribute__((packed))`. Source: `tools/lib/bpf/btf_dump.c:
 * btf_is_struct_packed`.
 */
export function isPacked(btf: Btf, id: number): boolean {
  const { types } = btf;
  if (types.kind(id) !== K.STRUCT) return false;
  let max = 1;
  for (let i = 0; i < types.vlen(id); i++) {
    const align = btf.alignOf(types.item(id, i, 1));
    if (align !== 0 && types.memberBitSize(id, i) === 0 && types.memberBitOffset(id, i) % (8 * align) !== 0)
      return true;
    max = Math.max(align, max);
  }
  return types.third(id) % max !== 0;
}

export interface Gap {
  /** Bits; nothing is written unless `from < to`. */
  readonly from: number;
  readonly to: number;
  /** Alignment in bytes of what comes after the gap. */
  readonly nextAlign: number;
  /** The gap lies between two bitfields. */
  readonly inBitfield: boolean;
}

interface Pad {
  readonly type: string;
  readonly bits: number;
}

/**
 * The anonymous bitfields (`long: 0`, `char: 3`) that make a compiler leave a gap it would not leave by itself. The
 * widest type that fits is used to get to its own boundary, then whole units of it, then the narrowest that holds the
 * rest. Calls `emit` with type and bit count. Source: `tools/lib/bpf/btf_dump.c: btf_dump_emit_bit_padding`.
 */
export function padGap(gap: Gap, pointerBits: number, emit: (type: string, bits: number) => void): void {
  const { from, to, nextAlign, inBitfield } = gap;
  if (from >= to) return;
  const pads: readonly Pad[] = [
    { type: 'long', bits: pointerBits },
    { type: 'int', bits: 32 },
    { type: 'short', bits: 16 },
    { type: 'char', bits: 8 },
  ];
  const unit = pads.find(pad => roundUp(from, pad.bits) <= to) ?? pads[3];
  const boundary = roundUp(from, unit.bits);
  let at = from;
  if (boundary > from && boundary <= to) {
    const wouldNotAlign = boundary === to && roundUp(from, Math.max(1, nextAlign) * 8) !== boundary;
    const restWouldFitBefore = boundary !== to && to - boundary <= boundary - from;
    if (inBitfield || wouldNotAlign || restWouldFitBefore) emit(unit.type, inBitfield ? boundary - from : 0);
    at = boundary;
  }
  for (; to - at >= unit.bits; at += unit.bits) emit(unit.type, unit.bits);
  if (at === to) return;
  const rest = to - at;
  const narrowest = pads.findLast(pad => pad.bits >= rest) ?? pads[0];
  emit(narrowest.type, rest);
}
