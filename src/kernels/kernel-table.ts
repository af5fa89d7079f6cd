import { type ByteOrder, InternalError } from '../util/index.ts';
import { SYMBOL_NAMES } from './generated/names.ts';
import type { KernelArch, KernelStructs, KernelSymbol } from './types.ts';

/** A recorded kernel in the compact form of `generated/`. */
export interface KernelTable {
  readonly name: string;
  readonly version: string;
  readonly arch: KernelArch;
  readonly order: ByteOrder;
  /** Address of `_text` when it was recorded. */
  readonly textBase: bigint;
  readonly textOffset: number;
  readonly etextOffset: number;
  readonly tocOffset: number;
  readonly structs: KernelStructs;
  /**
   * One word a name of SYMBOL_NAMES, in its order: the symbol's distance from `_text` in base 36, then `L` if it is
   * local or `W` if it is weak, then `E` if it has a local entry 8 bytes on, then
   * `:` and its size in base 36 unless it reaches up to the next symbol. `+` joins several of one name, `-n` skips n
   * names this kernel does not have.
   */
  readonly symbols: string;
}

/** A recorded symbol, by name and by place. */
export interface SymbolRow extends KernelSymbol {
  readonly localEntryBytes: number;
}

export interface SymbolTable {
  readonly byName: ReadonlyMap<string, SymbolRow>;
  readonly byOffset: ReadonlyMap<number, SymbolRow>;
  /** Ascending by offset. */
  readonly rows: readonly SymbolRow[];
}

const KINDS = { '': 'T', L: 't', W: 'W' } as const;
const WORD = /^([0-9a-z]+)([LW]?)(E?)(?::([0-9a-z]+))?$/;

let names: readonly string[] | undefined;
const decoded = new WeakMap<KernelTable, SymbolTable>();

function symbolNames(): readonly string[] {
  if (names !== undefined) return names;
  let last = '';
  names = SYMBOL_NAMES.trim()
    .split(/\s+/)
    .map(word => (last = last.slice(0, Number.parseInt(word[0], 36)) + word.slice(1)));
  return names;
}

/** Exported symbols before weak before local ones, then by name: which of two at one address stands for it. */
function rank(row: SymbolRow): string {
  return `${'TWt'.indexOf(row.kind)}${row.name}`;
}

function decode(table: KernelTable): SymbolTable {
  const list = symbolNames();
  const rows: (SymbolRow & { sizeBytes: number })[] = [];
  let at = 0;
  for (const word of table.symbols.trim().split(/\s+/)) {
    if (word[0] === '-') {
      at += Number(word.slice(1));
      continue;
    }
    for (const place of word.split('+')) {
      const [, far, kind, entry, size] = WORD.exec(place) ?? [];
      if (far === undefined || at >= list.length) throw new InternalError(`symbol table of ${table.name}: ${place}`);
      rows.push({
        name: list[at],
        offset: table.textOffset + Number.parseInt(far, 36),
        kind: KINDS[kind as keyof typeof KINDS],
        localEntryBytes: entry === '' ? 0 : 8,
        sizeBytes: size === undefined ? 0 : Number.parseInt(size, 36),
      });
    }
    at++;
  }
  rows.sort((a, b) => a.offset - b.offset || (rank(a) < rank(b) ? -1 : 1));
  let end = table.etextOffset;
  for (let i = rows.length - 1; i >= 0; i--) {
    const row = rows[i];
    if (i + 1 < rows.length && rows[i + 1].offset > row.offset) end = rows[i + 1].offset;
    if (row.sizeBytes === 0) row.sizeBytes = end - row.offset;
  }
  const byName = new Map<string, SymbolRow>();
  const byOffset = new Map<number, SymbolRow>();
  for (const row of rows) {
    // Several static functions may share a name; the lowest stands for it, unless one is global.
    const other = byName.get(row.name);
    if (other === undefined || (other.kind === 't' && row.kind !== 't')) byName.set(row.name, row);
    if (!byOffset.has(row.offset)) byOffset.set(row.offset, row);
  }
  return { byName, byOffset, rows };
}

/** The symbols of a recorded kernel, decoded once. */
export function symbolTable(table: KernelTable): SymbolTable {
  let symbols = decoded.get(table);
  if (symbols === undefined) decoded.set(table, (symbols = decode(table)));
  return symbols;
}
