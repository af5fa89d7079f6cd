import { describe, expect, it } from 'vitest';
import {
  call,
  exit,
  type FuncDecl,
  functionsBtf,
  helper,
  infoTable,
  mov,
  movx,
  verdict,
  wide,
} from '../../test/support/structure-cases.ts';
import { type Insn, makeInsn } from '../isa/index.ts';
import { checkStructure, type StructureInput } from './index.ts';

/** Main calls f1, then f2; 3 functions of 2 to 4 slots. */
const INSNS = [call(2), call(3), exit, mov(0, 0), exit, mov(0, 0), exit];
const STARTS = [0, 3, 5];
const { builder, ids, file, line } = functionsBtf([{ name: 'main' }, { name: 'f1' }, { name: 'f2' }]);
const main = ids['main'];
const intId = 1;
const BTF = builder.build();
const FUNCS = STARTS.map((start, id) => [start, main + 2 * id]);
const LINES = STARTS.map(start => [start, file, line, 1 << 10]);

const withFuncs = (records: number[][], recSizeBytes = 8): StructureInput => ({
  insns: INSNS,
  type: 1,
  btf: BTF,
  funcInfo: infoTable(records, recSizeBytes),
});
const withLines = (records: number[][], recSizeBytes = 16, insns = INSNS): StructureInput => ({
  ...withFuncs(FUNCS),
  insns,
  lineInfo: infoTable(records, recSizeBytes),
});
const changed = (records: number[][], at: number, word: number, value: number): number[][] =>
  records.map((record, i) => (i === at ? record.with(word, value) : record));
const padded = (records: number[][], words: number, last = 0): number[][] =>
  records.map((record, i) => [
    ...record,
    ...new Array<number>(words - record.length).fill(0).with(-1, i === records.length - 1 ? last : 0),
  ]);

describe('func_info', () => {
  const rows: readonly [rule: string, bad: StructureInput, refusal: string][] = [
    ['record size too small', withFuncs(FUNCS, 4), '22 invalid func info rec size 4'],
    ['record size too large', withFuncs(FUNCS, 256), '22 invalid func info rec size 256'],
    ['record size not of words', withFuncs(FUNCS, 10), '22 invalid func info rec size 10'],
    ['tail of a record', withFuncs(padded(FUNCS, 3, 1), 12), '7 nonzero tailing record in func info'],
    ['records cut off', { ...withFuncs(FUNCS), funcInfo: { ...infoTable(FUNCS, 8), count: 4 } }, '14 '],
    ['first record', withFuncs(changed(FUNCS, 0, 0, 1)), '22 nonzero insn_off 1 for the first func info record'],
    [
      'order',
      withFuncs(changed(FUNCS, 2, 0, 3)),
      '22 same or smaller insn offset (3) than previous func info record (3)',
    ],
    [
      'order backwards',
      withFuncs(changed(FUNCS, 2, 0, 1)),
      '22 same or smaller insn offset (1) than previous func info record (3)',
    ],
    ['type void', withFuncs(changed(FUNCS, 1, 1, 0)), '22 invalid type id 0 in func info'],
    ['type of another kind', withFuncs(changed(FUNCS, 1, 1, intId)), '22 invalid type id 1 in func info'],
    ['type that is none', withFuncs(changed(FUNCS, 1, 1, 0xffffffff)), '22 invalid type id -1 in func info'],
    ['too few', withFuncs(FUNCS.slice(0, 2)), "22 number of funcs in func_info doesn't match number of subprogs"],
    ['too many', withFuncs([...FUNCS, [6, main]]), "22 number of funcs in func_info doesn't match number of subprogs"],
    [
      'other places',
      withFuncs(changed(FUNCS, 2, 0, 6)),
      "22 func_info BTF section doesn't match subprog layout in BPF program",
    ],
    ['no BTF', { ...withFuncs(FUNCS), btf: undefined }, '22 '],
  ];
  it.each(rows)('%s', (_, bad, refusal) => {
    expect(verdict(withFuncs(FUNCS))).toBe('accepted');
    expect(verdict(bad)).toBe(refusal);
  });

  it('records may be longer than known, up to 252 bytes, if the rest is 0', () => {
    for (const words of [3, 63]) expect(verdict(withFuncs(padded(FUNCS, words), 4 * words))).toBe('accepted');
  });

  it('an empty table is none, whatever its record size', () => {
    expect(verdict({ insns: INSNS, type: 1, funcInfo: infoTable([], 3) })).toBe('accepted');
  });

  it('gives functions their names and linkage', () => {
    const own = functionsBtf([{ name: 'a' }, { name: 'b', linkage: 1 }, { name: 'c', linkage: 2 }]);
    const records = STARTS.map((start, id) => [start, own.ids['abc'[id]]]);
    const result = checkStructure({ insns: INSNS, type: 1, btf: own.builder.build(), funcInfo: infoTable(records, 8) });
    expect(result.ok && result.subprogs.map(s => s.name)).toEqual(['a', 'b', 'c']);
    expect(result.ok && result.linkage).toEqual(['static', 'global', 'extern']);
  });
});

describe('line_info', () => {
  const gap = [call(2), call(3), exit, ...wide(0, 0, 1), exit, mov(0, 0), exit];
  gap[1] = call(4);
  const gapStarts = [0, 3, 6];
  const gapInput = (lines: number[][]): StructureInput => ({
    ...withLines(lines, 16, gap),
    funcInfo: infoTable(
      gapStarts.map((start, id) => [start, main + 2 * id]),
      8,
    ),
  });
  const gapLines = gapStarts.map(start => [start, file, line, 0]);
  const end = BTF.strings.endOff;
  const rows: readonly [rule: string, good: StructureInput, bad: StructureInput, refusal: string][] = [
    ['record size', withLines(padded(LINES, 5), 20), withLines(LINES, 12), '22 '],
    ['record size too large', withLines(padded(LINES, 63), 252), withLines(padded(LINES, 64), 256), '22 '],
    [
      'tail of a record',
      withLines(padded(LINES, 5), 20),
      withLines(padded(LINES, 5, 9), 20),
      '7 nonzero tailing record in line_info',
    ],
    [
      'records cut off',
      withLines(LINES),
      { ...withLines(LINES), lineInfo: { ...infoTable(LINES, 16), count: 9 } },
      '14 ',
    ],
    [
      'order',
      withLines([...LINES.slice(0, 2), [4, file, line, 0], LINES[2]]),
      withLines([...LINES.slice(0, 2), [3, file, line, 0], LINES[2]]),
      '22 Invalid line_info[2].insn_off:3 (prev_offset:3 prog->len:7)',
    ],
    [
      'inside the program',
      withLines([...LINES, [6, file, line, 0]]),
      withLines([...LINES, [7, file, line, 0]]),
      '22 Invalid line_info[3].insn_off:7 (prev_offset:5 prog->len:7)',
    ],
    [
      'of an instruction',
      gapInput(gapLines),
      gapInput(gapLines.toSpliced(2, 0, [4, file, line, 0])),
      '22 Invalid insn code at line_info[2].insn_off',
    ],
    [
      'line text',
      withLines(changed(LINES, 1, 2, end - 1)),
      withLines(changed(LINES, 1, 2, end)),
      '22 Invalid line_info[1].line_off or .file_name_off',
    ],
    [
      'file name',
      withLines(changed(LINES, 1, 1, end - 1)),
      withLines(changed(LINES, 1, 1, end)),
      '22 Invalid line_info[1].line_off or .file_name_off',
    ],
    ['of main', withLines(LINES), withLines(changed(LINES, 0, 0, 1)), '22 missing bpf_line_info for func#0'],
    [
      'of a function between',
      withLines(LINES),
      withLines(changed(LINES, 1, 0, 4)),
      '22 missing bpf_line_info for func#1',
    ],
    [
      'of the last functions',
      withLines(LINES),
      withLines(LINES.slice(0, 1)),
      '22 missing bpf_line_info for 2 funcs starting from func#1',
    ],
  ];
  it.each(rows)('%s', (_, good, bad, refusal) => {
    expect(verdict(good)).toBe('accepted');
    expect(verdict(bad)).toBe(refusal);
  });

  it('needs BTF but no func_info', () => {
    expect(verdict({ ...withLines(LINES), funcInfo: undefined })).toBe('accepted');
    expect(verdict({ ...withLines(LINES), funcInfo: undefined, btf: undefined })).toBe('22 ');
  });
});

describe('core_relo', () => {
  const withRelos = (records: number[][], recSizeBytes = 16): StructureInput => ({
    ...withFuncs(FUNCS),
    coreRelos: infoTable(records, recSizeBytes),
  });
  it.each<[string, StructureInput, StructureInput, string]>([
    ['record size', withRelos([[8, 1, 0, 0]]), withRelos([[8, 1, 0, 0]], 12), '22 '],
    [
      'inside the program',
      withRelos([[48, 1, 0, 0]]),
      withRelos([[56, 1, 0, 0]]),
      '22 Invalid core_relo[0].insn_off:56 prog->len:7',
    ],
    [
      'whole slots',
      withRelos([[8, 1, 0, 0]]),
      withRelos([[12, 1, 0, 0]]),
      '22 Invalid core_relo[0].insn_off:12 prog->len:7',
    ],
    [
      'tail',
      withRelos([[8, 1, 0, 0, 0]], 20),
      withRelos([[8, 1, 0, 0, 2]], 20),
      '7 nonzero tailing record in core_relo',
    ],
  ])('%s', (_, good, bad, refusal) => {
    expect(verdict(good)).toBe('accepted');
    expect(verdict(bad)).toBe(refusal);
  });
});

describe('leaving a function with an int', () => {
  const ldAbs = [movx(6, 1), makeInsn(0x30, 0, 0, 0, 0), exit];
  const tailCall = [...wide(2, 1, 3), mov(3, 0), helper(12), mov(0, 0), exit];
  const calling = (body: Insn[]): Insn[] => [call(1), exit, ...body];
  const decls = (returns: FuncDecl['returns']): StructureInput => {
    const own = functionsBtf([{ name: 'main' }, { name: 'sub', returns }]);
    const records = [
      [0, own.ids['main']],
      [2, own.ids['sub']],
    ];
    return { insns: [], type: 1, btf: own.builder.build(), funcInfo: infoTable(records, 8) };
  };

  it.each<[string, Insn[], string, string]>([
    [
      'LD_ABS',
      ldAbs,
      'LD_ABS is not allowed in subprogs without BTF',
      "LD_ABS is only allowed in functions that return 'int'.",
    ],
    [
      'tail_call',
      tailCall,
      'tail_call is not allowed in subprogs without BTF',
      "tail_call is only allowed in functions that return 'int'.",
    ],
  ])('%s', (_, body, withoutBtf, withBtf) => {
    expect(verdict(body)).toBe('accepted');
    expect(verdict(calling(body))).toBe(`22 ${withoutBtf}`);
    for (const returns of ['int', 'const int', 'enum'] as const) {
      expect(verdict({ ...decls(returns), insns: calling(body) })).toBe('accepted');
    }
    for (const returns of ['void', 'u128'] as const) {
      expect(verdict({ ...decls(returns), insns: calling(body) })).toBe(`22 ${withBtf}`);
    }
  });

  it('LD_ABS comes before tail_call', () => {
    const both = [call(1), exit, movx(6, 1), makeInsn(0x30, 0, 0, 0, 0), ...tailCall];
    expect(verdict(both)).toBe('22 LD_ABS is not allowed in subprogs without BTF');
    expect(verdict({ ...decls('void'), insns: both })).toBe(
      "22 LD_ABS is only allowed in functions that return 'int'.",
    );
  });
});

describe('exception callback', () => {
  // main calls sub; cb is reached through the tag alone.
  const insns = [call(1), exit, mov(0, 0), exit, mov(0, 0), exit];
  const build = (
    tags: readonly { name: string; of?: string; componentIdx?: number }[],
    linkage = 1,
    starts: readonly (readonly [number, string])[] = [
      [0, 'main'],
      [2, 'sub'],
      [4, 'cb'],
    ],
  ): StructureInput => {
    const own = functionsBtf([{ name: 'main', linkage: 1 }, { name: 'sub' }, { name: 'cb', linkage }]);
    for (const { name, of = 'main', componentIdx = -1 } of tags) {
      own.builder.add({ kind: 'DECL_TAG', name, typeId: own.ids[of], componentIdx, isAttribute: false });
    }
    const funcInfo = infoTable(
      starts.map(([start, name]) => [start, own.ids[name]]),
      8,
    );
    return { insns, type: 1, btf: own.builder.build(), funcInfo };
  };
  const tag = { name: 'exception_callback:cb' };

  it('is found through its tag and reached by it', () => {
    const result = checkStructure(build([tag]));
    expect(result).toMatchObject({ ok: true, exceptionCallback: 2, hiddenSubprogCount: 0 });
    expect(result.ok && result.subprogs.map(s => s.isExceptionCallback)).toEqual([false, false, true]);
    expect(result.log).toEqual(['func#0 @0', 'func#1 @2', 'func#2 @4']);
  });

  it.each<[string, StructureInput, string]>([
    ['no tag', build([]), "22 number of funcs in func_info doesn't match number of subprogs"],
    [
      'tag of another function',
      build([{ ...tag, of: 'sub' }]),
      "22 number of funcs in func_info doesn't match number of subprogs",
    ],
    [
      'tag of a parameter',
      build([{ ...tag, componentIdx: 0 }]),
      "22 number of funcs in func_info doesn't match number of subprogs",
    ],
    ['two tags', build([tag, tag]), '17 multiple exception callback tags for main subprog'],
    [
      'no such function',
      build([{ name: 'exception_callback:other' }]),
      "2 exception callback 'other' could not be found in BTF",
    ],
    ['static', build([tag], 0), "22 exception callback 'cb' must have global linkage"],
    [
      'main itself',
      build([{ name: 'exception_callback:main' }]),
      '22 invalid exception callback insn_off in func_info: 0',
    ],
    [
      'not in func_info',
      build([tag], 1, [
        [0, 'main'],
        [2, 'sub'],
      ]),
      '22 exception callback type id not found in func_info',
    ],
    [
      'outside the program',
      build([tag], 1, [
        [0, 'main'],
        [2, 'sub'],
        [6, 'cb'],
      ]),
      '22 call to invalid destination',
    ],
  ])('%s', (_, bad, refusal) => {
    expect(verdict(build([tag, { name: 'exception_callbacks:cb' }]))).toBe('accepted');
    expect(verdict(bad)).toBe(refusal);
  });
});
