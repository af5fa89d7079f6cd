import type { Btf } from './btf.ts';
import { ContentHashes } from './dump-c-hash.ts';
import { btfError } from './header.ts';
import { ANY_ENUM_MASK, isIn, K, kindMask } from './kind.ts';

const MAX_STEPS = 1024;
const LAST_RANK = 10;
/** Kinds whose rank and sort name are those of the type they refer to. */
const REFERRING = kindMask(K.TYPE_TAG, K.CONST, K.PTR, K.VOLATILE, K.RESTRICT, K.TYPEDEF, K.DECL_TAG);

/** Ranks by kind: anonymous, named. */
const RANKS: ReadonlyMap<number, readonly [number, number]> = new Map([
  [K.ENUM, [0, 1]],
  [K.ENUM64, [0, 1]],
  [K.INT, [2, 2]],
  [K.FLOAT, [2, 2]],
  [K.STRUCT, [LAST_RANK, 3]],
  [K.UNION, [LAST_RANK, 3]],
  [K.FUNC_PROTO, [LAST_RANK, 4]],
]);

/** The type at the end of a chain of references. */
function follow(btf: Btf, id: number, visit: (id: number) => void): number {
  const { types } = btf;
  let at = id;
  for (let steps = 0; steps < MAX_STEPS; steps++) {
    visit(at);
    const kind = types.kind(at);
    if (kind === K.ARRAY) at = types.extra(at, 0);
    else if (isIn(REFERRING, kind)) at = types.third(at);
    else return at;
  }
  throw btfError('btf.loop', btf.where, `references from type [${id}] never end`);
}

interface SortKey {
  readonly id: number;
  readonly rank: number;
  readonly sortName: string;
  readonly ownName: string;
}

function keyOf(btf: Btf, id: number): SortKey {
  const { types } = btf;
  // A reference nobody named on the way sorts last, as it stands for itself only.
  let named = false;
  let anonymousReference = false;
  const end = follow(btf, id, at => {
    if (types.nameOff(at) !== 0) named = true;
    const refers = types.kind(at) === K.ARRAY || isIn(REFERRING, types.kind(at));
    if (refers && !named) anonymousReference = true;
  });
  const endKind = types.kind(end);
  const rank = anonymousReference ? LAST_RANK : (RANKS.get(endKind)?.[named ? 1 : 0] ?? LAST_RANK);
  let sortOff = types.nameOff(end);
  const direct = end === id;
  if (sortOff === 0 && direct && isIn(ANY_ENUM_MASK, endKind) && types.vlen(end) > 0) sortOff = types.item(end, 0, 0);
  return { id, rank, sortName: btf.stringAt(sortOff), ownName: btf.nameOf(id) };
}

function compareText(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/**
 * All type ids in the order in which bpftool writes them unless told `unsorted`: enums, integers, structs, function
 * types, each with the typedefs of them, by name; equal names by a hash of their contents. Void is among them, where
 * its rank puts it. Source: `tools/bpf/bpftool/btf.c: sort_btf_c`.
 */
export function sortForC(btf: Btf): number[] {
  const keys: SortKey[] = [];
  for (let id = 0; id < btf.typeCount; id++) keys.push(keyOf(btf, id));
  const hashes = new ContentHashes(btf);
  keys.sort(
    (a, b) =>
      a.rank - b.rank ||
      compareText(a.sortName, b.sortName) ||
      compareText(a.ownName, b.ownName) ||
      hashes.compare(a.id, b.id) ||
      a.id - b.id,
  );
  return keys.map(key => key.id);
}
