import { EXIT, type Insn, LD_IMM64, makeInsn } from '../../../src/isa/index.ts';
import type { OwnFunc } from '../ppc64/own-programs.ts';

export const i = makeInsn;
export const EXIT_INSN: Insn = i(EXIT, 0, 0, 0, 0);
export const mov = (dst: number, imm: number): Insn => i(0xb7, dst, 0, 0, imm);
export const movX = (dst: number, src: number): Insn => i(0xbf, dst, src, 0, 0);
export const ld64 = (dst: number, value: bigint, src = 0): Insn[] => [
  i(LD_IMM64, dst, src, 0, Number(BigInt.asIntN(32, value))),
  i(0, 0, 0, 0, Number(BigInt.asIntN(32, value >> 32n))),
];

const VALUES = [
  0n,
  1n,
  0xffffffffffffffffn,
  0x80000000n,
  0x8000000000000000n,
  0x0123456789abcdefn,
  0xfedcba9876543210n,
];
const IMMS = [
  0, 1, -1, 2, 3, 5, 7, 9, 16, 127, 128, 129, -128, -129, 255, 256, 0x7f00, 0xff00, 0xffff, 0x10000, 0x40000000,
];
const MORE_IMMS = [0x7fffffff, -0x80000000, 0x12345678, -0x12345678];
const REGISTERS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
/** Of each kind of x86-64 register: rax, rdi (byte needs REX), rdx, rcx, r8, rbx, r13 (needs a displacement). */
const KINDS = [0, 1, 3, 4, 5, 6, 7];
const ALU = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 12];
const CONDITIONS = [1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13];

/**
 * Gives every register a value, does something, and sums all up in R0, so that whatever else it changed shows.
 *
 * @param keepsCtx R9 holds the context: what `body` reaches memory by
 */
function around(body: readonly Insn[], values: readonly bigint[]): OwnFunc {
  const insns: Insn[] = [movX(9, 1)];
  for (const reg of REGISTERS) if (reg !== 9) insns.push(...ld64(reg, values[reg % values.length] + BigInt(reg)));
  insns.push(...body);
  for (const reg of REGISTERS) {
    if (reg === 0 || reg === 9) continue;
    insns.push(i(0x27, 0, 0, 0, 31), i(0x0f, 0, reg, 0, 0));
  }
  insns.push(EXIT_INSN);
  return { insns, stackDepthBytes: 16 };
}

/** A name and a function for every form of instruction, with operands in every kind of register and values at the edges. */
export function* instructionForms(): Generator<readonly [name: string, func: OwnFunc]> {
  let turn = 0;
  const values = (): bigint[] => [...VALUES.slice(turn % 7), ...VALUES.slice(0, turn++ % 7)];
  for (const width of [4, 7]) {
    for (const op of ALU) {
      const divides = op === 3 || op === 9;
      const shifts = op >= 6 && op !== 9 && op !== 10;
      for (const off of divides ? [0, 1] : [0]) {
        for (const imm of [...IMMS, ...MORE_IMMS]) {
          if (shifts && (imm < 0 || imm >= (width === 7 ? 64 : 32))) continue;
          if (divides && imm === 0) continue;
          for (const d of KINDS) {
            const insn = i(width | (op << 4), d, 0, off, imm);
            yield [`alu ${width} ${op} r${d} ${imm} off ${off}`, around([insn], values())];
          }
        }
        for (const d of KINDS) {
          for (const s of KINDS) {
            const insn = i(width | 8 | (op << 4), d, s, off, 0);
            // A divisor that is neither 0 nor −1.
            const before = divides ? [i(0x47, s, 0, 0, 0x7ffffff6), i(0x4f, s, s, 0, 0), i(0x47, s, 0, 0, 3)] : [];
            if (divides && s === d && off === 1) continue;
            yield [`alu ${width} ${op} r${d} r${s} off ${off}`, around([...before, insn], values())];
          }
        }
      }
    }
    for (const d of KINDS) {
      yield [`neg ${width} r${d}`, around([i(width | 0x80, d, 0, 0, 0)], values())];
      for (const s of KINDS) {
        for (const off of width === 7 ? [0, 8, 16, 32] : [0, 8, 16])
          yield [`mov ${width} r${d} r${s} ${off}`, around([i(width | 0xb8, d, s, off, 0)], values())];
        // Pairs that become one instruction.
        for (const imm of [1, 3, 6, 8, 0xff, 0xffff, 0x12345, -8]) {
          for (const op of [0, 1, 2, 5]) {
            const pair = [i(width | 0xb8, d, s, 0, 0), i(width | (op << 4), d, 0, 0, imm)];
            yield [`mov, ${op} ${width} r${d} r${s} ${imm}`, around(pair, values())];
          }
        }
        const sum = [i(width | 0xb8, d, s, 0, 0), i(width | 8, d, (s + d) % 9, 0, 0)];
        yield [`mov, add ${width} r${d} r${s}`, around(sum, values())];
      }
      for (const by of [8, 16, 24, 32, 48, 56]) {
        if (by >= (width === 7 ? 64 : 32)) continue;
        for (const back of [0x70, 0xc0])
          yield [
            `shifts ${width} r${d} ${by}`,
            around([i(width | 0x60, d, 0, 0, by), i(width | back, d, 0, 0, by)], values()),
          ];
      }
      for (const bits of [16, 32, 64])
        for (const code of [0xd4, 0xdc, 0xd7])
          yield [`swap ${code} r${d} ${bits}`, around([i(code, d, 0, 0, bits)], values())];
    }
  }
  for (const width of [5, 6]) {
    for (const op of CONDITIONS) {
      const jump = (insn: Insn): Insn[] => [insn, i(0x07, 8, 0, 0, 77), i(0x07, 8, 0, 0, 1)];
      for (const d of KINDS) {
        for (const imm of [...IMMS, ...MORE_IMMS, 0x1000, 0x8000])
          yield [`jump ${width} ${op} r${d} ${imm}`, around(jump(i(width | (op << 4), d, 0, 1, imm)), values())];
        for (const s of [0, 4, 5, 7])
          yield [`jump ${width} ${op} r${d} r${s}`, around(jump(i(width | 8 | (op << 4), d, s, 1, 0)), values())];
        // Equal, one less, one more than the constant.
        for (const imm of [0, 127, 128, -128, -129, 0x7fffffff])
          for (const by of [-1, 0, 1]) {
            const body = [mov(d, imm), i(0x07, d, 0, 0, by), ...jump(i(width | (op << 4), d, 0, 1, imm))];
            yield [`jump ${width} ${op} r${d} ${imm} by ${by}`, around(body, values())];
          }
      }
    }
  }
  yield* memoryForms(values);
}

function* memoryForms(values: () => bigint[]): Generator<readonly [name: string, func: OwnFunc]> {
  const bases = [0, 1, 3, 5, 6, 7, 10];
  for (const base of bases) {
    const at = base === 10 ? [] : [movX(base, 9)];
    // R10 reaches downwards; what is there is set first.
    const fill = base === 10 ? [...ld64(2, 0x8182838485868788n), i(0x7b, 10, 2, -8, 0), i(0x7b, 10, 2, -16, 0)] : [];
    for (const off of base === 10 ? [-8, -16] : [0, 8, 120, 128, 200]) {
      for (const size of [0x00, 0x08, 0x10, 0x18]) {
        for (const d of KINDS) {
          for (const mode of size === 0x18 ? [0x60] : [0x60, 0x80])
            yield [
              `load ${mode} ${size} r${d} r${base}${off}`,
              around([...fill, ...at, i(mode | size | 1, d, base, off, 0)], values()),
            ];
          if (d !== base)
            yield [
              `store ${size} r${base}${off} r${d}`,
              around([...fill, ...at, i(0x63 | size, base, d, off, 0)], values()),
            ];
          // In the byte order of networks.
          if (size !== 0x10)
            for (const bits of [16, 32, 64])
              yield [
                `load, be${bits} ${size} r${d} r${base}${off}`,
                around([...fill, ...at, i(0x61 | size, d, base, off, 0), i(0xdc, d, 0, 0, bits)], values()),
              ];
        }
        for (const imm of [0, -1, 0x7f, 0x12345678])
          yield [
            `store ${size} r${base}${off} ${imm}`,
            around([...fill, ...at, i(0x62 | size, base, 0, off, imm)], values()),
          ];
        for (const d of [0, 6])
          yield [`load_acq ${size} r${d}`, around([...fill, ...at, i(0xc3 | size, d, base, off, 0x100)], values())];
        if (base !== 2)
          yield [`store_rel ${size}`, around([...fill, ...at, i(0xc3 | size, base, 2, off, 0x110)], values())];
      }
      for (const size of [0x00, 0x18]) {
        for (const imm of [0x00, 0x40, 0x50, 0xa0, 0x01, 0x41, 0x51, 0xa1, 0xe1, 0xf1]) {
          for (const s of KINDS) {
            const name = `atomic ${imm} ${size} r${base}${off} r${s}`;
            if (s === base) continue;
            yield [name, around([...fill, ...at, i(0xc3 | size, base, s, off, imm)], values())];
            // A comparison that holds.
            if (imm === 0xf1 && base !== 0)
              yield [
                `${name} equal`,
                around([...fill, ...at, i(0x61 | size, 0, base, off, 0), i(0xc3 | size, base, s, off, imm)], values()),
              ];
          }
        }
      }
    }
  }
}
