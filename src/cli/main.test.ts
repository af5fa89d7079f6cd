import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { farcall } from '../../test/support/cli.ts';
import { COMMAND_TABLE } from './commands.ts';

const OBJECT = 'examples/checksum.bpf.o';
const DIR = mkdtempSync(join(tmpdir(), 'farcall-cli-'));
afterAll(() => rmSync(DIR, { recursive: true }));

function file(name: string, bytes: Uint8Array | string): string {
  const path = join(DIR, name);
  writeFileSync(path, bytes);
  return path;
}

describe('usage errors', () => {
  const cases: [argv: string, message: string][] = [
    ['', ''],
    ['nonsense', "unknown command 'nonsense'"],
    ['obj shwo', '(Did you mean show?)'],
    ['obj show', "missing required argument 'FILE'"],
    ['obj show --colour x.o', "unknown option '--colour'"],
    [`prog run ${OBJECT} --engine magic`, "'magic' is invalid. Allowed choices are wasm, interp"],
    [`prog run ${OBJECT} --repeat 0`, "--repeat is not usable (expected an integer from 1 to 4294967295, found '0')"],
    [`prog run ${OBJECT} --repeat ten`, "found 'ten'"],
    [
      `prog run ${OBJECT} --cpu 3 --cpus 2 --prog checksum`,
      '--cpu is not among the CPUs (expected at most 1, found 3)',
    ],
    [
      `prog run ${OBJECT} --prog nobody`,
      "no such program (expected one of checksum (xdp), check_ip_header (xdp), found 'nobody')",
    ],
    [`prog run ${OBJECT}`, 'which program? name it with --prog'],
    [`prog run ${OBJECT} --prog checksum --type kebab`, 'no such program type'],
    [
      `prog run ${OBJECT} --prog checksum --data-in hex:0g`,
      "not hexadecimal bytes (expected an even number of hex digits, found 'g')",
    ],
    [`prog run ${OBJECT} --prog checksum --data-in hex:00`, 'the packet of an XDP program has a bad length'],
    [`prog run ${OBJECT} --prog checksum`, 'checksum needs a packet (expected --data-in'],
    ['prog run hex:9500000000000000', 'raw instructions need a program type (expected --type TYPE)'],
    [`prog dump raw ${OBJECT} bytes`, 'Allowed choices are opcodes, linum'],
    [`btf dump ${OBJECT} format d`, "unknown format (expected raw or c, found 'd')"],
    [`btf dump ${OBJECT} format`, 'format needs a name'],
    [`btf dump ${OBJECT} --root-id 9999`, 'no such type'],
    ['btf dump package.json', 'not a file with BTF'],
    ['obj show examples', 'examples: is a directory'],
    ['obj show nowhere.o', 'nowhere.o: no such file or directory'],
    ['obj show package.json', 'neither a BPF object nor a file with one inside'],
    [`obj show ${OBJECT}:0x40`, 'no BPF object at this offset'],
    ['obj extract package.json', 'where to is missing (expected -o DIR)'],
    [`map dump ${OBJECT} --prog checksum --before --map nothing`, 'no such map'],
    ['insn disasm zz.bin', 'zz.bin: no such file or directory'],
    ['insn disasm 95', 'instructions end inside a slot'],
    ['completion tcsh', 'Allowed choices are bash, zsh, fish'],
  ];
  it.each(cases)('farcall %s', async (line, message) => {
    const { exit, stdout, stderr } = await farcall(line.split(' ').filter(Boolean));
    expect(stdout).toBe('');
    expect(stderr).toContain(message);
    expect(exit).toBe(2);
  });

  it.each(cases.slice(1))('farcall %s --json gives an object', async line => {
    const { exit, stdout, stderr } = await farcall([...line.split(' '), '--json']);
    expect(exit).toBe(2);
    expect(stderr).toBe('');
    const { error } = JSON.parse(stdout);
    expect(error.code).toMatch(/^[a-z]+\.[a-z-]+$/);
    expect(error.message).toBeTruthy();
  });
});

describe('help', () => {
  it.each(COMMAND_TABLE.rows.map(row => row.path.join(' ')))('%s explains itself with examples', async path => {
    const { exit, stdout } = await farcall([...path.split(' '), '--help']);
    expect(exit).toBe(0);
    expect(stdout).toContain(`Usage: farcall ${path}`);
    expect(stdout).toMatch(/Examples:\n {2}.*:\n {4}\$ .*farcall /);
    expect(stdout).toContain('--json');
    const { stdout: again } = await farcall(['help', ...path.split(' ')]);
    expect(again).toBe(stdout);
  });

  it.each(COMMAND_TABLE.nouns.map(noun => noun.path.join(' ')))('%s lists what there is', async path => {
    const asked = await farcall([...path.split(' '), 'help']);
    const bare = await farcall(path.split(' '));
    expect([asked.exit, bare.exit]).toEqual([0, 2]);
    expect(bare.stderr).toBe(asked.stdout);
    expect(asked.stdout).toContain('Examples:');
  });

  it('lists every command on the front page', async () => {
    const { stdout } = await farcall(['--help']);
    for (const { path, summary } of COMMAND_TABLE.rows)
      expect(stdout).toMatch(new RegExp(`${path.join(' ')} +${summary}`));
  });
});

describe('input', () => {
  it('refuses what is larger than 512 MiB without reading it', async () => {
    const path = file('huge', '');
    truncateSync(path, 512 * 1024 * 1024 + 1);
    const { exit, stderr } = await farcall(['obj', 'show', path]);
    expect([exit, stderr]).toEqual([
      2,
      `farcall: ${path}: the file is too large (expected at most 512 MiB, found 536870913 bytes)\n`,
    ]);
  });

  it('goes on after a bad file', async () => {
    const { exit, stdout, stderr } = await farcall(['obj', 'show', 'nowhere.o', OBJECT]);
    expect(exit).toBe(2);
    expect(stdout).toContain('check_ip_header');
    expect(stderr).toBe('farcall: nowhere.o: no such file or directory\n');
  });

  it('finds objects inside other files, names them by offset, and takes them out', async () => {
    const object = readFileSync(OBJECT);
    const two = file(
      'tool',
      Buffer.concat([Buffer.alloc(100, 0x7f), object, Buffer.alloc(33), readFileSync('examples/firewall.bpf.o')]),
    );
    const { stdout } = await farcall(['obj', 'show', '--json', two]);
    const shown = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(shown.map(({ file, offset }) => ({ file, offset }))).toEqual([
      { file: two, offset: 100 },
      { file: two, offset: 133 + object.length },
    ]);

    const which = await farcall(['prog', 'dump', 'raw', two]);
    expect(which.stderr).toContain(
      `2 BPF objects are inside; name one by its offset (expected ${two}:0x64 or ${two}:0x`,
    );
    const one = await farcall(['prog', 'dump', 'raw', `${two}:0x64`]);
    // Data maps are called after the file.
    const { stdout: plain } = await farcall(['prog', 'dump', 'raw', OBJECT]);
    expect(one.stdout.replaceAll('tool.bss', 'checksum.bss')).toBe(plain);

    const out = join(DIR, 'objects');
    const extracted = await farcall(['obj', 'extract', two, OBJECT, 'package.json', '-o', out]);
    expect(extracted.exit).toBe(2);
    expect(extracted.stderr).toContain('package.json: neither a BPF object');
    expect(readFileSync(join(out, 'tool-0x64.o')).equals(object)).toBe(true);
    expect(readFileSync(join(out, 'checksum.bpf.o')).equals(object)).toBe(true);
  });

  it('links objects, by both names', async () => {
    const linked = join(DIR, 'linked.o');
    for (const words of [
      ['obj', 'link'],
      ['gen', 'object'],
    ]) {
      const { exit, stdout } = await farcall([...words, linked, OBJECT, 'examples/firewall.bpf.o']);
      expect([exit, stdout]).toEqual([0, expect.stringMatching(/linked\.o {2}\d+ bytes from examples\/checksum/)]);
      const shown = JSON.parse((await farcall(['obj', 'show', '--json', linked])).stdout);
      const names = shown.programs.map(({ name }: { name: string }) => name);
      expect(names).toEqual(['checksum', 'check_ip_header', 'ingress', 'egress']);
    }
  });

  it('takes BTF raw, as gzip, from ELF, and from standard input', async () => {
    const { stdout } = await farcall(['btf', 'dump', OBJECT]);
    const raw = readFileSync('testdata/btf/core.btf');
    const plain = await farcall(['btf', 'dump', 'testdata/btf/core.btf']);
    const zipped = await farcall(['btf', 'dump', file('core.btf.gz', gzipSync(raw))]);
    const piped = await farcall(['btf', 'dump', 'file', '-', 'format', 'raw'], { stdin: raw });
    expect(stdout).toContain("FUNC 'checksum'");
    expect(zipped.stdout).toBe(plain.stdout);
    expect(piped.stdout).toBe(plain.stdout);
    const damaged = await farcall(['btf', 'dump', file('bad.gz', gzipSync(raw).subarray(0, 100))]);
    expect([damaged.exit, damaged.stderr]).toEqual([2, expect.stringContaining('gzip data is damaged')]);
  });
});

describe('colour and progress', () => {
  const line = ['obj', 'show', OBJECT];
  it.each([
    ['on a terminal', { tty: true }, true],
    ['not in a pipe', {}, false],
    ['not when NO_COLOR is set', { tty: true, env: { NO_COLOR: '1' } }, false],
    ['where FORCE_COLOR asks for it', { env: { FORCE_COLOR: '1' } }, true],
  ])('%s', async (_, options, colored) => {
    const { stdout } = await farcall(line, options);
    expect(stdout.includes('\x1b[')).toBe(colored);
    expect(stdout.replaceAll(/\x1b\[\d+m/g, '')).toBe((await farcall(line)).stdout);
  });

  it('shows progress on a terminal after two seconds and wipes it', async () => {
    const clock = [0, 1000, 2500, 2600];
    const { stderr } = await farcall([...line, OBJECT, OBJECT], { tty: true, clock });
    expect(stderr).toBe('files 2/3\r\x1b[K');
    expect((await farcall([...line, OBJECT, OBJECT], { clock })).stderr).toBe('');
  });
});
