import { adrp, br as branchTo, ldr } from '../arm64/encode.ts';
import * as ppc from '../ppc64/encode.ts';
import { TOC_SLOT } from '../ppc64/own/frame.ts';
import { auipc, jalr, ld, ZERO } from '../riscv64/encode.ts';
import { bcr, larl, lengthOf, lg } from '../s390x/encode.ts';
import { wordBytes } from '../word-code.ts';

/** Where a stub and what it reads are, in the file. */
export interface StubPlace {
  /** Of its first byte. */
  readonly at: number;
  /** Of the word that holds the table's address. */
  readonly word: number;
  /** Byte offset of the entry in the table. */
  readonly entry: number;
  /** The TOC, where there is one. */
  readonly toc: number;
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
  /** There is a TOC, this many bytes behind the beginning of data: functions find its address in a register. */
  readonly tocOff?: number;
  /** What stands in front of functions that others call and is entered instead. */
  readonly front?: {
    readonly sizeBytes: number;
    /** st_other of such functions. */
    readonly other: number;
    /** @param at of its first byte */
    code(at: number, toc: number): Uint8Array;
  };
  /** Functions are called by descriptors, of which this relocates a word (R_*_RELATIVE). */
  readonly descriptorType?: number;
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
const R11 = 11;
const R12 = 12;

/** The caller's TOC into its frame, the table's entry into r12. Behind the call the caller loads its TOC again. */
function ppcEntry(tocSlot: number, { word, entry, toc }: StubPlace): number[] {
  const { std, addis, ld } = ppc;
  const distance = word - toc;
  return [std(2, tocSlot, 1), addis(R11, 2, high(distance)), ld(R11, low(distance), R11), ld(R12, entry, R11)];
}
const low = (distance: number): number => (distance << 16) >> 16;
const high = (distance: number): number => (distance - low(distance)) >> 16;

const PPC = { importType: 20, pageBytes: 0x10000, tocOff: 0x8000 };

/** One row a target. Frames of compiled functions are as C wants them but on x86-64, whose stub aligns the stack. */
export const SHARED_ARCHES: Readonly<Record<string, SharedArch>> = {
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
      return wordBytes([adrp(X16, pages), ldr(X16, X16, word % 0x1000), ldr(X16, X16, entry), branchTo(X16)]);
    },
  },
  riscv64: {
    importType: 2,
    pageBytes: 0x1000,
    stubBytes: 16,
    stub({ at, word, entry }) {
      const distance = word - at;
      const low = (distance << 20) >> 20;
      return wordBytes([auipc(T3, (distance - low) >> 12), ld(T3, low, T3), ld(T3, entry, T3), jalr(ZERO, 0, T3)]);
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
  ppc64le: {
    ...PPC,
    stubBytes: 24,
    stub: place => wordBytes([...ppcEntry(TOC_SLOT.elfv2, place), ppc.mtctr(R12), ppc.bctr()]),
    // Callers say in r12 where they enter; those that have the TOC already would enter two words further on.
    front: {
      sizeBytes: 8,
      other: 3 << 5,
      code: (at, toc) => wordBytes([ppc.addis(2, R12, high(toc - at)), ppc.addi(2, 2, low(toc - at))]),
    },
  },
  ppc64: {
    ...PPC,
    stubBytes: 36,
    stub(place) {
      const { ld, mtctr, bctr } = ppc;
      return wordBytes(
        [...ppcEntry(TOC_SLOT.elfv1, place), ld(0, 0, R12), ld(2, 8, R12), mtctr(0), ld(R11, 16, R12), bctr()],
        'big',
      );
    },
    descriptorType: 22,
  },
};
