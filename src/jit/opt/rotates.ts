import { setMask } from '../rows/index.ts';
import { ADD, ALU_K, ALU_X, FP, type Ir, LEADER, MASK, NONE, NOP, OR, ROL, TARGET, W, XOR, ZX } from '../rows/ir.ts';
import type { Window } from './window.ts';

/** What two turned and masked parts of one word make together. */
interface Joined {
  /** `sub`, `aux` and `imm` of a MASK, or the bits a word is turned left by. */
  readonly mask: boolean;
  readonly sub: number;
  readonly hi: number;
  readonly lo: number;
}

function join({ sub, aux, imm, flags }: Ir, i: number, p: number, q: number): Joined | undefined {
  if ((aux[p] & aux[q]) !== 0 || (imm[p] & imm[q]) !== 0) return undefined;
  const words = aux[p] === 0 && aux[q] === 0;
  if ((flags[i] & W) !== 0 && !words) return undefined;
  if (sub[p] === sub[q]) return { mask: true, sub: sub[p], hi: aux[p] | aux[q], lo: imm[p] | imm[q] };
  // `x << n` turns by n, `x >> 32 - n` by 32 + n: the word's own rotate, if between them they have all of it.
  const left = sub[p] < 32 ? p : q;
  const right = left === p ? q : p;
  const by = sub[left];
  if (!words || by === 0 || sub[right] !== 32 + by) return undefined;
  if (imm[left] !== -1 << by || imm[right] !== ~(-1 << by)) return undefined;
  return { mask: false, sub: by, hi: 0, lo: 0 };
}

function put(rows: Ir, at: number, source: number, { mask, sub, hi, lo }: Joined): void {
  rows.a[at] = source;
  rows.b[at] = NONE;
  if (mask) {
    setMask(rows, at, sub, hi, lo);
    return;
  }
  rows.kind[at] = ALU_K;
  rows.sub[at] = ROL;
  rows.imm[at] = sub;
  rows.flags[at] = (rows.flags[at] & (LEADER | TARGET)) | W | ZX;
}

/**
 * A word put together of parts of another one that were turned against it: a rotate, where the parts are what two shifts
 * leave; otherwise any parts turned by as much that have no bit in common.
 *
 * ```
 *   r2 = r1            r1 = rotate-left(r1, 13)
 *   r2 <<= 13      →
 *   r1 >>= 51
 *   r1 |= r2
 * ```
 */
export function foldRotates(w: Window, i: number): void {
  const { rows } = w;
  const { kind, sub, a, b, d, imm } = rows;
  if (kind[i] !== ALU_X || (sub[i] === ADD && imm[i] !== 0) || (sub[i] !== OR && sub[i] !== ADD && sub[i] !== XOR))
    return;
  const p = w.defined[a[i]];
  const q = w.defined[b[i]];
  if (p < 0 || q < 0 || p === q || kind[p] !== MASK || kind[q] !== MASK) return;
  const source = a[p];
  if (a[q] !== source || source === FP || source === NONE || w.readAt[p] !== w.readAt[q]) return;
  const joined = join(rows, i, p, q);
  if (joined === undefined) return;
  if (w.defined[source] === w.readAt[p]) {
    put(rows, i, source, joined);
    return;
  }
  // The source is gone. Where one of the parts took its place for this row alone, it never has to go;
  const taken = w.inPlace(i, source);
  if (taken === p || taken === q) {
    put(rows, i, source, joined);
    w.drop(taken);
    return;
  }
  // and where one of them is in the register to be set, all of it can be put there.
  const early = d[p] === d[i] ? p : d[q] === d[i] ? q : -1;
  if (early < 0 || !w.unread(early)) return;
  put(rows, early, source, joined);
  kind[i] = NOP;
}
