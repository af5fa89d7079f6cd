import { findInsnDef, type Insn, isWide, TAIL_CALL } from '../../src/isa/index.ts';
import { applyAlu, compare, type Width } from './eval-ops.ts';

/** How 32-bit results and divisions behave. */
export interface EvalMode {
  /** `rfc`: divisions by 0 have their results. `cpu`: they trap, and so does the least number by -1. */
  readonly divisions: 'rfc' | 'cpu';
  /** Upper half of every 32-bit result; 0 where the CPU zero-extends. */
  readonly garbage?: () => bigint;
  /** Called for helpers and kernel functions: R0. */
  readonly call?: (insn: Insn, args: readonly bigint[]) => bigint;
  readonly budget?: number;
}

export class EvalTrap extends Error {}

interface Frame {
  readonly stack: Map<number, number>;
  readonly returnTo: number;
  readonly saved: readonly bigint[];
}

const FP = 0x1000_0000n;
const MASK64 = (1n << 64n) - 1n;
const MASK32 = 0xffff_ffffn;

/**
 * Runs slots, internal ones included, over a stack and nothing else, the slow and obvious way. Returns R0.
 * Throws EvalTrap for what a CPU would trap on and when the budget is spent.
 */
export function evaluate(insns: readonly Insn[], mode: EvalMode, start: readonly bigint[] = []): bigint {
  const regs: bigint[] = Array.from({ length: 12 }, (_, reg) => start[reg] ?? 0n);
  const frames: Frame[] = [{ stack: new Map(), returnTo: -1, saved: [] }];
  regs[10] = FP;
  const set32 = (reg: number, value: bigint): void => {
    regs[reg] = (value & MASK32) | ((mode.garbage?.() ?? 0n) << 32n);
  };
  const frameOf = (addr: bigint): { frame: Frame; off: number } => {
    const depth = Number((FP - addr - 1n) / 4096n);
    const frame = frames[depth];
    if (frame === undefined || addr >= FP) throw new EvalTrap(`address ${addr.toString(16)}`);
    return { frame, off: Number(addr) };
  };
  const load = (addr: bigint, bytes: number): bigint => {
    let value = 0n;
    for (let i = 0; i < bytes; i++) {
      const { frame, off } = frameOf(BigInt.asUintN(64, addr + BigInt(i)));
      value |= BigInt(frame.stack.get(off) ?? 0) << BigInt(8 * i);
    }
    return value;
  };
  const store = (addr: bigint, bytes: number, value: bigint): void => {
    for (let i = 0; i < bytes; i++) {
      const { frame, off } = frameOf(BigInt.asUintN(64, addr + BigInt(i)));
      frame.stack.set(off, Number((value >> BigInt(8 * i)) & 0xffn));
    }
  };
  let budget = mode.budget ?? 10_000;
  for (let pc = 0; ; pc++) {
    if (budget-- <= 0) throw new EvalTrap('budget');
    const insn = insns[pc];
    if (insn === undefined) throw new EvalTrap(`slot ${pc}`);
    const { dst, src, off, imm } = insn;
    if (insn.code === 0xbc && imm === 1) {
      regs[dst] = regs[src] & MASK32;
      continue;
    }
    if (insn.code === TAIL_CALL) continue;
    // AX is a register like any other here; the instruction table knows R0..R10 alone.
    const def = findInsnDef(insn);
    if (def === undefined) throw new EvalTrap(`opcode ${insn.code.toString(16)} at ${pc}`);
    const width: Width = def.bits;
    const operand = def.source === 'reg' ? regs[src] : BigInt.asUintN(64, BigInt(imm));
    const put = (value: bigint): void => {
      if (width === 32) set32(dst, value);
      else regs[dst] = value & MASK64;
    };
    switch (def.kind) {
      case 'alu': {
        const value = applyAlu(def.op, width, regs[dst], operand, mode.divisions === 'rfc');
        if (value === undefined) throw new EvalTrap(`division at ${pc}`);
        put(value);
        break;
      }
      case 'neg':
        put(-regs[dst]);
        break;
      case 'movsx':
        put(BigInt.asIntN(def.sizeBytes * 8, regs[src]));
        break;
      case 'end': {
        // Programs run little-endian here; 16 and 32 bits leave the upper half to the CPU.
        const value =
          def.op === 'le' ? BigInt.asUintN(def.sizeBytes * 8, regs[dst]) : swapped(regs[dst], def.sizeBytes);
        if (def.sizeBytes === 8) regs[dst] = value;
        else set32(dst, value);
        break;
      }
      case 'ld_imm64':
        regs[dst] = BigInt.asUintN(64, (BigInt(insns[pc + 1].imm) << 32n) | BigInt(imm >>> 0));
        break;
      case 'ldx':
        if (def.sizeBytes === 8) regs[dst] = load(regs[src] + BigInt(off), 8);
        else set32(dst, load(regs[src] + BigInt(off), def.sizeBytes));
        break;
      case 'ldxs':
        regs[dst] = BigInt.asUintN(64, BigInt.asIntN(def.sizeBytes * 8, load(regs[src] + BigInt(off), def.sizeBytes)));
        break;
      case 'st':
      case 'stx':
        store(regs[dst] + BigInt(off), def.sizeBytes, def.kind === 'st' ? BigInt(imm) : regs[src]);
        break;
      case 'atomic': {
        const addr = regs[dst] + BigInt(off);
        const old = load(addr, def.sizeBytes);
        const bits = def.sizeBytes * 8;
        const value = BigInt.asUintN(bits, regs[src]);
        const result = def.fetch ? (def.op === 'cmpxchg' ? 0 : src) : -1;
        if (def.op === 'xchg') store(addr, def.sizeBytes, value);
        else if (def.op === 'cmpxchg') {
          if (old === BigInt.asUintN(bits, regs[0])) store(addr, def.sizeBytes, value);
        } else store(addr, def.sizeBytes, applyAlu(def.op, width, old, value, true) ?? 0n);
        if (result >= 0 && bits === 64) regs[result] = old;
        else if (result >= 0) set32(result, old);
        break;
      }
      case 'ja':
        pc += insn.code === 0x05 ? off : imm;
        break;
      case 'jcond':
        if (compare(def.op, width, regs[dst], operand)) pc += off;
        break;
      case 'may_goto': // its budget is larger than the one here
        break;
      case 'call':
        if (insn.src === 1) {
          if (frames.length >= 8) throw new EvalTrap('frames');
          frames.push({ stack: new Map(), returnTo: pc, saved: regs.slice(6, 11) });
          regs[10] = FP - 4096n * BigInt(frames.length - 1);
          for (const at of [6, 7, 8, 9]) regs[at] = 0xdead_0000n + BigInt(at);
          pc += imm;
        } else {
          regs[0] = mode.call?.(insn, regs.slice(1, 6)) ?? 0n;
          for (const at of [1, 2, 3, 4, 5]) regs[at] = 0xbeef_0000n + BigInt(at);
        }
        break;
      case 'exit': {
        const frame = frames.pop()!;
        if (frame.returnTo < 0) return regs[0];
        for (const [i, value] of frame.saved.entries()) regs[6 + i] = value;
        for (const at of [1, 2, 3, 4, 5]) regs[at] = 0xbeef_0000n + BigInt(at);
        pc = frame.returnTo;
        break;
      }
      default:
        throw new EvalTrap(`${def.name} at ${pc}`);
    }
    if (isWide(insn)) pc++;
  }
}

function swapped(value: bigint, bytes: number): bigint {
  let out = 0n;
  for (let i = 0; i < bytes; i++) out = (out << 8n) | ((value >> BigInt(8 * i)) & 0xffn);
  return out;
}

/** Like {@link evaluate}, but undefined for programs that trap. */
export function tryEvaluate(insns: readonly Insn[], mode: EvalMode, start: readonly bigint[]): bigint | undefined {
  try {
    return evaluate(insns, mode, start);
  } catch (error) {
    if (error instanceof EvalTrap) return undefined;
    throw error;
  }
}

/** Bits that differ with every call, the same from run to run. */
export function garbageSource(): () => bigint {
  let seed = 0x9e37_79b9n;
  return () => {
    seed = (seed * 6364136223846793005n + 1442695040888963407n) & MASK64;
    return seed >> 32n;
  };
}
