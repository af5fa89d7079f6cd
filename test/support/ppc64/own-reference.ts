import { CALL, EXIT, findInsnDef, type Insn } from '../../../src/isa/index.ts';
import { applyAlu, compare, type Width } from '../eval-ops.ts';
import type { OwnFunc } from './own-programs.ts';

const MASK64 = (1n << 64n) - 1n;
const STACK = 0x7000_0000_0000n;
const FRAME_BYTES = 512;
const FRAMES = 8;
const SIZES = [4, 2, 1, 8];
const ALU = ['add', 'sub', 'mul', 'div', 'or', 'and', 'lsh', 'rsh', 'neg', 'mod', 'xor', 'mov', 'arsh'];
const JUMPS = ['', 'jeq', 'jgt', 'jge', 'jset', 'jne', 'jsgt', 'jsge', '', '', 'jlt', 'jle', 'jslt', 'jsle'];

export interface ReferenceEnv {
  /** What R1 points to, and where it says it is. */
  readonly ctx: Uint8Array;
  readonly ctxAddr: bigint;
  readonly little: boolean;
  readonly userLimit: bigint;
  /** Kernel functions by `imm`. */
  helper(imm: number, args: readonly bigint[]): bigint;
  readonly budget: number;
  /** What registers hold that nobody has set; default 0. */
  readonly unset?: bigint;
}

/** More instructions than allowed. */
export class OutOfBudget extends Error {}

/** Runs functions the slow and obvious way, with registers as RFC 9669 has them; returns R0 of the first. */
export function runReference(funcs: readonly OwnFunc[], env: ReferenceEnv): bigint {
  const stack = new Uint8Array(FRAME_BYTES * FRAMES);
  let left = env.budget;
  const view = (addr: bigint, bytes: number): [DataView, number] => {
    for (const [start, memory] of [
      [env.ctxAddr, env.ctx],
      [STACK, stack],
    ] as const) {
      const off = addr - start;
      if (off >= 0n && off + BigInt(bytes) <= BigInt(memory.length))
        return [new DataView(memory.buffer, memory.byteOffset), Number(off)];
    }
    throw new Error(`no memory at 0x${addr.toString(16)}`);
  };
  const read = (addr: bigint, bytes: number): bigint => {
    const [data, off] = view(addr, bytes);
    if (bytes === 8) return data.getBigUint64(off, env.little);
    if (bytes === 4) return BigInt(data.getUint32(off, env.little));
    return BigInt(bytes === 2 ? data.getUint16(off, env.little) : data.getUint8(off));
  };
  const write = (addr: bigint, bytes: number, value: bigint): void => {
    const [data, off] = view(addr, bytes);
    const low = BigInt.asUintN(8 * bytes, value);
    if (bytes === 8) data.setBigUint64(off, low, env.little);
    else if (bytes === 4) data.setUint32(off, Number(low), env.little);
    else if (bytes === 2) data.setUint16(off, Number(low), env.little);
    else data.setUint8(off, Number(low));
  };
  const call = (index: number, args: readonly bigint[], depth: number): bigint => {
    const regs: bigint[] = new Array(12).fill(env.unset ?? 0n);
    for (let n = 0; n < args.length; n++) regs[n + 1] = args[n];
    regs[10] = STACK + BigInt(FRAME_BYTES * (FRAMES - depth));
    const { insns } = funcs[index];
    for (let pc = 0; ; pc++) {
      if (left-- <= 0) throw new OutOfBudget();
      const insn = insns[pc];
      const { code, dst, src, off, imm } = insn;
      switch (code & 7) {
        case 0:
          regs[dst] = (BigInt(insns[pc + 1].imm >>> 0) << 32n) | BigInt(imm >>> 0);
          pc++;
          break;
        case 4:
        case 7:
          regs[dst] = aluResult(insn, regs, env.little);
          break;
        case 5:
        case 6: {
          if (code === EXIT) return regs[0];
          if (code === CALL) {
            const passed = regs.slice(1, 6);
            regs[0] = src === 1 ? call(off, passed, depth + 1) : env.helper(imm, passed);
            // Nothing of the arguments may be relied on.
            regs.fill(env.unset ?? 0x0bad_0bad_0bad_0badn, 1, 6);
            break;
          }
          const wide = (code & 7) === 5;
          if (code >> 4 === 0) pc += wide ? off : imm;
          else {
            const b = (code & 8) !== 0 ? regs[src] : BigInt(imm);
            if (compare(JUMPS[code >> 4], wide ? 64 : 32, regs[dst], b)) pc += off;
          }
          break;
        }
        default:
          memory(insn, regs);
      }
    }
  };
  const memory = ({ code, dst, src, off, imm }: Insn, regs: bigint[]): void => {
    const bytes = SIZES[(code >> 3) & 3];
    const mode = code & 0xe0;
    const base = (code & 7) === 1 || (mode === 0xc0 && imm === 0x100) ? src : dst;
    const addr = BigInt.asUintN(64, regs[base] + BigInt(off));
    if ((code & 7) === 1) {
      const probe = mode === 0x20 || mode === 0x40;
      const value = probe && addr <= env.userLimit ? 0n : read(addr, bytes);
      const signed = mode === 0x80 || mode === 0x40;
      regs[dst] = signed ? BigInt.asUintN(64, BigInt.asIntN(8 * bytes, value)) : value;
    } else if (mode === 0x60) write(addr, bytes, (code & 7) === 2 ? BigInt(imm) : regs[src]);
    else if (imm === 0x100) regs[dst] = read(addr, bytes);
    else if (imm === 0x110) write(addr, bytes, regs[src]);
    else {
      const old = read(addr, bytes);
      const value = BigInt.asUintN(8 * bytes, regs[src]);
      if (imm === 0xf1) {
        if (old === BigInt.asUintN(8 * bytes, regs[0])) write(addr, bytes, value);
        regs[0] = old;
        return;
      }
      const op = imm & 0xf0;
      const next =
        imm === 0xe1
          ? value
          : op === 0
            ? old + value
            : op === 0x40
              ? old | value
              : op === 0x50
                ? old & value
                : old ^ value;
      write(addr, bytes, next);
      if ((imm & 1) !== 0) regs[src] = old;
    }
  };
  return call(0, [env.ctxAddr], 0);
}

function aluResult(insn: Insn, regs: readonly bigint[], little: boolean): bigint {
  const { code, dst, src, off, imm } = insn;
  const wide = (code & 7) === 7;
  const width: Width = wide ? 64 : 32;
  const op = code >> 4;
  if (op === 0xd) {
    const swaps = wide || ((code & 8) !== 0) === little;
    let value = BigInt.asUintN(imm, regs[dst]);
    if (!swaps) return value;
    let swapped = 0n;
    for (let n = 0; n < imm; n += 8) {
      swapped = (swapped << 8n) | (value & 0xffn);
      value >>= 8n;
    }
    return swapped;
  }
  if (op === 0x8) return BigInt.asUintN(width, -regs[dst]);
  let b = (code & 8) !== 0 ? regs[src] : BigInt(imm);
  if (op === 0xb && off !== 0) b = BigInt.asIntN(off, b);
  const signed = off === 1 && (op === 0x3 || op === 0x9) ? 's' : '';
  const result = applyAlu(`${signed}${ALU[op]}`, width, regs[dst], b, true);
  if (result === undefined) throw new Error(`no result of ${findInsnDef(insn)?.name}`);
  return result & MASK64;
}
