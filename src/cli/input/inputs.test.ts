import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import type { MapDef } from '../../maps/index.ts';
import type { ObjectMap, ObjectSpec } from '../../object/index.ts';
import { bpf_map_type as TYPE } from '../../uapi/index.ts';
import { parseInteger } from '../options.ts';
import { withMapSizes } from '../run/map-sizes.ts';
import { readKconfig } from './kconfig.ts';
import { progTypeNamed } from './prog-type.ts';

const DIR = mkdtempSync(join(tmpdir(), 'farcall-inputs-'));
afterAll(() => rmSync(DIR, { recursive: true }));

describe('kconfig values', () => {
  it('come from files, gzip too, and from the command line; the first wins', () => {
    const config = join(DIR, 'config.gz');
    writeFileSync(config, gzipSync('CONFIG_HZ=1000\nCONFIG_X86=y\n'));
    const values = readKconfig(['CONFIG_HZ=250', config]);
    expect(values.config).toBe('CONFIG_HZ=250\nCONFIG_HZ=1000\nCONFIG_X86=y\n');
  });

  it.each([
    [[], (6 << 16) | (12 << 8)],
    [['LINUX_KERNEL_VERSION=5.15.300'], (5 << 16) | (15 << 8) | 255],
    [['LINUX_KERNEL_VERSION=0x50f00'], 0x50f00],
  ])('%j say the version is %i', (args, version) => expect(readKconfig(args).kernelVersion).toBe(version));

  it('refuse what is no version', () => {
    expect(() => readKconfig(['LINUX_KERNEL_VERSION=new'])).toThrow('not a kernel version');
    expect(() => readKconfig([join(DIR, 'absent')])).toThrow('no such file or directory');
  });

  it('switch features off', () => {
    expect(readKconfig(['LINUX_HAS_BPF_COOKIE=0', 'LINUX_HAS_SYSCALL_WRAPPER=y'])).toMatchObject({
      hasBpfCookie: false,
      hasSyscallWrapper: true,
    });
  });
});

describe('sizes of maps', () => {
  const map = (name: string, type: number, maxEntries: number, valueSizeBytes = 8): ObjectMap => {
    const def: MapDef = { name, type, keySizeBytes: 4, valueSizeBytes, maxEntries, flags: 0 };
    return {
      def,
      origin: '.maps',
      section: '.maps',
      keyTypeId: 0,
      valueTypeId: 0,
      pinning: 0,
      autocreate: true,
      initialValues: [],
    };
  };
  const spec = {
    maps: [
      map('open', TYPE.BPF_MAP_TYPE_HASH, 0),
      map('fixed', TYPE.BPF_MAP_TYPE_HASH, 7),
      map('stacks', TYPE.BPF_MAP_TYPE_STACK_TRACE, 0, 0),
      map('perf', TYPE.BPF_MAP_TYPE_PERF_EVENT_ARRAY, 0),
      map('ring', TYPE.BPF_MAP_TYPE_RINGBUF, 0),
    ],
  } as unknown as ObjectSpec;
  const sizes = (args: string[], notes: string[] = []): number[] =>
    withMapSizes(spec, args, notes).maps.map(({ def }) => def.maxEntries);

  it('are usual ones where the object leaves them open, with a note', () => {
    const notes: string[] = [];
    expect(sizes([], notes)).toEqual([1024, 7, 1024, 0, 262144]);
    expect(notes.length).toBe(4);
  });
  it('are those asked for', () => expect(sizes(['open=5', 'fixed=0x10'])).toEqual([5, 16, 1024, 0, 262144]));
  it('must be sizes of maps there are', () => {
    expect(() => sizes(['nothing=5'])).toThrow('no such map (expected one of open, fixed, stacks, perf, ring');
    for (const bad of ['open', 'open=', 'open=0', 'open=x', '=3']) expect(() => sizes([bad])).toThrow('NAME=ENTRIES');
  });
});

it('finds program types by their names and by those of sections', () => {
  expect([progTypeNamed('xdp'), progTypeNamed('sched_cls'), progTypeNamed('tc')]).toEqual([6, 3, 3]);
});

it.each([
  ['12', 12n],
  ['0x1F', 31n],
  ['-3', -3n],
  ['1_000_000', 1000000n],
  ['', undefined],
  ['0x', undefined],
  ['1e3', undefined],
  ['_1', undefined],
])('reads the integer %j', (text, value) => expect(parseInteger(text)).toBe(value));
