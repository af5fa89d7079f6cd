import { describe, expect, it } from 'vitest';
import { BtfBuilder, type BtfTypeInit } from '../../btf/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { btfLoadErrno } from './btf-load.ts';
import { btfResolveErrno } from './btf-resolve.ts';

const INT: BtfTypeInit = {
  kind: 'INT',
  name: 'int',
  sizeBytes: 4,
  encoding: 1,
  signed: true,
  char: false,
  bool: false,
  bitOffset: 0,
  bits: 32,
};
const def = (name: string, typeId: number): BtfTypeInit => ({ kind: 'TYPEDEF', name, typeId });
const ptr = (typeId: number): BtfTypeInit => ({ kind: 'PTR', name: '', typeId });
const struct = (name: string, sizeBytes: number, ...typeIds: number[]): BtfTypeInit => ({
  kind: 'STRUCT',
  name,
  sizeBytes,
  members: typeIds.map((typeId, i) => ({ name: `m${i}`, typeId, bitOffset: i * 32, bitSize: 0 })),
});
const array = (typeId: number, indexTypeId: number, nelems: number): BtfTypeInit => ({
  kind: 'ARRAY',
  name: '',
  typeId,
  indexTypeId,
  nelems,
});
const tag = (typeId: number, componentIdx: number): BtfTypeInit => ({
  kind: 'DECL_TAG',
  name: 't',
  typeId,
  componentIdx,
  isAttribute: false,
});

/** Type 1 is `int`; the others follow. */
function errnoOf(...types: BtfTypeInit[]): number {
  const builder = new BtfBuilder();
  for (const type of [INT, ...types]) builder.add(type);
  return btfResolveErrno(builder.build(), new Set());
}

describe('references between types, as the kernel follows them', () => {
  it.each<[string, number, BtfTypeInit[]]>([
    ['a list', 0, [struct('node', 8, 3), ptr(2)]],
    ['typedefs', 0, [def('a', 1), def('b', 2), ptr(3)]],
    ['a typedef that is itself', -ERRNO.EEXIST, [def('a', 2)]],
    ['typedefs in a circle', -ERRNO.EEXIST, [def('a', 3), def('b', 2)]],
    ['pointers in a circle', -ERRNO.EEXIST, [ptr(3), ptr(2)]],
    ['a struct in itself', -ERRNO.EEXIST, [struct('s', 4, 2)]],
    ['structs in each other', -ERRNO.EEXIST, [struct('s', 4, 3), struct('t', 4, 2)]],
    ['a pointer behind a typedef behind it', -ERRNO.EEXIST, [ptr(3), def('a', 2)]],
    ['a pointer to nothing', 0, [{ kind: 'CONST', name: '', typeId: 0 }, ptr(2)]],
    ['an array of nothing', -ERRNO.EINVAL, [array(0, 1, 4)]],
    ['an array counted by what is no number', -ERRNO.EINVAL, [struct('s', 4, 1), array(1, 2, 4)]],
    ['an array in itself', -ERRNO.EEXIST, [array(2, 1, 4)]],
    ['an array too large', -ERRNO.EINVAL, [array(1, 1, 0x40000000)]],
    [
      'a member that is a function',
      -ERRNO.EINVAL,
      [{ kind: 'FUNC_PROTO', name: '', returnTypeId: 0, params: [] }, struct('s', 4, 2)],
    ],
    ['a typedef of a variable', -ERRNO.EINVAL, [{ kind: 'VAR', name: 'v', typeId: 1, linkage: 1 }, def('a', 2)]],
    ['a tag of a member that is not there', -ERRNO.EINVAL, [struct('s', 4, 1), tag(2, 1)]],
    ['a tag of a member', 0, [struct('s', 4, 1), tag(2, 0)]],
    ['a tag of a number', -ERRNO.EINVAL, [tag(1, -1)]],
  ])('%s: %i', (_, errno, types) => {
    expect(errnoOf(...types)).toBe(errno);
  });

  it('goes 32 types deep, unless those below were looked at before', () => {
    const down = (count: number): BtfTypeInit[] =>
      Array.from({ length: count }, (_, i) => def(`t${i}`, i === count - 1 ? 1 : i + 3));
    expect(errnoOf(...down(32))).toBe(0);
    expect(errnoOf(...down(33))).toBe(-ERRNO.E2BIG);
    expect(errnoOf(...Array.from({ length: 200 }, (_, i) => def(`t${i}`, i + 1)))).toBe(0);
  });

  it('decides whether BTF can be loaded', () => {
    const builder = new BtfBuilder();
    for (const type of [INT, struct('node', 4, 2)]) builder.add(type);
    expect(btfLoadErrno(builder.build())).toBe(-ERRNO.EEXIST);
  });
});
