import { describe, expect, it } from 'vitest';
import { farcall } from '../../../test/support/cli.ts';
import { BtfBuilder } from '../../btf/index.ts';
import { kernelBtf } from '../input/btf-file.ts';
import { ptRegsLayout } from './pt-regs.ts';

const OBJECT = 'testdata/cli/tracing.bpf.o';

async function run(prog: string, line: string) {
  const words = line.split(' ').flatMap(word => (word.startsWith('-') ? [word] : ['--arg', word]));
  return await farcall(['prog', 'run', OBJECT, '--unverified', '--prog', prog, '--json', ...words]);
}

/** What the program noted, and the text it read. */
async function noted(prog: string, line: string) {
  const { stdout, exit } = await run(prog, line);
  expect(exit).toBe(0);
  const maps = JSON.parse(stdout.replaceAll(/(?<=[[,:])\d{16,}/g, '"$&"')).maps as {
    name: string;
    entries: unknown[];
  }[];
  const bss = maps.find(({ name }) => name === '.bss')?.entries[0] as { formatted: { value: { '.bss': object[] } } };
  return Object.assign({ args: [], path: '' }, ...(bss?.formatted.value['.bss'] ?? [])) as {
    args: unknown[];
    path: string;
  };
}

const MINUS_ONE = String(2n ** 64n - 1n);
const MINUS_EOPNOTSUPP = String(2n ** 64n - 95n);

describe('--arg', () => {
  it.each([
    ['on_call', '1=1 2=2 3=3 4=4 5=5 6=0x10', [1, 2, 3, 4, 5, 16]],
    ['on_call', '6=-1', [0, 0, 0, 0, 0, MINUS_ONE]],
    ['on_call', 'di=7 r9=8', [7, 0, 0, 0, 0, 8]],
    ['on_call', '1=7 --ctx-in=hex:00', [7]],
    ['on_return', 'ret=-1', [MINUS_ONE]],
    ['on_open', '1=5 4=7', [5, 0, 0, 7]],
    ['on_exit', '1=5 2=6 ret=-1', [5, 6, MINUS_ONE, 2, 0, MINUS_ONE]],
    ['on_exit', '2=6', [0, 6, 0, 2, MINUS_EOPNOTSUPP]],
    ['on_record', 'dfd=3 port=80', [3, 20480]],
  ])('%s %s', async (prog, line, args) => {
    const { args: found } = await noted(prog, line);
    const expected = [...args, ...Array(8 - args.length).fill(0)];
    expect(found).toEqual(expected);
  });

  it.each([
    ['on_call', '2=/etc/passwd', '/etc/passwd'],
    ['on_call', '2=hex:616200', 'ab'],
    ['on_record', 'filename=/etc/hosts', '/etc/hosts'],
  ])('%s %s is the address of a copy', async (prog, line, path) => {
    expect((await noted(prog, line)).path).toBe(path);
  });

  it.each([
    ['on_call', '7=1', "there is no such argument (expected 1 to 6, or ret, found '7')"],
    ['on_call', '0=1', 'there is no such argument'],
    ['on_call', 'eax=1', 'struct pt_regs has no such field (expected one of r15'],
    ['on_call', '1', 'expected N=VALUE, ret=VALUE or FIELD=VALUE'],
    ['on_call', '1=[1]', 'expected a 64-bit integer, text or hex:…'],
    ['on_call', '1=0x10000000000000000', 'expected a 64-bit integer'],
    ['on_record', '1=1', 'tracepoint programs have no numbered arguments (expected FIELD=VALUE'],
    ['on_record', 'dfd=4294967296', 'dfd does not fit its type (expected an integer of 32 bits'],
    ['on_exit', 'first=1', 'the struct of the context is not known'],
    ['on_exit', '13=1', 'expected 1 to 12, or ret'],
  ])('%s %s is refused', async (prog, line, message) => {
    const { exit, stdout } = await run(prog, line);
    expect(exit).toBe(2);
    expect(JSON.parse(stdout).error.message).toContain(message);
  });
});

describe('pt_regs', () => {
  it('of x86-64 is where the kernel of that machine has it', () => {
    expect(ptRegsLayout(kernelBtf())).toEqual(ptRegsLayout(undefined));
  });

  it('of other machines is found by its names', () => {
    const btf = new BtfBuilder();
    const flags = { encoding: 0, bitOffset: 0, signed: false, char: false, bool: false };
    const long = btf.add({ kind: 'INT', name: 'long unsigned int', sizeBytes: 8, bits: 64, ...flags });
    const regs = btf.add({ kind: 'ARRAY', name: '', typeId: long, indexTypeId: long, nelems: 31 });
    const member = (name: string, typeId: number, bitOffset: number) => ({ name, typeId, bitOffset, bitSize: 0 });
    const members = [member('regs', regs, 0), member('sp', long, 1984), member('pc', long, 2048)];
    const inner = [...members, member('pstate', long, 2112)];
    const anonymous = btf.add({ kind: 'STRUCT', name: '', sizeBytes: 272, members: inner });
    btf.add({ kind: 'STRUCT', name: 'pt_regs', sizeBytes: 336, members: [member('', anonymous, 0)] });
    expect(ptRegsLayout(btf.build('little'))).toEqual({
      args: [0, 8, 16, 24, 32, 40, 48, 56],
      ret: 0,
      sizeBytes: 336,
      syscallArgs: [0, 8, 16, 24, 32, 40],
    });
  });
});

describe('--event-type', () => {
  const formatted = async (...types: string[]): Promise<unknown[]> => {
    const args = types.flatMap(type => ['--event-type', type]);
    const { stdout } = await farcall([
      'prog',
      'run',
      OBJECT,
      '--unverified',
      '-p',
      'on_switch',
      '-a',
      '1=5',
      '-a',
      '2=6',
      '--json',
      ...args,
    ]);
    return JSON.parse(stdout).events.map(({ map, type }: { map: string; type?: string }) => `${map} ${type ?? '-'}`);
  };
  it('is found by what the object points out, or by name', async () => {
    expect(await formatted()).toEqual(['ring call_event', 'ring wake_event', 'ring -', 'ring -', 'perf call_event']);
  });
  it('may be given', async () => {
    expect(await formatted('pair')).toEqual(['ring pair', 'ring pair', 'ring pair', 'ring -', 'perf pair']);
    expect(await formatted('pair', 'call_event')).toEqual([
      'ring call_event',
      'ring -',
      'ring pair',
      'ring -',
      'perf call_event',
    ]);
    expect(await formatted('perf:pair')).toEqual([
      'ring call_event',
      'ring wake_event',
      'ring -',
      'ring -',
      'perf pair',
    ]);
  });
});
