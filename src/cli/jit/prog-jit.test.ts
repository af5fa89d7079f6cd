import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { farcall } from '../../../test/support/cli.ts';
import { EM_PPC64, ET_EXEC, openElf, PT_LOAD } from '../../elf/index.ts';
import { toHex } from '../../util/index.ts';

const dir = mkdtempSync(join(tmpdir(), 'farcall-jit-'));
afterAll(() => rmSync(dir, { recursive: true }));
const CHECKSUM = ['prog', 'jit', 'examples/checksum.bpf.o', '-p', 'checksum'];
const FRAME = ['--data-in', 'hex:0011223344550a0b0c0d0e0f0800'];
const FIREWALL = 'testdata/bpfeb/firewall.bpf.o';

async function written(...argv: string[]): Promise<{ bytes: Uint8Array; out: string; mode: number }> {
  const path = join(dir, 'out');
  const { stdout, stderr, exit } = await farcall([...argv, '-o', path]);
  expect([stderr, exit]).toEqual(['', 0]);
  return { bytes: new Uint8Array(readFileSync(path)), out: stdout.replaceAll(path, 'OUT'), mode: statSync(path).mode };
}

describe('prog jit --target wasm', () => {
  it('writes a module, and says what it holds', async () => {
    const { bytes, out } = await written(...CHECKSUM, '--target', 'wasm');
    expect(WebAssembly.validate(bytes as Uint8Array<ArrayBuffer>)).toBe(true);
    const [first, functions, imports, exports] = out.split('\n');
    expect(first).toBe(
      `OUT  ${bytes.length} bytes: checksum as WebAssembly, ${bytes.length} bytes, accesses as the verifier proved them`,
    );
    expect(functions).toMatch(/^\d functions?: .*checksum/);
    expect(imports).toMatch(/^\d imported functions: .*fault/);
    expect(exports).toBe('exports: ready, repeat, packet, nth, batch, run, all, main');
  });

  it('writes everything about it as data', async () => {
    const { stdout } = await farcall([...CHECKSUM, '--target', 'wasm', '--format', 'json', '--unverified']);
    const record = JSON.parse(stdout);
    expect(record).toMatchObject({ target: 'wasm', prog: 'checksum', verified: false, checked: true });
    expect(record.functions[0]).toEqual({ name: 'checksum', insn_idx: 0 });
    expect(record.module).toMatch(/^0061736d01000000/);
  });

  it.each([['--format', 'elf'], ['--layout', 'ppc64-hash'], ['--compat'], ['--data-in', 'hex:00']])(
    'refuses %s %s',
    async (...options) => {
      const { exit, stderr } = await farcall([...CHECKSUM, '--target', 'wasm', ...options]);
      expect(exit).toBe(2);
      expect(stderr).toMatch(/WebAssembly/);
    },
  );
});

describe('prog jit', () => {
  it('writes a static executable, which says what it will print', async () => {
    const { bytes, out, mode } = await written(...CHECKSUM, ...FRAME);
    const elf = openElf(bytes);
    expect([elf.type, elf.machine, elf.order]).toEqual([ET_EXEC, EM_PPC64, 'little']);
    const loads = elf.segments.filter(segment => segment.type === PT_LOAD).map(segment => segment.vaddr);
    expect(loads[0]).toBe(0x10000);
    expect(elf.segments.every(segment => segment.offset % 0x10000 === segment.vaddr % 0x10000)).toBe(true);
    expect(out).toBe(`OUT  ${bytes.length} bytes: checksum for ppc64le, power8, one run\nit prints\n  0x2\n`);
    expect(mode & 0o111).not.toBe(0);
  });

  it('has a line for each packet of a capture that fits the program', async () => {
    const path = join(dir, 'firewall');
    const capture = ['--data-in', 'examples/traffic.pcap'];
    const { stdout } = await farcall(['prog', 'jit', FIREWALL, '-p', 'ingress', ...capture, '-o', path, '--json']);
    const record = JSON.parse(stdout.split('\n')[0]);
    expect(record).toMatchObject({
      target: 'ppc64',
      cpu: 'power8',
      mode: 'own',
      layout: 'user',
      prog: 'ingress',
      runs: 64,
    });
    expect(record.expected).toHaveLength(64);
    expect(record.expected[63]).toMatch(/^63 0x1 0x[0-9a-f]+$/);
    expect(record.notes).toEqual([expect.stringMatching(/^the IPv4 packet ends inside its header/)]);
  });

  it('writes the code alone, as bytes and as data', async () => {
    const raw = await written(...CHECKSUM, '--format', 'raw');
    expect(raw.out).toBe(
      `OUT  ${raw.bytes.length} bytes: 1 function, ${raw.bytes.length} bytes of code for ppc64le, power8, at addresses of ppc64-radix\n`,
    );
    const { stdout } = await farcall([...CHECKSUM, '--format', 'json']);
    const [func] = JSON.parse(stdout).functions;
    expect(func).toMatchObject({ name: 'checksum', bytes: raw.bytes.length, code: toHex(raw.bytes) });
  });

  it('writes files for disassemblers, descriptors apart from code', async () => {
    const { bytes } = await written('prog', 'jit', FIREWALL, '-p', 'ingress', '--format', 'elf', '--compat');
    const elf = openElf(bytes);
    const names = elf.sections.map(section => section.name.replace(/[0-9a-f]{16}/, 'TAG'));
    expect(names.slice(1, 5)).toEqual([
      '.opd.bpf_prog_TAG_ingress',
      '.text.bpf_prog_TAG_ingress',
      '.opd.bpf_prog_TAG_decide',
      '.text.bpf_prog_TAG_decide',
    ]);
    const [opd, text] = [elf.sections[1], elf.sections[2]];
    const entry = new DataView(opd.data.slice().buffer).getBigUint64(0);
    expect(text.addr64).toBe(entry);
    expect(elf.symtab?.byName(text.name.slice('.text'.length))?.value64).toBe(entry);
  });

  it('puts functions where --apart says', async () => {
    const argv = ['prog', 'jit', FIREWALL, '-p', 'ingress', '--layout', 'user-far', '--apart', '0x40000000'];
    const { stdout } = await farcall([...argv, '--format', 'json']);
    const [ingress, decide] = JSON.parse(stdout).functions;
    expect([ingress.addr, decide.addr]).toEqual(['0x700000000000', '0x700040000000']);
    expect(ingress.calls[0]).toMatchObject({ kind: 'subprog', target: `0x${(0x700040000018).toString(16)}` });
  });

  it.each([
    [
      [...CHECKSUM, ...FRAME, '--layout', 'ppc64-hash'],
      /^farcall: an executable cannot have the addresses of a kernel/,
    ],
    [[...CHECKSUM, ...FRAME, '--format', 'raw'], /^farcall: nothing is run for --format raw/],
    [[...CHECKSUM, ...FRAME, '--apart', '100'], /^farcall: --apart is not usable/],
    [[...CHECKSUM, ...FRAME, '--target', 'ppc64'], /^farcall: ppc64 is big-endian/],
    [['prog', 'jit', 'examples/firewall.bpf.o', '--format', 'raw'], /^farcall: --format raw is for one program/],
    [CHECKSUM, /needs a packet/],
  ])('refuses %s', async (argv, message) => {
    const { stderr, exit } = await farcall([...argv, '-o', join(dir, 'refused')]);
    expect(stderr).toMatch(message);
    expect(exit).toBe(2);
  });

  it('reports a run that faults and writes nothing', async () => {
    const path = join(dir, 'fault');
    const { stdout, exit } = await farcall([...CHECKSUM, ...FRAME, '--insn-limit', '20', '-o', path]);
    expect(stdout).toMatch(/fault/);
    expect(exit).toBe(1);
    expect(() => statSync(path)).toThrow();
  });
});
