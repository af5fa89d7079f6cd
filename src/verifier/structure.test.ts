import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseProgs, structureInputOf } from '../../test/support/prog-file.ts';
import { kernelBtf, type StructureRecord } from '../../test/support/structure-answer.ts';
import { call, exit, functionsBtf, infoTable, ja, mov, verdict, wide } from '../../test/support/structure-cases.ts';
import { type Insn, makeInsn } from '../isa/index.ts';
import { checkStructure, MESSAGES, messageText, STAGES, type StructureInput } from './index.ts';

describe('order of stages', () => {
  // A program with one thing wrong in every stage; mending one after another brings each stage's refusal forward.
  const { builder, ids, file, line } = functionsBtf([{ name: 'main' }, { name: 'sub' }]);
  const btf = builder.build();
  const goodFuncs = [
    [0, ids['main']],
    [6, ids['sub']],
  ];
  const input = (fixed: number): StructureInput => {
    const insns: Insn[] = [
      call(fixed > 1 ? 5 : 99),
      ...wide(1, fixed > 4 ? 0 : 9, 1),
      fixed > 5 ? mov(0, 0) : ja(1),
      mov(0, 0),
      fixed > 2 ? exit : mov(0, 0),
      ...(fixed > 6 ? [mov(0, 0)] : [call(-1)]),
      makeInsn(0x7a, 10, 0, fixed > 7 ? -8 : -504, 0),
      makeInsn(0xb7, 0, 0, 0, 0),
      exit,
    ];
    if (fixed <= 7 && fixed > 6) insns[4] = makeInsn(0x7a, 10, 0, -24, 0);
    return {
      insns,
      type: 1,
      btf,
      funcInfo: infoTable(fixed > 0 ? goodFuncs : [[1, ids['main']]], 8),
      lineInfo: infoTable(fixed > 3 ? [0, 6].map(at => [at, file, line, 0]) : [[0, file, line, 0]], 16),
    };
  };
  it.each([
    [0, 'check_btf_info_early', '22 nonzero insn_off 1 for the first func info record'],
    [1, 'add_subprog_and_kfunc', '22 call to invalid destination'],
    [2, 'check_subprogs', '22 last insn is not an exit or jmp'],
    [3, 'check_btf_info', '22 missing bpf_line_info for 1 funcs starting from func#1'],
    [4, 'resolve_pseudo_ldimm64', '22 unrecognized bpf_ld_imm64 insn'],
    [5, 'check_cfg', '22 unreachable insn 4'],
    [6, 'do_check', '7 the call stack of 9 frames is too deep'],
    [7, 'check_max_stack_depth', '13 combined stack size of 2 calls is 544. Too large'],
    [8, '', 'accepted'],
  ])('%i mended: %s', (fixed, stage, expected) => {
    const result = checkStructure(input(fixed));
    expect(verdict(input(fixed))).toBe(expected);
    if (!result.ok) expect(result.stage).toBe(stage);
  });

  it('the message is the last line of the log', () => {
    for (let fixed = 1; fixed < 8; fixed++) {
      const result = checkStructure(input(fixed));
      expect(result.log.at(-1)).toBe(result.ok ? undefined : result.message);
    }
    expect(STAGES.length).toBe(11);
  });
});

describe('messages', () => {
  it('have an errno and end without newline', () => {
    for (const { errno, text } of Object.values(MESSAGES)) {
      expect(errno).toBeGreaterThan(0);
      expect(String((text as (...args: number[]) => unknown)(1, 2, 3, 4, 5, 6, 7, 8))).not.toMatch(/\n$|undefined|NaN/);
    }
    expect(messageText('unknownOpcode', 5)).toBe('unknown opcode 05');
  });
});

describe('kernel 6.12 for amd64', () => {
  const path = new URL('../../testdata/kernel/structure-6.12-amd64.jsonl', import.meta.url);
  const [head, ...lines] = readFileSync(path, 'utf8').trimEnd().split('\n');
  const records = lines.map(text => JSON.parse(text) as StructureRecord);
  const kernel = kernelBtf();

  it('gives the same errno and message', () => {
    const differences = records.flatMap(({ program, errno, message, later }) => {
      const [entry] = parseProgs(program);
      const ours = checkStructure(structureInputOf(entry), { capBpf: entry.unprivileged !== true, kernelBtf: kernel });
      const same = ours.ok
        ? errno === 0 || later === true
        : later === true
          ? ours.stage === 'do_check' || ours.stage === 'check_max_stack_depth'
          : ours.errno === errno && ours.message === message;
      return same ? [] : [`${entry.name}: ${errno} ${message}, not ${ours.ok ? 'accepted' : ours.message}`];
    });
    expect(differences).toEqual([]);
    expect(records.length).toBeGreaterThan(150);
  });

  it('knows the same codes', () => {
    const { knownCodes } = JSON.parse(head) as { knownCodes: number[] };
    const ours = Array.from({ length: 256 }, (_, code) => code).filter(
      code => !verdict([mov(0, 0), makeInsn(code, 0, 0, 0, 0), exit]).includes('unknown opcode'),
    );
    expect(ours).toEqual(knownCodes);
  });
});

describe('any slots and tables at all', () => {
  const small = fc.integer({ min: -4, max: 8 });
  const insn = fc
    .record({
      code: fc.oneof(
        fc.constantFrom(0x85, 0x95, 0x05, 0x06, 0x15, 0x18, 0x7b, 0x79, 0xbf, 0x07, 0x0f, 0xe5, 0),
        fc.nat(255),
      ),
      dst: fc.nat(15),
      src: fc.oneof(fc.constantFrom(0, 1, 2, 4), fc.nat(15)),
      off: fc.oneof(small, fc.integer({ min: -32768, max: 32767 })),
      imm: fc.oneof(small, fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
    })
    .map(({ code, dst, src, off, imm }) => makeInsn(code, dst, src, off, imm));
  const table = fc
    .record({
      recSizeBytes: fc.oneof(fc.constantFrom(8, 12, 16, 20), fc.integer({ min: -4, max: 300 })),
      count: fc.nat(6),
      words: fc.array(fc.oneof(fc.nat(12), fc.nat(0xffffffff)), { maxLength: 24 }),
    })
    .map(({ words, ...rest }) => ({ ...rest, words: Uint32Array.from(words) }));
  const { builder } = functionsBtf([{ name: 'main' }, { name: 'sub' }]);
  const btf = builder.build();

  it.each([
    ['to', 11, 0],
    ['with', 0, 15],
  ])('may compare %s a register that is none: R%i, R%i', (_, dst, src) => {
    // if dst < src goto +0
    const jump: Insn = { code: 0xad, dst, src, off: 0, imm: 0 };
    expect(checkStructure({ insns: [jump, exit], type: 1 }, { capBpf: true }).ok).toBe(true);
  });

  it('give a value, never an error', () => {
    fc.assert(
      fc.property(
        fc.array(insn, { maxLength: 16 }),
        fc.option(table, { nil: undefined }),
        fc.option(table, { nil: undefined }),
        fc.boolean(),
        (insns, funcInfo, lineInfo, capBpf) => {
          const result = checkStructure({ insns: [...insns, exit], type: 1, btf, funcInfo, lineInfo }, { capBpf });
          if (!result.ok) {
            expect(STAGES).toContain(result.stage);
            return;
          }
          expect(result.subprogs.every(s => s.stackDepthBytes >= 0 && s.stackDepthBytes <= 512)).toBe(true);
          expect(result.subprogs.at(-1)?.end).toBe(insns.length + 1);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
