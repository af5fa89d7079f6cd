import { classifyInsn, GOTOL, type Insn, type InsnDef, isInsnProblem, LD_IMM64 } from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { JitError } from '../types.ts';
import { type Emission, fault } from './emission.ts';
import { emitCondition, emitExit } from './emit-control.ts';
import { EMIT, type FrameFacts, writePrologue } from './function-writer.ts';
import { BLOCK_ENDS, findIntervals, type Intervals, LOOP_BEGINS, LOOPS_END } from './intervals.ts';
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
import {
  ALU_IMM,
  ALU_REG,
  ALU32_IMM,
  ALU32_REG,
  CALLS,
  COMPARE_IMM,
  COMPARE_REG,
  COMPARE32_IMM,
  COMPARE32_REG,
  CONDITION,
  FORM,
  GO,
  JUMPS_BY_IMM,
  LEAVE,
  LOAD_MEM,
  MAY_JUMP,
  MOVE_IMM,
  MOVE_REG,
  MOVE32_REG,
  NEEDS_GRAPH,
  OPCODE,
  SCANNED,
  STORE_IMM,
  STORE_REG,
  TWO_SLOTS,
} from './quick-tables.ts';
import { FRAME, REG_LOCAL } from './registers.ts';

/*
 * Functions of programs that were verified, written by one walk over their instructions that does as little as it can: most
 * instructions come from tables of bytes. What they mean is said elsewhere, and what is rare is asked for there.
 *
 * It mostly runs once, before anything optimised it: what counts is how many steps V8's interpreter takes.
 */

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
    const insn = insns[slot];
    const kind = SCANNED[insn.code];
    if (!usesFrame && (insn.dst === 10 || (insn.src === 10 && kind !== TWO_SLOTS))) usesFrame = true;
    if (kind === 0) continue;
    if (kind === TWO_SLOTS) slot++;
    else if (kind === CALLS) calls = true;
    else if (kind === NEEDS_GRAPH) return undefined;
    else {
      if (kind === MAY_JUMP) usesMayGoto = true;
      const target = slot + 1 + (kind === JUMPS_BY_IMM ? insn.imm : insn.off);
      if (target < start || target >= end || insns[target].code === 0) {
        throw new JitError(ERRNO.EINVAL, `jump out of range from insn ${slot} to ${target}`);
      }
      from[jumps] = slot - start;
      to[jumps++] = target - start;
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
  const { marks, first, targets } = intervals;
  const level = new Int32Array(end - start);
  const loopLevel = new Int32Array(end - start);
  let depth = 0;
  let loop = 0;
  writePrologue(e, facts);
  const openBlocks = (owner: number): void => {
    for (let k = first[owner]; k < first[owner + 1]; k++) {
      code.open(BLOCK);
      level[targets[k]] = depth++;
    }
  };
  const nest = (at: number): void => {
    const ends = (marks[at] >> LOOPS_END) + (marks[at] & BLOCK_ENDS);
    for (let k = ends; k > 0; k--) code.op(END);
    depth -= ends;
    if ((marks[at] & LOOP_BEGINS) === 0) return;
    loopLevel[at] = depth++;
    code.open(LOOP, VOID);
    openBlocks(++loop);
  };
  /** How many blocks and loops a jump leaves. */
  const outwards = (at: number, target: number): number =>
    depth - 1 - (target <= at ? loopLevel[target] : level[target]);
  openBlocks(0);
  let falls = true;
  let p = code.length;
  let buf = code.reserve(MOST_BYTES);
  /** Up to where there is room for one more; others may have written in the meantime. */
  let last = buf.length - MOST_BYTES;
  for (let slot = start; slot < end; slot++) {
    const at = slot - start;
    if (marks[at] !== 0 || p > last) {
      code.skip(p);
      if (marks[at] !== 0) nest(at);
      buf = code.reserve(MOST_BYTES);
      last = buf.length - MOST_BYTES;
      p = code.length;
    }
    const insn = insns[slot];
    const { code: opcode } = insn;
    falls = true;
    switch (FORM[opcode]) {
      case ALU_REG:
        buf[p++] = LOCAL_GET;
        buf[p++] = REG_LOCAL[insn.dst];
        buf[p++] = LOCAL_GET;
        buf[p++] = REG_LOCAL[insn.src];
        buf[p++] = OPCODE[opcode];
        buf[p++] = LOCAL_SET;
        buf[p++] = REG_LOCAL[insn.dst];
        continue;
      case ALU_IMM:
        buf[p++] = LOCAL_GET;
        buf[p++] = REG_LOCAL[insn.dst];
        buf[p++] = I64_CONST;
        p = leb(buf, p, insn.imm);
        buf[p++] = OPCODE[opcode];
        buf[p++] = LOCAL_SET;
        buf[p++] = REG_LOCAL[insn.dst];
        continue;
      case ALU32_REG:
      case ALU32_IMM:
        buf[p++] = LOCAL_GET;
        buf[p++] = REG_LOCAL[insn.dst];
        buf[p++] = I32_WRAP_I64;
        if (FORM[opcode] === ALU32_IMM) {
          buf[p++] = I32_CONST;
          p = leb(buf, p, insn.imm);
        } else {
          buf[p++] = LOCAL_GET;
          buf[p++] = REG_LOCAL[insn.src];
          buf[p++] = I32_WRAP_I64;
        }
        buf[p++] = OPCODE[opcode];
        buf[p++] = I64_EXTEND_I32_U;
        buf[p++] = LOCAL_SET;
        buf[p++] = REG_LOCAL[insn.dst];
        continue;
      case MOVE_REG:
      case MOVE32_REG:
        if (insn.off !== 0) break;
        buf[p++] = LOCAL_GET;
        buf[p++] = REG_LOCAL[insn.src];
        if (FORM[opcode] === MOVE32_REG) {
          buf[p++] = I32_WRAP_I64;
          buf[p++] = I64_EXTEND_I32_U;
        }
        buf[p++] = LOCAL_SET;
        buf[p++] = REG_LOCAL[insn.dst];
        continue;
      case MOVE_IMM:
        buf[p++] = I64_CONST;
        p = leb(buf, p, insn.imm);
        buf[p++] = LOCAL_SET;
        buf[p++] = REG_LOCAL[insn.dst];
        continue;
      case LOAD_MEM:
      case STORE_REG:
      case STORE_IMM: {
        const form = FORM[opcode];
        const base = form === LOAD_MEM ? insn.src : insn.dst;
        const away = base === 10 ? frameBytes + insn.off : insn.off;
        if (away < 0) break;
        buf[p++] = LOCAL_GET;
        if (base === 10) buf[p++] = FRAME;
        else {
          buf[p++] = REG_LOCAL[base];
          buf[p++] = I32_WRAP_I64;
        }
        if (form === STORE_IMM) {
          buf[p++] = I64_CONST;
          p = leb(buf, p, insn.imm);
        } else if (form === STORE_REG) {
          buf[p++] = LOCAL_GET;
          buf[p++] = REG_LOCAL[insn.src];
        }
        buf[p++] = OPCODE[opcode];
        buf[p++] = 0;
        p = unsignedLeb(buf, p, away);
        if (form === LOAD_MEM) {
          buf[p++] = LOCAL_SET;
          buf[p++] = REG_LOCAL[insn.dst];
        }
        continue;
      }
      case COMPARE_REG:
      case COMPARE_IMM:
      case COMPARE32_REG:
      case COMPARE32_IMM: {
        const form = FORM[opcode];
        buf[p++] = LOCAL_GET;
        buf[p++] = REG_LOCAL[insn.dst];
        if (form >= COMPARE32_REG) buf[p++] = I32_WRAP_I64;
        if (form === COMPARE_IMM || form === COMPARE32_IMM) {
          buf[p++] = form === COMPARE_IMM ? I64_CONST : I32_CONST;
          p = leb(buf, p, insn.imm);
        } else {
          buf[p++] = LOCAL_GET;
          buf[p++] = REG_LOCAL[insn.src];
          if (form === COMPARE32_REG) buf[p++] = I32_WRAP_I64;
        }
        buf[p++] = OPCODE[opcode];
        buf[p++] = BR_IF;
        const target = at + 1 + insn.off;
        p = unsignedLeb(buf, p, outwards(at, target));
        continue;
      }
      case CONDITION: {
        code.skip(p);
        emitCondition(e, insn, defOf(insns, slot));
        const target = at + 1 + insn.off;
        code.brIf(outwards(at, target));
        p = code.length;
        last = -1;
        continue;
      }
      case GO: {
        const target = at + 1 + (opcode === GOTOL ? insn.imm : insn.off);
        buf[p++] = BR;
        p = unsignedLeb(buf, p, outwards(at, target));
        falls = false;
        continue;
      }
      case LEAVE:
        code.skip(p);
        emitExit(e, insn, defOf(insns, slot), slot);
        falls = false;
        p = code.length;
        last = -1;
        continue;
    }
    code.skip(p);
    const def = defOf(insns, slot);
    EMIT[def.kind](e, insn, def, slot);
    if (opcode === LD_IMM64) slot++;
    p = code.length;
    last = -1;
  }
  code.skip(p);
  if (falls) fault(e, 'left-program', end - 1);
  for (let k = marks[end - start] >> LOOPS_END; k > 0; k--) code.op(END);
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
