import { describe, expect, it } from 'vitest';
import { interpEngine, wasmEngine } from '../../src/engine/index.ts';
import { nativeEngine } from '../../src/engine/native/index.ts';
import type { EngineHost, EngineProgram } from '../../src/engine/types.ts';
import { prepareCode } from '../../src/engine/wasm/compile-program.ts';
import { functionStarts } from '../../src/engine/wasm/survey.ts';
import { helperDef } from '../../src/helpers/index.ts';
import {
  type Insn,
  LD_IMM64,
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
import { translateProgram } from '../../src/jit/index.ts';
import { kernelImage } from '../../src/kernels/index.ts';
import type { MapDef } from '../../src/maps/index.ts';
import { bpf_map_type, bpf_prog_type, helperId } from '../../src/uapi/index.ts';
import { type Verdict, verify } from '../../src/verifier/index.ts';
import { difference, insnsOutcome } from '../support/engine-outcome.ts';
import { NOT_HERE } from '../support/native-run.ts';
import { generateProgram, progEntryOf } from '../support/program-generator.ts';
import { functionsBtf, infoTable } from '../support/structure-cases.ts';
import { verifyInputOf } from '../support/verify-input.ts';

// Frames with arrays that variables index, beside what compilers put there: what the verifier says of their slots, and that every
// engine makes the same of them.

const T = bpf_prog_type;
const image = kernelImage('6.12-amd64');
const kernel = { version: '6.12', arch: image.arch, btf: undefined, image };
const HASH: MapDef = {
  name: 'hash',
  type: bpf_map_type.BPF_MAP_TYPE_HASH,
  keySizeBytes: 12,
  valueSizeBytes: 16,
  maxEntries: 4,
  flags: 0,
};

interface Case {
  readonly what: string;
  readonly build: (b: ProgramBuilder) => ProgramBuilder;
  /** By function: the slots that are reached, [r10 - 8, r10) is 0. */
  readonly reached: readonly (readonly number[])[];
  readonly maps?: readonly MapDef[];
  readonly type?: number;
  /** Nothing is made of it: addresses may have come as numbers. */
  readonly unused?: boolean;
}

const helper = (b: ProgramBuilder, name: string): ProgramBuilder => b.helper(helperId(`bpf_${name}`) ?? 0);
/** R6 = what nobody knows: the length of the packet. */
const begin = (b: ProgramBuilder): ProgramBuilder =>
  b.load('w', R2, R1, 0).load('w', R6, R1, 4).alu64('sub', R6, R2).mov(R9, R6);
/** Spills beside an array: u64 at -8 and -16. */
const spill = (b: ProgramBuilder): ProgramBuilder =>
  b.mov(R8, R6).alu64('mul', R8, 77).store('dw', R10, -8, R8).store('dw', R10, -16, R6);
const fill = (b: ProgramBuilder): ProgramBuilder => {
  for (const off of [-48, -40, -32, -24]) b.store('dw', R10, off, 5 - off);
  return b;
};
/** R7 = address of a byte of [r10 - 48, r10 - 16) that is a multiple of `size`. */
const index = (b: ProgramBuilder, size: number): ProgramBuilder =>
  b
    .mov(R7, R6)
    .alu64('and', R7, 31 & -size)
    .alu64('add', R7, R10)
    .alu64('add', R7, -48);
/** R0 made of everything there is. */
const sum = (b: ProgramBuilder): ProgramBuilder => {
  b.mov(R0, R9);
  for (const off of [-48, -40, -32, -24, -16, -8]) {
    b.load('dw', R1, R10, off).alu64('mul', R0, 31).alu64('add', R0, R1);
  }
  return b.exit();
};
const pointer = (b: ProgramBuilder, to: typeof R1, off: number): ProgramBuilder => b.mov(to, R10).alu64('add', to, off);
const ARRAY = [2, 3, 4, 5];

const CASES: readonly Case[] = [
  {
    what: 'an array beside spilled numbers',
    build: b => sum(index(spill(fill(begin(b))), 4).store('w', R7, 0, R8)),
    reached: [ARRAY],
  },
  {
    what: 'an array beside a spilled pointer to it',
    build: b => {
      index(fill(begin(b)), 8);
      b.store('dw', R10, -8, R7).store('dw', R10, -16, R6).mov(R7, 0);
      b.load('dw', R3, R10, -8).store('dw', R3, 0, R6);
      // Results do not hang on addresses.
      return sum(b.store('dw', R10, -8, 1));
    },
    reached: [ARRAY],
  },
  {
    what: 'a number beside an array of bytes in one slot',
    build: b => {
      fill(spill(begin(b)));
      b.mov(R7, R6).alu64('and', R7, 3).alu64('add', R7, R10);
      b.store('w', R10, -12, R6).store('b', R7, -16, R8).load('w', R3, R10, -12).alu64('add', R9, R3);
      return sum(b);
    },
    reached: [[1]],
  },
  {
    what: 'parts of a slot that is stored as a whole',
    build: b => {
      index(spill(fill(begin(b))), 8).store('dw', R7, 0, R8);
      b.load('w', R1, R10, -8).load('b', R2, R10, -8).load('h', R3, R10, -8).alu64('add', R9, R1).alu64('xor', R9, R2);
      b.loadSigned('w', R1, R10, -8).loadSigned('h', R2, R10, -8).loadSigned('b', R4, R10, -16);
      b.alu64('add', R9, R3).alu64('xor', R9, R1).alu64('add', R9, R2).alu64('mul', R9, 3).alu64('add', R9, R4);
      return sum(b);
    },
    reached: [ARRAY],
  },
  {
    what: 'two places in one slot, one after the other',
    build: b => {
      index(spill(fill(begin(b))), 8)
        .store('dw', R7, 0, R8)
        .load('dw', R1, R10, -16)
        .alu64('add', R9, R1);
      b.store('w', R10, -16, R8).load('w', R1, R10, -16).alu64('add', R9, R1);
      b.store('h', R10, -16, -5).load('h', R1, R10, -16).alu64('add', R9, R1).store('dw', R10, -16, R9);
      return sum(b);
    },
    reached: [ARRAY],
  },
  {
    what: 'a part of a slot that is changed, around a loop',
    build: b => {
      index(spill(fill(begin(b))), 8)
        .store('dw', R7, 0, R8)
        .mov(R5, 0)
        .label('again');
      b.load('dw', R1, R10, -8).alu64('xor', R9, R1).store('b', R10, -8, R9).store('h', R10, -12, R9);
      return sum(b.alu64('add', R5, 1).jumpIf('jlt', R5, 5, 'again'));
    },
    reached: [ARRAY],
  },
  {
    what: 'a slot that a function writes',
    build: b => {
      pointer(spill(fill(begin(b))), R1, -16);
      b.mov(R2, R6).call('write').alu64('add', R9, R0);
      sum(b).label('write').store('dw', R10, -8, R2).load('dw', R3, R10, -8).alu64('add', R3, 9);
      return b.store('w', R1, 0, R3).mov(R0, R3).exit();
    },
    reached: [[1], []],
  },
  {
    what: 'a slot that a function of a function writes, at a place that varies',
    build: b => {
      pointer(spill(fill(begin(b))), R1, -48);
      b.mov(R2, R6).call('outer').alu64('add', R9, R0);
      sum(b).label('outer').store('dw', R10, -8, R2).store('dw', R10, -16, 3).alu64('and', R2, 24);
      b.alu64('add', R1, R2)
        .mov(R2, R10)
        .alu64('add', R2, -16)
        .call('inner')
        .load('dw', R1, R10, -8)
        .alu64('add', R0, R1);
      b.load('dw', R1, R10, -16).alu64('add', R0, R1).exit();
      b.label('inner').store('dw', R10, -8, R1).load('dw', R3, R10, -8).store('dw', R3, 0, -1).store('w', R2, 0, 9);
      return b.mov(R0, 4).exit();
    },
    reached: [ARRAY, [1], []],
  },
  {
    what: 'keys and values of maps',
    maps: [HASH],
    build: b => {
      index(spill(fill(begin(b))), 8);
      const call = (name: string): void => {
        b.wide('lddw_map_fd', R1, 0);
        pointer(b, R2, -44);
        pointer(b, R3, -32).mov(R4, 0);
        helper(b, name);
      };
      call('map_update_elem');
      b.store('dw', R10, -32, 1).store('dw', R10, -24, 2);
      call('map_lookup_elem');
      b.jumpIf('jeq', R0, 0, 'none').load('dw', R1, R0, 8).alu64('add', R9, R1).label('none');
      return sum(b);
    },
    reached: [[2, 3, 4, 5]],
  },
  {
    what: 'the context of a callback',
    build: b => {
      index(spill(fill(begin(b))), 8)
        .store('dw', R7, 0, R8)
        .mov(R1, 5)
        .func(R2, 'round');
      helper(pointer(b, R3, -16).mov(R4, 0), 'loop').alu64('add', R9, R0);
      sum(b).label('round').store('dw', R10, -8, R1).load('dw', R3, R2, 0).alu64('mul', R3, 3);
      return b.load('dw', R4, R10, -8).alu64('add', R3, R4).store('dw', R2, 0, R3).mov(R0, 0).exit();
    },
    reached: [[1, ...ARRAY], []],
  },
  {
    what: 'as many bytes as a variable says',
    build: b => {
      spill(fill(begin(b)));
      b.store('dw', R10, -56, R8).mov(R5, R1).label('go').jumpIf('jgt', R6, 12, 'most').jumpIf('jgt', R6, 0, 'some');
      b.label('most').mov(R6, 12).label('some').mov(R2, R6).alu64('and', R2, 15).mov(R7, R2);
      // csum_diff of the first bytes of the array with nothing.
      b.alu64('and', R2, 12).mov(R3, 0).mov(R4, 0).mov(R5, 7).mov(R1, R10).alu64('add', R1, -48);
      helper(b, 'csum_diff').alu64('add', R9, R0).load('dw', R1, R10, -56).alu64('add', R9, R1);
      return sum(b);
    },
    type: T.BPF_PROG_TYPE_SCHED_CLS,
    reached: [[4, 5]],
  },
  {
    what: 'helpers that go where a number says',
    type: T.BPF_PROG_TYPE_KPROBE,
    build: b => {
      b.load('dw', R6, R1, 8).mov(R9, R6);
      index(spill(fill(b)), 8).store('dw', R7, 0, R8);
      pointer(b, R1, -48);
      helper(pointer(b.mov(R2, 8), R3, -8), 'probe_read_kernel').alu64('add', R9, R0);
      return sum(b);
    },
    reached: [ARRAY],
    unused: true,
  },
];

const slotsOf = ([lo, hi]: readonly [number, number]): number[] =>
  Array.from({ length: 64 }, (_, n) => n).filter(n => (((n < 32 ? lo : hi) >>> (n & 31)) & 1) === 1);

function proofOf(type: number, insns: readonly Insn[], maps: readonly MapDef[]): Verdict {
  const input = verifyInputOf({
    name: 'p',
    type,
    insns: [...insns],
    maps: maps.map(def => `${def.type} ${def.keySizeBytes} ${def.valueSizeBytes} ${def.maxEntries} ${def.flags}`),
    ldmaps: insns.flatMap(({ code, src }, slot) => (code === LD_IMM64 && src === 1 ? [`${slot} 0 1 0`] : [])),
  });
  const starts = functionStarts(insns);
  const own = functionsBtf(starts.map((_, n) => ({ name: `f${n}`, linkage: 0 })));
  const funcInfo = infoTable(
    starts.map((start, n) => [start, own.ids[`f${n}`]]),
    8,
  );
  return verify({ ...input, btf: own.builder.build(), funcInfo }, { kernel });
}

const ENGINES = [wasmEngine({ firstRuns: 'full' }), ...(NOT_HERE === undefined ? [nativeEngine()] : [])];

describe('frames with arrays', () => {
  it.each(CASES)('$what', ({ build, reached, maps = [], type = T.BPF_PROG_TYPE_XDP, unused = false }) => {
    const insns = build(new ProgramBuilder()).build();
    const proof = proofOf(type, insns, maps);
    expect(proof.message).toBe('');
    expect(proof.stats.stackReach.map(slotsOf)).toEqual(reached.map(slots => [...slots].sort((a, b) => a - b)));
    for (let length = 14; length < 62; length += 3) {
      const request =
        type === T.BPF_PROG_TYPE_KPROBE
          ? { ctxIn: new Uint8Array(168).fill(length) }
          : { dataIn: new Uint8Array(length).map((_, n) => n * 7) };
      const wanted = insnsOutcome(interpEngine, { type, insns, maps, request });
      expect(wanted.fault).toBeUndefined();
      for (const engine of ENGINES) {
        const found = insnsOutcome(engine, { type, insns, maps, proof, request });
        expect([engine.name, difference(wanted, found)]).toEqual([engine.name, undefined]);
      }
    }
    const used = codeOf(type, insns, proof).stackReach;
    expect(used).toEqual(unused ? undefined : proof.stats.stackReach);
  });

  it('keeps less in memory where it knows what is reached', () => {
    const insns = CASES[0].build(new ProgramBuilder()).build();
    const proof = proofOf(T.BPF_PROG_TYPE_XDP, insns, []);
    const { stackDepth: stackDepths, stackReach } = proof.stats;
    const sizes = [stackReach, undefined].map(
      reach => translateProgram(insns, { stackDepths, stackReach: reach }).bytes.length,
    );
    expect(sizes[0]).toBeLessThan(sizes[1]);
  });
});

it('generated programs with such frames leave what the interpreter does', () => {
  let ran = 0;
  for (let seed = 1; ran < 40; seed++) {
    const program = generateProgram(seed, { functions: [1, 3, 8][seed % 3], frames: true });
    const proof = verify(verifyInputOf(progEntryOf(program)), { kernel });
    if (!proof.ok) continue;
    const { type, insns, maps, packet } = program;
    const request = { dataIn: packet };
    const wanted = insnsOutcome(interpEngine, { type, insns, maps, request });
    for (const engine of ENGINES) {
      const found = insnsOutcome(engine, { type, insns, maps, proof, request });
      expect([seed, engine.name, difference(wanted, found)]).toEqual([seed, engine.name, undefined]);
    }
    ran++;
  }
});

/** What compilers are told of a program on a machine without maps. */
function codeOf(type: number, insns: readonly Insn[], proof: Verdict): ReturnType<typeof prepareCode>['options'] {
  const program: EngineProgram = { name: 'p', type, insns, id: 1, handle: 0, proof };
  const host = { maps: [], env: { mapAt: () => undefined }, helper: helperDef } as unknown as EngineHost;
  return prepareCode(program, host, undefined, { counted: false, probeReads: false, funcBase: 0 }).options;
}
