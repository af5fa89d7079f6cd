import { decodeText, type Where } from '../util/index.ts';
import { type BtfHeader, btfError } from './header.ts';

/**
 * The string section of one BTF, on top of its base's if it is split. Offsets are those found in types: the base's
 * strings come first. Strings are decoded when asked for and then kept.
 */
export class StringTable {
  readonly bytes: Uint8Array;
  readonly base: StringTable | undefined;
  /** First offset of this table's own strings. */
  readonly startOff: number;
  /** One past the last offset. */
  readonly endOff: number;
  readonly #cache = new Map<number, string>();

  constructor(bytes: Uint8Array, base: StringTable | undefined) {
    this.bytes = bytes;
    this.base = base;
    this.startOff = base === undefined ? 0 : base.endOff;
    this.endOff = this.startOff + bytes.length;
  }

  /** The string at `off`; undefined outside the table. */
  at(off: number): string | undefined {
    if (off < this.startOff) return this.base?.at(off);
    if (off >= this.endOff) return undefined;
    const known = this.#cache.get(off);
    if (known !== undefined) return known;
    const text = decodeAt(this.bytes, off - this.startOff);
    this.#cache.set(off, text);
    return text;
  }

  /** The table whose own bytes hold `off`. */
  owner(off: number): StringTable {
    return off >= this.startOff || this.base === undefined ? this : this.base.owner(off);
  }
}

/** Short ASCII strings, nearly all there are, are built without a decoder call. */
function decodeAt(bytes: Uint8Array, start: number): string {
  let text = '';
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === 0) return text;
    if (byte >= 0x80 || at - start > 64) return decodeText(bytes.subarray(start, bytes.indexOf(0, at)));
    text += String.fromCharCode(byte);
  }
  return text;
}

/**
 * Checks and wraps the string section: it ends in NUL and, unless split, begins with the empty string. Throws
 * `btf.strings`.
 */
export function openStrings(
  bytes: Uint8Array,
  header: BtfHeader,
  base: StringTable | undefined,
  where: Where,
): StringTable {
  const strings = bytes.subarray(header.strOff, header.strOff + header.strLen);
  const place = { ...where, offBytes: header.strOff };
  if (strings.length === 0) {
    if (base !== undefined) return new StringTable(strings, base);
    throw btfError('btf.strings', place, 'string section is empty', 'at least one NUL', '0 bytes');
  }
  if (strings[strings.length - 1] !== 0) {
    throw btfError('btf.strings', place, 'string section does not end in NUL', '0', `${strings[strings.length - 1]}`);
  }
  if (base === undefined && strings[0] !== 0) {
    throw btfError('btf.strings', place, 'string section does not begin with the empty string', '0', `${strings[0]}`);
  }
  return new StringTable(strings, base);
}
