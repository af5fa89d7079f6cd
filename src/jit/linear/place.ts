import { alignUp, InternalError } from '../../util/index.ts';
import type { LinearEmission } from './emission.ts';
import type { WrittenFunction } from './function.ts';
import type { WrittenUnit } from './functions.ts';
import type { LinearTarget } from './target.ts';

/** A program's functions one behind the other. */
export interface PlacedCode {
  readonly bytes: Uint8Array;
  /** Where each function begins, by number, those behind the unit's too; -1 for what was left out. */
  readonly offs: Int32Array;
  readonly gateOffs: readonly number[];
}

/** In their order: first those that outsiders know, to which all behind the program's unit belong. */
function inOrder(all: readonly (WrittenFunction | undefined)[], pinned: ArrayLike<number>): number[] {
  const order: number[] = [];
  for (let index = 0; index < all.length; index++) {
    if (all[index] !== undefined && pinned[index] !== 0) order.push(index);
  }
  for (let index = 0; index < pinned.length; index++) {
    if (all[index] !== undefined && pinned[index] === 0) order.push(index);
  }
  return order;
}

/**
 * Puts functions behind each other and tells calls how far they go.
 *
 * @param apart functions behind those of the unit, which outsiders know: their callees are 0, the program, and 1, the first of them
 */
export function placeCode<E extends LinearEmission>(
  { written, pinned }: WrittenUnit,
  apart: readonly WrittenFunction[],
  target: LinearTarget<E>,
): PlacedCode {
  const all = apart.length === 0 ? written : written.concat(apart);
  const order = inOrder(all, pinned);
  const offs = new Int32Array(all.length).fill(-1);
  let end = 0;
  for (const index of order) {
    offs[index] = end;
    end += alignUp((all[index] as WrittenFunction).bytes.length, target.alignBytes);
  }
  const bytes = new Uint8Array(end);
  const view = new DataView(bytes.buffer);
  const gateOffs: number[] = [];
  for (const index of order) {
    const { bytes: code, calls, gateOffs: own } = all[index] as WrittenFunction;
    const off = offs[index];
    bytes.set(code, off);
    const next = off + alignUp(code.length, target.alignBytes);
    for (let at = off + code.length; at < next; at++) bytes[at] = target.fill;
    for (const { offBytes, callee } of calls) {
      const to = offs[index < written.length || callee === 0 ? callee : written.length];
      if (to < 0) throw new InternalError(`a call of function ${callee}, which was left out`);
      target.patchCall(view, off + offBytes, to - off - offBytes);
    }
    for (const at of own) gateOffs.push(off + at);
  }
  return { bytes, offs, gateOffs };
}
