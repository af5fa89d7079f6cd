import { CALL, EXIT, type Insn, LD_IMM64 } from '../../../isa/index.ts';
import type { Room } from '../../room.ts';
import { effectOf } from './effect.ts';
import type { Facts } from './facts.ts';

/** Rounds before giving up: one for each loop nested in another, and one. */
const MOST_ROUNDS = 12;
const ALL = 0xfff;
const ARGS = 0b111110;
/** R0 to R5: what calls leave undefined. */
const CLOBBERED = 0b111111;

/**
 * BPF registers that hold something behind each slot that somebody may still read: a bit each, by slot. What neither the
 * function was given nor anything wrote since the last call holds nothing, whoever seems to read it.
 *
 * Everything counts as held in functions whose loops are nested too deep for {@link MOST_ROUNDS}.
 *
 * @param kept where the answer lives
 * @param room for what it is found with
 */
export function heldBehind(insns: readonly Insn[], facts: Facts, isMain: boolean, kept: Room, room: Room): Uint16Array {
  const n = insns.length;
  const { targets } = facts;
  const effects = room.ints(n);
  const second = room.bytes(n);
  for (let i = 0; i < n; i++) {
    effects[i] = effectOf(insns[i]);
    if (insns[i].code === LD_IMM64 && i + 1 < n) second[++i] = 1;
  }
  const falls = (i: number): boolean => insns[i].code !== EXIT && !(targets[i] >= 0 && insns[i].code >> 4 === 0);
  const live = room.shorts(n + 1);
  const written = room.shorts(n + 1);
  written[0] = isMain ? 0b10 : ARGS;
  let rounds = 0;
  // Where nothing jumps back one round is all.
  for (let changed = true; changed && (rounds === 0 || facts.loops); rounds++) {
    if (rounds === MOST_ROUNDS) return kept.shorts(n, ALL);
    changed = false;
    for (let i = n - 1; i >= 0; i--) {
      if (second[i] === 1) {
        live[i] = live[i + 1];
        continue;
      }
      const behind = (falls(i) ? live[i + 1] : 0) | (targets[i] >= 0 ? live[targets[i]] : 0);
      const before = (behind & ~(effects[i] >>> 16)) | (effects[i] & 0xffff);
      // Only what jumps back may have read too early.
      if (before !== live[i]) {
        live[i] = before;
        changed = true;
      }
    }
    for (let i = 0; i < n; i++) {
      const writes = second[i] === 1 ? 0 : effects[i] >>> 16;
      const out = insns[i].code === CALL && second[i] === 0 ? (written[i] & ~CLOBBERED) | 1 : written[i] | writes;
      if ((second[i] === 1 || falls(i)) && (out & ~written[i + 1]) !== 0) {
        written[i + 1] |= out;
        changed = true;
      }
      if (targets[i] >= 0 && (out & ~written[targets[i]]) !== 0) {
        written[targets[i]] |= out;
        changed = true;
      }
    }
  }
  const held = kept.shorts(n);
  for (let i = 0; i < n; i++) {
    const behind = (falls(i) ? live[i + 1] : 0) | (targets[i] >= 0 ? live[targets[i]] : 0);
    held[i] = behind & (written[i] | (effects[i] >>> 16));
  }
  return held;
}
