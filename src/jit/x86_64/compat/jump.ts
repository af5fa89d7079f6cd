import { BPF_JMP, BPF_JMP32, BPF_K, BPF_X, EXIT, type Insn } from '../../../isa/index.ts';
import { InternalError } from '../../../util/index.ts';
import { aluImm, CC, CMP, cmp, isS8, JCC8, JMP8, JMP32, rr, test, W } from '../encode.ts';
import { nops } from '../nops.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { emitEpilogue } from './frame.ts';
import { REGISTERS } from './registers.ts';

const BPF_JSET = 0x40;

/** Operation bits of a code → condition. */
const CONDITIONS: readonly (readonly [op: number, cc: number])[] = [
  [0x10, CC.e],
  [0x20, CC.a],
  [0x30, CC.ae],
  [BPF_JSET, CC.ne],
  [0x50, CC.ne],
  [0x60, CC.g],
  [0x70, CC.ge],
  [0xa0, CC.b],
  [0xb0, CC.be],
  [0xc0, CC.l],
  [0xd0, CC.le],
];

/** Less far forward than 8 bits reach, so that two jumps cannot lengthen each other for ever (`is_imm8_jmp_offset`). */
const isShort = (off: number): boolean => off <= 123 && off >= -128;

/** What a jump that became short leaves of the length it had, if lengths have to stay. */
function pad(e: Emission, bytes: number, allowed: number): void {
  if (!e.padding) return;
  const missing = e.shortfall - bytes;
  if (missing !== 0 && missing !== allowed) throw new InternalError(`jump padding of ${missing} bytes (@${e.slot})`);
  nops(e.c, missing);
}

function jump(e: Emission, off: number): void {
  const { c } = e;
  if (isShort(off)) {
    pad(e, 2, 3);
    c.u8(JMP8);
    c.u8(off & 0xff);
  } else {
    c.u8(JMP32);
    c.u32(off);
  }
}

/** Distance from the end of this slot, as the pass before had both, to the slot `distance` further on. */
const distanceTo = (e: Emission, distance: number): number => e.addrs[e.slot + 1 + distance] - e.addrs[e.slot + 1];

function lowerJump(e: Emission, distance: number): void {
  // What dead code became.
  const off = distance === -1 ? -2 : distanceTo(e, distance);
  if (off !== 0) {
    jump(e, off);
  } else if (e.padding) {
    const missing = e.shortfall;
    if (missing !== 0 && missing !== 2 && missing !== 5)
      throw new InternalError(`jump padding of ${missing} bytes (@${e.slot})`);
    nops(e.c, missing);
  }
}

function branch(e: Emission, insn: Insn, cc: number): void {
  const { c } = e;
  const off = distanceTo(e, insn.off);
  if (isShort(off)) {
    pad(e, 2, 4);
    c.u8(JCC8 | cc);
    c.u8(off & 0xff);
  } else {
    c.u8(0x0f);
    c.u8(0x80 | cc);
    c.u32(off);
  }
}

function compareImm(e: Emission, insn: Insn, w: number): void {
  const { c } = e;
  const reg = REGISTERS[insn.dst];
  if ((insn.code & 0xf0) === BPF_JSET) {
    rr(c, w, 0xf7, 0, reg);
    c.u32(insn.imm);
  } else if (insn.imm === 0) test(c, w, reg, reg);
  else if (isS8(insn.imm)) aluImm(c, w, CMP, reg, insn.imm);
  else {
    // Not rax's own form.
    rr(c, w, 0x81, CMP, reg);
    c.u32(insn.imm);
  }
}

function branchRows(op: number, cc: number): LoweringRow[] {
  return [BPF_JMP, BPF_JMP32].flatMap((cls): LoweringRow[] => {
    const w = cls === BPF_JMP ? W : 0;
    return [
      [
        cls | op | BPF_X,
        (e, insn) => {
          const compare = op === BPF_JSET ? test : cmp;
          compare(e.c, w, REGISTERS[insn.dst], REGISTERS[insn.src]);
          branch(e, insn, cc);
        },
      ],
      [
        cls | op | BPF_K,
        (e, insn) => {
          compareImm(e, insn, w);
          branch(e, insn, cc);
        },
      ],
    ];
  });
}

/** The first exit holds the epilogue; others jump there. */
function lowerExit(e: Emission): void {
  if (e.seenExit) {
    jump(e, e.labels.cleanup - e.addrs[e.slot + 1]);
    return;
  }
  e.seenExit = true;
  e.labels.cleanup = e.c.length;
  emitEpilogue(e);
}

export const JUMP_ROWS: readonly LoweringRow[] = [
  ...CONDITIONS.flatMap(([op, cc]) => branchRows(op, cc)),
  [BPF_JMP, (e, insn) => lowerJump(e, insn.off)],
  [BPF_JMP32, (e, insn) => lowerJump(e, insn.imm)],
  [EXIT, lowerExit],
];
