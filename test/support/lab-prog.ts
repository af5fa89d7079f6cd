import { decodeInsns } from '../../src/isa/index.ts';
import type { ProgInfo } from '../../src/jit/index.ts';
import { fromHex } from '../../src/util/index.ts';

/** What a kernel lab says of a program that a kernel accepted: `bpf_prog_info`, its arrays as hex, and bpftool's texts. */
export interface LabProgram {
  readonly file: string;
  readonly prog: string;
  readonly type?: number;
  readonly errno: number;
  readonly tag: string;
  readonly verified_insns: number;
  readonly xlated: string;
  readonly jited: string;
  readonly ksyms: readonly string[];
  readonly func_lens: readonly number[];
  readonly id: number;
  readonly name: string;
  readonly gpl: number;
  readonly uid: number;
  readonly load_time: number;
  readonly btf_id: number;
  readonly map_ids: readonly number[];
  readonly attach_btf_obj_id: number;
  readonly attach_btf_id: number;
  /** `struct bpf_func_info` and `struct bpf_line_info` records. */
  readonly func_info: string;
  readonly line_info: string;
  readonly jited_line_info: readonly string[];
  readonly prog_tags: string;
  readonly [text: `bpftool_${string}`]: string;
}

export const addrOf = (hex: string): bigint => BigInt(`0x${hex}`);

function wordsOf(hex: string): DataView {
  const bytes = fromHex(hex);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The answer as our own inspection takes it. */
export function labProgInfo(answer: LabProgram, type: number): ProgInfo {
  const funcs = wordsOf(answer.func_info);
  const lines = wordsOf(answer.line_info);
  const jited = fromHex(answer.jited);
  return {
    id: answer.id,
    type,
    name: answer.name,
    tag: answer.tag,
    gplCompatible: answer.gpl === 1,
    loadTimeNs: BigInt(answer.load_time),
    createdByUid: answer.uid,
    mapIds: answer.map_ids,
    btfId: answer.btf_id,
    xlated: decodeInsns(fromHex(answer.xlated)),
    xlatedBytes: answer.xlated.length / 2,
    jited,
    jitedBytes: jited.length,
    jitedKsyms: answer.ksyms.map(addrOf),
    jitedFuncLens: answer.func_lens,
    progTags: answer.prog_tags.match(/.{16}/g) ?? [],
    funcInfo: Array.from({ length: funcs.byteLength / 8 }, (_, i) => ({
      insnIdx: funcs.getUint32(i * 8, true),
      typeId: funcs.getUint32(i * 8 + 4, true),
    })),
    lineInfo: Array.from({ length: lines.byteLength / 16 }, (_, i) => {
      const place = lines.getUint32(i * 16 + 12, true);
      return {
        insnIdx: lines.getUint32(i * 16, true),
        fileNameOff: lines.getUint32(i * 16 + 4, true),
        lineOff: lines.getUint32(i * 16 + 8, true),
        line: place >>> 10,
        column: place & 0x3ff,
      };
    }),
    jitedLineInfo: answer.jited_line_info.map(addrOf),
    verifiedInsns: answer.verified_insns,
    attachBtfObjId: answer.attach_btf_obj_id,
    attachBtfId: answer.attach_btf_id,
  };
}
