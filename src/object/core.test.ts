import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openBtf } from '../btf/index.ts';
import { openElf } from '../elf/index.ts';
import { type Insn, makeInsn } from '../isa/index.ts';
import { CORE_POISON_IMM, coreReloText, openObject, patchCoreInsn, relocateObject } from './index.ts';

const dir = new URL('../../testdata/object/', import.meta.url);
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, dir)));

function target(order: string) {
  const section = openElf(read(`core-target.${order}.o`)).sectionByName('.BTF');
  return openBtf(section?.data ?? new Uint8Array(0));
}

test.each(['el', 'eb'])('relocations of core.%s.o come out as its golden says', async order => {
  const spec = openObject(read(`core.${order}.o`), { name: 'core.o' });
  const { results, spec: fitted } = relocateObject(spec, { targetBtf: target(order) });
  const lines = results.map(report => {
    const insn = fitted.programs.find(program => program.name === report.program)?.insns[report.insnIdx];
    return `${report.insnIdx} ${report.kind} ${report.status} ${JSON.stringify(insn)}\n  ${coreReloText(report)}`;
  });
  const golden = new URL(`goldens/core.${order}.relocated.txt`, dir);
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(golden.pathname);
});

test('an object relocated to its own BTF stays as it is', () => {
  const spec = openObject(read('core.el.o'));
  const { spec: fitted, results } = relocateObject(spec, { targetBtf: spec.btf });
  expect(fitted.programs.map(program => program.insns)).toEqual(spec.programs.map(program => program.insns));
  expect(results.every(report => report.status === 'patched')).toBe(true);
});

test('without a target nothing is relocated and the given spec is never changed', () => {
  const spec = openObject(read('core.el.o'));
  const before = structuredClone(spec.programs[0].insns);
  expect(relocateObject(spec).results).toEqual([]);
  relocateObject(spec, { targetBtf: target('el') });
  expect(spec.programs[0].insns).toEqual(before);
});

const relo = {
  poison: false,
  validate: true,
  origVal: 8n,
  newVal: 16n,
  failMemszAdjust: false,
  origSize: 4,
  newSize: 4,
};
const call = { code: 0x85, dst: 0, src: 0, off: 0, imm: CORE_POISON_IMM };
const ldw = makeInsn(0x61, 1, 2, 8, 0);
const wide = [makeInsn(0x18, 1, 0, 0, 8), makeInsn(0, 0, 0, 0, 0)];

test.each<[string, Insn[], Partial<typeof relo>, string, Insn[]]>([
  ['mov imm', [makeInsn(0xb7, 1, 0, 0, 8)], {}, 'patched', [makeInsn(0xb7, 1, 0, 0, 16)]],
  ['alu32 imm', [makeInsn(0xb4, 1, 0, 0, 8)], {}, 'patched', [makeInsn(0xb4, 1, 0, 0, 16)]],
  ['an imm that is not what BTF says', [makeInsn(0xb7, 1, 0, 0, 9)], {}, 'failed', [makeInsn(0xb7, 1, 0, 0, 9)]],
  ['the same unvalidated', [makeInsn(0xb7, 1, 0, 0, 9)], { validate: false }, 'patched', [makeInsn(0xb7, 1, 0, 0, 16)]],
  ['alu with a register', [makeInsn(0xbf, 1, 2, 0, 8)], {}, 'failed', [makeInsn(0xbf, 1, 2, 0, 8)]],
  ['load', [ldw], {}, 'patched', [{ ...ldw, off: 16 }]],
  ['store imm', [makeInsn(0x62, 1, 0, 8, 5)], {}, 'patched', [makeInsn(0x62, 1, 0, 16, 5)]],
  ['store reg', [makeInsn(0x6b, 1, 2, 8, 0)], {}, 'patched', [makeInsn(0x6b, 1, 2, 16, 0)]],
  ['load that widens', [ldw], { newSize: 8 }, 'patched', [{ ...ldw, code: 0x79, off: 16 }]],
  ['load that narrows', [ldw], { newSize: 1 }, 'patched', [{ ...ldw, code: 0x71, off: 16 }]],
  ['load of another size', [ldw], { origSize: 8, newSize: 4 }, 'failed', [ldw]],
  ['load to an odd size', [ldw], { newSize: 3 }, 'failed', [ldw]],
  ['load too far', [ldw], { newVal: 32768n }, 'failed', [ldw]],
  ['load whose size cannot be adjusted', [ldw], { failMemszAdjust: true }, 'poisoned', [call]],
  [
    'ld_imm64',
    wide,
    { newVal: 0x1_0000_0002n },
    'patched',
    [
      { ...wide[0], imm: 2 },
      { ...wide[1], imm: 1 },
    ],
  ],
  ['ld_imm64 of a map', [{ ...wide[0], src: 1 }, wide[1]], {}, 'failed', [{ ...wide[0], src: 1 }, wide[1]]],
  ['poison', [ldw], { poison: true }, 'poisoned', [call]],
  ['poison of ld_imm64', wide, { poison: true }, 'poisoned', [call, call]],
  ['a jump', [makeInsn(0x05, 0, 0, 1, 0)], {}, 'failed', [makeInsn(0x05, 0, 0, 1, 0)]],
  ['nothing', [], {}, 'failed', []],
])('patching %s', (_, insns, change, status, after) => {
  const patched = [...insns];
  expect(patchCoreInsn(patched, 0, { ...relo, ...change }).status).toBe(status);
  expect(patched).toEqual(after);
});
