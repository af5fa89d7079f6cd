import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { assemble } from '../../src/asm/index.ts';
import { type ElfFile, type ElfSegment, ET_DYN, openElf, PT_LOAD } from '../../src/elf/index.ts';
import {
  encodeInsns,
  type Insn,
  ProgramBuilder,
  R0,
  R1,
  R2,
  R3,
  R4,
  R5,
  R6,
  R7,
  R8,
  R9,
  R10,
} from '../../src/isa/index.ts';
import {
  findTarget,
  markedMaps,
  markOf,
  type SharedMap,
  sharedCode,
  valueMarkOf,
  writeExecutable,
} from '../../src/jit/index.ts';
import { createKernelSpace, defaultKernelImage } from '../../src/kernels/index.ts';
import { toHex } from '../../src/util/index.ts';
import { xlateUnverified } from '../../src/verifier/index.ts';
import { farcall } from '../support/cli.ts';
import { runQemu, userLayout } from '../support/three-way.ts';
import { THREE_WAY_TARGETS } from '../support/three-way-targets.ts';
import { requireFile, requireTool } from '../support/tools.ts';

// Programs as shared objects, called by C; and their code on every CPU, loaded by hand.

const HAS_GCC = process.platform === 'linux' && process.arch === 'x64' && spawnSync('gcc', ['--version']).status === 0;

/** Two functions, the stack, helpers of one argument and of none: (first byte of ctx + time + random) · 3. */
const PROGRAM = `
r6 = r1
call 5
r7 = r0
call 7
r7 += r0
r1 = r6
r2 = r7
call f
exit
f:
r3 = *(u8 *)(r1 + 0)
r3 += r2
*(u64 *)(r10 - 8) = r3
r0 = *(u64 *)(r10 - 8)
r0 *= 3
exit`;

const MAIN = `
#include <stdio.h>
#include <emmintrin.h>
#include "p.h"
static uint64_t now(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	/* Faults where the stack is not aligned. */
	volatile __m128d x = _mm_set1_pd(1000.0);
	double y[2] __attribute__((aligned(16)));
	_mm_store_pd(y, x);
	return (uint64_t)y[0];
}
static uint64_t number(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e) { return 50; }
int main(void)
{
	unsigned char ctx[256] = { 4 };
	LIB_helpers.bpf_ktime_get_ns = now;
	LIB_helpers.bpf_get_prandom_u32 = number;
	printf("%llu\\n", (unsigned long long)NAME(ctx));
	return 0;
}`;

describe.skipIf(!HAS_GCC)(`shared objects${HAS_GCC ? '' : ': not without gcc on x86-64 Linux'}`, () => {
  const dir = mkdtempSync(join(tmpdir(), 'shared-'));
  afterAll(() => rmSync(dir, { recursive: true }));

  it('are linked with and called by C', async () => {
    const hex = `hex:${toHex(encodeInsns(assemble(PROGRAM, { dialect: 'llvm' })))}`;
    const so = join(dir, 'p.so');
    const made = await farcall([
      'prog',
      'jit',
      hex,
      '--type',
      'socket',
      '--format',
      'so',
      '--target',
      'x86_64',
      '-o',
      so,
    ]);
    expect(made.stderr).toBe('');
    expect(made.exit).toBe(0);
    const name = /uint64_t (\w+)\(void \*ctx\)/.exec(readFileSync(join(dir, 'p.h'), 'utf8'))?.[1] ?? '';
    writeFileSync(join(dir, 'main.c'), MAIN.replaceAll('NAME', name).replaceAll('LIB', 'p'));
    execFileSync('gcc', ['-O1', '-Wno-unused', join(dir, 'main.c'), so, `-Wl,-rpath,${dir}`, '-o', join(dir, 'main')]);
    expect(execFileSync(join(dir, 'main'), { encoding: 'utf8' })).toBe(`${(4 + 1000 + 50) * 3}\n`);
  });

  const made = async (object: string, name: string, ...options: string[]): Promise<string> => {
    const so = join(dir, `${name}.so`);
    const { stderr, exit } = await farcall([
      'prog',
      'jit',
      object,
      '--format',
      'so',
      '--target',
      'x86_64',
      ...options,
      '-o',
      so,
    ]);
    expect([stderr, exit]).toEqual(['', 0]);
    return so;
  };
  const ran = (so: string, main: string): string => {
    const path = so.replace(/\.so$/, '-main');
    writeFileSync(`${path}.c`, main);
    execFileSync('gcc', ['-O1', '-Wall', '-Wno-unused', '-Werror', `${path}.c`, so, `-Wl,-rpath,${dir}`, '-o', path]);
    return execFileSync(path, { encoding: 'utf8' });
  };

  it('hold every program of an object and its variables', async () => {
    const so = await made('examples/checksum.bpf.o', 'sums');
    const packet = [...Array(14).fill(0), 0x45, 0, 0, 20, 1, 2, 3, 4, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    packet[12] = 8;
    let sum = 0;
    for (let i = 0; i < packet.length; i += 2) sum += packet[i] | (packet[i + 1] << 8);
    const folded = (sum & 0xffff) + (sum >> 16);
    const out = ran(
      so,
      `${LOW_PACKET}
#include "sums.h"
struct bss { uint32_t last_sum; uint64_t packets, bad_headers; };
int main(void)
{
	unsigned char bytes[] = { ${packet.join()} };
	struct xdp_md *ctx = packet(bytes, sizeof(bytes));
	struct farcall_map *map = sums_map_checksum_bss();
	struct bss *bss = farcall_array_value(map, 0);
	uint64_t first = checksum(ctx), second = check_ip_header(ctx);
	checksum(ctx);
	printf("%d %d %d %d %x %s %u", (int)first, (int)second, (int)bss->packets, (int)bss->bad_headers, bss->last_sum, map->name, map->value_size);
	return farcall_array_value(map, 1) != 0;
}`,
    );
    expect(out).toBe(`2 1 2 1 ${(~folded & 0xffff).toString(16)} checksum.bss 24`);
  });

  it('leave maps that are no arrays to the functions of the table', async () => {
    const so = await made('examples/xdp_counter.bpf.o', 'counter');
    const out = ran(
      so,
      `${LOW_PACKET}
#include "counter.h"
static struct { unsigned char key[4]; uint64_t value[2]; int used; } table[4];
static uint64_t lookup(uint64_t map, uint64_t key, uint64_t c, uint64_t d, uint64_t e)
{
	if ((struct farcall_map *)map != counter_map_by_protocol()) return 0;
	for (int n = 0; n < 4; n++)
		if (table[n].used && !memcmp(table[n].key, (void *)key, 4)) return (uint64_t)table[n].value;
	return 0;
}
static uint64_t update(uint64_t map, uint64_t key, uint64_t value, uint64_t flags, uint64_t e)
{
	int n = 0;
	while (table[n].used) n++;
	table[n].used = 1;
	memcpy(table[n].key, (void *)key, ((struct farcall_map *)map)->key_size);
	memcpy(table[n].value, (void *)value, ((struct farcall_map *)map)->value_size);
	return 0;
}
int main(void)
{
	unsigned char bytes[60] = { [12] = 8, [23] = 6 };
	counter_helpers.bpf_map_lookup_elem = lookup;
	counter_helpers.bpf_map_update_elem = update;
	for (int n = 0; n < 3; n++) count_packets(packet(bytes, sizeof(bytes)));
	printf("%d %d %02x%02x", (int)table[0].value[0], (int)table[0].value[1], table[0].key[1], table[0].key[2]);
	return table[1].used;
}`,
    );
    expect(out).toBe('3 180 0806');
  });

  it('call nothing for instructions that CO-RE has put out of use', async () => {
    await made('examples/syscall_latency.bpf.o', 'latency');
    const header = readFileSync(join(dir, 'latency.h'), 'utf8');
    expect(header).toContain('(*bpf_get_current_task)');
    expect(header).not.toContain('unknown');
  });

  it('say what a process does not have', async () => {
    const so = join(dir, 'refused.so');
    const refused = async (...args: string[]): Promise<string> => {
      const { stderr, exit } = await farcall(['prog', 'jit', ...args, '--format', 'so', '-o', so]);
      expect(exit).not.toBe(0);
      expect(existsSync(so)).toBe(false);
      return stderr;
    };
    expect(await refused('examples/tail_parser.bpf.o', '--target', 'x86_64')).toMatch(
      /refers to stages, a map of type prog_array/,
    );
    expect(await refused('examples/checksum.bpf.o', '--target', 's390x')).toMatch(/big-endian/);
  });
});

/** A packet where 32 bits reach. */
const LOW_PACKET = `
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <stdint.h>
#include <sys/mman.h>
struct xdp_md { uint32_t data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex; };
static struct xdp_md *packet(const unsigned char *bytes, unsigned length)
{
	unsigned char *low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct xdp_md *ctx = (struct xdp_md *)(low + 2048);
	memcpy(low, bytes, length);
	ctx->data = ctx->data_meta = (uint32_t)(uintptr_t)low;
	ctx->data_end = ctx->data + length;
	return ctx;
}`;

/** A segment's bytes as loaders leave them: what is relocated by nothing but the distance has it added. */
function relocated(elf: ElfFile, segment: ElfSegment, base: number): Uint8Array {
  const bytes = segment.data.slice();
  const view = new DataView(bytes.buffer);
  for (const table of elf.relocsFor(0)) {
    for (const { symbolIndex, offset, addend } of table) {
      if (symbolIndex === 0) view.setBigUint64(offset - segment.vaddr, BigInt(base + addend), elf.order === 'little');
    }
  }
  return bytes;
}

/** Value size 12: elements are 16 bytes apart. */
const ARRAY: SharedMap = {
  name: 'numbers',
  type: 2,
  keySizeBytes: 4,
  valueSizeBytes: 12,
  maxEntries: 4,
  flags: 0,
  data: undefined,
};

/** Adds to element 2, overwrites element 3 from the stack, and asks for what is not there. */
function arrayProgram(): Insn[] {
  const b = new ProgramBuilder();
  const keyed = (key: number): ProgramBuilder =>
    b.store('w', R10, -4, key).imm64(R1, markOf(0)).mov(R2, R10).alu64('add', R2, -4);
  keyed(2).helper(1).jumpIf('jeq', R0, 0, 'out');
  b.load('dw', R7, R0).alu64('add', R7, 5).store('dw', R0, 0, R7);
  b.store('dw', R10, -24, 1000).store('w', R10, -16, 77);
  keyed(3).mov(R3, R10).alu64('add', R3, -24).mov(R4, 0).helper(2);
  // 0 where it was done; then the element, by its address.
  b.mov(R8, R0).imm64(R1, valueMarkOf(0, 48)).load('dw', R9, R1).load('w', R1, R1, 8).alu64('add', R9, R1);
  b.alu64('add', R8, R9);
  keyed(4).helper(1).alu64('add', R8, R0);
  keyed(3).mov(R3, R10).alu64('add', R3, -24).mov(R4, 1).helper(2).alu64('add', R8, R0);
  keyed(3).helper(3).alu64('add', R8, R0);
  b.mov(R1, R8).mov(R2, R7).call('sum').label('out').exit();
  return b.label('sum').mov(R0, R2).alu64('mul', R0, 10_000).alu64('add', R0, R1).exit().build();
}

/** A map the embedder keeps. */
const HASH: SharedMap = { ...ARRAY, name: 'others', type: 1, valueSizeBytes: 8 };

/** Calls C and is called by it: helpers, one of which loops over a function; maps of both kinds; a function of its own. */
function callingProgram(): Insn[] {
  const b = new ProgramBuilder();
  b.mov(R6, R1).load('b', R7, R6).helper(5).alu64('add', R7, R0);
  const found = (map: number, key: number): ProgramBuilder =>
    b
      .store('w', R10, -4, key)
      .imm64(R1, markOf(map))
      .mov(R2, R10)
      .alu64('add', R2, -4)
      .helper(1)
      .jumpIf('jeq', R0, 0, 'out');
  found(0, 2).load('dw', R1, R0).alu64('add', R1, 5).store('dw', R0, 0, R1).alu64('add', R7, R1);
  found(1, 9).load('dw', R1, R0).alu64('add', R7, R1);
  b.store('dw', R10, -64, 0).mov(R1, 3).func(R2, 'each').mov(R3, R10).alu64('add', R3, -64).mov(R4, 0).helper(181);
  b.alu64('add', R7, R0).load('dw', R1, R10, -64).alu64('add', R7, R1);
  for (const [n, char] of [...'text\0'].entries()) b.store('b', R10, n - 24, char.charCodeAt(0));
  b.mov(R1, R10).alu64('add', R1, -24).mov(R2, 2).mov(R3, 3).mov(R4, 4).mov(R5, 5).helper(6);
  b.alu64('add', R7, R0).mov(R1, R7).call('thrice').label('out').exit();
  b.label('thrice').mov(R0, R1).alu64('mul', R0, 3).exit();
  // (round, sum): the time, the round, and how often this was called, counted in element 1.
  b.label('each').mov(R6, R2).mov(R7, R1).helper(5).alu64('add', R7, R0);
  b.imm64(R1, valueMarkOf(0, 16)).load('dw', R2, R1).alu64('add', R2, 1).store('dw', R1, 0, R2).alu64('add', R7, R2);
  return b.load('dw', R1, R6).alu64('add', R1, R7).store('dw', R6, 0, R1).mov(R0, 0).exit().build();
}

const CALLER = 'testdata/jit/shared-caller';

/** Whose C library is at hand: where it is installed, and how GNU binutils call the ABI. */
const C_HOSTS: Readonly<Record<string, { root: string; aptPackage: string; as: string; ld: string; loader: string }>> =
  {
    ppc64le: {
      root: '/usr/powerpc64le-linux-gnu',
      aptPackage: 'libc6-ppc64el-cross',
      as: '-mlittle',
      ld: 'elf64lppc',
      loader: 'ld64.so.2',
    },
    ppc64: {
      root: '/usr/powerpc64-linux-gnu',
      aptPackage: 'libc6-ppc64-cross',
      as: '-mbig',
      ld: 'elf64ppc',
      loader: 'ld64.so.1',
    },
  };

const as = requireTool('powerpc64-linux-gnu-as', 'binutils-powerpc64-linux-gnu');
const ld = requireTool('powerpc64-linux-gnu-ld', 'binutils-powerpc64-linux-gnu');
const LOADERS = new Map(
  Object.entries(C_HOSTS).map(([name, { root, loader, aptPackage }]) => [
    name,
    requireFile(join(root, 'lib', loader), aptPackage),
  ]),
);

describe.each(THREE_WAY_TARGETS.flatMap(row => row.cpus.map((cpu, index) => ({ ...row, cpu, index }))))(
  '$target, $cpu',
  ({ target: name, cpu, index, runner }) => {
    const target = findTarget(name);
    const kernel = defaultKernelImage(target.arch, target.order);
    const codeOf = (insns: readonly Insn[], maps: readonly SharedMap[]) =>
      sharedCode({
        target,
        cpu,
        name: 'lib',
        kernel,
        maps,
        pageBytes: 0x10000,
        programs: [
          {
            name: 'prog',
            xlated: xlateUnverified({ name: 'prog', type: 1, insns, maps: markedMaps(maps) }, { kernel }),
          },
        ],
      });

    it('a shared object: nothing to relocate in the code, names, words of the table', () => {
      const insns = new ProgramBuilder().helper(5).mov(R6, R0).helper(7).alu64('add', R0, R6).exit().build();
      const { bytes, helpers, header } = codeOf(insns, [ARRAY]);
      const elf = openElf(bytes);
      expect([elf.type, elf.machine, elf.order]).toEqual([ET_DYN, target.elf.machine, target.order]);
      expect(helpers).toEqual(['bpf_ktime_get_ns', 'bpf_get_prandom_u32']);
      expect(header).toContain('struct farcall_map *lib_map_numbers(void);');
      for (const symbol of ['prog', 'lib_map_numbers', 'lib_helpers']) expect(elf.dynsym?.byName(symbol)).toBeDefined();
    });

    it('a constant is no address, wherever it points', () => {
      const [one, other] = [0x2b5d3a920000n, 0x5a376c2e0000n].map(value =>
        codeOf(
          new ProgramBuilder()
            .imm64(R0, value)
            .imm64(R1, value + 0x400000000n)
            .exit()
            .build(),
          [ARRAY],
        ),
      );
      expect(one.bytes.length).toBe(other.bytes.length);
    });

    const runs = runner();
    it.skipIf(runs === undefined)('works on its arrays wherever it is loaded', () => {
      const { bytes } = codeOf(arrayProgram(), [ARRAY]);
      const elf = openElf(bytes);
      const [, data, text] = elf.segments.filter(({ type }) => type === PT_LOAD);
      const start = elf.dynsym?.byName('prog')?.value ?? 0;
      const base = [0x100000, 0x2340000][index];
      const space = createKernelSpace(userLayout(0, undefined, target.arch), kernel);
      const memoryEnd = base + data.vaddr + data.memsz;
      const entry = { func: BigInt(base + start), args: [], sp: 0x3ff00n };
      const exe = writeExecutable({
        target,
        cpu,
        space,
        images: [{ addr: BigInt(base + text.vaddr), bytes: text.data, name: 'text' }],
        entries: [entry, entry],
        gates: [],
        memory: [{ addr: base + data.vaddr, bytes: relocated(elf, data, base) }],
        memoryEnd,
        format: 'lines',
      });
      const { lines, problem } = runQemu(runs ?? '', cpu, exe);
      // 1077 − EEXIST − EINVAL
      expect([lines, problem]).toEqual([['0 0xc75e', '1 0x18aae'], '']);
    });

    const host = C_HOSTS[name];
    if (host === undefined) return;
    const loader = LOADERS.get(name);
    if (runs === undefined || as === undefined || ld === undefined || loader === undefined) return;
    it('is linked with C, which calls it and is called', () => {
      const { bytes, header } = codeOf(callingProgram(), [ARRAY, HASH]);
      expect(header.replace(` for ${name}.`, '.')).toBe(readFileSync(join(CALLER, 'lib.h'), 'utf8'));
      const dir = mkdtempSync(join(tmpdir(), 'shared-c-'));
      try {
        const [so, object, exe] = ['lib.so', 'caller.o', 'caller'].map(file => join(dir, file));
        writeFileSync(so, bytes);
        execFileSync(as, [host.as, '-a64', '-mpower8', join(CALLER, `${name}.s`), '-o', object]);
        const libs = join(host.root, 'lib');
        execFileSync(ld, [
          ...['-m', host.ld, '-dynamic-linker', loader, '-rpath', `${dir}:${libs}`],
          ...[object, so, join(libs, 'libc.so.6'), loader, '-o', exe],
        ]);
        const sum = 4 + 1000 + 5 + 7 + 3 + (3000 + 3) + (1 + 2 + 3) + 1;
        expect(execFileSync(runs, ['-cpu', cpu, exe], { encoding: 'utf8', timeout: 600_000 }).split('\n')).toEqual([
          'lookup others 9',
          'trace text 2 3 4 5 4',
          'lookup others 9',
          'trace text 2 3 4 5 8',
          `${3 * sum} ${3 * (sum + 5 + 9)} 8 10`,
          '',
        ]);
      } finally {
        rmSync(dir, { recursive: true });
      }
    });
  },
);
