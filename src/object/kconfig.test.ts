import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { toHex } from '../util/index.ts';
import { kconfigData, openObject, relocateObject } from './index.ts';

const read = (name: string) => openObject(readFileSync(new URL(`../../testdata/object/${name}`, import.meta.url)));
const spec = read('externs.el.o');
const fields = new Map(spec.externs.map(extern => [extern.name, extern]));

/** What is stored for one variable, and what is complained about it. */
function stored(name: string, config: string) {
  const extern = fields.get(name);
  const { data, problems } = kconfigData(spec, { config, kernelVersion: 0x060c01 });
  const { offBytes = 0, sizeBytes = 0 } = extern ?? {};
  return [
    toHex(data.subarray(offBytes, offBytes + sizeBytes)),
    problems.find(problem => problem.includes(`'${name}'`)),
  ];
}

test.each([
  ['CONFIG_BPF_SYSCALL', 'y', '01'],
  ['CONFIG_BPF_SYSCALL', 'n', '00'],
  ['CONFIG_BONDING', 'm', '02000000'],
  ['CONFIG_BONDING', 'y', '01000000'],
  ['CONFIG_LETTER', 'm', '6d'],
  ['CONFIG_LETTER', '65', '41'],
  ['CONFIG_NAME', '"hi"', '686900000000'],
  ['CONFIG_NAME', '"too long by far"', '746f6f206c00'],
  ['CONFIG_LARGE', '0xffffffffffffffff', 'ffffffffffffffff'],
  ['CONFIG_NEGATIVE', '-2', 'feff'],
  ['CONFIG_NEGATIVE', '017', '0f00'],
  ['CONFIG_MISSING', '65535', 'ffff'],
])('%s=%s is stored as %s', (name, value, hex) => {
  expect(stored(name, `# comment\n${name}=${value}\n${name}=1\n`)).toEqual([hex, undefined]);
});

test.each([
  ['CONFIG_BPF_SYSCALL', 'm', 'implies tristate or char type'],
  ['CONFIG_LARGE', 'y', 'implies bool, tristate, or char type'],
  ['CONFIG_LARGE', '"text"', 'implies char array type'],
  ['CONFIG_LARGE', '12three', "isn't a valid integer"],
  ['CONFIG_LARGE', '0x10000000000000000', "isn't a valid integer"],
  ['CONFIG_BONDING', '3', 'implies integer type'],
  ['CONFIG_NAME', '"open', 'invalid string config'],
  ['CONFIG_MISSING', '65536', "doesn't fit in 2 bytes"],
  ['CONFIG_NEGATIVE', '40000', "doesn't fit in 2 bytes"],
])('%s=%s is refused', (name, value, reason) => {
  expect(stored(name, `${name}=${value}`)[1]).toContain(reason);
});

test('a strong variable without a value is not resolved, a weak one is zero', () => {
  expect(stored('CONFIG_LARGE', '')[1]).toBe("extern 'CONFIG_LARGE' (strong): not resolved");
  expect(stored('CONFIG_MISSING', '')).toEqual(['0000', undefined]);
});

test('values go into the .kconfig map in the byte order of the object', () => {
  const kernelVersion = 0x060c01;
  for (const [name, hex] of [
    ['externs.el.o', '010c0600'],
    ['externs.eb.o', '00060c01'],
  ]) {
    const { spec: filled } = relocateObject(read(name), { kconfig: { kernelVersion } });
    const map = filled.maps.find(candidate => candidate.section === '.kconfig');
    const { offBytes = 0 } = fields.get('LINUX_KERNEL_VERSION') ?? {};
    expect(toHex(map?.data?.subarray(offBytes, offBytes + 4) ?? new Uint8Array(0))).toBe(hex);
  }
});
