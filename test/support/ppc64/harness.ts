import type { Level } from '../../../src/engine/emu-ppc64/row.ts';
import type { ByteOrder } from '../../../src/util/index.ts';
import { type Case, EXIT_ADDR, makeCases } from './cases.ts';
import { compare } from './compare.ts';
import { type Outcome, runEmulated } from './run-emulated.ts';
import { runQemu } from './run-qemu.ts';

export const QEMU: Readonly<Record<ByteOrder, string>> = { little: 'qemu-ppc64le', big: 'qemu-ppc64' };

/** Sets of recorded answers: file name, and what its cases are made of. */
export const RECORDED: readonly { file: string; level: Level; order: ByteOrder; each: number; seed: number }[] = [
  { file: 'ppc64-power10-little.txt', level: 10, order: 'little', each: 4, seed: 10 },
  { file: 'ppc64-power8-big.txt', level: 8, order: 'big', each: 3, seed: 8 },
];

/** Cases whose instruction traps cannot go to qemu, where nobody would catch it: they become a branch to the exit. */
export function withoutTraps(cases: readonly Case[], ours: readonly Outcome[]): Case[] {
  return cases.map((one, i) => {
    if (ours[i].fault === undefined) return one;
    if (ours[i].fault !== 'trap') throw new Error(`${one.name} ends in ${ours[i].fault}`);
    return { ...one, words: [((18 << 26) | ((EXIT_ADDR - one.stubAddr) & 0x3fffffc)) >>> 0] };
  });
}

/** Runs `each` cases of every instruction here and under qemu-user; returns what differs. */
export function differences(
  qemu: string,
  order: ByteOrder,
  level: Level,
  each: number,
  seed: number,
): { cases: number; differences: string[] } {
  const all = makeCases(level, each, seed);
  const cases = withoutTraps(all, runEmulated(all, order, level));
  const ours = runEmulated(cases, order, level);
  const theirs = runQemu(qemu, `power${level}`, cases, order);
  return {
    cases: cases.length,
    differences: cases.map((one, i) => compare(one, ours[i], theirs[i])).filter(text => text !== ''),
  };
}
