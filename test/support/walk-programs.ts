import { type Insn, makeInsn as insn } from '../../src/isa/index.ts';
import type { ProgFileEntry } from './prog-file.ts';
import { Random } from './random.ts';

/** Random programs for what arithmetic and branches do to registers, of which a real kernel's logs are known. */

type Pick = <T>(from: readonly T[]) => T;

/** Numbers from where nobody knows, masked, in R7 and R9, a map's value in R8, a stack pointer in R2, a constant in R3. */
const VALUE_START = (pick: Pick, constant: number): Insn[] => [
  insn(0xbf, 6, 1, 0, 0),
  insn(0x18, 8, 0, 0, 0),
  insn(0, 0, 0, 0, 0),
  insn(0x61, 7, 6, 0, 0),
  insn(0x61, 9, 6, 8, 0),
  insn(0x57, 7, 0, 0, pick([1, 7, 15, 31])),
  insn(0x57, 9, 0, 0, pick([3, 8, 15, 0x30])),
  insn(0xbf, 2, 10, 0, 0),
  insn(0xb7, 3, 0, 0, constant),
  insn(0xb7, 0, 0, 0, 0),
];

/** Pointers moved by numbers, spilled and filled; three in four without rights, so that speculation is walked too. */
export function valueProgram(seed: number): ProgFileEntry {
  const random = new Random(seed);
  const below = (n: number): number => random.below(n);
  const pick: Pick = from => from[below(from.length)];
  const unprivileged = below(4) !== 0;
  const insns = VALUE_START(pick, below(40));
  const numbers = [7, 9, 3];
  const length = 3 + below(14);
  for (let n = 0; n < length; n++) {
    const left = length - n - 1;
    const off = left === 0 ? 0 : below(Math.min(left, 3) + 1);
    const dst = pick(numbers);
    const src = pick(numbers);
    const slot = -8 * (1 + below(3));
    insns.push(
      pick([
        () => insn(pick([0x0f, 0x1f]), 8, dst, 0, 0),
        () => insn(0x07, 8, 0, 0, pick([-8, -1, 1, 4, 8, 16, 33])),
        () => insn(pick([0x0f, 0x1f, 0x2f, 0x4f, 0x5f, 0xaf, 0x0c, 0x1c, 0x2c, 0x4c, 0x5c, 0xac]), dst, src, 0, 0),
        () =>
          insn(pick([0x07, 0x17, 0x27, 0x47, 0x57, 0xa7, 0x04, 0x54]), dst, 0, 0, pick([-8, -1, 1, 3, 7, 8, 40, 255])),
        () => insn(pick([0x67, 0x77, 0xc7, 0x64, 0x74, 0xc4]), dst, 0, 0, pick([1, 2, 8, 31])),
        () => insn(pick([0xbf, 0xbc]), dst, src, pick([0, 0, 8, 16]), 0),
        () =>
          insn(
            pick([0x15, 0x25, 0x35, 0x45, 0x55, 0x65, 0x75, 0xa5]) + below(2),
            dst,
            0,
            off,
            pick([-1, 0, 1, 4, 8, 31]),
          ),
        () => insn(pick([0x1d, 0x2d, 0x3d, 0x5d, 0x6d, 0xad, 0xbd, 0xcd]), dst, src, off, 0),
        () => insn(0x71, 0, 8, below(3) * 4, 0),
        () => insn(0x7b, 10, pick([7, 9, 3, 8, 2, 6]), slot, 0),
        () => insn(0x79, pick(numbers), 10, slot, 0),
        () => insn(pick([0x0f, 0x1f]), 2, dst, 0, 0),
        () => insn(0x07, 2, 0, 0, pick([-8, -16, -4, 8])),
        () => insn(0x73, 8, dst, below(8), 0),
      ])(),
    );
  }
  insns.push(insn(0x71, 0, 8, 0, 0), insn(0xb7, 0, 0, 0, 0), insn(0x95, 0, 0, 0, 0));
  return { name: `value_${seed}`, type: 1, insns, maps: ['2 4 64 1 0'], ldmaps: ['1 0 2 0'], unprivileged };
}

/** Packet pointers in R2 to R5 (start, end, metadata, start), what a look-up gave in R9, numbers in R0, R7 and R8. */
const PACKET_START = (pick: Pick, xdp: boolean, constant: number): Insn[] => [
  insn(0xbf, 6, 1, 0, 0),
  insn(0x7a, 10, 0, -8, 0),
  insn(0x18, 1, 0, 0, 0),
  insn(0, 0, 0, 0, 0),
  insn(0xbf, 2, 10, 0, 0),
  insn(0x07, 2, 0, 0, -8),
  insn(0x85, 0, 0, 0, 1),
  insn(0xbf, 9, 0, 0, 0),
  insn(0x85, 0, 0, 0, 7),
  insn(0xbf, 8, 0, 0, 0),
  insn(0x61, 2, 6, xdp ? 0 : 76, 0),
  insn(0x61, 3, 6, xdp ? 4 : 80, 0),
  insn(0x61, 4, 6, xdp ? 8 : 140, 0),
  insn(0xbf, 5, 2, 0, 0),
  insn(0xbf, 7, 8, 0, 0),
  insn(0x57, 7, 0, 0, pick([1, 7, 31, 255, 1023])),
  insn(0xb7, 0, 0, 0, constant),
];

/** Packet pointers moved and compared, pointers that may be null, numbers that are linked. */
export function packetProgram(seed: number): ProgFileEntry {
  const random = new Random(seed);
  const below = (n: number): number => random.below(n);
  const pick: Pick = from => from[below(from.length)];
  const xdp = below(2) === 0;
  const insns = PACKET_START(pick, xdp, below(20));
  const pointers = [2, 3, 4, 5, 9];
  const numbers = [0, 7, 8];
  const length = 4 + below(16);
  for (let n = 0; n < length; n++) {
    const left = length - n - 1;
    const off = left === 0 ? 0 : below(Math.min(left, 5) + 1);
    const slot = -16 - 8 * below(2);
    const compare = (): Insn =>
      insn(pick([0x1d, 0x2d, 0x3d, 0x5d, 0xad, 0xbd]), pick(pointers), pick(pointers), off, 0);
    insns.push(
      pick([
        compare,
        compare,
        compare,
        () => insn(0x07, pick([2, 5, 4]), 0, 0, pick([1, 2, 4, 8, 14, 20, -4, 64, 70_000])),
        () => insn(pick([0x0f, 0x1f]), pick([2, 5, 4, 9]), pick(numbers), 0, 0),
        () => insn(pick([0x15, 0x55]), pick([9, 9, 9, 2, 0]), 0, off, 0),
        () => insn(pick([0x71, 0x69, 0x61, 0x79]), pick(numbers), pick([2, 5, 4, 9]), pick([0, 0, 4, 8, -2]), 0),
        () => insn(0xbf, pick([2, 4, 5, 9, 7]), pick([2, 3, 5, 4, 9, 8]), 0, 0),
        () =>
          insn(
            pick([0x25, 0x35, 0xa5, 0xb5, 0x15, 0x55, 0x45, 0xc5]) + below(2),
            pick(numbers),
            0,
            off,
            pick([0, 1, 5, 64, -1]),
          ),
        () => insn(pick([0x2d, 0xad, 0x1d, 0x5d, 0x6d]) + below(2), pick(numbers), pick(numbers), off, 0),
        () => insn(0x7b, 10, pick([2, 3, 5, 9, 7, 8]), slot, 0),
        () => insn(0x79, pick([2, 3, 5, 9, 7, 8]), 10, slot, 0),
        () => insn(pick([0x07, 0x57, 0x47, 0x67, 0x77, 0x04, 0x54]), pick(numbers), 0, 0, pick([1, 2, 3, 7])),
        () => insn(pick([0x0f, 0x0c, 0xbc]), pick(numbers), pick(numbers), 0, 0),
        () => insn(0x1f, pick([2, 3, 5]), pick([2, 3, 5, 4]), 0, 0),
        () => insn(0xbf, pick(numbers), pick(numbers), pick([0, 0, 8, 16, 32]), 0),
      ])(),
    );
  }
  insns.push(insn(0xb7, 0, 0, 0, 1), insn(0x95, 0, 0, 0, 0));
  return { name: `packet_${seed}`, type: xdp ? 6 : 3, insns, maps: ['1 4 16 4 0'], ldmaps: ['2 0 1 0'] };
}

/** One instruction of every code, legal or not, behind one register of each kind. */
export function singleProgram(code: number, seed: number): ProgFileEntry {
  const random = new Random(code * 1000 + seed);
  const below = (n: number): number => random.below(n);
  const pick: Pick = from => from[below(from.length)];
  const type = pick([1, 1, 3, 6, 8]);
  const isJump = (code & 7) === 5 || (code & 7) === 6;
  const off = isJump ? pick([0, 0, 1, 1, -1]) : pick([0, 0, 0, 1, 8, 16, 32, -8, -16, -4]);
  // Small numbers might be maps: the lab's by file descriptor, ours by place.
  const wide = [40, -1, 65_536, 1 << 30];
  const imm =
    code === 0x85
      ? pick([1, 5, 7, 12, 0, 14])
      : code === 0x18
        ? pick(wide)
        : pick([0, 0, 0, 1, 2, -1, 16, 32, 64, 65_536, 0xe1, 0xf1, 0x51]);
  const insns = [
    insn(0xbf, 6, 1, 0, 0),
    insn(0x18, 8, 0, 0, 0),
    insn(0, 0, 0, 0, 0),
    insn(0x85, 0, 0, 0, 7),
    insn(0xbf, 7, 0, 0, 0),
    insn(0xb7, 9, 0, 0, pick([0, 1, 8, -1])),
    insn(0x7a, 10, 0, -8, 0),
    insn(0x7b, 10, 8, -16, 0),
    insn(0xbf, 2, 7, 0, 0),
    insn(0x57, 2, 0, 0, 7),
    insn(0xbf, 3, 10, 0, 0),
    insn(code, pick([0, 2, 2, 3, 6, 7, 8, 9, 10, 11, 4]), pick([0, 0, 0, 2, 2, 3, 6, 7, 8, 9, 10, 1, 4]), off, imm),
    ...(code === 0x18 ? [insn(0, 0, 0, 0, pick([0, 0, 1, 64]))] : []),
    insn(0xb7, 0, 0, 0, 0),
    insn(0xb7, 4, 0, 0, 0),
    insn(0x95, 0, 0, 0, 0),
  ];
  const name = `single_${code.toString(16)}_${seed}`;
  return { name, type, insns, maps: ['2 4 64 1 0'], ldmaps: ['1 0 2 0'], unprivileged: type === 1 && below(2) === 0 };
}
