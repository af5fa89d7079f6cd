import { FarcallError, type Where } from './errors.ts';

/** The order of bytes in a file or on a simulated machine. */
export type ByteOrder = 'little' | 'big';

/** The order typed arrays use on this host. */
export const hostByteOrder: ByteOrder = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 'little' : 'big';

/**
 * A bounded, byte-order-aware view of bytes. Every read checks its bounds and throws `bytes.out-of-bounds` with
 * the place; nothing past the end is ever read.
 */
export class ByteView {
  readonly bytes: Uint8Array;
  readonly order: ByteOrder;
  readonly where: Where;
  readonly #view: DataView;
  readonly #little: boolean;

  constructor(bytes: Uint8Array, order: ByteOrder, where: Where = {}) {
    this.bytes = bytes;
    this.order = order;
    this.where = where;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#little = order === 'little';
  }

  get length(): number {
    return this.bytes.length;
  }

  /** Throws `bytes.out-of-bounds` unless `[off, off + size)` lies inside. `what` names the thing being read. */
  check(off: number, size: number, what = 'data'): void {
    if (off >= 0 && size >= 0 && off + size <= this.bytes.length) return;
    throw new FarcallError({
      code: 'bytes.out-of-bounds',
      message: `${what} reaches outside the ${this.bytes.length} bytes there are`,
      expected: `${size} bytes at offset ${off}`,
      found: `${Math.max(0, Math.min(size, this.bytes.length - off))} bytes`,
      where: this.where,
    });
  }

  u8(off: number, what?: string): number {
    this.check(off, 1, what);
    return this.bytes[off];
  }
  u16(off: number, what?: string): number {
    this.check(off, 2, what);
    return this.#view.getUint16(off, this.#little);
  }
  i16(off: number, what?: string): number {
    this.check(off, 2, what);
    return this.#view.getInt16(off, this.#little);
  }
  u32(off: number, what?: string): number {
    this.check(off, 4, what);
    return this.#view.getUint32(off, this.#little);
  }
  i32(off: number, what?: string): number {
    this.check(off, 4, what);
    return this.#view.getInt32(off, this.#little);
  }
  u64(off: number, what?: string): bigint {
    this.check(off, 8, what);
    return this.#view.getBigUint64(off, this.#little);
  }
  i64(off: number, what?: string): bigint {
    this.check(off, 8, what);
    return this.#view.getBigInt64(off, this.#little);
  }

  /** A u64 that has to be usable as an offset or size: throws when it is above 2^53 - 1. */
  size64(off: number, what = 'size'): number {
    const value = this.u64(off, what);
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
    throw new FarcallError({
      code: 'bytes.out-of-bounds',
      message: `${what} is too large`,
      expected: 'at most 2^53 - 1',
      found: `0x${value.toString(16)}`,
      where: this.where,
    });
  }

  /** The bytes `[off, off + size)`, sharing memory. */
  slice(off: number, size: number, what?: string): Uint8Array {
    this.check(off, size, what);
    return this.bytes.subarray(off, off + size);
  }

  /** The NUL-terminated string at `off`; throws `bytes.out-of-bounds` when no NUL follows. */
  cstring(off: number, what = 'string'): string {
    this.check(off, 1, what);
    const end = this.bytes.indexOf(0, off);
    if (end < 0) {
      throw new FarcallError({
        code: 'bytes.out-of-bounds',
        message: `${what} has no terminating NUL`,
        expected: `a NUL after offset ${off}`,
        found: 'the end of the data',
        where: this.where,
      });
    }
    return decodeText(this.bytes.subarray(off, end));
  }
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
const utf8Encoder = new TextEncoder();

/** UTF-8 bytes to text; invalid sequences become U+FFFD. */
export function decodeText(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}

export function encodeText(text: string): Uint8Array {
  return utf8Encoder.encode(text);
}

/** A little growable output buffer with the same vocabulary as {@link ByteView}. */
export class ByteWriter {
  readonly order: ByteOrder;
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;
  readonly #little: boolean;

  constructor(order: ByteOrder, capacity = 256) {
    this.order = order;
    this.#little = order === 'little';
    this.#bytes = new Uint8Array(Math.max(16, capacity));
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** Makes room and returns its offset; take the view only afterwards, it may be another. */
  #reserve(size: number): number {
    const at = this.#length;
    const end = at + size;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = end;
    return at;
  }

  u8(value: number): this {
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
    return this;
  }
  u16(value: number): this {
    const at = this.#reserve(2);
    this.#view.setUint16(at, value, this.#little);
    return this;
  }
  u32(value: number): this {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, this.#little);
    return this;
  }
  u64(value: bigint): this {
    const at = this.#reserve(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, value), this.#little);
    return this;
  }
  put(bytes: Uint8Array): this {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }
  /** Text as UTF-8 followed by a NUL. */
  cstring(text: string): this {
    return this.put(encodeText(text)).u8(0);
  }
  /** Zeroes up to the next multiple of `alignBytes`. */
  align(alignBytes: number): this {
    while (this.#length % alignBytes !== 0) this.u8(0);
    return this;
  }
  /** Overwrites 4 bytes written earlier. */
  patchU32(off: number, value: number): this {
    this.#view.setUint32(off, value, this.#little);
    return this;
  }
  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Lower-case hex, two digits a byte, `separator` between bytes. */
export function toHex(bytes: Uint8Array, separator = ''): string {
  if (bytes.length <= 32 && separator === '') {
    let digits = '';
    for (let i = 0; i < bytes.length; i++) digits += HEX[bytes[i]];
    return digits;
  }
  const out: string[] = new Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) out[i] = HEX[bytes[i]];
  return out.join(separator);
}

/** Hex digits to bytes; white space, `:` and `,` between bytes and a leading `0x` are allowed. Throws `arg.hex`. */
export function fromHex(text: string): Uint8Array {
  const digits = text.replace(/0x/gi, '').replace(/[\s:,]+/g, '');
  if (digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits)) {
    const bad = /[^0-9a-f]/i.exec(digits);
    throw new FarcallError({
      code: 'arg.hex',
      message: 'not hexadecimal bytes',
      expected: 'an even number of hex digits',
      found: bad === null ? `${digits.length} digits` : `'${bad[0]}'`,
    });
  }
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function alignUp(value: number, alignBytes: number): number {
  return Math.ceil(value / alignBytes) * alignBytes;
}
