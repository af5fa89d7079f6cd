import { ltU64 } from '../util/index.ts';
import type { Btf } from './btf.ts';
import { btfError } from './header.ts';
import { ANY_ENUM_MASK, COMPOSITE_MASK, isIn, K, kindMask } from './kind.ts';

const TWO32 = 4294967296;
const MAX_DEPTH = 512;
const REFERRING = kindMask(K.TYPE_TAG, K.CONST, K.PTR, K.VOLATILE, K.RESTRICT, K.TYPEDEF, K.DECL_TAG);

/** A 64-bit polynomial hash (`h = 31 * h + value`) being computed. */
class Hash {
  hi = 0;
  lo = 0;

  add(hi: number, lo: number): void {
    const low = (this.lo >>> 0) * 31 + (lo >>> 0);
    this.hi = (Math.imul(this.hi, 31) + hi + Math.floor(low / TWO32)) | 0;
    this.lo = low | 0;
  }
}

/**
 * The hashes by which bpftool orders types of equal names: over the names of members, enumerators and what they are
 * made of, one level deep. 64 bits each, in two halves. Source: `tools/bpf/bpftool/btf.c: btf_type_disambig_hash`.
 */
export class ContentHashes {
  readonly #btf: Btf;
  /** Bit 0: shallow hash known; bit 1: deep hash known. Values at `2 * id + deep`. */
  readonly #known: Uint8Array;
  readonly #hi: Int32Array;
  readonly #lo: Int32Array;

  constructor(btf: Btf) {
    this.#btf = btf;
    this.#known = new Uint8Array(btf.typeCount);
    this.#hi = new Int32Array(2 * btf.typeCount);
    this.#lo = new Int32Array(2 * btf.typeCount);
  }

  compare(a: number, b: number): number {
    const ia = this.#at(a, 1, 0);
    const ib = this.#at(b, 1, 0);
    if (this.#hi[ia] === this.#hi[ib] && this.#lo[ia] === this.#lo[ib]) return 0;
    return ltU64(this.#hi[ia], this.#lo[ia], this.#hi[ib], this.#lo[ib]) ? -1 : 1;
  }

  /** Index of the computed hash; `deep` is 1 to take members in. */
  #at(id: number, deep: 0 | 1, depth: number): number {
    const index = 2 * id + deep;
    if ((this.#known[id] & (1 << deep)) !== 0) return index;
    if (depth > MAX_DEPTH) throw btfError('btf.loop', this.#btf.where, `references from type [${id}] never end`);
    const hash = this.#compute(id, deep, depth);
    this.#hi[index] = hash.hi;
    this.#lo[index] = hash.lo;
    this.#known[id] |= 1 << deep;
    return index;
  }

  #compute(id: number, deep: 0 | 1, depth: number): Hash {
    const { types } = this.#btf;
    const kind = types.kind(id);
    const hash = new Hash();
    const addType = (other: number, how: 0 | 1): void => {
      const index = this.#at(other, how, depth + 1);
      hash.add(this.#hi[index], this.#lo[index]);
    };
    this.#addName(hash, types.nameOff(id));
    if (isIn(ANY_ENUM_MASK, kind)) {
      for (let i = 0; i < types.vlen(id); i++) this.#addName(hash, types.item(id, i, 0));
    } else if (isIn(COMPOSITE_MASK, kind) && deep === 1) {
      for (let i = 0; i < types.vlen(id); i++) {
        this.#addName(hash, types.item(id, i, 0));
        addType(types.item(id, i, 1), 0);
      }
    } else if (isIn(REFERRING, kind)) addType(types.third(id), deep);
    else if (kind === K.ARRAY) {
      hash.add(0, types.extra(id, 2));
      addType(types.extra(id, 0), deep);
    }
    return hash;
  }

  #addName(hash: Hash, off: number): void {
    if (off === 0) return;
    const { bytes, startOff } = this.#btf.strings.owner(off);
    const name = new Hash();
    // Bytes above 0x7f are negative, as `char` is where bpftool usually runs.
    for (let at = off - startOff; bytes[at] !== 0; at++) name.add(bytes[at] > 0x7f ? -1 : 0, (bytes[at] << 24) >> 24);
    hash.add(name.hi, name.lo);
  }
}
