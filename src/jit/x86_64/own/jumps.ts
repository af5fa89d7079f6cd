import type { CodeBuffer } from '../../code-buffer.ts';
import type { Room } from '../../room.ts';

/** Bytes of a jump of 8 bits, and what one of 32 bits takes more. */
const SHORT_BYTES = 2;
const JMP_GROWTH = 3;
const JCC_GROWTH = 4;
/** Rounds in which jumps push each other apart before all grow. */
const MOST_ROUNDS = 64;
/** Jumps there is room for from the start, and for how many room is kept. */
const FEW = 64;
const MANY = 1 << 16;

function copied<T extends Int32Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** The jumps of one emission that come in two lengths, in order. One set serves all emissions. */
export class Jumps {
  #count = 0;
  /** Where each begins, and where it goes: a label. */
  #offs = new Int32Array(FEW);
  #labels = new Int32Array(FEW);
  #slots = new Int32Array(FEW);
  #conditional = new Uint8Array(FEW);

  /** None any more. */
  clear(): void {
    this.#count = 0;
    if (this.#offs.length <= MANY) return;
    this.#offs = new Int32Array(FEW);
    this.#labels = new Int32Array(FEW);
    this.#slots = new Int32Array(FEW);
    this.#conditional = new Uint8Array(FEW);
  }

  add(off: number, label: number, slot: number, conditional: boolean): void {
    const at = this.#count++;
    if (at === this.#offs.length) this.#grow();
    this.#offs[at] = off;
    this.#labels[at] = label;
    this.#slots[at] = slot;
    this.#conditional[at] = conditional ? 1 : 0;
  }

  #grow(): void {
    const room = 2 * this.#offs.length;
    this.#offs = copied(this.#offs, new Int32Array(room));
    this.#labels = copied(this.#labels, new Int32Array(room));
    this.#slots = copied(this.#slots, new Int32Array(room));
    this.#conditional = copied(this.#conditional, new Uint8Array(room));
  }

  /** How many jumps begin before byte `off`, looked for from the `n`-th on: most are near. */
  #before(off: number, n: number): number {
    const offs = this.#offs;
    let low = n;
    let high = n;
    if (offs[n] < off) {
      for (let step = 1; high < this.#count && offs[high] < off; step *= 2) {
        low = high + 1;
        high = Math.min(this.#count, high + step);
      }
    } else {
      for (let step = 1; low > 0 && offs[low - 1] >= off; step *= 2) {
        high = low - 1;
        low = Math.max(0, low - step);
      }
    }
    while (low < high) {
      const mid = (low + high) >> 1;
      if (offs[mid] < off) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  /** Whether 8 bits reach every label whose jump is not long. */
  #reach(near: Uint8Array, code: CodeBuffer): boolean {
    for (let i = 0; i < this.#count; i++) {
      if (near[this.#slots[i]] !== 0) continue;
      const distance = code.offsetOf(this.#labels[i]) - this.#offs[i] - SHORT_BYTES;
      if (distance < -128 || distance > 127) return false;
    }
    return true;
  }

  /**
   * Makes every jump long whose label 8 bits do not reach, those that get out of reach by it included. True: some grew,
   * and the code has to be emitted again.
   *
   * @param room for what is found on the way
   */
  grow(near: Uint8Array, code: CodeBuffer, room: Room): boolean {
    if (this.#reach(near, code)) return false;
    const count = this.#count;
    const places = room.ints(count);
    const indexes = room.ints(count);
    for (let i = 0; i < count; i++) {
      places[i] = code.offsetOf(this.#labels[i]);
      indexes[i] = this.#before(places[i], i);
    }
    // Bytes that jumps before the one with this index grew by in this call.
    const grownBy = room.ints(count + 1);
    const grew = room.bytes(count);
    let any = false;
    for (let round = 0; ; round++) {
      let changed = false;
      for (let i = 0; i < count; i++) {
        if (near[this.#slots[i]] !== 0) continue;
        const from = this.#offs[i] + SHORT_BYTES + grownBy[i];
        const distance = places[i] + grownBy[indexes[i]] - from;
        if (distance >= -128 && distance <= 127 && round < MOST_ROUNDS) continue;
        near[this.#slots[i]] = 1;
        grew[i] = 1;
        changed = true;
      }
      if (!changed) return any;
      any = true;
      let sum = 0;
      for (let i = 0; i < count; i++) {
        grownBy[i] = sum;
        if (grew[i] === 1) sum += this.#conditional[i] === 1 ? JCC_GROWTH : JMP_GROWTH;
      }
      grownBy[count] = sum;
    }
  }
}
