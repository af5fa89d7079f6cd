import type { ByteOrder } from '../util/index.ts';

/** A fixed buffer of zeroes written at offsets, for structures whose fields are known out of order. */
export class Cells {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #little: boolean;

  constructor(bytes: Uint8Array, order: ByteOrder) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#little = order === 'little';
  }

  u8(off: number, value: number): void {
    this.#view.setUint8(off, value);
  }
  u16(off: number, value: number): void {
    this.#view.setUint16(off, value, this.#little);
  }
  u32(off: number, value: number): void {
    this.#view.setUint32(off, value, this.#little);
  }
  /** Negative values wrap to two's complement. */
  u64(off: number, value: number | bigint): void {
    this.#view.setBigUint64(off, BigInt.asUintN(64, BigInt(value)), this.#little);
  }
}
