import { type ByteOrder, hi32, lo32 } from '../../util/index.ts';
import type { Core } from './core.ts';
import { Op } from './op.ts';
import type { Level } from './row.ts';

/** Decodes the instruction control has just reached, and runs it. */
const LAZY = new Op(
  (m: Core) => {
    const at = m.idx - 1;
    const op = m.decode(m.image, at);
    m.ops[at] = op;
    op.exec(m, op);
  },
  -1,
  0,
);

/** A piece of code: its bytes at their address, and its instructions as far as control has reached them. */
export class Image {
  readonly addr: bigint;
  readonly hi: number;
  readonly lo: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly little: boolean;
  readonly level: Level;
  /** Whole words. */
  readonly words: number;
  /** One per word, and one behind the last for control that falls off the end. */
  readonly ops: Op[];

  constructor(addr: bigint, bytes: Uint8Array, order: ByteOrder, level: Level) {
    this.addr = addr;
    this.hi = hi32(addr);
    this.lo = lo32(addr);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.little = order === 'little';
    this.level = level;
    this.words = bytes.length >>> 2;
    this.ops = new Array<Op>(this.words + 1).fill(LAZY);
    this.ops[this.words] = new Op((m, o) => m.branchToWord(o, this.words), this.words, 0);
  }

  word(at: number): number {
    return this.view.getInt32(4 * at, this.little);
  }

  addrOf(at: number): bigint {
    return BigInt.asUintN(64, this.addr + BigInt(4 * at));
  }
}
