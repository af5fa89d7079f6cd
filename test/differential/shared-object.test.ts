import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { assemble } from '../../src/asm/index.ts';
import { encodeInsns } from '../../src/isa/index.ts';
import { toHex } from '../../src/util/index.ts';
import { farcall } from '../support/cli.ts';

// Programs as shared objects, called by C.

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
	NAME_helpers.bpf_ktime_get_ns = now;
	NAME_helpers.bpf_user_rnd_u32 = number;
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
    writeFileSync(join(dir, 'main.c'), MAIN.replaceAll('NAME', name));
    execFileSync('gcc', ['-O1', '-Wno-unused', join(dir, 'main.c'), so, `-Wl,-rpath,${dir}`, '-o', join(dir, 'main')]);
    expect(execFileSync(join(dir, 'main'), { encoding: 'utf8' })).toBe(`${(4 + 1000 + 50) * 3}\n`);
  });

  it('have no maps', async () => {
    const so = join(dir, 'counter.so');
    const made = await farcall([
      'prog',
      'jit',
      'examples/xdp_counter.bpf.o',
      '--format',
      'so',
      '--target',
      'x86_64',
      '-o',
      so,
    ]);
    expect(made.exit).not.toBe(0);
    expect(made.stderr).toMatch(/refers to maps or variables/);
    expect(existsSync(so)).toBe(false);
  });
});
