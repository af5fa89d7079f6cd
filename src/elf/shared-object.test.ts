import { expect, it } from 'vitest';
import * as k from './constants.ts';
import { openElf } from './read.ts';
import { SharedObjectWriter } from './shared-object.ts';

it('keeps code, data and headers in pages of their own, none both writable and executable', () => {
  const writer = new SharedObjectWriter({
    order: 'little',
    machine: k.EM_X86_64,
    imports: ['malloc', 'free'],
    weak: ['maybe'],
    exports: ['run', 'table'],
    objects: ['table'],
    reached: ['table'],
    importType: 6,
    dataBytes: 24,
  });
  expect(writer.textAddr % 4096).toBe(0);
  const bytes = writer.finish(Uint8Array.of(0xc3), new Uint8Array(24), [
    { name: 'run', offBytes: 0, sizeBytes: 1 },
    { name: 'table', offBytes: 8, sizeBytes: 16 },
  ]);
  const file = openElf(bytes, {});
  const loads = file.segments.filter(({ type }) => type === k.PT_LOAD);
  expect(loads.map(({ flags }) => flags)).toEqual([k.PF_R, k.PF_R | k.PF_W, k.PF_R | k.PF_X]);
  expect(file.segments.find(({ type }) => type === k.PT_GNU_STACK)?.flags).toBe(k.PF_R | k.PF_W);
  const words = ['malloc', 'free', 'maybe', 'table'].map(name => writer.wordOf(name));
  expect(words).toEqual([0, 8, 16, 24].map(off => words[0] + off));
  expect(words[3] + 8).toBeLessThanOrEqual(writer.dataAddr);
  const symbols = [...(file.dynsym ?? [])];
  expect(symbols.slice(1).map(({ name, bind }) => [name, bind])).toEqual([
    ['malloc', k.STB_GLOBAL],
    ['free', k.STB_GLOBAL],
    ['maybe', k.STB_WEAK],
    ['run', k.STB_GLOBAL],
    ['table', k.STB_GLOBAL],
  ]);
  expect(() => writer.wordOf('run')).toThrow(/no word/);
});

it('names functions by descriptors whose addresses are relocated, and what st_other says', () => {
  const init = { order: 'big', machine: k.EM_PPC64, imports: [], importType: 20, dataBytes: 8 } as const;
  const writer = new SharedObjectWriter({
    ...init,
    exports: ['one', 'table'],
    objects: ['table'],
    descriptors: { count: 2, relativeType: 22 },
  });
  const { textAddr, dataAddr } = writer;
  const table = { name: 'table', offBytes: 0, sizeBytes: 8 };
  const places = [{ name: 'one', offBytes: 0, sizeBytes: 8, descriptor: 1 }, table];
  const toc = dataAddr + 0x8000;
  const descriptors = [4, 0].map(off => ({ entry: textAddr + off, toc }));
  const file = openElf(writer.finish(new Uint8Array(8), new Uint8Array(8), places, descriptors), {});
  const [first, second] = [writer.descriptorAddr(0), writer.descriptorAddr(1)];
  const relocs = file.relocsFor(0).flatMap(relocTable => [...relocTable]);
  expect(relocs.map(({ offset, type, symbolIndex, addend }) => [offset, type, symbolIndex, addend])).toEqual([
    [first, 22, 0, textAddr + 4],
    [first + 8, 22, 0, toc],
    [second, 22, 0, textAddr],
    [second + 8, 22, 0, toc],
  ]);
  const placeOf = (name: string, of = file): unknown => {
    const symbol = of.dynsym?.byName(name);
    return [of.section(symbol?.shndx ?? 0).name, symbol?.value, symbol?.other];
  };
  expect([placeOf('one'), placeOf('table')]).toEqual([
    ['.opd', second, 0],
    ['.data', dataAddr, 0],
  ]);
  expect(second + 24).toBeLessThanOrEqual(dataAddr);
  const plain = new SharedObjectWriter({ ...init, order: 'little', exports: ['one'] });
  const bytes = plain.finish(new Uint8Array(8), new Uint8Array(8), [
    { name: 'one', offBytes: 0, sizeBytes: 8, other: 3 << 5 },
  ]);
  expect(placeOf('one', openElf(bytes, {}))).toEqual(['.text', plain.textAddr, 0x60]);
});
