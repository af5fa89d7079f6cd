import { classifyInsn, type Insn, isInsnProblem, makeInsn } from '../../isa/index.ts';
import { InternalError } from '../../util/index.ts';

/** `bswap16`, `bswap32`, `bswap64` */
const BSWAP = 0xd7;
const STX_DW = 0x7b;
const LDX_DW = 0x79;

const swap16 = (imm: number): number => ((imm & 0xff) << 8) | ((imm >> 8) & 0xff);
const swap32 = (imm: number): number => (swap16(imm) << 16) | swap16(imm >>> 16);

/**
 * A program for a big-endian machine as one that does the same in a little-endian memory holding the other's bytes: what it loads
 * is turned round, and what it stores before that. Atomic operations are left as they are.
 *
 * @param slotOff where in every frame 8 bytes are free: a distance from R10
 */
export function swapAccesses(insns: readonly Insn[], slotOff: number): Insn[] {
  const out: Insn[] = [];
  const placed = new Int32Array(insns.length + 1);
  const jumps: { readonly from: number; readonly at: number; readonly target: number; readonly near: boolean }[] = [];
  for (let slot = 0; slot < insns.length; slot++) {
    placed[slot] = out.length;
    const insn = insns[slot];
    const def = classifyInsn(insns, slot);
    if (isInsnProblem(def)) throw new InternalError(def.message);
    const { code, dst, src, off, imm } = insn;
    const bits = def.sizeBytes * 8;
    if (def.kind === 'ldx' && bits > 8) {
      out.push(insn, makeInsn(BSWAP, dst, 0, 0, bits));
    } else if (def.kind === 'st' && bits > 8) {
      if (bits === 64 && imm !== 0) throw new InternalError('a constant of 64 bits is stored');
      out.push(makeInsn(code, dst, src, off, bits === 16 ? swap16(imm) : swap32(imm)));
    } else if (def.kind === 'stx' && bits > 8) {
      if (dst === src) throw new InternalError('a register is stored where it points to');
      out.push(makeInsn(STX_DW, 10, src, slotOff, 0), makeInsn(BSWAP, src, 0, 0, bits));
      out.push(insn, makeInsn(LDX_DW, src, 10, slotOff, 0));
    } else {
      if (def.off === 'jump') jumps.push({ from: slot, at: out.length, target: slot + 1 + off, near: true });
      else if (def.imm === 'jump' || def.imm === 'subprog') {
        jumps.push({ from: slot, at: out.length, target: slot + 1 + imm, near: false });
      }
      out.push(insn);
      if (def.slots === 2) {
        placed[slot + 1] = out.length;
        out.push(insns[++slot]);
      }
    }
  }
  placed[insns.length] = out.length;
  for (const { from, at, target, near } of jumps) {
    const { code, dst, src, off, imm } = insns[from];
    const distance = placed[target] - at - 1;
    if (near && distance !== (distance << 16) >> 16) throw new InternalError('a jump became too long');
    out[at] = near ? makeInsn(code, dst, src, distance, imm) : makeInsn(code, dst, src, off, distance);
  }
  return out;
}
