import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Btf, openBtf } from './btf.ts';
import { mergeBtf } from './merge.ts';
import { BtfBuilder, type BtfTypeInit } from './writer.ts';

const open = (name: string): Btf =>
  openBtf(new Uint8Array(readFileSync(new URL(`../../testdata/btf/${name}`, import.meta.url))));

function build(...types: readonly BtfTypeInit[]): Btf {
  const builder = new BtfBuilder();
  for (const type of types) builder.add(type);
  return builder.build();
}

const ptr = (typeId: number): BtfTypeInit => ({ kind: 'PTR', name: '', typeId });
const forward = (name: string): BtfTypeInit => ({ kind: 'FWD', name, of: 'struct' });
const holder = (name: string, typeId: number, sizeBytes = 8): BtfTypeInit => ({
  kind: 'STRUCT',
  name,
  sizeBytes,
  members: [{ name: 'p', typeId, bitOffset: 0, bitSize: 0 }],
});
const variable = (name: string, typeId: number): BtfTypeInit => ({ kind: 'VAR', name, typeId, linkage: 0 });

/** `KIND name` of every merged type. */
function merged(inputs: readonly Btf[]): string[] {
  return [...mergeBtf(inputs).builder.build().ownTypes()].map(type => `${type.kind} ${type.name}`.trim());
}

describe('merging', () => {
  it('makes one of types that refer to themselves, however they are numbered', () => {
    const a = build(holder('list', 2), ptr(1));
    const b = build(ptr(3), holder('other', 1), holder('list', 1));
    expect(merged([a, b])).toEqual(['STRUCT list', 'PTR', 'STRUCT other']);
    expect([...mergeBtf([a, b]).idMaps[1]]).toEqual([0, 2, 3, 1]);
  });

  it('makes one of circles of several types', () => {
    const circle = (first: string, second: string) => build(holder(first, 4), holder(second, 3), ptr(1), ptr(2));
    expect(merged([circle('a', 'b'), circle('b', 'a')])).toHaveLength(4);
  });

  it('tells apart what differs far away', () => {
    const far = (sizeBytes: number) =>
      build(holder('near', 2), ptr(3), holder('mid', 4), ptr(5), holder('far', 0, sizeBytes));
    expect(merged([far(8), far(8)])).toHaveLength(5);
    expect(merged([far(8), far(16)])).toHaveLength(10);
  });

  it('gives forward declarations the one definition there is', () => {
    const declares = build(holder('user', 2), ptr(3), forward('it'));
    const defines = build(holder('user', 2), ptr(3), holder('it', 0));
    expect(merged([declares, defines])).toEqual(['STRUCT user', 'PTR', 'STRUCT it']);
    expect([...mergeBtf([declares, defines]).idMaps[0]]).toEqual([0, 1, 2, 3]);
  });

  it('leaves forward declarations alone when there are two definitions', () => {
    const declares = build(ptr(2), forward('it'));
    expect(merged([declares, build(holder('it', 0)), build(holder('it', 0, 16))])).toEqual([
      'PTR',
      'FWD it',
      'STRUCT it',
      'STRUCT it',
    ]);
  });

  it('does not take a union for a struct', () => {
    const union: BtfTypeInit = { ...(holder('it', 0) as BtfTypeInit & { kind: 'STRUCT' }), kind: 'UNION' };
    expect(merged([build(forward('it')), build(union)])).toEqual(['FWD it', 'UNION it']);
  });

  it('keeps equal variables apart and can leave types out', () => {
    const one = build(ptr(0), variable('v', 1));
    expect(merged([one, one])).toEqual(['PTR', 'VAR v', 'VAR v']);
    const { builder, idMaps } = mergeBtf([one, one], { skip: (input, id) => input === 1 && one.kindOf(id) === 'VAR' });
    expect(builder.typeCount).toBe(3);
    expect(idMaps.map(map => [...map])).toEqual([
      [0, 1, 2],
      [0, 1, 0],
    ]);
  });

  it('continues a common base', () => {
    const base = build(ptr(0), holder('s', 1));
    const module = (name: string) => {
      const builder = new BtfBuilder(base);
      builder.add(ptr(2));
      builder.add({ kind: 'TYPEDEF', name, typeId: 3 });
      return builder.build();
    };
    const { builder, idMaps } = mergeBtf([module('x'), module('y')]);
    expect(builder.typeCount).toBe(6);
    expect(idMaps.map(map => [...map])).toEqual([
      [0, 1, 2, 3, 4],
      [0, 1, 2, 3, 5],
    ]);
    expect(() => mergeBtf([module('x'), base])).toThrow(/different bases/);
  });

  it('finds as many types in real objects as libbpf does', () => {
    const inputs = [open('core.btf'), open('target.btf')];
    // `bpftool gen object` makes 87, with one .bss where this keeps two.
    expect(mergeBtf(inputs).builder.typeCount - 1).toBe(88);
  });
});
