import { hostByteOrder, type Where } from '../util/index.ts';
import { type BtfHeader, btfError, type KindLayout } from './header.ts';
import { COMMON_WORDS, KIND_MAX, KIND_ROWS, kindName } from './kind.ts';
import type { StringTable } from './string-table.ts';

const FIXED_WORDS = Uint8Array.from(KIND_ROWS, row => row.fixedWords);
const ITEM_WORDS = Uint8Array.from(KIND_ROWS, row => row.itemWords);
const ITEM_NAME = Int8Array.from(KIND_ROWS, row => row.itemName);
const ITEM_TYPE = Int8Array.from(KIND_ROWS, row => row.itemType);
const THIRD_IS_TYPE = Uint8Array.from(KIND_ROWS, row => (row.third === 'type' ? 1 : 0));

const KIND_ARRAY = 3;
const KIND_FUNC = 12;
const KIND_FUNC_PROTO = 13;

/**
 * The type section of one BTF as words in host order plus, per type, where it begins and its kind. No object per type.
 * Ids continue those of the base table, if there is one; every accessor takes any valid id and answers for the base
 * too. Accessors do not check ids: `Btf` does, and ids stored in types were checked when the table was made.
 */
export class TypeTable {
  readonly words: Uint32Array;
  readonly base: TypeTable | undefined;
  /** Id of the first type of this table. */
  readonly startId: number;
  /** One past the last id. */
  readonly endId: number;
  /** Word index of each own type. */
  readonly #starts: Uint32Array;
  readonly #kinds: Uint8Array;

  constructor(words: Uint32Array, starts: Uint32Array, kinds: Uint8Array, base: TypeTable | undefined) {
    this.words = words;
    this.base = base;
    this.startId = base === undefined ? 1 : base.endId;
    this.endId = this.startId + starts.length;
    this.#starts = starts;
    this.#kinds = kinds;
  }

  /** The table that holds the type's own words. */
  owner(id: number): TypeTable {
    return id >= this.startId || this.base === undefined ? this : this.base.owner(id);
  }
  /** Word index of a type in its owner's `words`. */
  start(id: number): number {
    return this.owner(id).#starts[id - this.owner(id).startId];
  }
  /** Kind number; 0 for type 0. */
  kind(id: number): number {
    if (id >= this.startId) return this.#kinds[id - this.startId];
    return id === 0 || this.base === undefined ? 0 : this.base.kind(id);
  }
  #word(id: number, index: number): number {
    if (id >= this.startId) return this.words[this.#starts[id - this.startId] + index];
    return id === 0 || this.base === undefined ? 0 : this.base.#word(id, index);
  }
  nameOff(id: number): number {
    return this.#word(id, 0);
  }
  vlen(id: number): number {
    return this.#word(id, 1) & 0xffffff;
  }
  kindFlag(id: number): boolean {
    return this.#word(id, 1) >>> 31 === 1;
  }
  /** The third common word: a size in bytes or a type id, as the kind has it. */
  third(id: number): number {
    return this.#word(id, 2);
  }
  /** Word `index` after the three common ones. */
  extra(id: number, index: number): number {
    return this.#word(id, COMMON_WORDS + index);
  }
  /** Word `index` of item `item` (member, parameter, enumerator, variable). */
  item(id: number, item: number, index: number): number {
    return this.#word(id, COMMON_WORDS + item * ITEM_WORDS[this.kind(id)] + index);
  }
  /** Bit offset of a struct or union member. */
  memberBitOffset(id: number, member: number): number {
    const off = this.item(id, member, 2);
    return this.kindFlag(id) ? off & 0xffffff : off;
  }
  /** Bitfield size of a member in bits, 0 if it is none. */
  memberBitSize(id: number, member: number): number {
    return this.kindFlag(id) ? this.item(id, member, 2) >>> 24 : 0;
  }
}

/** The type section as host-order words: a view where alignment and order allow, else a copy. */
function wordsOf(bytes: Uint8Array, header: BtfHeader): Uint32Array {
  const start = bytes.byteOffset + header.typeOff;
  const swap = header.order !== hostByteOrder;
  if (!swap && start % 4 === 0) return new Uint32Array(bytes.buffer, start, header.typeLen / 4);
  const copy = bytes.slice(header.typeOff, header.typeOff + header.typeLen);
  const words = new Uint32Array(copy.buffer, copy.byteOffset, copy.length / 4);
  if (swap) {
    for (let i = 0; i < words.length; i++) {
      const word = words[i];
      words[i] = (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
    }
  }
  return words;
}

/**
 * Walks the type section once, finding where each type begins and checking that it is whole and that every type id and
 * string offset in it exists. Throws `btf.type` (cut off), `btf.kind` (unknown), `btf.type-id`, `btf.string-offset`,
 * `btf.func` (a FUNC of something else than a FUNC_PROTO). Source: `tools/lib/bpf/btf.c: btf_parse_type_sec,
 * btf_validate_type`.
 */
export function openTypes(
  bytes: Uint8Array,
  header: BtfHeader,
  strings: StringTable,
  base: TypeTable | undefined,
  where: Where,
): TypeTable {
  const words = wordsOf(bytes, header);
  const end = words.length;
  const starts = new Uint32Array(Math.floor(end / COMMON_WORDS));
  const kinds = new Uint8Array(starts.length);
  const startId = base === undefined ? 1 : base.endId;
  let count = 0;
  let maxName = 0;
  let maxType = 0;
  for (let at = 0; at < end; ) {
    if (at + COMMON_WORDS > end) throw cutOff(startId + count, at, COMMON_WORDS, end - at, header, where);
    const info = words[at + 1];
    const kind = (info >>> 24) & 0x7f;
    const vlen = info & 0xffffff;
    const known = kind !== 0 && kind <= KIND_MAX;
    const size = known
      ? COMMON_WORDS + FIXED_WORDS[kind] + ITEM_WORDS[kind] * vlen
      : unknownWords(startId + count, at, kind, vlen, header, where);
    if (at + size > end) throw cutOff(startId + count, at, size, end - at, header, where);
    starts[count] = at;
    kinds[count++] = kind;
    if (words[at] > maxName) maxName = words[at];
    if (known) {
      if (THIRD_IS_TYPE[kind] === 1 && words[at + 2] > maxType) maxType = words[at + 2];
      if (kind === KIND_ARRAY) {
        if (words[at + 3] > maxType) maxType = words[at + 3];
        if (words[at + 4] > maxType) maxType = words[at + 4];
      } else {
        const step = ITEM_WORDS[kind];
        if (step !== 0) {
          const name = ITEM_NAME[kind];
          const type = ITEM_TYPE[kind];
          const stop = at + size;
          for (let item = at + COMMON_WORDS; item < stop; item += step) {
            if (name >= 0 && words[item + name] > maxName) maxName = words[item + name];
            if (type >= 0 && words[item + type] > maxType) maxType = words[item + type];
          }
        }
      }
    }
    at += size;
  }
  const table = new TypeTable(words, starts.slice(0, count), kinds.slice(0, count), base);
  if (maxType >= table.endId || maxName >= strings.endOff) reportReference(table, strings, header, where);
  checkFuncs(table, header, where);
  return table;
}

function unknownWords(id: number, at: number, kind: number, vlen: number, header: BtfHeader, where: Where): number {
  const layout: KindLayout | undefined = kind === 0 ? undefined : header.layouts[kind];
  if (layout !== undefined && layout.infoBytes % 4 === 0 && layout.itemBytes % 4 === 0) {
    return COMMON_WORDS + (layout.infoBytes + layout.itemBytes * vlen) / 4;
  }
  const place = { ...where, offBytes: header.typeOff + 4 * at };
  throw btfError('btf.kind', place, `type [${id}] is of an unknown kind`, `1 to ${KIND_MAX}`, `${kind}`);
}

function cutOff(id: number, at: number, need: number, left: number, header: BtfHeader, where: Where): Error {
  const place = { ...where, offBytes: header.typeOff + 4 * at };
  return btfError('btf.type', place, `type [${id}] is cut off`, `${4 * need} bytes`, `${4 * left} bytes`);
}

function checkFuncs(table: TypeTable, header: BtfHeader, where: Where): void {
  for (let id = table.startId; id < table.endId; id++) {
    if (table.kind(id) !== KIND_FUNC || table.kind(table.third(id)) === KIND_FUNC_PROTO) continue;
    const place = { ...where, offBytes: header.typeOff + 4 * table.start(id) };
    const found = `[${table.third(id)}] ${kindName(table.kind(table.third(id)))}`;
    throw btfError('btf.func', place, `FUNC [${id}] has no prototype`, 'the id of a FUNC_PROTO', found);
  }
}

/** Finds the first type id or string offset that does not exist, once it is known that there is one. */
function reportReference(table: TypeTable, strings: StringTable, header: BtfHeader, where: Where): void {
  const ids = `a type id below ${table.endId}`;
  const offs = `a string offset below ${strings.endOff}`;
  for (let id = table.startId; id < table.endId; id++) {
    const kind = table.kind(id);
    const row = KIND_ROWS[kind];
    const start = table.start(id);
    const check = (word: number, isType: boolean, what: string): void => {
      const value = table.words[start + word];
      if (value < (isType ? table.endId : strings.endOff)) return;
      const place = { ...where, offBytes: header.typeOff + 4 * (start + word) };
      const code = isType ? 'btf.type-id' : 'btf.string-offset';
      throw btfError(
        code,
        place,
        `${what} of ${kindName(kind)} [${id}] does not exist`,
        isType ? ids : offs,
        `${value}`,
      );
    };
    check(0, false, 'name');
    if (row === undefined) continue;
    if (row.third === 'type') check(2, true, 'type');
    if (kind === KIND_ARRAY) {
      check(3, true, 'element type');
      check(4, true, 'index type');
    }
    for (let item = 0; item < (row.itemWords === 0 ? 0 : table.vlen(id)); item++) {
      const at = COMMON_WORDS + item * row.itemWords;
      if (row.itemName >= 0) check(at + row.itemName, false, `name of item ${item}`);
      if (row.itemType >= 0) check(at + row.itemType, true, `type of item ${item}`);
    }
  }
}
