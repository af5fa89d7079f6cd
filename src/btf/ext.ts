import { type ByteOrder, ByteView, ByteWriter, type Where } from '../util/index.ts';
import type { Btf } from './btf.ts';
import { BTF_MAGIC, BTF_VERSION, btfByteOrder, btfError } from './header.ts';

/** The three tables of `.BTF.ext`, in file order, with the bytes of a record as first defined. */
const TABLES = [
  { name: 'func_info', minRecBytes: 8 },
  { name: 'line_info', minRecBytes: 16 },
  { name: 'core_relo', minRecBytes: 16 },
] as const;

const MIN_HEADER_LEN = 24;
const FULL_HEADER_LEN = 32;

/** The records of one table that belong to one ELF section. */
export interface BtfExtGroup {
  readonly section: string;
  readonly sectionNameOff: number;
  readonly count: number;
  /** `count` records of the table's `recWords` words, in host order. */
  readonly words: Uint32Array;
}

export interface BtfExtTable {
  /** Words of a record: at least those known, more if a newer compiler added fields. */
  readonly recWords: number;
  readonly groups: readonly BtfExtGroup[];
}

/** `.BTF.ext`: which function, source line and CO-RE relocation belongs to which instruction. */
export interface BtfExt {
  readonly order: ByteOrder;
  readonly funcInfo: BtfExtTable;
  readonly lineInfo: BtfExtTable;
  readonly coreRelo: BtfExtTable;
}

export interface FuncInfo {
  /** From the start of the ELF section. */
  readonly insnOffBytes: number;
  /** A FUNC. */
  readonly typeId: number;
}

export interface LineInfo {
  readonly insnOffBytes: number;
  /** String offsets. */
  readonly fileNameOff: number;
  readonly lineOff: number;
  readonly line: number;
  readonly column: number;
}

export interface CoreRelo {
  readonly insnOffBytes: number;
  /** In the program's own BTF. */
  readonly typeId: number;
  /** String offset of the access path, `0:1:2`. */
  readonly accessStrOff: number;
  /** A `BPF_CORE_*` number. */
  readonly kind: number;
}

function records<T>(table: BtfExtTable, group: BtfExtGroup, read: (words: Uint32Array, at: number) => T): T[] {
  const out: T[] = new Array(group.count);
  for (let i = 0; i < group.count; i++) out[i] = read(group.words, i * table.recWords);
  return out;
}

export function funcInfos(ext: BtfExt, group: BtfExtGroup): FuncInfo[] {
  return records(ext.funcInfo, group, (words, at) => ({ insnOffBytes: words[at], typeId: words[at + 1] }));
}

export function lineInfos(ext: BtfExt, group: BtfExtGroup): LineInfo[] {
  return records(ext.lineInfo, group, (words, at) => ({
    insnOffBytes: words[at],
    fileNameOff: words[at + 1],
    lineOff: words[at + 2],
    line: words[at + 3] >>> 10,
    column: words[at + 3] & 0x3ff,
  }));
}

export function coreRelos(ext: BtfExt, group: BtfExtGroup): CoreRelo[] {
  return records(ext.coreRelo, group, (words, at) => ({
    insnOffBytes: words[at],
    typeId: words[at + 1],
    accessStrOff: words[at + 2],
    kind: words[at + 3],
  }));
}

/** Words of records that are type ids (`type`) or string offsets (`string`) of the BTF beside the table. */
const REFERENCES = {
  func_info: [[1, 'type']],
  line_info: [
    [1, 'string'],
    [2, 'string'],
  ],
  core_relo: [
    [1, 'type'],
    [2, 'string'],
  ],
} as const;

/**
 * Reads `.BTF.ext`. Records longer than known keep their extra words. Throws `btf.ext` (header, table layout, cut-off
 * groups), `btf.type-id`, `btf.string-offset`. Source: `tools/lib/bpf/btf.c: btf_ext_parse, btf_ext_setup_info`.
 */
export function parseBtfExt(bytes: Uint8Array, btf: Btf, where: Where = {}): BtfExt {
  const order = btfByteOrder(bytes);
  if (order === undefined) {
    throw btfError('btf.magic', where, 'not .BTF.ext', 'magic 0xeb9f in either byte order', `${bytes.length} bytes`);
  }
  const view = new ByteView(bytes, order, where);
  if (bytes.length < MIN_HEADER_LEN) {
    throw btfError('btf.ext', where, 'header is cut off', `${MIN_HEADER_LEN} bytes`, `${bytes.length} bytes`);
  }
  if (view.u8(2) !== BTF_VERSION) {
    throw btfError('btf.ext', { ...where, offBytes: 2 }, 'unknown version', `${BTF_VERSION}`, `${view.u8(2)}`);
  }
  const headerLen = view.u32(4);
  if (headerLen < MIN_HEADER_LEN || headerLen > bytes.length) {
    const range = `${MIN_HEADER_LEN} to ${bytes.length} bytes`;
    throw btfError('btf.ext', { ...where, offBytes: 4 }, 'bad header length', range, `${headerLen}`);
  }
  const [funcInfo, lineInfo, coreRelo] = TABLES.map(({ name, minRecBytes }, index) => {
    const field = 8 + 8 * index;
    if (field + 8 > headerLen) return { recWords: minRecBytes / 4, groups: [] };
    return parseTable(view, headerLen + view.u32(field), view.u32(field + 4), name, minRecBytes, btf);
  });
  return { order, funcInfo, lineInfo, coreRelo };
}

function parseTable(
  view: ByteView,
  start: number,
  length: number,
  name: keyof typeof REFERENCES,
  minRecBytes: number,
  btf: Btf,
): BtfExtTable {
  if (length === 0) return { recWords: minRecBytes / 4, groups: [] };
  const fail = (offBytes: number, message: string, expected: string, found: string): never => {
    throw btfError('btf.ext', { ...view.where, offBytes }, `${name}: ${message}`, expected, found);
  };
  const end = start + length;
  if (start % 4 !== 0 || end > view.length || length < 4) {
    fail(start, 'table is misplaced', `4-aligned inside ${view.length} bytes`, `offset ${start}, ${length} bytes`);
  }
  const recBytes = view.u32(start);
  if (recBytes < minRecBytes || recBytes % 4 !== 0) {
    fail(start, 'bad record size', `a multiple of 4, at least ${minRecBytes}`, `${recBytes}`);
  }
  const groups: BtfExtGroup[] = [];
  for (let at = start + 4; at < end; ) {
    if (at + 8 > end) fail(at, 'group header is cut off', '8 bytes', `${end - at} bytes`);
    const sectionNameOff = view.u32(at);
    const count = view.u32(at + 4);
    if (count === 0) fail(at + 4, 'empty group', 'at least one record', '0');
    if (count * recBytes > end - at - 8) {
      fail(at, 'records are cut off', `${count * recBytes} bytes`, `${end - at - 8} bytes`);
    }
    const words = new Uint32Array((count * recBytes) / 4);
    for (let i = 0; i < words.length; i++) words[i] = view.u32(at + 8 + 4 * i);
    const section = btf.stringAt(sectionNameOff);
    checkReferences(words, recBytes / 4, name, btf, { ...view.where, offBytes: at + 8 });
    groups.push({ section, sectionNameOff, count, words });
    at += 8 + count * recBytes;
  }
  if (groups.length === 0) fail(start, 'no records', 'at least one group', '0');
  return { recWords: recBytes / 4, groups };
}

function checkReferences(
  words: Uint32Array,
  recWords: number,
  name: keyof typeof REFERENCES,
  btf: Btf,
  where: Where & { offBytes: number },
): void {
  for (const [word, what] of REFERENCES[name]) {
    const limit = what === 'type' ? btf.typeCount : btf.strings.endOff;
    for (let at = word; at < words.length; at += recWords) {
      if (words[at] < limit) continue;
      const place = { ...where, offBytes: where.offBytes + 4 * at };
      const code = what === 'type' ? 'btf.type-id' : 'btf.string-offset';
      throw btfError(code, place, `${name}: no such ${what}`, `below ${limit}`, `${words[at]}`);
    }
  }
}

/** What to write: section names are string offsets of the BTF that goes with it. */
export type BtfExtInit = Pick<BtfExt, 'funcInfo' | 'lineInfo' | 'coreRelo'>;

/** A table from plain records of words. */
export function btfExtTable(
  recWords: number,
  groups: ReadonlyArray<{ section: string; sectionNameOff: number; words: ArrayLike<number> }>,
): BtfExtTable {
  return {
    recWords,
    groups: groups.map(({ section, sectionNameOff, words }) => ({
      section,
      sectionNameOff,
      count: words.length / recWords,
      words: Uint32Array.from(words),
    })),
  };
}

/** The bytes of a `.BTF.ext`. Empty tables take no room; empty groups are left out. */
export function writeBtfExt(ext: BtfExtInit, order: ByteOrder = 'little'): Uint8Array {
  const bodies = [ext.funcInfo, ext.lineInfo, ext.coreRelo].map(({ recWords, groups }) => {
    const body: number[] = [];
    for (const { sectionNameOff, count, words } of groups) {
      if (count === 0) continue;
      if (body.length === 0) body.push(4 * recWords);
      body.push(sectionNameOff, count);
      for (const word of words) body.push(word);
    }
    return body;
  });
  const out = new ByteWriter(order, FULL_HEADER_LEN + bodies.reduce((sum, body) => sum + 4 * body.length, 0));
  out.u16(BTF_MAGIC).u8(BTF_VERSION).u8(0).u32(FULL_HEADER_LEN);
  let at = 0;
  for (const body of bodies) {
    out.u32(at).u32(4 * body.length);
    at += 4 * body.length;
  }
  for (const body of bodies) for (const word of body) out.u32(word);
  return out.finish();
}
