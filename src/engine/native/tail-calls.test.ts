import { describe, expect, it } from 'vitest';
import { counting, progArray, setSlot } from '../../../test/support/tail-run.ts';
import { TAKEN_PROOF } from '../../../test/support/taken-proof.ts';
import { assemble } from '../../asm/index.ts';
import { type Engine, type EngineHost, interpEngine, wasmEngine } from '../../engine/index.ts';
import { createMachine, type Machine, type MachineProgram } from '../../machine/index.ts';
import type { BpfMap } from '../../maps/index.ts';
import { bpf_prog_type } from '../../uapi/index.ts';
import type { Verdict } from '../../verifier/index.ts';
import { PROG_HANDLE } from '../types.ts';
import { nativeEngine, unsupportedBecause } from './index.ts';

const XDP = bpf_prog_type.BPF_PROG_TYPE_XDP;
const RANDOM = 7;

/** R1 = context, R2 = the prog array, R3 = index; R0 says that it went nowhere. */
const tail = (index: number | string, none = 100): string[] => [
  'r1 = r6',
  '0 ll',
  typeof index === 'number' ? `r3 = ${index}` : index,
  `r0 = ${none}`,
  'call 12',
];
/** Counts the programs that run in the packet's first word. */
const ENTER = ['r6 = r1', 'r7 = *(u32 *)(r6 + 0)', 'r0 = *(u32 *)(r7 + 0)', 'r0 += 1', '*(u32 *)(r7 + 0) = r0'];
const COUNTED = ['r0 = *(u32 *)(r7 + 0)', 'exit'];
/** The array's reference is made here, as text has no word for it. */
const insnsOf = (lines: readonly string[]) => {
  const insns = assemble(lines.map(line => (line === '0 ll' ? 'r2 = 0 ll' : line)).join('\n'), { dialect: 'llvm' });
  return insns.map(insn => (insn.code === 0x18 && insn.dst === 2 ? { ...insn, src: 1 } : insn));
};

interface Programs {
  readonly machine: Machine;
  readonly jumps: BpfMap;
  readonly load: (name: string, lines: readonly string[], proof?: Verdict | null) => MachineProgram;
  readonly run: (program: MachineProgram, insnBudget?: number) => bigint | string;
}

function programsOn(engine: Engine): Programs {
  const machine = createMachine({ engine });
  const jumps = progArray(machine);
  return {
    machine,
    jumps,
    load: (name, lines, proof = TAKEN_PROOF) =>
      machine.loadInsns(name, XDP, insnsOf(lines), [jumps], proof ?? undefined),
    run: (program, insnBudget) => {
      const { fault, r0 } = machine.run(program, { dataIn: new Uint8Array(64), insnBudget });
      return fault === undefined ? r0 : `${fault.kind} in ${fault.prog}`;
    },
  };
}

/** Programs by name and what they are made of; the array's elements by name; what the first one returns. */
interface Chain {
  readonly name: string;
  readonly programs: Readonly<Record<string, readonly string[]>>;
  readonly slots: readonly (string | undefined)[];
  readonly r0: bigint;
}

const CHAINS: readonly Chain[] = [
  { name: 'itself, 33 times', programs: { a: [...ENTER, ...tail(0), ...COUNTED] }, slots: ['a'], r0: 34n },
  {
    name: 'each other, 33 times',
    programs: { a: [...ENTER, ...tail(1), ...COUNTED], b: [...ENTER, ...tail(0), ...COUNTED] },
    slots: ['a', 'b'],
    r0: 34n,
  },
  {
    name: 'an empty slot leaves R0 alone',
    programs: { a: [...ENTER, ...tail(1, 55), 'exit'] },
    slots: ['a'],
    r0: 55n,
  },
  { name: 'an index behind the end', programs: { a: [...ENTER, ...tail(6, 56), 'exit'] }, slots: ['a'], r0: 56n },
  { name: 'the largest index', programs: { a: [...ENTER, ...tail(-1, 57), 'exit'] }, slots: ['a'], r0: 57n },
  {
    name: 'an index of which the lower half counts',
    programs: { a: [...ENTER, ...tail('r3 = 0x700000002 ll'), 'exit'], b: ['r0 = 58', 'exit'] },
    slots: ['a', undefined, 'b'],
    r0: 58n,
  },
  {
    // Frames and kept registers of the caller outlive those of callee and target.
    name: 'from a function, into a larger frame, back to the caller',
    programs: {
      a: [
        ...ENTER,
        'r8 = 3',
        'r9 = 4',
        '*(u64 *)(r10 - 8) = r9',
        'r1 = r6',
        'call f',
        'r1 = *(u64 *)(r10 - 8)',
        'r0 += r1',
        'r0 *= 10',
        'r0 += r8',
        'r0 *= 10',
        'r0 += r9',
        'exit',
        'f:',
        'r6 = r1',
        'r8 = 70',
        'r9 = 71',
        '*(u64 *)(r10 - 16) = r8',
        ...tail(1),
        'r0 = 0',
        'exit',
      ],
      b: [
        'r8 = 80',
        'r9 = 81',
        '*(u64 *)(r10 - 400) = r8',
        '*(u64 *)(r10 - 8) = r9',
        'r0 = *(u64 *)(r10 - 400)',
        'exit',
      ],
    },
    slots: ['a', 'b'],
    r0: 8434n,
  },
  {
    // Each program calls a function that tail-calls the program twice: 33 in all, then every function returns.
    name: 'from functions that return, counted together',
    programs: {
      a: [
        ...ENTER,
        'r1 = r6',
        'call f',
        'r1 = r6',
        'call f',
        ...COUNTED,
        'f:',
        'r6 = r1',
        ...tail(0),
        'r0 = 0',
        'exit',
      ],
    },
    slots: ['a'],
    r0: 34n,
  },
  {
    name: 'behind one that went nowhere',
    programs: { a: [...ENTER, ...tail(3), ...tail(9), ...tail(1), 'exit'], b: ['r0 = 59', 'exit'] },
    slots: ['a', 'b'],
    r0: 59n,
  },
];

describe.skipIf(unsupportedBecause() !== undefined)('tail calls in this process', () => {
  it.each(CHAINS.map(chain => [chain.name, chain] as const))('%s', (_, { programs, slots, r0 }) => {
    for (const engine of [nativeEngine(), wasmEngine(), interpEngine]) {
      const { jumps, load, run } = programsOn(engine);
      const loaded = new Map(Object.entries(programs).map(([name, lines]) => [name, load(name, lines)]));
      slots.forEach((name, index) => {
        if (name !== undefined) expect(setSlot(jumps, index, loaded.get(name))).toBe(0);
      });
      for (let n = 0; n < 3; n++)
        expect([engine.name, run(loaded.get('a') as MachineProgram)]).toEqual([engine.name, r0]);
    }
  });

  /** A program that tail-calls slot 1, and others to be there. */
  const few = (engine: Engine) => {
    const counted = counting(engine);
    const made = programsOn(counted.engine);
    const first = made.load('first', [...ENTER, ...tail(1, 1), 'exit']);
    const two = made.load('two', ['r0 = 2', 'exit']);
    const three = made.load('three', ['r0 = 3', 'exit']);
    return { ...made, first, two, three, asked: counted.asked };
  };

  it('ask the machine once for each target', () => {
    const { jumps, run, first, two, three, asked } = few(nativeEngine());
    const found: unknown[] = [];
    for (const program of [two, three, undefined, two, three, two]) {
      setSlot(jumps, 1, program);
      found.push(run(first), run(first), asked());
    }
    expect(found).toEqual([2n, 2n, 1, 3n, 3n, 2, 1n, 1n, 2, 2n, 2n, 2, 3n, 3n, 2, 2n, 2n, 2]);
  });

  it('find what was put there while the program ran', () => {
    const places: { jumps: BpfMap; next: (MachineProgram | undefined)[] }[] = [];
    // A helper that changes the element.
    const engine = nativeEngine();
    const host = (given: EngineHost): EngineHost =>
      Object.create(given, {
        helper: {
          value: (id: number) => {
            const def = given.helper(id);
            if (id !== RANDOM || def === undefined) return def;
            const run = (): number => setSlot(places[0].jumps, 1, places[0].next.shift());
            return { ...def, run };
          },
        },
      }) as EngineHost;
    const hosts = new WeakMap<EngineHost, EngineHost>();
    const changing: Engine = {
      ...engine,
      load: (program, given) => {
        const found = hosts.get(given) ?? host(given);
        hosts.set(given, found);
        return engine.load(program, found);
      },
    };
    const { jumps, load, run } = programsOn(changing);
    const again = load('again', [...ENTER, `call ${RANDOM}`, ...tail(1, 1), 'exit']);
    const two = load('two', ['r0 = 2', 'exit']);
    const three = load('three', [...ENTER, `call ${RANDOM}`, ...tail(1, 3), 'exit']);
    const next = [two, undefined, three, two, three, three, undefined, two];
    places.push({ jumps, next });
    expect([1, 2, 3, 4, 5].map(() => run(again))).toEqual([2n, 1n, 2n, 3n, 2n]);
    expect(next).toEqual([]);
  });

  it('reach programs nobody verified where those are WebAssembly, and others behind them', () => {
    const { jumps, load, run } = programsOn(nativeEngine({ unverified: 'wasm' }));
    const first = load('first', [...ENTER, ...tail(1), ...COUNTED]);
    const checked = load('checked', [...ENTER, ...tail(2), ...COUNTED], null);
    const last = load('last', [...ENTER, ...tail(0), ...COUNTED]);
    [first, checked, last].forEach((program, index) => void setSlot(jumps, index, program));
    expect([1, 2].map(() => run(first))).toEqual([34n, 34n]);
  });

  it('do not reach programs nobody verified where those are refused', () => {
    const { jumps, load, run, machine } = programsOn(nativeEngine());
    const first = load('first', [...ENTER, ...tail(1), 'exit']);
    setSlot(jumps, 1, load('unknown', ['r0 = 2', 'exit'], null));
    for (let n = 0; n < 2; n++) expect(() => run(first)).toThrow('unknown was not verified');
    expect(machine.run(first, { dataIn: new Uint8Array(64), insnBudget: 100 }).fault).toBeUndefined();
  });

  it('to a program of another engine fault as everywhere', () => {
    const native = nativeEngine();
    const mixed: Engine = {
      ...native,
      load: (program, host) => (program.name === 'other' ? interpEngine : native).load(program, host),
    };
    const { jumps, load, run } = programsOn(mixed);
    const first = load('first', [...ENTER, ...tail(1), 'exit']);
    setSlot(jumps, 1, load('other', ['r0 = 2', 'exit']));
    expect([run(first), run(first)]).toEqual(['bad-call in first', 'bad-call in first']);
  });

  it('to a program of another such engine are like those within one', () => {
    const [native, second] = [nativeEngine(), nativeEngine()];
    const mixed: Engine = {
      ...native,
      load: (program, host) => (program.name === 'other' ? second : native).load(program, host),
    };
    const { engine, asked } = counting(mixed);
    const { jumps, load, run } = programsOn(engine);
    const first = load('first', [...ENTER, ...tail(1), 'exit']);
    setSlot(jumps, 1, load('two', ['r0 = 2', 'exit']));
    expect([run(first), run(first), asked()]).toEqual([2n, 2n, 1]);
    const other = load('other', ['r0 = 3', 'exit']);
    expect([run(first), run(first), asked()]).toEqual([2n, 2n, 1]);
    setSlot(jumps, 1, other);
    expect([run(first), run(first), run(other), asked()]).toEqual([3n, 3n, 3n, 2]);
  });

  it('are WebAssembly’s where instructions are counted, and native again', () => {
    const { jumps, run, first, two, three, asked } = few(nativeEngine());
    setSlot(jumps, 1, two);
    expect([run(first), run(first, 100), run(first), run(first, 100), asked()]).toEqual([2n, 2n, 2n, 2n, 1]);
    setSlot(jumps, 1, three);
    expect([run(first, 100), run(first), run(first, 100), run(first)]).toEqual([3n, 3n, 3n, 3n]);
  });

  it('to a program that is gone are a fault, whatever is where it was', () => {
    const { jumps, run, first, two, load, machine } = few(nativeEngine());
    setSlot(jumps, 1, two);
    expect([run(first), run(first)]).toEqual([2n, 2n]);
    two.loaded.free();
    expect(run(first)).toBe('bad-call in first');
    // Its code's place is another's now, whose handle names the same entry.
    const four = load('four', ['r0 = 4', 'exit']);
    expect(run(four)).toBe(4n);
    expect(run(first)).toBe('bad-call in first');
    setSlot(jumps, 1, four);
    expect([run(first), run(first)]).toEqual([4n, 4n]);
    const { view } = machine.mem;
    const entryOf = ({ handle }: MachineProgram): number => view.getUint32(handle + PROG_HANDLE.nativeEntry, true);
    expect(entryOf(four)).not.toBe(0);
  });

  it('go nowhere by numbers that a program might have written', () => {
    const { jumps, run, first, two, three, machine, asked } = few(nativeEngine());
    const { view } = machine.mem;
    const at = (program: MachineProgram): number => program.handle + PROG_HANDLE.nativeEntry;
    for (const program of [three, two]) {
      setSlot(jumps, 1, program);
      run(first);
    }
    const [own, others] = [two, three].map(program => view.getUint32(at(program), true));
    expect(own).not.toBe(others);
    let before = asked();
    for (const word of [others, 0, own + 16, own + 1, own | 0xf0000000, 0xffffffff, 0x80000000]) {
      view.setUint32(at(two), word, true);
      const masked = (word & 0xffff0) === own;
      expect([word, run(first), asked() - before]).toEqual([word, 2n, masked ? 0 : 1]);
      before = asked();
    }
    // An element that is no program's handle, but looks like one that has an entry.
    const element = jumps.addr + 8;
    const words = machine.mem.i32;
    const where = words.indexOf(two.handle, jumps.addr >> 2);
    expect(where * 4).toBeGreaterThan(element);
    const forged = machine.mem.alloc(PROG_HANDLE.sizeBytes);
    view.setUint32(forged + PROG_HANDLE.nativeEntry, own, true);
    words[where] = forged;
    expect([run(first), asked() - before]).toEqual([1n, 1]);
  });

  it('through the dangerous door and what is no map are a fault or go nowhere', () => {
    const { load, run } = programsOn(nativeEngine({ unverified: 'dangerous' }));
    const by = (map: string): MachineProgram =>
      load('first', [...ENTER, 'r1 = r6', map, 'r3 = 0', 'r0 = 9', 'call 12', 'exit'], null);
    // Nobody's memory, a page nobody has, and the packet, of which no word is as it should be.
    expect(run(by('w2 = 0x7fff0000'))).toBe('out-of-bounds in first');
    expect(run(by('r2 = 64'))).toBe(9n);
    const packet = ['r2 = r7', 'r3 = 1', '*(u32 *)(r7 + 36) = r3'].join('\n');
    expect(run(by(packet))).toBe(9n);
    expect(run(load('last', ['r0 = 4', 'exit'], null))).toBe(4n);
  });

  it('stay in their machine, though handles are at the same places', () => {
    const engine = nativeEngine();
    const machines = [few(engine), few(engine), few(engine)];
    machines.forEach(({ jumps, two, three }, n) => void setSlot(jumps, 1, n === 1 ? three : two));
    expect(new Set(machines.map(({ two }) => two.handle)).size).toBe(1);
    for (let n = 0; n < 3; n++) expect(machines.map(({ run, first }) => run(first))).toEqual([2n, 3n, 2n]);
    expect(machines.map(({ asked }) => asked())).toEqual([1, 1, 1]);
  });

  it('take arguments of 64 bits with them', () => {
    const { jumps, load, machine } = programsOn(nativeEngine());
    const first = load('first', ['r6 = r1', 'r6 <<= 32', 'r6 |= 5', ...tail(1), 'exit']);
    setSlot(jumps, 1, load('back', ['r0 = r1', 'exit']));
    const results = [1, 2].map(() => machine.run(first, { dataIn: new Uint8Array(64) }).r0);
    expect(results.map(r0 => r0 & 0xffffffffn)).toEqual([5n, 5n]);
    expect(results[0] >> 32n).toBeGreaterThan(0n);
    expect(results[1]).toBe(results[0]);
  });
});
