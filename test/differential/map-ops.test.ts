import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Engine, interpEngine, wasmEngine } from '../../src/engine/index.ts';
import { type Insn, ProgramBuilder, R0, R1, R2, R3, R4, R6, R8, R9, R10 } from '../../src/isa/index.ts';
import { createMachine, type Machine } from '../../src/machine/index.ts';
import { type BpfMap, isRingbufMap, type MapDef } from '../../src/maps/index.ts';
import { bpf_prog_type, bpf_map_type as T } from '../../src/uapi/index.ts';
import { allKeys } from '../support/map-host.ts';
import { TAKEN_PROOF } from '../support/taken-proof.ts';

// Verified programs call operations of maps inside of WebAssembly; the interpreter reaches the same ones through the maps' objects.
// Whatever programs do, results and maps are the same.

/** What the verifier would say: the programs here do nothing they may not. */
const XDP = bpf_prog_type.BPF_PROG_TYPE_XDP;
const NO_PREALLOC = 1;
const NO_COMMON_LRU = 2;

const def = (type: number, keySizeBytes: number, valueSizeBytes: number, maxEntries: number, flags = 0): MapDef => ({
  name: `m${type}`,
  type,
  keySizeBytes,
  valueSizeBytes,
  maxEntries,
  flags,
});
const DEFS: readonly MapDef[] = [
  def(T.BPF_MAP_TYPE_ARRAY, 4, 8, 5),
  def(T.BPF_MAP_TYPE_ARRAY, 4, 13, 8),
  def(T.BPF_MAP_TYPE_PERCPU_ARRAY, 4, 12, 5),
  def(T.BPF_MAP_TYPE_HASH, 4, 8, 5),
  def(T.BPF_MAP_TYPE_HASH, 8, 40, 6),
  def(T.BPF_MAP_TYPE_HASH, 16, 9, 6, NO_PREALLOC),
  def(T.BPF_MAP_TYPE_HASH, 7, 16, 6),
  def(T.BPF_MAP_TYPE_PERCPU_HASH, 8, 10, 5),
  def(T.BPF_MAP_TYPE_LRU_HASH, 4, 8, 4),
  def(T.BPF_MAP_TYPE_LRU_HASH, 12, 16, 4, NO_COMMON_LRU),
  def(T.BPF_MAP_TYPE_LRU_PERCPU_HASH, 8, 8, 4),
  def(T.BPF_MAP_TYPE_LPM_TRIE, 8, 8, 6, NO_PREALLOC),
  def(T.BPF_MAP_TYPE_LPM_TRIE, 7, 5, 6, NO_PREALLOC),
  def(T.BPF_MAP_TYPE_QUEUE, 0, 12, 3),
  def(T.BPF_MAP_TYPE_STACK, 0, 8, 3),
  def(T.BPF_MAP_TYPE_RINGBUF, 0, 0, 4096),
];
const RING = DEFS.length - 1;
/** Maps a program chooses from when it runs, of one shape. */
const TWINS = [4, DEFS.length] as const;

const HELPERS = {
  lookup: 1,
  update: 2,
  delete: 3,
  push: 87,
  pop: 88,
  peek: 89,
  percpu: 195,
  output: 130,
  reserve: 131,
};
const SUBMIT = 132;
const DISCARD = 133;
const QUERY = 134;
type What = keyof typeof HELPERS;

interface Step {
  readonly map: number;
  readonly what: What;
  readonly key: number;
  readonly value: number;
  readonly flags: number;
  /** Which of the twins is known only when the program runs. */
  readonly twin: boolean;
}

const KEY = -24;
const VALUE = -64;

function needs(what: What, { keySizeBytes, type }: MapDef): boolean {
  if (type === T.BPF_MAP_TYPE_RINGBUF) return what === 'output' || what === 'reserve';
  if (what === 'output' || what === 'reserve') return false;
  return (keySizeBytes === 0) === (what === 'push' || what === 'pop' || what === 'peek');
}

function stepCode(b: ProgramBuilder, step: Step, n: number): void {
  const { keySizeBytes, type } = DEFS[step.map];
  const { what } = step;
  for (let at = KEY; at < 0; at += 8) b.imm64(R1, BigInt(step.key) * 0x0101010101010101n).store('dw', R10, at, R1);
  if (type === T.BPF_MAP_TYPE_LPM_TRIE) b.store('w', R10, KEY, (step.key * 7) % (8 * (keySizeBytes - 4) + 2));
  else if (keySizeBytes === 4) b.store('w', R10, KEY, step.key);
  for (let at = VALUE; at < KEY; at += 8) b.store('dw', R10, at, step.value + at);
  b.wide('lddw_map_fd', R1, step.map);
  if (step.twin && TWINS[0] === step.map) {
    b.jumpIf('jset', R8, 1, `same${n}`).wide('lddw_map_fd', R1, TWINS[1]).label(`same${n}`);
  }
  const pushes = what === 'push' || what === 'pop' || what === 'peek';
  b.mov(R2, R10).alu64('add', R2, pushes || what === 'output' ? VALUE : KEY);
  if (what === 'update') b.mov(R3, R10).alu64('add', R3, VALUE).mov(R4, step.flags);
  else if (what === 'push') b.mov(R3, step.flags);
  else if (what === 'percpu') b.mov(R3, step.flags & 3);
  else if (what === 'output') b.mov(R3, step.value % 40).mov(R4, step.flags & 3);
  else if (what === 'reserve') b.mov(R2, 8 + step.value * 3).mov(R3, step.flags === -1 ? 1 : 0);
  b.helper(HELPERS[what]);
  if (what === 'lookup' || what === 'percpu') {
    // Values of five bytes are read and changed as words of four.
    b.jumpIf('jeq', R0, 0, `none${n}`).load('w', R1, R0).alu64('xor', R9, R1);
    b.store('w', R0, 0, R9).mov(R0, 1).label(`none${n}`);
  } else if (what === 'reserve') {
    b.jumpIf('jeq', R0, 0, `none${n}`)
      .store('dw', R0, 0, R9)
      .mov(R1, R0)
      .mov(R2, step.flags & 3);
    b.helper(step.key % 3 === 0 ? DISCARD : SUBMIT)
      .wide('lddw_map_fd', R1, RING)
      .mov(R2, step.key & 3);
    b.helper(QUERY).label(`none${n}`);
  } else if (what === 'pop' || what === 'peek') b.load('dw', R1, R10, VALUE).alu64('xor', R9, R1);
  b.alu64('mul', R9, 31).alu64('add', R9, R0);
}

function programOf(steps: readonly Step[]): Insn[] {
  const b = new ProgramBuilder().mov(R6, R1).mov(R9, 1).load('w', R8, R6).load('b', R8, R8);
  steps.forEach((step, n) => void stepCode(b, step, n));
  return b.mov(R0, R9).exit().build();
}

function contents(map: BpfMap): unknown {
  if (isRingbufMap(map)) return [map.consume(), map.wakeups];
  return allKeys(map).map(key => [[...key], map.userLookup(key)]);
}

class Subject {
  readonly machine: Machine;
  constructor(engine: Engine) {
    this.machine = createMachine({ engine, cpuCount: 2 });
    for (const of of [...DEFS, DEFS[TWINS[0]]]) this.machine.createMap(of);
  }
  run(insns: readonly Insn[], cpu: number): unknown {
    const { machine } = this;
    const program = machine.loadInsns('steps', XDP, insns, machine.maps, TAKEN_PROOF);
    const { fault, r0 } = machine.run(program, { cpu, dataIn: Uint8Array.from([cpu, ...new Array(63).fill(0)]) });
    return [fault?.message, r0, machine.maps.map(contents)];
  }
}

const step: fc.Arbitrary<Step> = fc.record({
  map: fc.nat(DEFS.length - 1),
  what: fc.constantFrom(...(Object.keys(HELPERS) as What[])),
  key: fc.nat(9),
  value: fc.nat(120),
  flags: fc.constantFrom(0, 0, 0, 0, 1, 2, 3, 4, -1),
  twin: fc.boolean(),
});

describe('operations of maps', () => {
  it('do the same inside of programs and behind the objects of maps', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.nat(1),
            fc.array(
              step.filter(({ what, map }) => needs(what, DEFS[map])),
              { minLength: 1, maxLength: 40 },
            ),
          ),
          { minLength: 1, maxLength: 4 },
        ),
        runs => {
          const subjects = [new Subject(interpEngine), new Subject(wasmEngine())];
          for (const [cpu, steps] of runs) {
            const insns = programOf(steps);
            const [wanted, found] = subjects.map(subject => subject.run(insns, cpu));
            expect(found).toEqual(wanted);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
