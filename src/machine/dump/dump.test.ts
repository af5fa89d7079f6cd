import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { recordedPrograms } from '../../../test/support/bpftool-fixture.ts';
import { assemble } from '../../asm/index.ts';
import { type Btf, BtfBuilder, openBtf } from '../../btf/index.ts';
import { type Insn, isPseudoCall, makeInsn } from '../../isa/index.ts';
import type { ProgInfo } from '../../jit/index.ts';
import {
  type Disassembler,
  type DumpSource,
  dumpJited,
  dumpJitedJson,
  dumpXlated,
  dumpXlatedGraph,
  encodingOf,
  HIDDEN_SYMBOLS,
  PROG_INFO_BYTES,
  PROG_INFO_OFFSETS,
  progFullName,
  prototypeText,
  showProg,
  showProgJson,
} from './index.ts';
import { LineTable, LineWalk } from './lines.ts';

const EMPTY: ProgInfo = {
  id: 7,
  type: 6,
  name: 'prog',
  tag: '0123456789abcdef',
  gplCompatible: false,
  loadTimeNs: 0n,
  createdByUid: 0,
  mapIds: [],
  btfId: 0,
  xlated: [],
  xlatedBytes: 0,
  jited: new Uint8Array(0),
  jitedBytes: 0,
  jitedKsyms: [],
  jitedFuncLens: [],
  progTags: [],
  funcInfo: [],
  lineInfo: [],
  jitedLineInfo: [],
  verifiedInsns: 0,
  attachBtfObjId: 0,
  attachBtfId: 0,
};
const sourceOf = (info: Partial<ProgInfo>, rest: Partial<DumpSource> = {}): DumpSource => ({
  info: { ...EMPTY, ...info },
  btf: undefined,
  symbols: HIDDEN_SYMBOLS,
  ...rest,
});
const insnsOf = (text: string): readonly Insn[] => assemble(text, { dialect: 'llvm' });

describe('struct bpf_prog_info', () => {
  it('is laid out as the kernel says', () => {
    const dir = new URL('../../../assets/btf/', import.meta.url);
    const [file] = readdirSync(dir).filter(name => name.endsWith('.gz'));
    const btf = openBtf(new Uint8Array(gunzipSync(readFileSync(new URL(file, dir)))));
    const type = btf.typeById(btf.findByName('bpf_prog_info', 'STRUCT'));
    if (type.kind !== 'STRUCT') throw new Error('no such struct');
    expect(type.sizeBytes).toBe(PROG_INFO_BYTES);
    const named = type.members.filter(({ name }) => name !== '');
    expect(PROG_INFO_OFFSETS).toEqual(Object.fromEntries(named.map(({ name, bitOffset }) => [name, bitOffset / 8])));
  });
});

describe('prototypes', () => {
  const build = (make: (b: BtfBuilder) => number): [Btf, number] => {
    const b = new BtfBuilder();
    const id = make(b);
    return [b.build(), id];
  };
  const int = {
    kind: 'INT',
    name: 'int',
    sizeBytes: 4,
    encoding: 1,
    bitOffset: 0,
    bits: 32,
    signed: true,
    char: false,
    bool: false,
  } as const;

  it('spells types as bpftool does', () => {
    const [btf, func] = build(b => {
      const i = b.add(int);
      const konst = b.add({ kind: 'CONST', name: '', typeId: i });
      const array = b.add({ kind: 'ARRAY', name: '', typeId: konst, indexTypeId: i, nelems: 4 });
      const fwd = b.add({ kind: 'FWD', name: 'far', of: 'union' });
      const hook = b.add({ kind: 'FUNC_PROTO', name: '', returnTypeId: 0, params: [{ name: '', typeId: i }] });
      const params = [
        { name: 'a', typeId: b.add({ kind: 'PTR', name: '', typeId: array }) },
        { name: '', typeId: b.add({ kind: 'PTR', name: '', typeId: fwd }) },
        { name: 'hook', typeId: b.add({ kind: 'PTR', name: '', typeId: hook }) },
        { name: '', typeId: 0 },
      ];
      const proto = b.add({ kind: 'FUNC_PROTO', name: '', returnTypeId: 0, params });
      return b.add({ kind: 'FUNC', name: 'f', typeId: proto, linkage: 1 });
    });
    expect(prototypeText(btf, func)).toBe('void f(const int [4]* a, union far *, void (int)* hook, ...)');
  });

  it.each([
    ['a type that contains itself', (b: BtfBuilder) => b.add({ kind: 'CONST', name: '', typeId: 1 })],
    [
      'a type tag',
      (b: BtfBuilder) => b.add({ kind: 'TYPE_TAG', name: 'user', isAttribute: false, typeId: b.add(int) }),
    ],
    ['an id of no type', () => 9],
  ])('has no words for %s', (_, make) => {
    const [btf, id] = build(b => make(b));
    expect(prototypeText(btf, id)).toBe('');
  });

  it('prints nothing that does not fit 1023 bytes', () => {
    const named = (length: number): string => {
      const [btf, id] = build(b => b.add({ ...int, name: 'n'.repeat(length) }));
      return prototypeText(btf, id);
    };
    expect(named(1022)).toBe(`${'n'.repeat(1022)} `);
    expect(named(1023)).toBe('');
  });
});

describe('line records', () => {
  const record = (insnIdx: number) => ({ insnIdx, fileNameOff: 0, lineOff: 0, line: insnIdx + 1, column: 0 });

  it('are found as libbpf finds them', () => {
    const places = fc.uniqueArray(fc.nat(30), { minLength: 1, maxLength: 10 }).map(list => list.sort((a, b) => a - b));
    fc.assert(
      fc.property(places, fc.array(fc.nat(40), { maxLength: 30 }), (at, asked) => {
        const records = at.map(record);
        const walk = new LineWalk(records, at);
        let skip = 0;
        for (const place of asked.sort((a, b) => a - b)) {
          let found: number | undefined;
          if (skip < at.length && place >= at[skip]) {
            found = at.findLastIndex(start => start <= place);
            skip++;
          }
          expect(walk.next(place)).toBe(found === undefined ? undefined : records[found]);
        }
      }),
    );
  });

  it('of one address are one place', () => {
    const records = [record(0), record(1), record(2)];
    const walk = new LineWalk(records, [100n, 100n, 108n]);
    expect([100n, 104n, 108n, 112n].map(addr => walk.next(addr))).toEqual([
      records[1],
      undefined,
      records[2],
      undefined,
    ]);
  });

  const [{ source }] = recordedPrograms();
  const { info, btf } = source;
  it.each([
    ['begin elsewhere than the program', info.jitedLineInfo.with(0, info.jitedLineInfo[0] + 1n)],
    ['go back', info.jitedLineInfo.with(2, info.jitedLineInfo[0])],
    ['leave a function out', info.jitedLineInfo.map(addr => (addr === info.jitedKsyms[3] ? addr + 1n : addr))],
  ])('whose addresses %s are left aside', (_, jitedLineInfo) => {
    expect(LineTable.of(info, btf)).toBeDefined();
    expect(LineTable.of({ ...info, jitedLineInfo }, btf)).toBeUndefined();
  });
  it('may share an address, unless bpftool is to agree', () => {
    const jitedLineInfo = info.jitedLineInfo.with(2, info.jitedLineInfo[1]);
    const shared = { ...source, info: { ...info, jitedLineInfo } };
    expect(dumpXlated(shared)).toBe(dumpXlated(source));
    expect(dumpXlated(shared, { asBpftool: true })).toBe(dumpXlated({ ...source, info: { ...info, lineInfo: [] } }));
  });
  it('without addresses still stand beside slots', () => {
    expect(LineTable.of({ ...info, jitedLineInfo: [] }, btf)?.walkFunction(0)).toBeUndefined();
    expect(dumpXlated({ ...source, info: { ...info, jitedLineInfo: [] } })).toBe(dumpXlated(source));
  });
});

describe('local calls', () => {
  const swap = (insn: Insn): Insn => (isPseudoCall(insn) ? { ...insn, off: insn.imm, imm: insn.off } : insn);

  it('say the same in the encoding of 7.1', () => {
    for (const { source } of recordedPrograms()) {
      const info = { ...source.info, xlated: source.info.xlated.map(swap) };
      if (source.info.jitedKsyms.length > 1) expect(encodingOf(info)).toBe('7.1');
      expect(encodingOf(source.info)).toBe('6.12');
      expect(dumpXlated({ ...source, info })).toBe(dumpXlated(source));
      expect(dumpXlatedGraph({ ...source, info })).toBe(dumpXlatedGraph(source));
      const bare = { ...info, funcInfo: [], lineInfo: [] };
      expect(encodingOf(bare)).toBe(encodingOf(info));
    }
  });

  it('tell encodings apart when distances outgrew 16 bits', () => {
    const far = 40000;
    const filler = Array.from({ length: far }, () => makeInsn(0xb7, 0, 0, 0, 0));
    const program = (call: Insn): Insn[] => [call, ...filler, makeInsn(0x95, 0, 0, 0, 0)];
    const funcInfo = [
      { insnIdx: 0, typeId: 1 },
      { insnIdx: far + 1, typeId: 2 },
    ];
    // What 6.12.107, 7.2.13 and the proposal for 7.1 make of it.
    expect(encodingOf({ xlated: program(makeInsn(0x85, 0, 1, far, -2)), funcInfo })).toBe('6.12');
    expect(encodingOf({ xlated: program(makeInsn(0x85, 0, 1, 0, 1)), funcInfo })).toBe('6.12');
    expect(encodingOf({ xlated: program(makeInsn(0x85, 0, 1, 1, far)), funcInfo })).toBe('7.1');
  });

  it('of interpreted programs show their distance alone', () => {
    const xlated = [makeInsn(0x85, 0, 1, 1, 0x12345), makeInsn(0x95, 0, 0, 0, 0), makeInsn(0x95, 0, 0, 0, 0)];
    expect(dumpXlated(sourceOf({ xlated }))).toBe('   0: (85) call pc+1\n   1: (95) exit\n   2: (95) exit\n');
  });

  it('find their names however far images lie from __bpf_call_base', () => {
    // On PowerPC the distance does not fit `imm`: a tool that trusts it finds nothing there.
    const callBase = 0xc000000000231000n;
    const jitedKsyms = [0xc008000000004a58n, 0xc008000000004accn];
    const xlated = [makeInsn(0x85, 0, 1, 1, 1), makeInsn(0x95, 0, 0, 0, 0), makeInsn(0x95, 0, 0, 0, 0)];
    const named = sourceOf(
      { xlated, jitedKsyms },
      { symbols: { callBase, symbolAt: addr => (addr === jitedKsyms[1] ? 'bpf_prog_cf418ac8b67bebd9_F' : undefined) } },
    );
    expect(dumpXlated(named)).toMatch(/^ {3}0: \(85\) call pc\+1#bpf_prog_cf418ac8b67bebd9_F\n/);
    const nameless = { ...named, symbols: { callBase, symbolAt: () => undefined } };
    expect(dumpXlated(nameless)).toMatch(/^ {3}0: \(85\) call pc\+1#0xc008000000004acc\n/);
  });
});

describe('immediates', () => {
  it.each([
    [0, '0x700000001'],
    [1, 'map[id:1]'],
    [2, 'map[id:1][0]+7'],
    [3, '0x700000001'],
    [4, 'subprog[+1]'],
    [6, 'map[idx:1]+7'],
  ])('src %i is %s', (src, text) => {
    const xlated = [makeInsn(0x18, 3, src, 0, 1), makeInsn(0, 0, 0, 0, 7), makeInsn(0x95, 0, 0, 0, 0)];
    expect(dumpXlated(sourceOf({ xlated }))).toBe(`   0: (18) r3 = ${text}\n   2: (95) exit\n`);
  });
});

describe('graphs', () => {
  const xlated = insnsOf(`
    if r1 > 1 goto big
    r0 = 1
    exit
big:
    gotol far
    r0 = 2
    exit
far:
    call helper
    exit
helper:
    r0 = 3
    exit`);
  const calls = xlated.map(insn => (isPseudoCall(insn) ? { ...insn, off: insn.imm, imm: 1 } : insn));
  const edges = (asBpftool: boolean): string[] =>
    [...dumpXlatedGraph(sourceOf({ xlated: calls }), { asBpftool }).matchAll(/fn_(\S+):s -> fn_(\S+):n.*bold/g)].map(
      ([, from, to]) => `${from} > ${to}`.replaceAll('_bb_', '.'),
    );

  it('lead where the program leads', () => {
    expect(edges(false)).toEqual([
      '0.0 > 0.2',
      '0.2 > 0.3',
      '0.2 > 0.4',
      '0.3 > 0.1',
      '0.4 > 0.6',
      '0.5 > 0.1',
      '0.6 > 0.1',
      '1.0 > 1.2',
      '1.2 > 1.1',
    ]);
  });
  it('or where bpftool says', () => {
    expect(edges(true)).toContain('0.3 > 0.4');
    expect(edges(true)).not.toContain('0.4 > 0.6');
  });
  it('show each function its own source lines', () => {
    const [{ source }] = recordedPrograms();
    const own = dumpXlatedGraph(source);
    expect(own.match(/; int twelve\(/g)).toHaveLength(1);
    expect(own).toContain('; int step9(');
    expect(dumpXlatedGraph(source, { asBpftool: true }).match(/; int twelve\(/g)?.length).toBeGreaterThan(1);
  });
  it.each([
    ['jumps out of the program', 'goto +100\nexit'],
    ['a jump before it', 'goto -100\nexit'],
  ])('bear %s', (_, text) => {
    expect(dumpXlatedGraph(sourceOf({ xlated: insnsOf(text) }))).toMatch(/^digraph [\s\S]*\}\n$/);
  });
  it('of nothing are empty', () => {
    expect(dumpXlatedGraph(sourceOf({}))).toBe('digraph "DOT graph for eBPF program" {\n}\n');
  });
});

/** Two-byte instructions of a made-up machine; anything with the top bit set is none. */
const toy: Disassembler = (code, offBytes, addr) =>
  code[offBytes] & 0x80
    ? undefined
    : { sizeBytes: 2, mnemonic: `op${code[offBytes]}`, operands: code[offBytes + 1] === 0 ? '' : `r1, ${addr}(r2)` };

describe('jited dumps', () => {
  const info = {
    jited: Uint8Array.of(1, 0, 2, 1, 0x93, 0x92, 0x91, 0x90, 4, 0),
    jitedKsyms: [16n, 64n],
    jitedFuncLens: [4, 6],
  };
  const symbols = {
    callBase: 0n,
    symbolAt: (addr: bigint) => (addr === 16n ? 'bpf_prog_0123456789abcdef' : undefined),
  };
  const source = sourceOf(info, { symbols });

  it('show function by function', () => {
    expect(dumpJited(source, toy, { opcodes: true })).toBe(
      'bpf_prog_0123456789abcdef:\n' +
        '   0:\top1\n\t01 00 \n' +
        '   2:\top2 r1, 18(r2)\n\t02 01 \n' +
        '\n' +
        '0x0000000000000040:\n' +
        '   0:\t.long 0x90919293\n\t93 92 91 90 \n' +
        '   4:\top4\n\t04 00 \n' +
        '\n',
    );
  });
  it('cut data where an instruction is undefined, in the order of the machine', () => {
    const texts = dumpJitedJson({ ...source, order: 'big' }, toy, { unitBytes: 2 })[1].insns;
    expect(texts.map(insn => [insn.pc, insn.operation, insn.operands])).toEqual([
      ['0x0', '.short', ['0x9392']],
      ['0x2', '.short', ['0x9190']],
      ['0x4', 'op4', [null]],
    ]);
  });
  it('are data for bpftool', () => {
    expect(JSON.stringify(dumpJitedJson(source, toy, { opcodes: true }).slice(0, 1))).toBe(
      '[{"name":"bpf_prog_0123456789abcdef","insns":[' +
        '{"pc":"0x0","operation":"op1","operands":[null],"opcodes":["0x01","0x00"]},' +
        '{"pc":"0x2","operation":"op2","operands":["r1","18","r2"],"opcodes":["0x02","0x01"]}]}]',
    );
  });
  it('do not read function descriptors as code', () => {
    const descriptor = new Uint8Array(26);
    descriptor[7] = 0x58;
    const dump = dumpJited(
      sourceOf({ jited: descriptor, jitedKsyms: [16n], jitedFuncLens: [26] }, { symbols, order: 'big' }),
      toy,
      { descriptorBytes: 24 },
    );
    expect(dump.split('\n').slice(1, 5)).toEqual([
      '   0:\t.quad 0x0000000000000058',
      '   8:\t.quad 0x0000000000000000',
      '  10:\t.quad 0x0000000000000000',
      '  18:\top0',
    ]);
  });
  it('call a function without address unknown', () => {
    expect(dumpJited(sourceOf({ ...info, jitedKsyms: [] }), toy)).toMatch(/^unknown:\n/);
  });

  it('put source lines before the code that came of them', () => {
    const [recorded] = recordedPrograms();
    const byLine = new Map<string, number>();
    const dump = dumpJited(
      recorded.source,
      (_, offBytes) => ({ sizeBytes: 1, mnemonic: `at${offBytes}`, operands: '' }),
      {
        linum: true,
      },
    );
    const blocks = dump.trimEnd().split('\n\n');
    expect(blocks).toHaveLength(12);
    for (const [i, block] of blocks.entries()) {
      const [proto, symbol, first] = block.split('\n');
      expect(proto).toMatch(/^\w+ .*\(.*\):$/);
      expect(symbol).toMatch(/^bpf_prog_[0-9a-f]{16}_\w+:$/);
      expect(first).toMatch(/^; .* \[file:.* line_num:\d+ line_col:\d+\]$/);
      for (const [, line] of block.matchAll(/^; .* line_num:(\d+) /gm)) byLine.set(`${i} ${line}`, i);
    }
    const { info: whole } = recorded.source;
    expect([...dump.matchAll(/^; /gm)]).toHaveLength(whole.lineInfo.length);
  });
});

describe('prog show', () => {
  it('leaves out what is not known', () => {
    expect(showProg({ ...EMPTY, name: '' }, undefined)).toBe('7: xdp  tag 0123456789abcdef\n\txlated 0B  not jited\n');
    expect(showProgJson({ ...EMPTY, name: '' }, undefined)).toEqual({
      id: 7,
      type: 'xdp',
      tag: '0123456789abcdef',
      gpl_compatible: false,
      orphaned: false,
      bytes_xlated: 0,
      jited: false,
    });
  });
  it('shows times where the machine stands, and runs', () => {
    const info = { ...EMPTY, loadTimeNs: 2_500_000_000n, gplCompatible: true, createdByUid: 1000 };
    const facts = { bootSeconds: 1_700_000_000, zoneMinutes: -210, runTimeNs: 90n, runCount: 3n, recursionMisses: 2n };
    expect(showProg(info, undefined, facts)).toBe(
      '7: xdp  name prog  tag 0123456789abcdef  gpl run_time_ns 90 run_cnt 3 recursion_misses 2\n' +
        '\tloaded_at 2023-11-14T18:43:22-0330  uid 1000\n\txlated 0B  not jited\n',
    );
    expect(showProgJson(info, undefined, facts)).toMatchObject({ loaded_at: 1_700_000_002, uid: 1000, run_cnt: 3n });
  });
  it('numbers types it has no name for', () => {
    expect(showProg({ ...EMPTY, type: 99 }, undefined)).toMatch(/^7: type 99 {2}name prog /);
    expect(showProgJson({ ...EMPTY, type: 99 }, undefined).type).toBe(99);
  });
  it('takes names that were cut from BTF', () => {
    const b = new BtfBuilder();
    const proto = b.add({ kind: 'FUNC_PROTO', name: '', returnTypeId: 0, params: [] });
    const func = b.add({ kind: 'FUNC', name: 'a_name_of_twenty_one', typeId: proto, linkage: 1 });
    const btf = b.build();
    const info = { ...EMPTY, btfId: 3, name: 'a_name_of_twent', funcInfo: [{ insnIdx: 0, typeId: func }] };
    expect(progFullName(info, btf)).toBe('a_name_of_twenty_one');
    expect(progFullName({ ...info, name: 'short' }, btf)).toBe('short');
    expect(progFullName(info, undefined)).toBe('a_name_of_twent');
  });
});
