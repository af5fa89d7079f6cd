import { describe, expect, it } from 'vitest';
import { recordedPrograms } from '../../../test/support/bpftool-fixture.ts';
import { bpfSymbolName, formatKallsyms } from '../../kernels/index.ts';
import { fromHex, toHex } from '../../util/index.ts';
import {
  answerProgInfo,
  dumpXlated,
  dumpXlatedGraph,
  dumpXlatedJson,
  getProgInfo,
  HIDDEN_SYMBOLS,
  PROG_INFO_BYTES,
  progMemlockBytes,
  showProg,
  showProgJson,
  visibleInfo,
} from './index.ts';

const RECORDED = recordedPrograms();
const json = (value: unknown): string => `${JSON.stringify(value)}\n`;

describe.each(RECORDED.map(recorded => [recorded.answer.prog, recorded] as const))(
  'bpftool 7.5 on Linux 6.12: %s',
  (_, { answer, source, loadedSlots }) => {
    const { info, btf } = source;
    const release = { linux: '6.12' };
    // The second of loading is told by the clock of the machine that booted it.
    const [, loadedAt] = /"loaded_at":(\d+)/.exec(answer.bpftool_show_json) ?? [];
    const bootSeconds = Number(loadedAt) - Math.floor(answer.load_time / 1e9);
    const memlockBytes = progMemlockBytes(Math.max(loadedSlots, info.xlated.length));
    const facts = { bootSeconds, memlockBytes };

    it('prog show', () => {
      expect(showProg(info, btf, facts)).toBe(answer.bpftool_show);
      expect(json(showProgJson(info, btf, facts))).toBe(answer.bpftool_show_json);
    });
    it('prog dump xlated', () => {
      expect(dumpXlated(source, release)).toBe(answer.bpftool_xlated);
      expect(dumpXlated(source, { ...release, opcodes: true, linum: true })).toBe(answer.bpftool_xlated_opcodes);
    });
    it('prog dump xlated in JSON', () => {
      expect(json(dumpXlatedJson(source, { ...release, opcodes: true }))).toBe(answer.bpftool_xlated_json);
      expect(json(dumpXlatedJson(source, { ...release, linum: true }))).toBe(answer.bpftool_xlated_json_linum);
    });
    it('prog dump xlated visual', () => {
      // bpftool follows a null pointer where a local call ends a block.
      const [plain, full] = [answer.bpftool_visual, answer.bpftool_visual_full];
      const asBpftool = { ...release, asBpftool: true };
      const graph = dumpXlatedGraph(source, asBpftool);
      expect(plain.endsWith('}\n}\n') ? graph : graph.slice(0, plain.length)).toBe(plain);
      const fullGraph = dumpXlatedGraph(source, { ...asBpftool, opcodes: true, linum: true });
      expect(full.endsWith('}\n}\n') ? fullGraph : fullGraph.slice(0, full.length)).toBe(full);
    });
    it('prog dump xlated where addresses are hidden', () => {
      const hidden = { ...source, info: visibleInfo(info, { kallsymsShow: false }), symbols: HIDDEN_SYMBOLS };
      expect(dumpXlated(hidden, { ...release, opcodes: true })).toBe(answer.bpftool_hidden_xlated);
    });
    it('/proc/kallsyms', () => {
      const ksyms = info.jitedKsyms.map((addr, i) => {
        const func = info.funcInfo[i];
        const name = func !== undefined && btf !== undefined ? btf.nameOf(func.typeId) : i === 0 ? info.name : 'F';
        const symbol = bpfSymbolName(i === 0 ? info.tag : info.progTags[i], name);
        return { addr, sizeBytes: info.jitedFuncLens[i], kind: 't', name: symbol, module: 'bpf' };
      });
      const sorted = (text: string): string[] => text.trimEnd().split('\n').sort();
      expect(sorted(formatKallsyms(ksyms))).toEqual(sorted(answer.kallsyms_bpf));
    });
  },
);

const CASES = RECORDED.flatMap(({ answer, source }) =>
  (answer.cases ?? []).map(asked => [`${answer.prog}: ${asked.what}`, answer, asked, source.info] as const),
);

describe('BPF_OBJ_GET_INFO_BY_FD, as Linux 6.12 answers', () => {
  it('was asked as root, with addresses hidden, and without CAP_BPF', () => {
    expect(CASES.length).toBeGreaterThan(100);
    expect(new Set(CASES.map(([name]) => /: (.*)\//.exec(name)?.[1]))).toEqual(new Set(['root', 'hidden', 'nocap']));
  });

  it.each(CASES)('%s', (_, answer, asked, info) => {
    const arena = BigInt(`0x${answer.arena}`);
    const written: { off: number; hex: string }[] = [];
    const reply = answerProgInfo(info, {
      struct: fromHex(asked.in).subarray(0, asked.len),
      capBpf: !asked.what.startsWith('nocap/'),
      kallsymsShow: !asked.what.startsWith('hidden/'),
      copyOut(addr, bytes) {
        if (addr < arena) return false;
        written.push({ off: Number(addr - arena), hex: toHex(bytes) });
        return true;
      },
    });
    expect(reply.ok ? 0 : reply.errno).toBe(asked.errno);
    if (reply.ok) expect(toHex(reply.struct)).toBe(asked.out?.slice(0, asked.len * 2));
    expect(memoryOf(written)).toEqual(memoryOf(asked.written.map(([off, hex]) => ({ off, hex }))));
  });

  const [{ source }] = RECORDED;
  it('refuses structs whose unknown tail is not 0, and overlong ones', () => {
    const ask = (struct: Uint8Array): number => {
      const reply = answerProgInfo(source.info, { struct, copyOut: () => false });
      return reply.ok ? 0 : reply.errno;
    };
    expect(ask(new Uint8Array(PROG_INFO_BYTES + 8))).toBe(0);
    expect(ask(Uint8Array.of(...new Uint8Array(PROG_INFO_BYTES), 1))).toBe(7);
    expect(ask(new Uint8Array(4097))).toBe(7);
  });
  it('writes arrays and fields in the byte order of the machine', () => {
    const written: string[] = [];
    const struct = new Uint8Array(PROG_INFO_BYTES);
    new DataView(struct.buffer).setUint32(104, 1);
    new DataView(struct.buffer).setBigUint64(112, 0x1000n);
    const reply = answerProgInfo(source.info, {
      struct,
      order: 'big',
      copyOut: (addr, bytes) => written.push(`${addr.toString(16)} ${toHex(bytes)}`) > 0,
    });
    expect(written).toEqual([`1000 ${source.info.jitedKsyms[0].toString(16)}`]);
    expect(reply.ok && new DataView(reply.struct.buffer).getUint32(104)).toBe(source.info.jitedKsyms.length);
    expect(reply.ok && reply.struct[84]).toBe(0x80);
  });
});

/** Bytes by place: how writes are cut into pieces says nothing. */
function memoryOf(pieces: readonly { off: number; hex: string }[]): Record<number, string> {
  const memory: Record<number, string> = {};
  for (const { off, hex } of pieces) {
    for (let i = 0; i < hex.length; i += 2) memory[off + i / 2] = hex.slice(i, i + 2);
  }
  return memory;
}

describe('getProgInfo', () => {
  const [{ source }] = RECORDED;
  const { info } = source;

  it('counts everything and copies nothing unasked', () => {
    const reply = getProgInfo(info);
    expect(
      reply.ok && Object.fromEntries(Object.entries(reply.arrays).map(([name, { count }]) => [name, count])),
    ).toEqual({
      mapIds: info.mapIds.length,
      xlated: info.xlatedBytes,
      jited: info.jitedBytes,
      jitedKsyms: 12,
      jitedFuncLens: 12,
      funcInfo: 12,
      lineInfo: info.lineInfo.length,
      jitedLineInfo: info.lineInfo.length,
      progTags: 12,
    });
    expect(reply.ok && Object.values(reply.arrays).every(({ bytes }) => bytes.length === 0)).toBe(true);
  });
  it('says one function of a program without code', () => {
    const bare = { ...info, jitedKsyms: [], jitedFuncLens: [], progTags: [], jited: new Uint8Array(0), jitedBytes: 0 };
    const reply = getProgInfo(bare, { capacities: { jitedKsyms: 4, jitedFuncLens: 4, progTags: 4 } });
    expect(reply.ok && reply.arrays.jitedKsyms).toMatchObject({ count: 1, bytes: new Uint8Array(8) });
    expect(reply.ok && reply.arrays.jitedFuncLens).toMatchObject({ count: 1, bytes: new Uint8Array(4) });
    expect(reply.ok && toHex(reply.arrays.progTags.bytes)).toBe(info.tag);
  });
  it('leaves bpf_tail_call its id where addresses are hidden', () => {
    const tail = RECORDED.find(({ answer }) => answer.prog === 'tail')!.source.info;
    const calls = visibleInfo(tail, { kallsymsShow: false }).xlated.filter(({ code }) => code === 0x85);
    expect(calls.map(({ imm }) => imm).sort()).toEqual([0, 12]);
  });
  it('shows a program without code to those who may not see it', () => {
    const seen = visibleInfo(info, { capBpf: false });
    expect(showProg(seen, undefined)).toContain('\txlated 0B  not jited');
    expect(dumpXlated({ ...source, info: seen })).toBe('');
  });
});
