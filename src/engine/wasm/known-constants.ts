import { BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, CALL, EXIT, GOTOL, type Insn, LD_IMM64 } from '../../isa/index.ts';
import { surveyOf } from './survey.ts';

/** Addresses of maps and values that straight-line code puts into registers, where they are used. */
export interface KnownConstants {
  /** Slot of a call → what R1 holds. */
  readonly firstArgs: ReadonlyMap<number, number>;
  /** What loads have for a base. */
  readonly bases: ReadonlySet<number>;
}

const NOTHING: KnownConstants = { firstArgs: new Map(), bases: new Set() };
const KNOWN = new WeakMap<readonly Insn[], KnownConstants>();

const JMP = 5;
const JMP32 = 6;
const LDX = 1;
const STX = 3;
const LD = 0;
const MOV64_REG = 0xbf;
/** R0 to R5. */
const CLOBBERED = 0x3f;

/** What is known of a program's instructions, which do not change: found out once. */
export function knownConstants(insns: readonly Insn[]): KnownConstants {
  if (surveyOf(insns).constants.length === 0) return NOTHING;
  let known = KNOWN.get(insns);
  if (known === undefined) KNOWN.set(insns, (known = walk(insns)));
  return known;
}

/** Slots that jumps lead to or that begin functions. By opcode alone: the programs here were verified. */
function leaders(insns: readonly Insn[]): Uint8Array {
  const found = new Uint8Array(insns.length + 1);
  for (let slot = 0; slot < insns.length; slot++) {
    const insn = insns[slot];
    const { code } = insn;
    const class_ = code & 7;
    if (class_ === JMP || class_ === JMP32) {
      if (code === EXIT) continue;
      if (code !== CALL) found[slot + 1 + (code === GOTOL ? insn.imm : insn.off)] = 1;
      else if (insn.src === BPF_PSEUDO_CALL) found[slot + 1 + insn.imm] = 1;
    } else if (code === LD_IMM64) {
      if (insn.src === BPF_PSEUDO_FUNC) found[slot + 1 + insn.imm] = 1;
      slot++;
    }
  }
  return found;
}

/** Registers hold constants of 32 bits as far as straight-line code says: nothing is known where jumps lead. */
function walk(insns: readonly Insn[]): KnownConstants {
  const joins = leaders(insns);
  const firstArgs = new Map<number, number>();
  const bases = new Set<number>();
  const values = new Float64Array(11);
  /** A bit for each register whose value is known. */
  let known = 0;
  for (let slot = 0; slot < insns.length; slot++) {
    if (joins[slot] === 1) known = 0;
    const insn = insns[slot];
    const { code } = insn;
    if (code === LD_IMM64) {
      const { dst, src, imm } = insn;
      known &= ~(1 << dst);
      if (src === 0 && insns[slot + 1]?.imm === 0) {
        known |= 1 << dst;
        values[dst] = imm >>> 0;
      }
      slot++;
    } else if (known !== 0) {
      const { dst, src, off } = insn;
      const class_ = code & 7;
      const bit = 1 << src;
      if (code === CALL) {
        if (src === 0 && (known & 2) !== 0) firstArgs.set(slot, values[1]);
        known &= ~CLOBBERED;
      } else if (code === MOV64_REG && off === 0 && (known & bit) !== 0) {
        known |= 1 << dst;
        values[dst] = values[src];
      } else {
        if (class_ === LDX && (known & bit) !== 0) bases.add(values[src]);
        // Whatever it writes: the destination, or of fetching operations the source or R0; legacy loads clobber R0..R5.
        known &= ~(1 << dst);
        if (class_ === STX) known &= ~(bit | 1);
        if (class_ === LD) known &= ~CLOBBERED;
      }
    }
  }
  return { firstArgs, bases };
}
