import {
  CALL,
  classifyInsn,
  EXIT,
  GOTOL,
  type Insn,
  type InsnDef,
  isInsnProblem,
  JA,
  LD_IMM64,
  MAY_GOTO,
} from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { JitError } from '../types.ts';
import { type Emission, fault } from './emission.ts';
import { emitCondition, emitExit } from './emit-control.ts';
import { EMIT, type FrameFacts, writePrologue } from './function-writer.ts';
import { findIntervals, type Intervals } from './intervals.ts';
import * as w from './opcodes.ts';
import {
  BLOCK,
  BR,
  BR_IF,
  END,
  I32_CONST,
  I32_WRAP_I64,
  I64_CONST,
  I64_EXTEND_I32_U,
  LOCAL_GET,
  LOCAL_SET,
  LOOP,
  UNREACHABLE,
  VOID,
} from './opcodes.ts';
import { FRAME, REG_LOCAL } from './registers.ts';

/*
 * Functions of programs that were verified, written by one walk over their instructions that does as little as it can: most
 * instructions come from tables of bytes. What they mean is said elsewhere, and what is rare is asked for there.
 */

/** By `code` of ALU instructions: what computes them in their width, and 0 for those that are more than that. */
const ALU_OPCODE = new Uint8Array(256);
/** By `code` of conditional jumps: what compares. */
const JUMP_OPCODE = new Uint8Array(256);
for (const [op, wide, narrow] of [
  [0x00, w.I64_ADD, w.I32_ADD],
  [0x10, w.I64_SUB, w.I32_SUB],
  [0x20, w.I64_MUL, w.I32_MUL],
  [0x40, w.I64_OR, w.I32_OR],
  [0x50, w.I64_AND, w.I32_AND],
  [0x60, w.I64_SHL, w.I32_SHL],
  [0x70, w.I64_SHR_U, w.I32_SHR_U],
  [0xa0, w.I64_XOR, w.I32_XOR],
  [0xc0, w.I64_SHR_S, w.I32_SHR_S],
] as const) {
  for (const source of [0, 8]) {
    ALU_OPCODE[op | source | 7] = wide;
    ALU_OPCODE[op | source | 4] = narrow;
  }
}
for (const [op, wide, narrow] of [
  [0x10, w.I64_EQ, w.I32_EQ],
  [0x20, w.I64_GT_U, w.I32_GT_U],
  [0x30, w.I64_GE_U, w.I32_GE_U],
  [0x50, w.I64_NE, w.I32_NE],
  [0x60, w.I64_GT_S, w.I32_GT_S],
  [0x70, w.I64_GE_S, w.I32_GE_S],
  [0xa0, w.I64_LT_U, w.I32_LT_U],
  [0xb0, w.I64_LE_U, w.I32_LE_U],
  [0xc0, w.I64_LT_S, w.I32_LT_S],
  [0xd0, w.I64_LE_S, w.I32_LE_S],
] as const) {
  for (const source of [0, 8]) {
    JUMP_OPCODE[op | source | 5] = wide;
    JUMP_OPCODE[op | source | 6] = narrow;
  }
}
/** By `code` of loads and of stores of registers: what does it. */
const LOAD_OPCODE = new Uint8Array(256);
const STORE_OPCODE = new Uint8Array(256);
for (const [size, load, store] of [
  [0x10, w.I64_LOAD8_U, w.I64_STORE8],
  [0x08, w.I64_LOAD16_U, w.I64_STORE16],
  [0x00, w.I64_LOAD32_U, w.I64_STORE32],
  [0x18, w.I64_LOAD, w.I64_STORE],
] as const) {
  LOAD_OPCODE[0x61 | size] = load;
  STORE_OPCODE[0x63 | size] = store;
}

const MOV64_REG = 0xbf;
const MOV64_IMM = 0xb7;
const MOV32_REG = 0xbc;
const CALLX = 0x8d;
const GOTOX = 0x0d;
/** Bytes the longest of the instructions written here takes, jumps and all. */
const MOST_BYTES = 40;

/** A function's jumps, and what its frame is needed for. */
interface Scan {
  readonly facts: FrameFacts;
  readonly intervals: Intervals | undefined;
}

/** Undefined for functions that go to addresses in registers. */
function scan(insns: readonly Insn[], start: number, end: number): Scan | undefined {
  const count = end - start;
  const from = new Int32Array(count);
  const to = new Int32Array(count);
  let jumps = 0;
  let calls = false;
  let usesFrame = false;
  let usesMayGoto = false;
  for (let slot = start; slot < end; slot++) {
    const { code, dst, src, off, imm } = insns[slot];
    const class_ = code & 7;
    if (dst === 10 || (src === 10 && code !== LD_IMM64)) usesFrame = true;
    if (class_ === 5 || class_ === 6) {
      if (code === CALL) calls = true;
      else if (code === CALLX || code === GOTOX) return undefined;
      else if (code !== EXIT) {
        if (code === MAY_GOTO) usesMayGoto = true;
        const target = slot + 1 + (code === GOTOL ? imm : off);
        if (target < start || target >= end || insns[target].code === 0) {
          throw new JitError(ERRNO.EINVAL, `jump out of range from insn ${slot} to ${target}`);
        }
        from[jumps] = slot - start;
        to[jumps++] = target - start;
      }
    } else if (class_ === 0) {
      if (code === LD_IMM64) slot++;
      else calls = true;
    }
  }
  return { facts: { usesFrame, usesMayGoto, calls }, intervals: findIntervals(count, from, to, jumps) };
}

/**
 * Plans a function; undefined where only a graph will do.
 *
 * Throws JitError for jumps out of the function.
 */
export function planQuick(insns: readonly Insn[], start: number, end: number): QuickPlan | undefined {
  const found = scan(insns, start, end);
  if (found?.intervals === undefined) return undefined;
  return { start, end, facts: found.facts, intervals: found.intervals };
}

export interface QuickPlan {
  readonly start: number;
  readonly end: number;
  readonly facts: FrameFacts;
  readonly intervals: Intervals;
}

/** The body of one function. */
export function writeQuick(e: Emission, { start, end, facts, intervals }: QuickPlan): void {
  const { code, program, frameBytes } = e;
  const { insns } = program;
  const { endsBlock, endsLoops, isLoop, first, targets } = intervals;
  const level = new Int32Array(end - start);
  const loopLevel = new Int32Array(end - start);
  let depth = 0;
  writePrologue(e, facts);
  const openBlocks = (owner: number): void => {
    for (let k = first[owner]; k < first[owner + 1]; k++) {
      code.open(BLOCK);
      level[targets[k]] = depth++;
    }
  };
  openBlocks(0);
  let falls = true;
  for (let slot = start; slot < end; slot++) {
    const at = slot - start;
    for (let k = endsLoops[at]; k > 0; k--) {
      code.op(END);
      depth--;
    }
    if (endsBlock[at] === 1) {
      code.op(END);
      depth--;
    }
    if (isLoop[at] === 1) {
      loopLevel[at] = depth++;
      code.open(LOOP, VOID);
      openBlocks(at + 1);
    }
    const insn = insns[slot];
    const { code: opcode, dst, src, off, imm } = insn;
    const buf = code.reserve(MOST_BYTES);
    let p = code.length;
    falls = true;
    const alu = ALU_OPCODE[opcode];
    if (alu !== 0) {
      const wide = (opcode & 7) === 7;
      buf[p++] = LOCAL_GET;
      buf[p++] = REG_LOCAL[dst];
      if (!wide) buf[p++] = I32_WRAP_I64;
      if ((opcode & 8) !== 0) {
        buf[p++] = LOCAL_GET;
        buf[p++] = REG_LOCAL[src];
        if (!wide) buf[p++] = I32_WRAP_I64;
      } else {
        buf[p++] = wide ? I64_CONST : I32_CONST;
        p = leb(buf, p, imm);
      }
      buf[p++] = alu;
      if (!wide) buf[p++] = I64_EXTEND_I32_U;
      buf[p++] = LOCAL_SET;
      buf[p++] = REG_LOCAL[dst];
      code.skip(p);
      continue;
    }
    if (opcode === MOV64_IMM || (off === 0 && (opcode === MOV64_REG || opcode === MOV32_REG))) {
      if (opcode === MOV64_IMM) {
        buf[p++] = I64_CONST;
        p = leb(buf, p, imm);
      } else {
        buf[p++] = LOCAL_GET;
        buf[p++] = REG_LOCAL[src];
        if (opcode === MOV32_REG) {
          buf[p++] = I32_WRAP_I64;
          buf[p++] = I64_EXTEND_I32_U;
        }
      }
      buf[p++] = LOCAL_SET;
      buf[p++] = REG_LOCAL[dst];
      code.skip(p);
      continue;
    }
    const load = LOAD_OPCODE[opcode];
    const store = STORE_OPCODE[opcode];
    const base = load !== 0 ? src : dst;
    const away = base === 10 ? frameBytes + off : off;
    if ((load !== 0 || store !== 0) && away >= 0) {
      buf[p++] = LOCAL_GET;
      if (base === 10) buf[p++] = FRAME;
      else {
        buf[p++] = REG_LOCAL[base];
        buf[p++] = I32_WRAP_I64;
      }
      if (store !== 0) {
        buf[p++] = LOCAL_GET;
        buf[p++] = REG_LOCAL[src];
      }
      buf[p++] = load !== 0 ? load : store;
      buf[p++] = 0;
      p = unsignedLeb(buf, p, away);
      if (load !== 0) {
        buf[p++] = LOCAL_SET;
        buf[p++] = REG_LOCAL[dst];
      }
      code.skip(p);
      continue;
    }
    const class_ = opcode & 7;
    if ((class_ !== 5 && class_ !== 6) || opcode === CALL) {
      const def = defOf(insns, slot);
      EMIT[def.kind](e, insn, def, slot);
      if (opcode === LD_IMM64) slot++;
      continue;
    }
    if (opcode === EXIT) {
      emitExit(e, insn, defOf(insns, slot), slot);
      falls = false;
      continue;
    }
    const jumps = at + 1 + (opcode === GOTOL ? imm : off);
    const away2 = depth - 1 - (jumps <= at ? loopLevel[jumps] : level[jumps]);
    if (opcode === JA || opcode === GOTOL) {
      buf[p++] = BR;
      p = unsignedLeb(buf, p, away2);
      code.skip(p);
      falls = false;
      continue;
    }
    const compare = JUMP_OPCODE[opcode];
    if (compare === 0 || opcode === MAY_GOTO) {
      emitCondition(e, insn, defOf(insns, slot));
      code.brIf(away2);
      continue;
    }
    const wide = class_ === 5;
    buf[p++] = LOCAL_GET;
    buf[p++] = REG_LOCAL[dst];
    if (!wide) buf[p++] = I32_WRAP_I64;
    if ((opcode & 8) !== 0) {
      buf[p++] = LOCAL_GET;
      buf[p++] = REG_LOCAL[src];
      if (!wide) buf[p++] = I32_WRAP_I64;
    } else {
      buf[p++] = wide ? I64_CONST : I32_CONST;
      p = leb(buf, p, imm);
    }
    buf[p++] = compare;
    buf[p++] = BR_IF;
    p = unsignedLeb(buf, p, away2);
    code.skip(p);
  }
  if (falls) fault(e, 'left-program', end - 1);
  for (let k = endsLoops[end - start]; k > 0; k--) code.op(END);
  // Every way out was a return; the type of the body asks for a value here.
  code.op(UNREACHABLE);
}

function defOf(insns: readonly Insn[], slot: number): InsnDef {
  const def = classifyInsn(insns, slot);
  if (isInsnProblem(def)) {
    const opcode = insns[slot].code.toString(16).padStart(2, '0');
    throw new JitError(ERRNO.ENOTSUPP, `eBPF filter opcode ${opcode} (@${slot}) unsupported`);
  }
  return def;
}

/** Signed LEB128 of an int32, which is that of its extension to 64 bits too. @returns where it ends */
function leb(buf: Uint8Array, from: number, value: number): number {
  let p = from;
  let left = value;
  while (left < -0x40 || left > 0x3f) {
    buf[p++] = (left & 0x7f) | 0x80;
    left >>= 7;
  }
  buf[p++] = left & 0x7f;
  return p;
}

function unsignedLeb(buf: Uint8Array, from: number, value: number): number {
  let p = from;
  let left = value;
  while (left > 0x7f) {
    buf[p++] = (left & 0x7f) | 0x80;
    left >>>= 7;
  }
  buf[p++] = left;
  return p;
}
