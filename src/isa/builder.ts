import { FarcallError, hi32, lo32 } from '../util/index.ts';
import { type Insn, makeInsn } from './insn.ts';
import type { AluOp, AtomicOp, JumpOp } from './insn-table.ts';
import { insnDef } from './lookup.ts';

/** A register operand; plain numbers are immediates. */
export interface Reg {
  readonly reg: number;
}
const reg = (n: number): Reg => ({ reg: n });
export const R0 = reg(0);
export const R1 = reg(1);
export const R2 = reg(2);
export const R3 = reg(3);
export const R4 = reg(4);
export const R5 = reg(5);
export const R6 = reg(6);
export const R7 = reg(7);
export const R8 = reg(8);
export const R9 = reg(9);
export const R10 = reg(10);

export type MemSize = 'b' | 'h' | 'w' | 'dw';
type Operand = Reg | number;

interface Pending {
  readonly idx: number;
  readonly label: string;
  readonly field: 'off' | 'imm';
}

/**
 * Writes programs in TypeScript: one method an instruction kind, jumps and calls by label.
 *
 * `build()` throws `asm.unknown-label` for a label never placed and `asm.jump-range` for a jump that does not fit.
 */
export class ProgramBuilder {
  readonly #insns: Insn[] = [];
  readonly #labels = new Map<string, number>();
  readonly #pending: Pending[] = [];

  /** Slot index of the next instruction. */
  get here(): number {
    return this.#insns.length;
  }

  /** Appends a row of the instruction table; constant fields are filled in from the row. */
  emit(name: string, fields: { dst?: number; src?: number; off?: number; imm?: number } = {}): this {
    const def = insnDef(name);
    const pick = (use: string | number, value: number | undefined): number =>
      typeof use === 'number' ? use : (value ?? 0);
    this.#insns.push(
      makeInsn(
        def.code,
        pick(def.dst, fields.dst),
        pick(def.src, fields.src),
        pick(def.off, fields.off),
        pick(def.imm, fields.imm),
      ),
    );
    return this;
  }

  /** Appends slots as they are. */
  raw(...insns: Insn[]): this {
    this.#insns.push(...insns);
    return this;
  }

  label(name: string): this {
    if (this.#labels.has(name))
      throw new FarcallError({ code: 'asm.duplicate-label', message: `label ${name} is placed twice` });
    this.#labels.set(name, this.here);
    return this;
  }

  alu(bits: 32 | 64, op: AluOp, dst: Reg, operand: Operand): this {
    return typeof operand === 'number'
      ? this.emit(`${op}${bits}_imm`, { dst: dst.reg, imm: operand })
      : this.emit(`${op}${bits}_reg`, { dst: dst.reg, src: operand.reg });
  }
  alu64(op: AluOp, dst: Reg, operand: Operand): this {
    return this.alu(64, op, dst, operand);
  }
  alu32(op: AluOp, dst: Reg, operand: Operand): this {
    return this.alu(32, op, dst, operand);
  }
  mov(dst: Reg, operand: Operand): this {
    return this.alu64('mov', dst, operand);
  }
  neg(bits: 32 | 64, dst: Reg): this {
    return this.emit(`neg${bits}`, { dst: dst.reg });
  }
  movsx(bits: 32 | 64, fromBits: 8 | 16 | 32, dst: Reg, src: Reg): this {
    return this.emit(`movsx${fromBits}_${bits}`, { dst: dst.reg, src: src.reg });
  }
  end(op: 'le' | 'be' | 'bswap', bits: 16 | 32 | 64, dst: Reg): this {
    return this.emit(`${op}${bits}`, { dst: dst.reg });
  }

  load(size: MemSize, dst: Reg, src: Reg, off = 0): this {
    return this.emit(`ldx${size}`, { dst: dst.reg, src: src.reg, off });
  }
  loadSigned(size: 'b' | 'h' | 'w', dst: Reg, src: Reg, off = 0): this {
    return this.emit(`ldxs${size}`, { dst: dst.reg, src: src.reg, off });
  }
  store(size: MemSize, dst: Reg, off: number, operand: Operand): this {
    return typeof operand === 'number'
      ? this.emit(`st${size}`, { dst: dst.reg, off, imm: operand })
      : this.emit(`stx${size}`, { dst: dst.reg, src: operand.reg, off });
  }
  atomic(bits: 32 | 64, op: AtomicOp | `fetch_${'add' | 'or' | 'and' | 'xor'}`, dst: Reg, off: number, src: Reg): this {
    return this.emit(`lock_${op}${bits}`, { dst: dst.reg, src: src.reg, off });
  }

  /** dst = a 64-bit constant, two slots. */
  imm64(dst: Reg, value: bigint): this {
    return this.wide('lddw', dst, lo32(value), hi32(value));
  }
  /** One of the ld_imm64 rows with both its imm fields. */
  wide(name: string, dst: Reg, imm: number, imm2 = 0): this {
    return this.emit(name, { dst: dst.reg, imm }).raw(makeInsn(0, 0, 0, 0, imm2));
  }
  /** dst = the address of the function at `label`. */
  func(dst: Reg, label: string): this {
    this.#pending.push({ idx: this.here, label, field: 'imm' });
    return this.wide('lddw_func', dst, 0);
  }

  jump(label: string): this {
    this.#pending.push({ idx: this.here, label, field: 'off' });
    return this.emit('ja');
  }
  jumpLong(label: string): this {
    this.#pending.push({ idx: this.here, label, field: 'imm' });
    return this.emit('gotol');
  }
  jumpIf(op: JumpOp, dst: Reg, operand: Operand, label: string, bits: 32 | 64 = 64): this {
    this.#pending.push({ idx: this.here, label, field: 'off' });
    return typeof operand === 'number'
      ? this.emit(`${op}${bits}_imm`, { dst: dst.reg, imm: operand })
      : this.emit(`${op}${bits}_reg`, { dst: dst.reg, src: operand.reg });
  }
  mayGoto(label: string): this {
    this.#pending.push({ idx: this.here, label, field: 'off' });
    return this.emit('may_goto');
  }
  /** Calls the function at `label`. */
  call(label: string): this {
    this.#pending.push({ idx: this.here, label, field: 'imm' });
    return this.emit('call_local');
  }
  helper(id: number): this {
    return this.emit('call_helper', { imm: id });
  }
  exit(): this {
    return this.emit('exit');
  }

  /** The slots, labels resolved. */
  build(): Insn[] {
    const insns = [...this.#insns];
    for (const { idx, label, field } of this.#pending) {
      const target = this.#labels.get(label);
      if (target === undefined)
        throw new FarcallError({
          code: 'asm.unknown-label',
          message: `label ${label} is not placed`,
          where: { insnIdx: idx },
        });
      const distance = target - idx - 1;
      if (field === 'off' && distance !== (distance << 16) >> 16) {
        throw new FarcallError({
          code: 'asm.jump-range',
          message: `label ${label} is too far for a 16-bit offset`,
          expected: '-32768..32767',
          found: String(distance),
          where: { insnIdx: idx },
        });
      }
      insns[idx] = { ...insns[idx], [field]: distance };
    }
    return insns;
  }
}
