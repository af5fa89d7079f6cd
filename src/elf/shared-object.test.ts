import { expect, it } from 'vitest';
import * as k from './constants.ts';
import { openElf } from './read.ts';
import { SharedObjectWriter } from './shared-object.ts';

it('keeps code, data and headers in pages of their own, none both writable and executable', () => {
  const writer = new SharedObjectWriter({
    order: 'little',
    machine: k.EM_X86_64,
    imports: ['malloc', 'free'],
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
  const words = ['malloc', 'free', 'table'].map(name => writer.wordOf(name));
  expect(words).toEqual([words[0], words[0] + 8, words[0] + 16]);
  expect(words[2] + 8).toBeLessThanOrEqual(writer.dataAddr);
  expect(() => writer.wordOf('run')).toThrow(/no word/);
});
