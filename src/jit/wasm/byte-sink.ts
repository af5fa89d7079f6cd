const PADDED = 5;

/**
 * Bytes written one after the other into an array that grows by doubling. Numbers are LEB128, as WebAssembly has them
 * (WebAssembly core specification §5.2.2).
 */
export class ByteSink {
  // Not private: names of private fields cost code that runs for the first time.
  protected buffer = new Uint8Array(1024);
  protected used = 0;

  get length(): number {
    return this.used;
  }

  /** The bytes themselves, with room for `count` more behind {@link length}: written there, they count after {@link skip}. */
  reserve(count: number): Uint8Array {
    if (this.used + count > this.buffer.length) this.room(count);
    return this.buffer;
  }
  /** @param length how many bytes there are now */
  skip(length: number): void {
    this.used = length;
  }

  protected room(count: number): void {
    const need = this.used + count;
    if (need <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(need, 2 * this.buffer.length));
    grown.set(this.buffer);
    this.buffer = grown;
  }

  byte(value: number): void {
    if (this.used === this.buffer.length) this.room(1);
    this.buffer[this.used++] = value;
  }

  bytes(values: ArrayLike<number>): void {
    this.room(values.length);
    this.buffer.set(values, this.used);
    this.used += values.length;
  }

  /** Unsigned LEB128 of a 32-bit value; the sign of the number does not matter. */
  u32(value: number): void {
    let left = value >>> 0;
    while (left > 0x7f) {
      this.byte((left & 0x7f) | 0x80);
      left >>>= 7;
    }
    this.byte(left);
  }

  /** Signed LEB128 of an int32. */
  s32(value: number): void {
    let left = value | 0;
    while (left < -0x40 || left > 0x3f) {
      this.byte((left & 0x7f) | 0x80);
      left >>= 7;
    }
    this.byte(left & 0x7f);
  }

  /** Signed LEB128 of the 64-bit value with these int32 halves. */
  s64(hi: number, lo: number): void {
    let high = hi | 0;
    let low = lo | 0;
    while (high !== low >> 31 || low < -0x40 || low > 0x3f) {
      this.byte((low & 0x7f) | 0x80);
      low = (low >>> 7) | (high << 25);
      high >>= 7;
    }
    this.byte(low & 0x7f);
  }

  /** Length in bytes and UTF-8 of a name. */
  name(text: string): void {
    const utf8 = new TextEncoder().encode(text);
    this.u32(utf8.length);
    this.bytes(utf8);
  }

  /** Leaves room for a length; {@link end} fills it in. */
  begin(): number {
    this.room(PADDED);
    this.used += PADDED;
    return this.used;
  }

  /** Writes how many bytes came since {@link begin}, as a LEB128 of five bytes. @param mark what it returned */
  end(mark: number): void {
    let size = this.used - mark;
    for (let at = mark - PADDED; at < mark - 1; at++) {
      this.buffer[at] = (size & 0x7f) | 0x80;
      size >>>= 7;
    }
    this.buffer[mark - 1] = size;
  }

  /** What was written: a copy. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.buffer.slice(0, this.used);
  }
}
