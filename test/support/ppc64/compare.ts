import { UNDEFINED } from '../../../src/engine/emu-ppc64/regs.ts';
import { type Case, CR, REG_NAMES, XER } from './cases.ts';
import type { Outcome } from './run-emulated.ts';

const LOW = 0xffffffffn;
const POISON = BigInt(UNDEFINED);
/** SO, OV, CA, OV32, CA32 and the byte count; the rest of XER is reserved. */
const XER_BITS = 0xe00c007fn;
const CR0 = 0xf0000000n;
const CR0_LT_GT_EQ = 0xe0000000n;
const SO_OV_OV32 = 0xc0080000n;

/** Bits of a register the emulator declared undefined, by the value it puts there. */
function undefinedBits(name: string, value: bigint): bigint {
  if (value >> 32n !== POISON) return 0n;
  // One field of CR is there, the rest is not.
  if (name === 'mfocrf') {
    for (let field = 0n; field < 32n; field += 4n) {
      const mask = 15n << field;
      if ((value & mask) !== (POISON & mask)) return ~mask;
    }
    return ~0n;
  }
  return (value & LOW) === POISON ? ~0n : ~LOW;
}

/** What differs between two outcomes of a case, where the architecture defines it; one line, or empty. */
export function compare(one: Case, ours: Outcome, theirs: Outcome): string {
  const diffs: string[] = [];
  const undefinedResult = ours.regs.some((value, n) => n < CR && undefinedBits(one.name, value) !== 0n);
  REG_NAMES.forEach((name, n) => {
    let mask = n < CR ? ~undefinedBits(one.name, ours.regs[n]) : ~0n;
    if (n === XER) mask = XER_BITS;
    if (undefinedResult) {
      // qemu 7.2 sees no overflow where the quotient lies between 2^63 and 2^64.
      const unsure = one.name === 'divde';
      if (n === CR) mask = ~(unsure ? CR0 : CR0_LT_GT_EQ);
      if (n === XER && unsure) mask &= ~SO_OV_OV32;
    }
    if (((ours.regs[n] ^ theirs.regs[n]) & mask) === 0n) return;
    const hex = (value: bigint): string => value.toString(16);
    diffs.push(`${name} is ${hex(ours.regs[n])}, should be ${hex(theirs.regs[n])}, was ${hex(one.regs[n])}`);
  });
  if (ours.taken !== theirs.taken) diffs.push(ours.taken ? 'branch taken' : 'branch not taken');
  const at = ours.memory.findIndex((byte, i) => byte !== theirs.memory[i]);
  if (at >= 0) diffs.push(`memory differs at ${at}`);
  const words = one.words.map(word => (word >>> 0).toString(16).padStart(8, '0')).join(' ');
  return diffs.length === 0 ? '' : `${one.name} (${words}): ${diffs.join('; ')}`;
}
