import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { farcall } from '../../test/support/cli.ts';

const DIR = mkdtempSync(join(tmpdir(), 'farcall-damage-'));
afterAll(() => rmSync(DIR, { recursive: true }));
const FILE = join(DIR, 'damaged.o');
const FRAME = `hex:${'00'.repeat(60)}`;
const SEEDS = ['checksum', 'xdp_counter', 'load_balancer', 'firewall', 'flow_events', 'syscall_latency'].map(name =>
  readFileSync(`examples/${name}.bpf.o`),
);
const RUN = ['--data-in', FRAME, '--insn-limit', '20000'];
const LINES = [
  ['obj', 'show', FILE],
  ['obj', 'show', '--json', FILE],
  ['prog', 'dump', 'raw', FILE, 'opcodes', 'linum'],
  ['prog', 'run', FILE, ...RUN],
  ['map', 'dump', FILE, ...RUN],
  ['btf', 'dump', FILE, 'format', 'c'],
];

it('a damaged object never looks like a bug of farcall', async () => {
  const change = fc.record({ at: fc.nat(), value: fc.constantFrom(0, 1, 2, 8, 0x7f, 0x80, 0xff) });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...SEEDS),
      fc.array(change, { minLength: 1, maxLength: 8 }),
      fc.option(fc.nat()),
      async (seed, changes, cut) => {
        const bytes = Uint8Array.from(seed);
        for (const { at, value } of changes) bytes[at % bytes.length] = value;
        writeFileSync(FILE, cut === null ? bytes : bytes.subarray(0, cut % bytes.length));
        for (const line of LINES) {
          const { exit, stderr } = await farcall(line);
          expect([0, 1, 2], stderr).toContain(exit);
        }
      },
    ),
    { numRuns: 120 },
  );
});
