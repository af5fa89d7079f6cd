import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { TAKEN_PROOF } from '../../../test/support/taken-proof.ts';
import { assemble } from '../../asm/index.ts';
import { interpEngine } from '../../engine/index.ts';
import type { LinearProgram } from '../../jit/index.ts';
import { createMachine } from '../../machine/index.ts';
import { bpf_prog_type } from '../../uapi/index.ts';
import { FarcallError } from '../../util/index.ts';
import type { Verdict } from '../../verifier/index.ts';
import { CodeSpace } from './code-space.ts';
import { hasTriedV8, hostTarget } from './host.ts';
import {
  CodeCache,
  checkHost,
  loadAddon,
  type NativeEngineOptions,
  nativeEngine,
  unsupportedBecause,
} from './index.ts';

const { BPF_PROG_TYPE_SOCKET_FILTER: FILTER, BPF_PROG_TYPE_XDP: XDP } = bpf_prog_type;
const REQUEST = { dataIn: new Uint8Array(64) };
const llvm = (text: string) => assemble(text, { dialect: 'llvm' });

const codeOf = (body: () => unknown): string => {
  try {
    body();
  } catch (error) {
    if (error instanceof FarcallError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
};

describe('hosts', () => {
  const versions = { node: '22.1.0', napi: '9' };

  it.each([
    ['darwin', { platform: 'darwin', arch: 'x64', versions }],
    ['linux on s390x', { platform: 'linux', arch: 's390x', versions }],
    ['Node 18.20.0', { platform: 'linux', arch: 'x64', versions: { node: '18.20.0', napi: '9' } }],
    ['no Node with addons', { platform: 'linux', arch: 'x64', versions: {} }],
  ])('%s is named', (name, facts) => {
    expect(unsupportedBecause(facts)).toBe(name);
    expect(codeOf(() => checkHost(facts))).toBe('run.native-host');
  });

  it.each(['x64', 'arm64'])('Linux on %s is one', arch => {
    expect(unsupportedBecause({ platform: 'linux', arch, versions })).toBeUndefined();
  });
});

describe('functions of V8 itself', () => {
  it.each([
    [true, { node: '20.20.0', modules: '115' }],
    [true, { node: '26.1.0', modules: '147' }],
    [false, { node: '25.0.0', modules: '141' }],
    [false, { node: '22.1.0' }],
    [false, { node: '24.3.0', modules: '137', bun: '1.2.20' }],
    [false, { node: '20.9.0', modules: '115', electron: '28.0.0' }],
  ])('%s for %o', (made, versions) => expect(hasTriedV8({ versions })).toBe(made));
});

it('room for code is taken where it fits first, and joined when it comes back', () => {
  const space = new CodeSpace(4 * 4096, 4096);
  expect([space.take(1), space.take(5000), space.take(4096), space.take(1)]).toEqual([0, 4096, 12288, undefined]);
  space.give(0, 1);
  expect(space.take(4097)).toBeUndefined();
  space.give(4096, 5000);
  expect(space.take(3 * 4096)).toBe(0);
  space.give(12288, 4096);
  space.give(0, 3 * 4096);
  expect(space.take(4 * 4096)).toBe(0);
});

const here = unsupportedBecause();
describe.skipIf(here !== undefined)(`in this process${here === undefined ? '' : `: not on ${here}`}`, () => {
  const machineOf = (options?: NativeEngineOptions) => createMachine({ engine: nativeEngine(options) });
  const run = (
    text: string,
    type: number = FILTER,
    options?: NativeEngineOptions,
    proof: Verdict | undefined = TAKEN_PROOF,
  ) => {
    const machine = machineOf(options);
    return machine.run(machine.loadInsns('p', type, llvm(text), [], proof), REQUEST);
  };

  it('an addon that is none, or has no place, is an error with a name', () => {
    expect(codeOf(() => loadAddon({ bytes: new Uint8Array(100) }))).toBe('run.native-load');
    expect(codeOf(() => loadAddon({ folders: ['/nowhere/at/all'] }))).toBe('run.native-load');
  });

  it('leaves no file behind', () => {
    const folder = mkdtempSync(join(tmpdir(), 'native-'));
    try {
      expect(typeof loadAddon({ folders: [folder] }).call).toBe('function');
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.each(['_ZN2v87Isolate10GetCurrentEv', '_ZN2v816FunctionTemplate11GetFunctionE'])(
    'where V8 has no %s, there is nothing but Node-API',
    name => {
      const bytes = Buffer.from(hostTarget().writeAddon());
      bytes[bytes.indexOf(name)] = 'X'.charCodeAt(0);
      const addon = loadAddon({ bytes });
      expect([addon.direct(), typeof addon.enter]).toEqual([undefined, 'function']);
    },
  );

  it.each([true, false])('runs as often as one likes, faults between, with functions of V8 itself: %s', direct => {
    const machine = machineOf({ addon: { direct } });
    const load = (text: string) => machine.loadInsns('p', XDP, llvm(text), [], TAKEN_PROOF);
    const wild = load('r1 = 0x7fff0000 ll\nr0 = *(u64 *)(r1 + 16)\nexit');
    const kept: unknown[] = [];
    // Without and with a gate.
    for (const call of ['r6 = 1', 'r6 = r1\ncall 7']) {
      const program = load(`${call}\nr0 = 10\nexit`);
      for (let round = 0; round < 4; round++) {
        const opened = machine.open(program, REQUEST);
        let sum = 0;
        for (let n = 0; n < 10_000; n++) {
          sum += opened?.run() ?? 0;
          if (n % 100 === 0) kept.push({ n, text: `${n}` });
        }
        opened?.close();
        expect([sum, machine.run(wild, REQUEST).fault?.addr]).toEqual([100_000, 0x7fff0010n]);
      }
    }
    expect(kept.length).toBe(800);
  });

  it('runs', () => {
    expect(run('r0 = 0x123456789 ll\nr0 *= 3\nexit').r0).toBe(0x369d0369bn);
  });

  it('programs nobody verified are refused by name, or checked in WebAssembly', () => {
    const wild = 'r1 = 0x7fff0000 ll\nr0 = *(u64 *)(r1 + 0)\nexit';
    const machine = machineOf();
    const program = machine.loadInsns('p', FILTER, llvm('r0 = 1\nexit'));
    expect(codeOf(() => machine.run(program, REQUEST))).toBe('run.native-unverified');
    const checked = createMachine({ engine: nativeEngine({ unverified: 'wasm' }) });
    expect(checked.run(checked.loadInsns('p', FILTER, llvm(wild)), REQUEST).fault?.kind).toBe('out-of-bounds');
  });

  it('through the dangerous door, what goes astray is a fault', () => {
    const machine = machineOf({ unverified: 'dangerous' });
    const load = (text: string) => machine.loadInsns('p', FILTER, llvm(text));
    const wild = machine.run(load('r1 = 0x7fff0000 ll\nr0 = *(u64 *)(r1 + 16)\nexit'), REQUEST);
    expect(wild.fault).toMatchObject({ kind: 'out-of-bounds', addr: 0x7fff0010n });
    // Inside of functions too, and afterwards everything is as it was.
    const inner = 'r6 = 7\nr1 = 0x7ffe0000 ll\ncall f\nexit\nf:\nr6 = 5\n*(u32 *)(r1 + 0) = 1\nr0 = 0\nexit';
    expect(machine.run(load(inner), REQUEST).fault?.addr).toBe(0x7ffe0000n);
    expect(machine.run(load('r0 = 42\nexit'), REQUEST).r0).toBe(42n);
  });

  it('an exception of a helper ends the run as a fault', () => {
    // bpf_get_stackid of no map at all.
    const text = 'r6 = r1\nr2 = 0\nr3 = 0\ncall 999\nr0 = 0\nexit';
    expect(run(text).fault).toMatchObject({ kind: 'bad-call', insnIdx: 3 });
  });

  it('compiles nothing when a program is loaded again, and calls what is its own', () => {
    const cache = new CodeCache<LinearProgram>();
    const engine = nativeEngine({ cache });
    const insns = llvm('r6 = r1\nr2 = 0\ncall 999\nr0 = 0\nexit');
    for (let n = 1; n <= 3; n++) {
      const machine = createMachine({ engine });
      const fault = machine.run(machine.loadInsns(`p${n}`, FILTER, insns, [], TAKEN_PROOF), REQUEST).fault;
      expect(fault).toMatchObject({ kind: 'bad-call', insnIdx: 2, prog: `p${n}` });
    }
    expect([cache.hits, cache.misses]).toEqual([2, 1]);
  });

  it('callbacks run natively, and those of the interpreter count as much', () => {
    const text = [
      'r6 = 0',
      '*(u64 *)(r10 - 8) = r6',
      'r1 = 100',
      'r2 = f ll',
      'r3 = r10',
      'r3 += -8',
      'r4 = 0',
      'call 181',
      'r0 = *(u64 *)(r10 - 8)',
      'exit',
      'f:',
      'r3 = *(u64 *)(r2 + 0)',
      'r3 += r1',
      '*(u64 *)(r2 + 0) = r3',
      'r0 = 0',
      'exit',
    ].join('\n');
    const insns = llvm(text);
    const results = [nativeEngine(), interpEngine].map(engine => {
      const machine = createMachine({ engine });
      return machine.run(machine.loadInsns('p', FILTER, insns, [], TAKEN_PROOF), REQUEST).r0;
    });
    expect(results).toEqual([4950n, 4950n]);
  });

  it('a budget stops what would not end', () => {
    const machine = machineOf();
    const program = machine.loadInsns('p', FILTER, llvm('a:\nr0 = 1\ngoto a\nexit'), [], TAKEN_PROOF);
    expect(machine.run(program, { ...REQUEST, insnBudget: 1000 }).fault?.kind).toBe('step-budget');
  });

  // Programs too large to be put into their ways in share the code of those.
  it.each([0, 80, 80])('runs packets in batches, in programs of %i instructions more', more => {
    const text = [
      'r2 = *(u32 *)(r1 + 0)',
      'r3 = *(u32 *)(r1 + 4)',
      'r0 = 1',
      'r4 = r2',
      'r4 += 14',
      'if r4 > r3 goto end',
      'r0 = *(u8 *)(r2 + 12)',
      ...Array.from({ length: more }, (_, n) => (n % 2 === 0 ? 'r0 *= 3' : 'r0 ^= 5')),
      'end:',
      'exit',
    ].join('\n');
    const verdict = (first: number): number => {
      let value = first;
      for (let n = 0; n < more; n++) value = n % 2 === 0 ? Math.imul(value, 3) : value ^ 5;
      return value >>> 0;
    };
    const machine = machineOf();
    const frames = [5, 6, 7].map(first => {
      const frame = new Uint8Array(60);
      frame[12] = first;
      return frame;
    });
    const program = machine.loadInsns('p', XDP, llvm(text), [], TAKEN_PROOF);
    const batch = machine.openBatch(program, [...frames, new Uint8Array(14)]);
    const found = batch?.run();
    expect([found?.done, ...(found?.verdicts ?? [])]).toEqual([4, verdict(5), verdict(6), verdict(7), verdict(0)]);
    batch?.close();
  });

  it('keeps machines apart whose programs are open at once, and goes back to one after a gate ran another', () => {
    const first =
      'r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr2 += 1\nr0 = 99\nif r2 > r3 goto +1\nr0 = *(u8 *)(r2 - 1)\nexit';
    const opened = [7, 9].map(value => {
      const machine = machineOf();
      const program = machine.loadInsns('p', XDP, llvm(first), [], TAKEN_PROOF);
      return machine.open(program, { dataIn: Uint8Array.of(value, ...new Uint8Array(63)) });
    });
    const [a, b] = opened as [NonNullable<(typeof opened)[0]>, NonNullable<(typeof opened)[0]>];
    expect([a.run(), b.run(), a.run(), b.run()]).toEqual([7, 9, 7, 9]);
    b.close();
    expect(a.run()).toBe(7);
    a.close();
    // The clock runs another machine while the helper asks for the time.
    const clock = { monotonicNs: () => run('r0 = 5\nexit').r0, realtimeNs: () => 0n };
    const outer = createMachine({ engine: nativeEngine({ linkHelper: () => undefined }), clock });
    const text = 'r6 = *(u32 *)(r1 + 0)\nr7 = r1\ncall 5\nr8 = *(u32 *)(r7 + 0)\nr0 <<= 32\nr6 -= r8\nr0 |= r6\nexit';
    expect(outer.run(outer.loadInsns('p', XDP, llvm(text), [], TAKEN_PROOF), REQUEST).r0).toBe(5n << 32n);
  });

  it('takes code away when nobody has its machine any more', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const made = Array.from({ length: 30 }, (_, k) => {
      const machine = machineOf();
      machine.run(machine.loadInsns('p', FILTER, llvm(`r0 = ${k}\ncall 5\nexit`), [], TAKEN_PROOF), REQUEST);
      return new WeakRef(machine);
    });
    // What a job has looked at stays until it ends.
    for (let tries = 0; tries < 50 && made.filter(ref => ref.deref() !== undefined).length > 1; tries++) {
      await new Promise(resolve => setTimeout(resolve, 10));
      gc();
    }
    // The last one's memory is the one native code knows.
    expect(made.filter(ref => ref.deref() !== undefined).length).toBeLessThanOrEqual(1);
  });

  it('finds the memory where it is after it has grown', () => {
    const machine = machineOf();
    const program = machine.loadInsns('p', FILTER, llvm('r0 = *(u32 *)(r1 + 0)\nexit'), [], TAKEN_PROOF);
    const first = machine.run(program, REQUEST).r0;
    machine.mem.alloc(8 << 20);
    expect(machine.run(program, REQUEST).r0).toBe(first);
  });
});
