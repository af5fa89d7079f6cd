import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { insnForms, type OperandKind } from '../../jit/ppc64/forms.ts';
import { decodeAt, findRow } from './decode.ts';
import { Image } from './image.ts';
import { PREFIXED_ROWS } from './prefixed.ts';
import { allRows } from './rows.ts';

const rows = allRows();

describe('rows', () => {
  it('have names of their own and values inside their masks', () => {
    const names = rows.map(row => row.name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
    expect(rows.filter(row => (row.value & ~row.mask) !== 0).map(row => row.name)).toEqual([]);
  });

  it('never share a word', () => {
    const shared = rows.flatMap((a, i) =>
      rows.slice(i + 1).flatMap(b => {
        const common = a.mask & b.mask;
        return ((a.value ^ b.value) & common) === 0 ? [`${a.name} and ${b.name}`] : [];
      }),
    );
    expect(shared).toEqual([]);
  });

  it('are found by any word of theirs', () => {
    fc.assert(
      fc.property(fc.constantFrom(...rows), fc.integer(), (row, noise) => {
        expect(findRow(row.value | (noise & ~row.mask))?.name).toBe(row.name);
      }),
      { numRuns: 2000 },
    );
  });
});

/** An operand of each kind that is good in any instruction: registers differ from each other. */
const OPERANDS: Readonly<Record<OperandKind, (index: number) => number>> = {
  r: index => 3 + index,
  s16: () => -5,
  u16: () => 40000,
  ds: () => -8,
  s34: () => -(2 ** 33) + 5,
  li: () => 64,
  bd: () => 64,
  bo: () => 12,
  u1: () => 0,
  u3: () => 5,
  u5: () => 17,
  u6: () => 45,
  u8: () => 8,
};

describe('decoding', () => {
  it('knows every instruction the JIT has an encoder for, since when it is there', () => {
    const wrong: string[] = [];
    for (const { mnemonic, operands, encode, since } of insnForms()) {
      const words = [encode(...operands.map((kind, i) => OPERANDS[kind](i)))].flat();
      const row = words.length === 2 ? PREFIXED_ROWS.find(p => p.opcode === words[1] >>> 26) : findRow(words[0]);
      const level = row === undefined ? 'never' : 'since' in row ? row.since : 10;
      if (level !== since) wrong.push(`${mnemonic}: ${level}`);
    }
    expect(wrong).toEqual([]);
  });

  it('makes something of any word', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (word, next) => {
        const bytes = new Uint8Array(8);
        const view = new DataView(bytes.buffer);
        view.setInt32(0, word);
        view.setInt32(4, next);
        expect(typeof decodeAt(new Image(0n, bytes, 'big', 10), 0).exec).toBe('function');
      }),
      { numRuns: 3000 },
    );
  });
});
