import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/asm/index.ts';
import { type Engine, type EngineHost, interpEngine, type RunResult, wasmEngine } from '../../src/engine/index.ts';
import { defineHelper, type HelperEnv } from '../../src/helpers/index.ts';
import { INSN_TABLE, type Insn, type InsnDef, insnDef, makeInsn, ProgramBuilder } from '../../src/isa/index.ts';
import { translateProgram } from '../../src/jit/index.ts';
import { createMachine } from '../../src/machine/index.ts';
import { LinearMemory } from '../../src/mem/index.ts';
import { FarcallError, u64Of } from '../../src/util/index.ts';
import { flowProgram, startRegs } from '../support/flow-programs.ts';
import { type GeneratedProgram, generateProgram } from '../support/program-generator.ts';
import { provenEngine } from '../support/proven-engine.ts';
import { runProven } from '../support/proven-run.ts';
import { Random } from '../support/random.ts';

// Programs translated to WebAssembly against the interpreter.

const SEEDS = Array.from(
  { length: Number(process.env.WASM_PROGRAMS ?? 120) },
  (_, i) => Number(process.env.WASM_SEED ?? 1) + i,
);
const DATA_BYTES = 64;

/** A machine of nothing but memory, 64 bytes of data, and a helper of two arguments. */
function bareHost(): { host: EngineHost; data: number } {
  const mem = new LinearMemory('little');
  const data = mem.alloc(DATA_BYTES);
  mem.addRegion({ kind: 'mem', name: 'data', start: data, sizeBytes: DATA_BYTES });
  const regs = new Int32Array(22);
  const env = { mem, regs, mapAt: () => undefined } as unknown as HelperEnv;
  const mix = defineHelper({
    id: 1,
    name: 'bpf_mix',
    proto: { args: ['ARG_ANYTHING', 'ARG_ANYTHING'], ret: 'RET_INTEGER' },
    run: () => BigInt.asUintN(64, 3n * u64Of(regs[3], regs[2]) + u64Of(regs[5], regs[4])),
  } as unknown as Parameters<typeof defineHelper>[0]);
  const host: EngineHost = {
    env,
    helper: id => (id === 1 ? mix : undefined),
    kfunc: () => undefined,
    packetLoad: () => undefined,
    maps: [],
    tailCallTarget: () => undefined,
    setCallFunc: call => call,
  };
  return { host, data };
}

interface Outcome {
  readonly result: RunResult;
  readonly data: Uint8Array;
}

function runOn(engine: Engine, insns: readonly Insn[], start: Uint8Array, insnBudget = 20_000): Outcome {
  const { host, data } = bareHost();
  host.env.mem.u8.set(start, data);
  const result = engine
    .load({ name: 'test', type: 0, id: 1, handle: 0, insns }, host)
    .run(BigInt(data), { insnBudget });
  return { result, data: host.env.mem.read(data, DATA_BYTES) };
}

const say = ({ result, data }: Outcome) => [result.ok ? result.r0.toString(16) : result.fault.kind, ...data];

function expectSame(insns: readonly Insn[], start: Uint8Array = new Uint8Array(DATA_BYTES), proven = true): boolean {
  const wanted = runOn(interpEngine, insns, start);
  const found = runOn(wasmEngine(), insns, start);
  // The interpreter counts instructions, translated code rounds of loops: it may get further.
  if (!wanted.result.ok && wanted.result.fault.kind === 'step-budget') return false;
  expect(say(found)).toEqual(say(wanted));
  if (!wanted.result.ok || !proven) return wanted.result.ok;
  // It did nothing it may not, so it is as good as proven.
  for (const effort of ['quick', 'full'] as const) {
    expect([effort, ...runProven(insns, start, [], effort, bareHost().data)]).toEqual([effort, ...say(wanted)]);
  }
  return true;
}

/** Registers that a callee or a caller may not count on are set, as each engine leaves something else in them. */
function withRegistersSet(insns: readonly Insn[], starts: readonly bigint[]): Insn[] {
  const load = (regs: readonly number[]): Insn[] =>
    regs.reduce((b, n) => b.imm64({ reg: n }, starts[n]), new ProgramBuilder()).build();
  const isCall = (insn: Insn): boolean => insn.code === 0x85 && insn.src === 1;
  const functions = new Set([0, ...insns.flatMap((insn, i) => (isCall(insn) ? [i + 1 + insn.imm] : []))]);
  const parts = insns.map((insn, i) => ({
    before: functions.has(i) ? load([0, 1, 2, 3, 6, 7]) : [],
    insn,
    after: isCall(insn) ? load([1, 2, 3]) : [],
  }));
  const entry: number[] = [];
  const body: number[] = [];
  let at = 0;
  for (const { before, after } of parts) {
    entry.push(at);
    body.push(at + before.length);
    at += before.length + 1 + after.length;
  }
  return parts.flatMap(({ before, insn, after }, i) => {
    const class_ = insn.code & 7;
    const jumps = (class_ === 5 || class_ === 6) && insn.code !== 0x85 && insn.code !== 0x95;
    const moved = jumps
      ? { ...insn, off: body[i + 1 + insn.off] - body[i] - 1 }
      : isCall(insn)
        ? { ...insn, imm: entry[i + 1 + insn.imm] - body[i] - 1 }
        : insn;
    return [...before, moved, ...after];
  });
}

describe('every instruction', () => {
  const kinds = new Set([
    'alu',
    'neg',
    'movsx',
    'end',
    'jcond',
    'ldx',
    'ldxs',
    'st',
    'stx',
    'atomic',
    'load_acq',
    'store_rel',
  ]);
  const rows = INSN_TABLE.filter(def => kinds.has(def.kind));

  /** R0..R3 and the data get values, the instruction acts, and everything it could have changed is hashed into R0. */
  function around(def: InsnDef, r: Random): Insn[] {
    const b = new ProgramBuilder();
    b.mov({ reg: 6 }, { reg: 1 });
    const compared = r.edgeU64();
    for (const n of [0, 2, 3]) b.imm64({ reg: n }, r.chance(30) ? compared : r.edgeU64());
    for (const at of [-16, -8])
      b.imm64({ reg: 4 }, r.chance(40) ? compared : r.edgeU64()).store('dw', { reg: 10 }, at, { reg: 4 });
    // Bases: the data and the frame, at distances of either sign.
    const base = r.pick([6, 7, 10]);
    b.mov({ reg: 7 }, { reg: 6 }).alu64('add', { reg: 7 }, 48);
    const off = base === 6 ? r.below(56) & ~7 : base === 7 ? -8 * r.between(1, 6) : -8 * r.between(1, 2);
    const memory = def.off === 'mem';
    const loads = def.kind === 'ldx' || def.kind === 'ldxs' || def.kind === 'load_acq';
    const dst = memory && !loads ? base : r.pick([0, 2]);
    const src = memory && loads ? base : r.pick([2, 3, 3]);
    const jump = def.kind === 'jcond';
    b.raw(
      makeInsn(
        def.code,
        dst,
        def.src === 0 ? 0 : src,
        memory ? off : jump ? 1 : (def.off as number),
        typeof def.imm === 'number' ? def.imm : r.edgeI32(),
      ),
    );
    if (jump) b.mov({ reg: 0 }, 77);
    for (const n of [2, 3]) b.alu64('mul', { reg: 0 }, 31).alu64('add', { reg: 0 }, { reg: n });
    for (const at of [-16, -8])
      b.load('dw', { reg: 4 }, { reg: 10 }, at).alu64('xor', { reg: 0 }, { reg: 4 }).alu64('mul', { reg: 0 }, 17);
    return b.exit().build();
  }

  it.each(rows.map(def => [def.name, def] as const))('%s', (_, def) => {
    const r = new Random(def.id + 1);
    // Many at once: instances cost more than instructions.
    for (let n = 0; n < 12; n++) expect(expectSame(around(def, r), r.bytes(DATA_BYTES), n < 4)).toBe(true);
  });
});

it('functions that jump anywhere, loop, call each other and use their frames', () => {
  let ended = 0;
  fc.assert(
    fc.property(flowProgram, startRegs, (insns, starts) => {
      if (expectSame(withRegistersSet(insns, starts))) ended++;
    }),
    { numRuns: SEEDS.length * 4 },
  );
  expect(ended).toBeGreaterThan(SEEDS.length);
});

it('what never ends runs out of fuel, and what calls itself out of stack', () => {
  const endless = assemble('r0 = 0\na:\nr0 += 1\ngoto a\nexit', { dialect: 'llvm' });
  const deeper = [makeInsn(0x85, 0, 1, 0, -1), makeInsn(0x95, 0, 0, 0, 0)];
  const jumpless = [makeInsn(0xb7, 0, 0, 0, 1)];
  for (const [insns, kind] of [
    [endless, 'step-budget'],
    [deeper, 'too-deep'],
    [jumpless, 'bad-instruction'],
  ] as const) {
    for (const engine of [interpEngine, wasmEngine()]) {
      const { result } = runOn(engine, insns, new Uint8Array(DATA_BYTES));
      expect(!result.ok && result.fault.kind).toBe(kind);
    }
  }
});

it('may_goto leaves after 8 Mi rounds', () => {
  const b = new ProgramBuilder();
  const loop = b
    .mov({ reg: 0 }, 0)
    .raw(makeInsn(0xe5, 0, 0, 2, 0))
    .alu64('add', { reg: 0 }, 1)
    .raw(makeInsn(5, 0, 0, -3, 0))
    .exit()
    .build();
  const { result } = runOn(provenEngine(), loop, new Uint8Array(DATA_BYTES), 1_000_000_000);
  expect(result).toMatchObject({ ok: true, r0: 8n * 1024n * 1024n });
});

function outcomeOf(generated: GeneratedProgram, engine: Engine): unknown {
  const machine = createMachine({ engine });
  const maps = generated.maps.map(def => machine.createMap(def));
  const program = machine.loadInsns('generated', generated.type, generated.insns, maps);
  try {
    const { r0, fault, dataOut, ctxOut } = machine.run(program, { dataIn: generated.packet });
    const values = maps.map(map => String(map.userLookup(new Uint8Array(map.def.keySizeBytes))));
    return [r0, fault?.kind, dataOut, ctxOut, values];
  } catch (error) {
    if (error instanceof FarcallError) return error.message;
    throw error;
  }
}

it.each([1, 6, 12])('typed programs with contexts, packets, maps and up to %d functions', functions => {
  for (const seed of SEEDS) {
    const generated = generateProgram(seed, { functions, kernel: '7.2' });
    expect([seed, outcomeOf(generated, wasmEngine())]).toEqual([seed, outcomeOf(generated, interpEngine)]);
  }
});

it('goes on the same when code that was written quickly gives way to optimised code', () => {
  for (const seed of SEEDS.slice(0, 3)) {
    const generated = generateProgram(seed, { functions: 6, kernel: '7.2' });
    const insns = [
      ...Array.from({ length: 100 }, () => makeInsn(insnDef('mov64_imm').code, 0, 0, 0, 1)),
      ...generated.insns,
    ];
    const outcomes = [interpEngine, provenEngine()].map(engine => {
      const machine = createMachine({ engine });
      const maps = generated.maps.map(def => machine.createMap(def));
      const program = machine.loadInsns('generated', generated.type, insns, maps);
      return Array.from({ length: 210 }, () => {
        const { r0, fault } = machine.run(program, { dataIn: generated.packet });
        return [r0, fault?.kind];
      });
    });
    expect([seed, outcomes[1]]).toEqual([seed, outcomes[0]]);
  }
});

it('nests 10,000 blocks', () => {
  const N = 10_000;
  const add = (n: number) => makeInsn(insnDef('add64_imm').code, 0, 0, 0, n);
  const insns = [makeInsn(insnDef('mov64_imm').code, 0, 0, 0, 0)];
  // Condition n would jump to add n of those behind the exit: each of them is met from two sides.
  for (let n = 0; n < N; n++) insns.push(makeInsn(insnDef('jeq64_imm').code, 0, 0, 2 * N - n, -1 - n), add(1));
  insns.push(makeInsn(insnDef('exit').code, 0, 0, 0, 0));
  for (let n = 0; n < N; n++) insns.push(add(n));
  insns.push(makeInsn(insnDef('exit').code, 0, 0, 0, 0));
  for (const engine of [interpEngine, provenEngine()]) {
    const { result } = runOn(engine, insns, new Uint8Array(DATA_BYTES), 100_000);
    expect(result).toMatchObject({ ok: true, r0: BigInt(N) });
  }
});

it.each(['quick', 'full'] as const)('says what it does not translate, %s', effort => {
  const exit = makeInsn(insnDef('exit').code, 0, 0, 0, 0);
  const refuse = (...insns: Insn[]): string => {
    try {
      translateProgram(insns, { effort });
    } catch (error) {
      return `${(error as { errno?: number }).errno}: ${(error as Error).message}`;
    }
    return 'translated';
  };
  expect(refuse(makeInsn(0x0d, 1, 0, 0, 0), exit)).toBe('524: eBPF filter opcode 0d (@0) unsupported: gotox');
  expect(refuse(makeInsn(0x18, 1, 1, 0, 3), makeInsn(0, 0, 0, 0, 0), exit)).toMatch(/^524: .*lddw_map_fd$/);
  expect(refuse(makeInsn(0xff, 0, 0, 0, 0), exit)).toBe('524: eBPF filter opcode ff (@0) unsupported');
  expect(refuse(makeInsn(5, 0, 0, 9, 0), exit)).toBe('22: jump out of range from insn 0 to 10');
  expect(refuse(makeInsn(0x85, 0, 1, 0, 9), exit)).toBe('22: insn 0 names a function at 10, outside the program');
  expect(refuse()).toMatch(/^22/);
});
