import * as fc from 'fast-check';
import { type Insn, insnDef, makeInsn } from '../../src/isa/index.ts';

const REGS = [0, 1, 2, 3, 6, 7];
const reg = fc.constantFrom(...REGS);
const imm = fc.oneof(fc.integer({ min: -4, max: 4 }), fc.integer());
const ALU = ['add', 'sub', 'mul', 'or', 'and', 'xor', 'mov', 'lsh', 'rsh', 'arsh', 'div', 'mod', 'sdiv', 'smod'];
const JUMPS = ['jeq', 'jne', 'jgt', 'jsgt', 'jset', 'jle'];
const frameOff = fc.constantFrom(-8, -16, -24, -32);

const row = (name: string, dst = 0, src = 0, off = 0, value = 0): Insn => {
  const def = insnDef(name);
  const pick = (use: string | number, given: number): number => (typeof use === 'number' ? use : given);
  return makeInsn(def.code, pick(def.dst, dst), pick(def.src, src), pick(def.off, off), pick(def.imm, value));
};

/** One instruction; jumps are made to lead somewhere once the function's length is known. */
const item: fc.Arbitrary<{ insn: Insn; kind: 'plain' | 'jump' | 'call'; target: number }> = fc.oneof(
  fc
    .tuple(fc.constantFrom(...ALU), fc.constantFrom(32, 64), fc.constantFrom('reg', 'imm'), reg, reg, imm)
    .map(([op, bits, source, dst, src, value]) => ({
      insn: row(`${op}${bits}_${source}`, dst, src, 0, value),
      kind: 'plain' as const,
      target: 0,
    })),
  fc
    .tuple(fc.constantFrom('ldxw', 'ldxh', 'ldxb', 'ldxdw', 'ldxsw', 'stxw', 'stxdw', 'stxb'), reg, frameOff)
    .map(([name, r, off]) => ({
      insn: name.startsWith('ldx') ? row(name, r, 10, off) : row(name, 10, r, off),
      kind: 'plain' as const,
      target: 0,
    })),
  fc
    .tuple(
      fc.constantFrom('lock_fetch_add32', 'lock_xchg32', 'lock_cmpxchg32', 'lock_fetch_or64', 'lock_cmpxchg64'),
      reg,
      frameOff,
    )
    .map(([name, r, off]) => ({ insn: row(name, 10, r, off), kind: 'plain' as const, target: 0 })),
  fc
    .tuple(
      fc.constantFrom('neg32', 'neg64', 'be16', 'be32', 'be64', 'le16', 'le32', 'bswap16', 'bswap32', 'bswap64'),
      reg,
    )
    .map(([name, r]) => ({ insn: row(name, r), kind: 'plain' as const, target: 0 })),
  fc
    .tuple(fc.constantFrom('movsx8_32', 'movsx16_64', 'movsx32_64'), reg, reg)
    .map(([name, dst, src]) => ({ insn: row(name, dst, src), kind: 'plain' as const, target: 0 })),
  fc
    .tuple(fc.constantFrom(...JUMPS), fc.constantFrom(32, 64), fc.constantFrom('reg', 'imm'), reg, reg, imm, fc.nat())
    .map(([op, bits, source, dst, src, value, target]) => ({
      insn: row(`${op}${bits}_${source}`, dst, src, 0, value),
      kind: 'jump' as const,
      target,
    })),
  fc.nat().map(target => ({ insn: row('may_goto'), kind: 'jump' as const, target })),
  fc.nat().map(target => ({ insn: row('call_local'), kind: 'call' as const, target })),
  fc.constant({ insn: row('call_helper', 0, 0, 0, 1), kind: 'plain' as const, target: 0 }),
);

/**
 * Programs of one to four functions that compute, use their frames, jump anywhere inside a function, call each other and
 * a helper of two arguments. Not all of them end.
 */
export const flowProgram: fc.Arbitrary<Insn[]> = fc
  .array(fc.array(item, { minLength: 1, maxLength: 14 }), { minLength: 1, maxLength: 4 })
  .map(functions => {
    const starts: number[] = [];
    let at = 0;
    for (const body of functions) {
      starts.push(at);
      at += body.length + 1;
    }
    return functions.flatMap((body, func) => [
      ...body.map(({ insn, kind, target }, i) => {
        const here = starts[func] + i;
        if (kind === 'jump') return { ...insn, off: (target % (body.length + 1)) - i - 1 };
        if (kind === 'call') return { ...insn, imm: starts[target % starts.length] - here - 1 };
        return insn;
      }),
      row('exit'),
    ]);
  });

/** Values of R0..R7 to start with. */
export const startRegs = fc.array(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), { minLength: 8, maxLength: 8 });
