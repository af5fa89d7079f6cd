import { illegal } from './illegal.ts';
import type { Image } from './image.ts';
import { Op } from './op.ts';
import { decodePrefixed } from './prefixed.ts';
import type { Row } from './row.ts';
import { allRows } from './rows.ts';

/** Bits of the word, from the lowest, that hold extended opcodes. */
const EXTENDED_BITS = 11;

/** Rows by primary opcode, and for those shared by many by the lowest 11 bits too. */
interface DecodeTable {
  readonly byOpcode: readonly (readonly (readonly Row[])[])[];
}

let table: DecodeTable | undefined;

function buildTable(): DecodeTable {
  const rows = allRows();
  const byOpcode: Row[][][] = [];
  for (let opcode = 0; opcode < 64; opcode++) {
    const here = rows.filter(row => row.value >>> 26 === opcode);
    if (here.length < 2) byOpcode.push([here]);
    else {
      const low = (1 << EXTENDED_BITS) - 1;
      byOpcode.push(
        Array.from({ length: 1 << EXTENDED_BITS }, (_, bits) =>
          here.filter(row => ((bits ^ row.value) & row.mask & low) === 0),
        ),
      );
    }
  }
  return { byOpcode };
}

/** The row a word decodes to, whatever CPU it needs. */
export function findRow(word: number): Row | undefined {
  table ??= buildTable();
  const choices = table.byOpcode[word >>> 26];
  const rows = choices.length === 1 ? choices[0] : choices[word & ((1 << EXTENDED_BITS) - 1)];
  for (const row of rows) if (((word ^ row.value) & row.mask) === 0) return row;
  return undefined;
}

/** Decodes word `at` of an image. What cannot be decoded becomes an instruction that faults. */
export function decodeAt(image: Image, at: number): Op {
  const word = image.word(at);
  if (word >>> 26 === 1) return decodePrefixed(image, at, word);
  const row = findRow(word);
  if (row === undefined) return illegal(at, word, 'no instruction');
  if (row.since > image.level)
    return illegal(at, word, `${row.name} needs POWER${row.since}, this is POWER${image.level}`);
  const op = new Op(row.exec, at, word);
  for (const field of row.fields) field.put(op, (word >>> field.shift) & field.mask);
  if (row.prep?.(op) === false) return illegal(at, word, `an invalid form of ${row.name}`);
  return op;
}
