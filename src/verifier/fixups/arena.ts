import {
  BPF_ADDR_SPACE_CAST,
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_CMPXCHG,
  BPF_DW,
  BPF_FETCH,
  BPF_LD,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MEM,
  BPF_MEMSX,
  BPF_PROBE_ATOMIC,
  BPF_PROBE_MEM32,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_REG_FP,
  BPF_ST,
  BPF_STX,
  BPF_X,
  CALL,
  EXIT,
  type Insn,
  LD_IMM64,
  makeInsn,
} from '../../isa/index.ts';
import { flowOf, SlotStack } from './flow.ts';
import type { FunctionTable } from './functions.ts';
import type { Patch } from './patch.ts';

/** What is known of a program's arena: whose pointers are 32 bits wide. */
export interface ArenaFacts {
  /** Whether a `ld_imm64` of this value is a pointer into the arena. */
  isArenaAddress(lo: number, hi: number): boolean;
  /** Whether the kernel function called returns a pointer into the arena (`bpf_arena_alloc_pages`). */
  returnsArena(call: Insn): boolean;
}

const MOV = 0xb0;
const MOV64_REG = BPF_ALU64 | MOV | BPF_X;
const END = 0xd0;
const NEG = 0x80;
/** imm of casts: destination address space in the high half, source in the low; 1 is the arena, 0 the kernel. */
const USER_TO_KERNEL = 1;

const isCast = (insn: Insn): boolean => insn.code === MOV64_REG && insn.off === BPF_ADDR_SPACE_CAST;

/**
 * A cast between address spaces: to the kernel's it is the low half of the address, zero-extended; to user space's the JIT puts
 * the high half there. Without an arena both are the low half, as for arenas with BPF_F_NO_USER_CONV.
 *
 * Source: `kernel/bpf/verifier.c: do_misc_fixups`.
 */
export function fixCast(insn: Insn, hasArena: boolean): Patch | undefined {
  if (!isCast(insn) || (hasArena && insn.imm !== USER_TO_KERNEL)) return undefined;
  return { insns: [makeInsn(BPF_ALU | MOV | BPF_X, insn.dst, insn.src, 0, 0)] };
}

/** Registers and stack slots of 8 bytes that hold arena pointers, one state a slot: a bit each. */
const WORDS = 3;
const EVERYTHING = -1;
const ARGS = 0b111110;
const CALLER_SAVED = 0b111111;

/**
 * Rewrites what reaches into an arena: accesses become PROBE_MEM32 and PROBE_ATOMIC, and 64-bit arithmetic on arena pointers 32-bit.
 * A register counts as an arena pointer where it is one on every way there: made by a cast, by a `ld_imm64` of an arena
 * address or by a kernel function, moved, spilled to the frame and filled again, passed to functions and returned.
 *
 * Differs from Linux, whose verifier knows every pointer: what arrives any other way (out of memory without a cast, through a pointer
 * to the stack) stays an ordinary access.
 *
 * Source: `kernel/bpf/verifier.c: convert_ctx_accesses`, `adjust_reg_min_max_vals` (needs_zext).
 */
export function arenaPatches(
  insns: readonly Insn[],
  functions: FunctionTable,
  addressTaken: Uint8Array,
  facts: ArenaFacts,
): Map<number, Patch> {
  const patches = new Map<number, Patch>();
  const states = arenaPointers(insns, functions, addressTaken, facts);
  for (let idx = 0; idx < insns.length; idx++) {
    const insn = insns[idx];
    const patch = isWideSlot(insn) ? undefined : rewrite(insn, states[idx * WORDS]);
    if (patch !== undefined) patches.set(idx, { insns: patch });
    if (isWideSlot(insn)) idx++;
  }
  return patches;
}

const isWideSlot = (insn: Insn): boolean => insn.code === LD_IMM64;
const has = (regs: number, reg: number): boolean => (regs & (1 << reg)) !== 0;

/** @param regs which registers hold arena pointers; EVERYTHING where control never comes */
function rewrite(insn: Insn, regs: number): readonly Insn[] | undefined {
  if (regs === EVERYTHING) return undefined;
  const { code, dst, src, imm } = insn;
  const mode = code & 0xe0;
  const withMode = (probe: number): Insn => ({ ...insn, code: (code & ~0xe0) | probe });
  switch (code & 7) {
    case BPF_LDX: {
      if (!has(regs, src)) return undefined;
      if (mode === BPF_MEM) return [withMode(BPF_PROBE_MEM32)];
      if (mode !== BPF_MEMSX) return undefined;
      // 6.12 refuses these; a zero-extending load and a sign extension say the same.
      const bits = (code & 0x18) === 0x10 ? 8 : (code & 0x18) === 0x08 ? 16 : 32;
      return [withMode(BPF_PROBE_MEM32), makeInsn(MOV64_REG, dst, dst, bits, 0)];
    }
    case BPF_ST:
      return has(regs, dst) && mode === BPF_MEM ? [withMode(BPF_PROBE_MEM32)] : undefined;
    case BPF_STX:
      if (mode === BPF_ATOMIC) {
        return has(regs, imm === BPF_LOAD_ACQ ? src : dst) ? [withMode(BPF_PROBE_ATOMIC)] : undefined;
      }
      return has(regs, dst) && mode === BPF_MEM ? [withMode(BPF_PROBE_MEM32)] : undefined;
    case BPF_ALU64: {
      const op = code & 0xf0;
      if (!has(regs, dst) || op === MOV || op === END || op === NEG) return undefined;
      return [{ ...insn, code: (code & ~7) | BPF_ALU }];
    }
    default:
      return undefined;
  }
}

/** Forward must-analysis; three words a slot: registers, frame slots 0..31, frame slots 32..63. */
function arenaPointers(
  insns: readonly Insn[],
  functions: FunctionTable,
  addressTaken: Uint8Array,
  facts: ArenaFacts,
): Int32Array {
  const count = insns.length;
  const flow = flowOf(insns);
  const states = new Int32Array(count * WORDS).fill(EVERYTHING);
  /** What each function's R0 is, over its exits; 3 while no exit has been reached. */
  const returns = new Uint8Array(functions.count).fill(3);
  const sitesOf: number[][] = Array.from({ length: functions.count }, () => []);
  const work = new SlotStack(count);
  const now = new Int32Array(WORDS);
  const enter = (slot: number, regs: number, low: number, high: number): void => {
    const at = slot * WORDS;
    const a = states[at] & regs;
    const b = states[at + 1] & low;
    const c = states[at + 2] & high;
    // The sign bit of a register word is set only where nothing has come yet.
    if (a === states[at] && b === states[at + 1] && c === states[at + 2]) return;
    states[at] = a;
    states[at + 1] = b;
    states[at + 2] = c;
    work.push(slot);
  };
  const called = new Uint8Array(functions.count);
  for (let idx = 0; idx < count; idx++) {
    if (flow.callee[idx] < 0) continue;
    const callee = functions.funcOf[flow.callee[idx]];
    called[callee] = 1;
    sitesOf[callee].push(idx);
  }
  for (let func = 0; func < functions.count; func++) {
    if (func === 0 || called[func] === 0 || addressTaken[func] !== 0) enter(functions.starts[func], 0, 0, 0);
  }
  for (let idx = work.pop(); idx >= 0; idx = work.pop()) {
    for (let word = 0; word < WORDS; word++) now[word] = states[idx * WORDS + word];
    const insn = insns[idx];
    if (flow.callee[idx] >= 0) {
      const callee = functions.funcOf[flow.callee[idx]];
      enter(flow.callee[idx], now[0] & ARGS, 0, 0);
      if (returns[callee] === 3) continue;
      now[0] = (now[0] & ~CALLER_SAVED) | returns[callee];
    } else if (insn.code === EXIT) {
      const func = functions.funcOf[idx];
      const value = returns[func] & now[0] & 1;
      if (returns[func] === value) continue;
      returns[func] = value;
      for (const site of sitesOf[func]) if (states[site * WORDS] !== EVERYTHING) work.push(site);
      continue;
    } else step(insn, insns[idx + 1], now, facts);
    if (flow.next[idx] >= 0) enter(flow.next[idx], now[0], now[1], now[2]);
    if (flow.jump[idx] >= 0) enter(flow.jump[idx], now[0], now[1], now[2]);
  }
  return states;
}

function setReg(state: Int32Array, reg: number, isArena: boolean): void {
  state[0] = isArena ? state[0] | (1 << reg) : state[0] & ~(1 << reg);
}

function step(insn: Insn, next: Insn | undefined, state: Int32Array, facts: ArenaFacts): void {
  const { code, dst, src, imm } = insn;
  switch (code & 7) {
    case BPF_ALU64:
    case BPF_ALU:
      setReg(state, dst, aluIsArena(insn, state[0]));
      return;
    case BPF_LD:
      if (code === LD_IMM64) setReg(state, dst, src === 0 && facts.isArenaAddress(imm, next?.imm ?? 0));
      return;
    case BPF_LDX:
      setReg(state, dst, src === BPF_REG_FP && (code & 0xf8) === (BPF_MEM | BPF_DW) && frameSlot(state, insn.off));
      return;
    case BPF_ST:
      if (dst === BPF_REG_FP) storeFrameSlot(state, insn, false);
      return;
    case BPF_STX:
      if ((code & 0xe0) === BPF_ATOMIC) {
        if (imm === BPF_LOAD_ACQ) setReg(state, dst, false);
        else if ((imm & BPF_FETCH) !== 0) setReg(state, imm === BPF_CMPXCHG ? 0 : src, false);
        if (dst === BPF_REG_FP) storeFrameSlot(state, insn, false);
      } else if (dst === BPF_REG_FP) storeFrameSlot(state, insn, has(state[0], src));
      return;
    default:
      if (code === CALL) {
        state[0] &= ~CALLER_SAVED;
        if (src === BPF_PSEUDO_KFUNC_CALL && facts.returnsArena(insn)) state[0] |= 1;
      }
  }
}

function aluIsArena(insn: Insn, regs: number): boolean {
  const { code, dst, src } = insn;
  const op = code & 0xf0;
  if (op === MOV) {
    if (isCast(insn)) return insn.imm === USER_TO_KERNEL;
    return (code & BPF_X) !== 0 && insn.off === 0 && has(regs, src);
  }
  if (op === END || op === NEG) return false;
  return has(regs, dst) || (op === 0 && (code & 7) === BPF_ALU64 && (code & BPF_X) !== 0 && has(regs, src));
}

/** Number of the 8-byte slot at `off` below the frame pointer, or -1. */
function slotAt(off: number): number {
  return off >= -512 && off < 0 && off % 8 === 0 ? -off / 8 - 1 : -1;
}

function frameSlot(state: Int32Array, off: number): boolean {
  const slot = slotAt(off);
  return slot >= 0 && (state[1 + (slot >> 5)] & (1 << (slot & 31))) !== 0;
}

/** A store of any width spoils the slots it touches; one of a whole slot may make it an arena pointer. */
function storeFrameSlot(state: Int32Array, { code, off }: Insn, isArena: boolean): void {
  const bytes = [4, 2, 1, 8][(code >> 3) & 3];
  for (const at of [off, off + bytes - 1]) {
    const slot = slotAt(Math.floor(at / 8) * 8);
    if (slot >= 0) state[1 + (slot >> 5)] &= ~(1 << (slot & 31));
  }
  const slot = slotAt(off);
  if (isArena && bytes === 8 && slot >= 0) state[1 + (slot >> 5)] |= 1 << (slot & 31);
}
