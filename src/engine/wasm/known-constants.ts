import { BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, CALL, type Insn, LD_IMM64 } from '../../isa/index.ts';

const JMP = 5;
const JMP32 = 6;
const OP_MASK = 0xf0;

/** Slots that jumps lead to or that begin functions. By opcode alone: the programs here were verified. */
function leaders(insns: readonly Insn[]): Uint8Array {
  const found = new Uint8Array(insns.length + 1);
  for (let slot = 0; slot < insns.length; slot++) {
    const { code, src, off, imm } = insns[slot];
    const class_ = code & 7;
    if (code === LD_IMM64) {
      if (src === BPF_PSEUDO_FUNC) found[slot + 1 + imm] = 1;
      slot++;
    } else if (code === CALL) {
      if (src === BPF_PSEUDO_CALL) found[slot + 1 + imm] = 1;
    } else if (code === GOTOL) found[slot + 1 + imm] = 1;
    else if ((class_ === JMP || class_ === JMP32) && (code & OP_MASK) !== EXIT_OP) found[slot + 1 + off] = 1;
  }
  return found;
}

const EXIT_OP = 0x90;
/** `gotol`, whose distance is in imm. */
const GOTOL = 0x06;

const MOV64_REG = 0xbf;

/**
 * Tells of every instruction which registers hold a 32-bit constant before it, as far as straight-line code says: nothing is
 * known where jumps lead. Addresses of maps and values are such constants.
 */
export function walkConstants(
  insns: readonly Insn[],
  visit: (slot: number, known: readonly (number | undefined)[]) => void,
): void {
  const joins = leaders(insns);
  const known: (number | undefined)[] = new Array(11).fill(undefined);
  for (let slot = 0; slot < insns.length; slot++) {
    if (joins[slot] === 1) known.fill(undefined);
    visit(slot, known);
    const { code, dst, src, imm, off } = insns[slot];
    if (code === LD_IMM64) {
      known[dst] = src === 0 && insns[slot + 1]?.imm === 0 ? imm >>> 0 : undefined;
      slot++;
    } else if (code === CALL) known.fill(undefined, 0, 6);
    else if (code === MOV64_REG) known[dst] = off === 0 ? known[src] : undefined;
    else {
      // Whatever it writes: the destination, or of fetching operations the source or R0; legacy loads clobber R0..R5.
      known[dst] = undefined;
      if ((code & 7) === 3) known[src] = known[0] = undefined;
      if ((code & 7) === 0) known.fill(undefined, 0, 6);
    }
  }
}
