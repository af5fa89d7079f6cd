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
