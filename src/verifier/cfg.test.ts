import { describe, expect, it } from 'vitest';
import {
  call,
  exit,
  func,
  functionsBtf,
  gotol,
  helper,
  infoTable,
  ja,
  jeq,
  kfunc,
  mayGoto,
  mov,
  movx,
  verdict,
  wide,
} from '../../test/support/structure-cases.ts';
import { type Insn, makeInsn } from '../isa/index.ts';
import { checkStructure, type ProgramStructure, type StructureInput } from './index.ts';

function structureOf(input: StructureInput): ProgramStructure {
  const result = checkStructure(input);
  if (!result.ok) throw new Error(result.message);
  return result;
}
const marked = (marks: Uint8Array): number[] => [...marks.keys()].filter(idx => marks[idx] === 1);

describe('twins', () => {
  const sub = [mov(0, 0), exit];
  const rows: readonly [rule: string, good: Insn[], bad: Insn[], refusal: string][] = [
    [
      'every insn is reached',
      [mov(0, 0), jeq(1), exit, ja(0), exit],
      [mov(0, 0), exit, ja(0), exit],
      '22 unreachable insn 2',
    ],
    [
      'a loop is reached from outside',
      [mov(0, 0), jeq(1), exit, jeq(-1), exit],
      [mov(0, 0), exit, jeq(-1), exit],
      '22 unreachable insn 2',
    ],
    ['every function is called', [call(1), exit, ...sub], [call(-1), exit, ...sub], '22 unreachable insn 2'],
    [
      'no jump into a ld_imm64',
      [mov(0, 0), jeq(2), ...wide(2, 0, 1), exit],
      [mov(0, 0), jeq(1), ...wide(2, 0, 1), exit],
      '22 jump into the middle of ldimm64 insn 2',
    ],
    [
      'no gotol into a ld_imm64',
      [mov(0, 0), jeq(1), gotol(2), ...wide(2, 0, 1), exit],
      [mov(0, 0), jeq(1), gotol(1), ...wide(2, 0, 1), exit],
      '22 jump into the middle of ldimm64 insn 3',
    ],
    [
      'may_goto goes both ways',
      [mov(0, 0), mayGoto(1), ja(-2), exit],
      [mov(0, 0), ja(1), mayGoto(0), exit],
      '22 unreachable insn 2',
    ],
  ];
  it.each(rows)('%s', (_, good, bad, refusal) => {
    expect(verdict(good)).toBe('accepted');
    expect(verdict(bad)).toBe(refusal);
  });

  it('a callback counts as reached where its address is taken', () => {
    expect(verdict([...func(2, 2), mov(0, 0), exit, ...sub])).toBe('accepted');
    expect(verdict([...wide(2, 0, 2), mov(0, 0), exit, ...sub])).toBe('22 unreachable insn 4');
  });
});

describe('loops', () => {
  const loop = [mov(0, 0), jeq(-2), exit];
  it('are for CAP_BPF', () => {
    expect(verdict(loop)).toBe('accepted');
    expect(verdict(loop, { capBpf: false })).toBe('22 back-edge from insn 1 to 0');
    expect(verdict([mov(0, 0), jeq(1), mov(0, 1), exit], { capBpf: false })).toBe('accepted');
    expect(verdict([ja(-1)], { capBpf: false })).toBe('22 back-edge from insn 0 to 0');
  });

  it('the deepest fall-through comes first', () => {
    // Both edges of slot 1 lead back, but the walk first goes on to slot 3.
    expect(verdict([mov(0, 0), jeq(-2), mov(0, 1), jeq(-4), exit], { capBpf: false })).toBe(
      '22 back-edge from insn 3 to 0',
    );
  });
});

describe('source lines', () => {
  const { builder, file, line, ids } = functionsBtf([{ name: 'main' }]);
  const spaced = builder.string('  while (x)');
  const btf = builder.build();
  const lineInfo = (records: readonly number[][]): StructureInput['lineInfo'] => infoTable(records, 16);
  const funcInfo = infoTable([[0, ids['main']]], 8);

  it('go before a back edge, each once', () => {
    const input = {
      insns: [mov(0, 0), jeq(-2), exit],
      type: 1,
      btf,
      funcInfo,
      lineInfo: lineInfo([
        [0, file, spaced, 7 << 10],
        [1, file, line, 8 << 10],
      ]),
    };
    expect(checkStructure(input, { capBpf: false })).toMatchObject({
      message: 'back-edge from insn 1 to 0',
      log: ['func#0 @0', '1: return 0; @ prog.c:8', '0: while (x) @ prog.c:7', 'back-edge from insn 1 to 0'],
    });
  });

  it('of the same line number once', () => {
    const input = {
      insns: [mov(0, 0), jeq(-2), exit],
      type: 1,
      btf,
      lineInfo: lineInfo([
        [0, file, spaced, (8 << 10) | 4],
        [1, file, line, (8 << 10) | 9],
      ]),
    };
    expect(checkStructure(input, { capBpf: false })).toMatchObject({
      log: ['func#0 @0', '1: return 0; @ prog.c:8', 'back-edge from insn 1 to 0'],
    });
  });
});

describe('marks', () => {
  it('of jumps: where they leave from and arrive', () => {
    const { cfg } = structureOf({ insns: [mov(0, 0), jeq(1), mov(0, 1), ja(0), exit], type: 1 });
    expect(marked(cfg.prunePoints)).toEqual([1, 3, 4]);
    expect(marked(cfg.jmpPoints)).toEqual([3, 4]);
    expect(marked(cfg.forceCheckpoint)).toEqual([]);
  });

  it('of calls: the callee and the return', () => {
    const { cfg } = structureOf({ insns: [mov(1, 0), call(2), mov(0, 0), exit, mov(0, 0), exit], type: 1 });
    expect(marked(cfg.prunePoints)).toEqual([1, 2, 4]);
    expect(marked(cfg.jmpPoints)).toEqual([2, 4]);
  });

  it('of helpers that call back, of may_goto and of iterators: checkpoints', () => {
    const loop = [mov(1, 1), ...func(2, 4), mov(3, 0), helper(181), mov(0, 0), exit, mov(0, 0), exit];
    const { cfg } = structureOf({ insns: loop, type: 1 });
    expect(marked(cfg.forceCheckpoint)).toEqual([4]);
    expect(marked(cfg.callsCallback)).toEqual([4]);
    expect(marked(structureOf({ insns: [mov(0, 0), mayGoto(0), exit], type: 1 }).cfg.forceCheckpoint)).toEqual([1]);
    const iter: StructureInput = {
      insns: [mov(1, 0), kfunc(9), mov(0, 0), exit],
      type: 1,
      kfuncs: new Map([[1, 'bpf_iter_num_next']]),
    };
    expect(marked(structureOf(iter).cfg.forceCheckpoint)).toEqual([1]);
    const timer = [mov(1, 1), ...func(2, 3), helper(170), mov(0, 0), exit, mov(0, 0), exit];
    const async = structureOf({ insns: timer, type: 1 });
    expect([async.cfg.prunePoints[3], async.cfg.forceCheckpoint[3]]).toEqual([1, 0]);
    expect(async.isAsyncCallback).toEqual([false, true]);
  });

  it('packet data moved in a callee moves for its callers', () => {
    const insns = [movx(6, 1), call(2), mov(0, 0), exit, call(1), exit, helper(39), mov(0, 0), exit];
    expect(structureOf({ insns, type: 3 }).changesPktData).toEqual([true, true, true]);
    insns[6] = helper(7);
    expect(structureOf({ insns, type: 3 }).changesPktData).toEqual([false, false, false]);
  });
});

describe('fields and codes', () => {
  const ldx = makeInsn(0x79, 1, 10, -8, 0);
  const rows: readonly [rule: string, good: Insn[], bad: Insn[], refusal: string][] = [
    ['imm of a load', [ldx, mov(0, 0), exit], [{ ...ldx, imm: 1 }, mov(0, 0), exit], '22 BPF_LDX uses reserved fields'],
    [
      'mode of a load',
      [ldx, mov(0, 0), exit],
      [{ ...ldx, code: 0x39 }, mov(0, 0), exit],
      '22 BPF_LDX uses reserved fields',
    ],
    [
      'second slot',
      [...wide(1, 0, 1), mov(0, 0), exit],
      [wide(1, 0, 1)[0], mov(0, 0), exit],
      '22 invalid bpf_ld_imm64 insn',
    ],
    [
      'second slot registers',
      [...wide(1, 0, 1), exit],
      [wide(1, 0, 1)[0], makeInsn(0, 1, 0, 0, 0), exit],
      '22 invalid bpf_ld_imm64 insn',
    ],
    ['kind of a ld_imm64', [...wide(1, 3, 1), exit], [...wide(1, 7, 1), exit], '22 unrecognized bpf_ld_imm64 insn'],
    ['second imm of a map', [...wide(1, 1, 1), exit], [...wide(1, 1, 1, 5), exit], '22 unrecognized bpf_ld_imm64 insn'],
    [
      'second imm of a map by index',
      [...wide(1, 5, 0), exit],
      [...wide(1, 5, 0, 5), exit],
      '22 unrecognized bpf_ld_imm64 insn',
    ],
    [
      'second imm of a map value',
      [...wide(1, 2, 1, 5), exit],
      [...wide(1, 8, 1, 5), exit],
      '22 unrecognized bpf_ld_imm64 insn',
    ],
    ['code', [mov(0, 0), exit], [makeInsn(0x8d, 1, 0, 0, 0), exit], '22 unknown opcode 8d'],
    ['code 0', [mov(0, 0), exit], [makeInsn(0, 0, 0, 0, 0), exit], '22 unknown opcode 00'],
  ];
  it.each(rows)('%s', (_, good, bad, refusal) => {
    expect(verdict(good)).toBe('accepted');
    expect(verdict(bad)).toBe(refusal);
  });

  it('64 maps are allowed', () => {
    const input = (n: number): StructureInput => ({
      insns: [...Array.from({ length: n }, (_, i) => wide(1, 1, i)).flat(), mov(0, 0), exit],
      type: 1,
      maps: new Map(Array.from({ length: n }, (_, i) => [2 * i, `map ${i}`])),
    });
    expect(verdict(input(64))).toBe('accepted');
    expect(verdict(input(65))).toBe('7 The total number of maps per program has reached the limit of 64');
  });
});
