import type { KernelArch } from '../../kernels/index.ts';
import { adrp, br as branchTo, ldr } from '../arm64/encode.ts';
import { auipc, jalr, ld, ZERO } from '../riscv64/encode.ts';
import { bcr, larl, lengthOf, lg } from '../s390x/encode.ts';

/** Where a stub and what it reads are, in the file. */
export interface StubPlace {
  /** Of its first byte. */
  readonly at: number;
  /** Of the word that holds the table's address. */
  readonly word: number;
  /** Byte offset of the entry in the table. */
  readonly entry: number;
}

/** What shared objects need of an architecture. */
export interface SharedArch {
  /** R_*_GLOB_DAT, or what puts a symbol's address into a word. */
  readonly importType: number;
  /** Largest pages of its Linux hosts. */
  readonly pageBytes: number;
  /** Bytes of a stub at most. */
  readonly stubBytes: number;
  /** Code that calls an entry of the table as C does, the arguments where they are. */
  stub(place: StubPlace): Uint8Array;
}

function wordsOf(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  for (const [n, word] of words.entries()) view.setInt32(4 * n, word, true);
  return bytes;
}

/** push rbp; mov rbp, rsp; and rsp, -16; mov r11, [rip + …]; call [r11 + …]; leave; ret */
const X86_STUB = [
  ...[0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xe4, 0xf0, 0x4c, 0x8b, 0x1d, 0, 0, 0, 0, 0x41, 0xff, 0x93, 0, 0, 0, 0],
  ...[0xc9, 0xc3],
];
const X86_TABLE = 11;
const X86_ENTRY = 18;

const X16 = 16;
const T3 = 28;
const R1 = 1;

/** One row an architecture. Frames of compiled functions are as C wants them but on x86-64, whose stub aligns the stack. */
export const SHARED_ARCHES: Partial<Record<KernelArch, SharedArch>> = {
  x86_64: {
    importType: 6,
    pageBytes: 0x1000,
    stubBytes: 32,
    stub({ at, word, entry }) {
      const bytes = Uint8Array.from(X86_STUB);
      const view = new DataView(bytes.buffer);
      view.setInt32(X86_TABLE, word - (at + X86_TABLE + 4), true);
      view.setInt32(X86_ENTRY, entry, true);
      return bytes;
    },
  },
  arm64: {
    importType: 1025,
    pageBytes: 0x10000,
    stubBytes: 16,
    stub({ at, word, entry }) {
      const pages = Math.floor(word / 0x1000) - Math.floor(at / 0x1000);
      return wordsOf([adrp(X16, pages), ldr(X16, X16, word % 0x1000), ldr(X16, X16, entry), branchTo(X16)]);
    },
  },
  riscv64: {
    importType: 2,
    pageBytes: 0x1000,
    stubBytes: 16,
    stub({ at, word, entry }) {
      const distance = word - at;
      const low = (distance << 20) >> 20;
      return wordsOf([auipc(T3, (distance - low) >> 12), ld(T3, low, T3), ld(T3, entry, T3), jalr(ZERO, 0, T3)]);
    },
  },
  s390x: {
    importType: 10,
    pageBytes: 0x1000,
    stubBytes: 24,
    stub({ at, word, entry }) {
      const bytes: number[] = [];
      for (const insn of [larl(R1, (word - at) >> 1), lg(R1, 0, 0, R1), lg(R1, entry, 0, R1), bcr(15, R1)]) {
        for (let k = lengthOf(insn) - 1; k >= 0; k--) bytes.push(Math.floor(insn / 256 ** k) & 0xff);
      }
      return Uint8Array.from(bytes);
    },
  },
};
