import { describe, expect, it } from 'vitest';
import { TAKEN_PROOF } from '../../../test/support/taken-proof.ts';
import { type Insn, makeInsn, ProgramBuilder, R0, R1, R2, R3, R10 } from '../../isa/index.ts';
import { createMachine } from '../../machine/index.ts';
import { bpf_map_type, bpf_prog_type } from '../../uapi/index.ts';
import type { Verdict } from '../../verifier/index.ts';
import { type Engine, type HelperFunction, interpEngine, ModuleCache, wasmEngine } from '../index.ts';

const XDP = bpf_prog_type.BPF_PROG_TYPE_XDP;
const FRAME = new Uint8Array(64);
const HELPER = (id: number): Insn => makeInsn(0x85, 0, 0, 0, id);
const CALL_SUB = (distance: number): Insn => makeInsn(0x85, 0, 1, 0, distance);
const FUNC = (dst: number, distance: number): Insn[] => [makeInsn(0x18, dst, 4, 0, distance), makeInsn(0, 0, 0, 0, 0)];

function outcome(
  engine: Engine,
  insns: readonly Insn[],
  more: { proof?: Verdict; insnBudget?: number; countInsns?: boolean } = {},
) {
  const { proof, ...request } = more;
  const machine = createMachine({ engine });
  const { r0, fault, insnCount } = machine.run(machine.loadInsns('p', XDP, insns, [], proof), {
    dataIn: FRAME,
    ...request,
  });
  return { r0, insnCount, fault: fault && { kind: fault.kind, insnIdx: fault.insnIdx, message: fault.message } };
}
/** As nobody verified it: everything the interpreter says. */
function same(insns: readonly Insn[], insnBudget?: number): ReturnType<typeof outcome> {
  const wanted = outcome(interpEngine, insns, { insnBudget });
  const found = outcome(wasmEngine(), insns, { insnBudget });
  // What was counted before a fault is not told.
  if (wanted.fault !== undefined && wanted.fault.kind !== 'step-budget')
    expect({ ...found, insnCount: wanted.insnCount }).toEqual(wanted);
  else expect(found).toEqual(wanted);
  return found;
}

describe("faults are the interpreter's, to the word", () => {
  it.each<[string, Insn[]]>([
    ['null', new ProgramBuilder().mov(R2, 0).load('w', R0, R2, 8).exit().build()],
    ['a small number', new ProgramBuilder().mov(R2, 77).store('b', R2, -8, 1).exit().build()],
    ['poison', new ProgramBuilder().imm64(R2, 0xdead4ead00000122n).load('dw', R0, R2, 0).exit().build()],
    ['nothing there', new ProgramBuilder().imm64(R2, 0x7ffffff0n).load('dw', R0, R2, 0).exit().build()],
    ['below the frame', new ProgramBuilder().mov(R0, 0).store('dw', R10, -520, 1).exit().build()],
    ['above the frame', new ProgramBuilder().load('dw', R0, R10, -4).exit().build()],
    ['a read-only context', new ProgramBuilder().mov(R0, 0).store('dw', R1, 24, 1).exit().build()],
    [
      'an atomic past the packet',
      new ProgramBuilder()
        .load('w', R2, R1, 4)
        .mov(R3, 1)
        .raw(makeInsn(0xdb, 2, 3, 0, 0))
        .exit()
        .build(),
    ],
    ['an unknown helper', new ProgramBuilder().raw(HELPER(9999)).exit().build()],
    [
      'a helper on what is no memory',
      new ProgramBuilder().mov(R1, 5).mov(R2, 8).mov(R3, 0).raw(HELPER(6)).exit().build(),
    ],
    ['a tail call without a map', new ProgramBuilder().mov(R2, 5).mov(R3, 0).raw(HELPER(12)).exit().build()],
    [
      'a call of what is no function',
      new ProgramBuilder()
        .imm64(R2, 1n << 40n)
        .raw(makeInsn(0x8d, 2, 0, 0, 0))
        .exit()
        .build(),
    ],
    ['no exit', new ProgramBuilder().mov(R0, 1).build()],
    [
      'a function that runs into the next',
      [...new ProgramBuilder().mov(R0, 1).raw(CALL_SUB(0)).build(), ...new ProgramBuilder().mov(R0, 2).build()],
    ],
    ['calls too deep', [CALL_SUB(-1), makeInsn(0x95, 0, 0, 0, 0)]],
  ])('%s', (_, insns) => {
    expect(same(insns).fault).toBeDefined();
  });

  it('where a budget ends, whatever it is', () => {
    const insns = new ProgramBuilder()
      .mov(R0, 0)
      .mov(R1, 3)
      .label('l')
      .raw(CALL_SUB(3))
      .alu64('sub', R1, 1)
      .jumpIf('jne', R1, 0, 'l')
      .exit();
    const program = insns.mov(R0, 1).imm64(R3, 5n).mov(R2, R0).exit().build();
    expect(program).toHaveLength(11);
    for (let budget = 1; budget < 30; budget++) same(program, budget);
    expect(outcome(wasmEngine(), program, { proof: TAKEN_PROOF }).insnCount).toBeUndefined();
    expect(outcome(wasmEngine(), program, { proof: TAKEN_PROOF, countInsns: true }).insnCount).toBe(
      outcome(interpEngine, program).insnCount,
    );
  });
});

it('calls through registers: functions and, as the conformance suite has it, helpers', () => {
  const sub = new ProgramBuilder()
    .mov(R1, 20)
    .raw(...FUNC(2, 4))
    .raw(makeInsn(0x8d, 2, 0, 0, 0))
    .alu64('add', R0, 1)
    .exit();
  const program = sub.mov(R0, R1).alu64('mul', R0, 2).exit().build();
  expect(same(program).r0).toBe(41n);
  same(
    new ProgramBuilder()
      .mov(R2, 8)
      .raw(makeInsn(0x8d, 2, 0, 0, 0))
      .exit()
      .build(),
  );
});

it('callbacks see their arguments, nest and count', () => {
  // bpf_loop(3, f, &sum, 0) where f(i, ctx): *ctx += i + 1, and inside another loop of two rounds.
  const b = new ProgramBuilder()
    .store('dw', R10, -8, 0)
    .mov(R1, 3)
    .raw(...FUNC(2, 6))
    .mov(R3, R10)
    .alu64('add', R3, -8)
    .mov({ reg: 4 }, 0);
  b.raw(HELPER(181)).load('dw', R0, R10, -8).exit();
  b.load('dw', R0, R2, 0).alu64('add', R0, R1).alu64('add', R0, 1).store('dw', R2, 0, R0).mov(R0, 0).exit();
  const insns = b.build();
  const at = insns.findIndex(({ code, src }) => code === 0x18 && src === 4);
  const start = insns.length - 6;
  insns[at] = makeInsn(0x18, 2, 4, 0, start - at - 1);
  expect(same(insns).r0).toBe(6n);
  expect(outcome(wasmEngine(), insns, { proof: TAKEN_PROOF }).r0).toBe(6n);
});

describe('modules', () => {
  const insns = new ProgramBuilder().mov(R0, 7).exit().build();

  it('are kept by instructions and options', () => {
    const cache = new ModuleCache();
    const engine = wasmEngine({ cache });
    for (let i = 0; i < 3; i++) expect(outcome(engine, insns, { proof: TAKEN_PROOF }).r0).toBe(7n);
    expect([cache.hits, cache.misses]).toEqual([2, 1]);
    outcome(engine, insns);
    outcome(engine, [...insns.slice(0, 1), makeInsn(0xb7, 0, 0, 0, 9), ...insns.slice(1)], { proof: TAKEN_PROOF });
    expect([cache.hits, cache.misses]).toEqual([2, 3]);
  });

  it('go when there is no more room', () => {
    const cache = new ModuleCache(4);
    const engine = wasmEngine({ cache });
    const other = new ProgramBuilder().mov(R0, 8).mov(R0, 9).exit().build();
    for (const program of [insns, other, insns, other]) outcome(engine, program);
    expect(cache.hits).toBe(0);
  });

  it('have helpers linked into verified programs alone', () => {
    const triple: HelperFunction = {
      insns: new ProgramBuilder().mov(R0, R1).alu64('mul', R0, 3).exit().build(),
      stackDepths: [0],
    };
    const engine = wasmEngine({ linkHelper: ({ id }) => (id === 5 ? triple : undefined) });
    const program = new ProgramBuilder()
      .mov(R1, 5)
      .raw(HELPER(5))
      .mov({ reg: 6 }, R0)
      .mov(R1, 6)
      .raw(HELPER(5))
      .alu64('add', R0, { reg: 6 })
      .exit()
      .build();
    expect(outcome(engine, program, { proof: TAKEN_PROOF }).r0).toBe(33n);
    expect(outcome(engine, program).r0).not.toBe(33n);
  });
});

it('programs that are gone are out of reach', () => {
  const machine = createMachine({ engine: wasmEngine() });
  const array = machine.createMap({
    name: 'progs',
    type: bpf_map_type.BPF_MAP_TYPE_PROG_ARRAY,
    keySizeBytes: 4,
    valueSizeBytes: 4,
    maxEntries: 2,
    flags: 0,
  });
  const target = machine.loadInsns('target', XDP, new ProgramBuilder().mov(R0, 3).exit().build(), [], TAKEN_PROOF);
  expect(array.userUpdate(new Uint8Array(4), Uint8Array.of(target.id, 0, 0, 0))).toBe(0);
  const caller = new ProgramBuilder()
    .raw(makeInsn(0x18, 2, 1, 0, 0), makeInsn(0, 0, 0, 0, 0))
    .mov(R3, 0)
    .raw(HELPER(12))
    .mov(R0, 1)
    .exit()
    .build();
  const program = machine.loadInsns('caller', XDP, caller, [array], TAKEN_PROOF);
  expect(machine.run(program, { dataIn: FRAME }).retval).toBe(3);
  target.loaded.free();
  expect(machine.run(program, { dataIn: FRAME }).retval).toBe(1);
});
