import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openBtf } from './btf.ts';
import { btfExtTable, coreRelos, funcInfos, lineInfos, parseBtfExt, writeBtfExt } from './ext.ts';

const read = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../testdata/btf/${name}`, import.meta.url)));

describe.each(['shapes', 'shapeseb', 'core', 'coreeb'])('%s.btf.ext', stem => {
  const btf = openBtf(read(`${stem}.btf`));
  const bytes = read(`${stem}.btf.ext`);
  const ext = parseBtfExt(bytes, btf);
  it('is written back byte by byte', () => expect(writeBtfExt(ext, ext.order)).toEqual(bytes));
  it('names functions', () => {
    const names = ext.funcInfo.groups.flatMap(group => funcInfos(ext, group).map(info => btf.nameOf(info.typeId)));
    expect(names).toEqual(stem.startsWith('core') ? ['prog'] : ['RED_count', 'helper', 'prog', 'prog2']);
  });
  it('knows source lines', () => {
    const [first] = lineInfos(ext, ext.lineInfo.groups[0]);
    expect(btf.stringAt(first.fileNameOff)).toMatch(/(shapes|core)\.c$/);
    expect(first.line).toBeGreaterThan(20);
  });
});

describe('records longer than known', () => {
  const btf = openBtf(read('core.btf'));
  const ext = parseBtfExt(read('core.btf.ext'), btf);
  const group = ext.coreRelo.groups[0];
  const longer = btfExtTable(6, [
    { section: group.section, sectionNameOff: group.sectionNameOff, words: [0, 2, 1, 0, 77, 78, 8, 2, 1, 2, 79, 80] },
  ]);
  it.each(['little', 'big'] as const)('keep their place and their extra words (%s)', order => {
    const again = parseBtfExt(writeBtfExt({ ...ext, coreRelo: longer }, order), btf);
    expect(again.coreRelo).toEqual(longer);
    expect(coreRelos(again, again.coreRelo.groups[0]).map(relo => relo.kind)).toEqual([0, 2]);
  });
});

describe('malformed .BTF.ext', () => {
  const btf = openBtf(read('core.btf'));
  const bent = (at: number, value: number): Uint8Array => {
    const bytes = read('core.btf.ext');
    new DataView(bytes.buffer).setUint32(at, value, true);
    return bytes;
  };
  it.each<[string, Uint8Array, RegExp]>([
    ['other bytes', new Uint8Array(40), /not .BTF.ext/],
    ['half a header', read('core.btf.ext').subarray(0, 20), /cut off.*24 bytes.*20 bytes/],
    ['a short header length', bent(4, 8), /header length.*found 8/],
    ['a table outside', bent(12, 5000), /func_info: table is misplaced/],
    ['a misaligned table', bent(8, 2), /func_info: table is misplaced/],
    ['short records', bent(32, 4), /func_info: bad record size.*found 4/],
    ['odd records', bent(32, 9), /func_info: bad record size.*found 9/],
    ['an empty group', bent(40, 0), /func_info: empty group/],
    ['too many records', bent(40, 99), /func_info: records are cut off.*792 bytes/],
    ['a section without a name', bent(36, 1 << 30), /no such string/],
    ['a missing function', bent(48, 1 << 20), /func_info: no such type.*1048576/],
  ])('%s', (_, bytes, message) => expect(() => parseBtfExt(bytes, btf)).toThrow(message));
});
