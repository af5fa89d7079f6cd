import type { ProgInfo } from '../../jit/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { type ByteOrder, encodeText, fromHex } from '../../util/index.ts';
import { getProgInfo, INFO_ARRAYS, INFO_ELEMENT_BYTES, type InfoArray, type ProgInfoQuery } from './query.ts';

/** No struct handed to bpf(2) may be longer. */
const PAGE_BYTES = 4096;
/** Bytes of `struct bpf_prog_info` in Linux 6.12. */
export const PROG_INFO_BYTES = 232;

/**
 * Byte offsets in `struct bpf_prog_info` (`include/uapi/linux/bpf.h`), which are the same on every machine:
 *
 * ```
 *   0 type  4 id  8 tag[8]  16 jited_prog_len  20 xlated_prog_len  24 jited_prog_insns  32 xlated_prog_insns
 *  40 load_time  48 created_by_uid  52 nr_map_ids  56 map_ids  64 name[16]  80 ifindex  84 gpl_compatible:1
 *  88 netns_dev  96 netns_ino  104 nr_jited_ksyms  108 nr_jited_func_lens  112 jited_ksyms  120 jited_func_lens
 * 128 btf_id  132 func_info_rec_size  136 func_info  144 nr_func_info  148 nr_line_info  152 line_info
 * 160 jited_line_info  168 nr_jited_line_info  172 line_info_rec_size  176 jited_line_info_rec_size
 * 180 nr_prog_tags  184 prog_tags  192 run_time_ns  200 run_cnt  208 recursion_misses  216 verified_insns
 * 220 attach_btf_obj_id  224 attach_btf_id
 * ```
 */
export const PROG_INFO_OFFSETS = {
  type: 0,
  id: 4,
  tag: 8,
  jited_prog_len: 16,
  xlated_prog_len: 20,
  jited_prog_insns: 24,
  xlated_prog_insns: 32,
  load_time: 40,
  created_by_uid: 48,
  nr_map_ids: 52,
  map_ids: 56,
  name: 64,
  ifindex: 80,
  gpl_compatible: 84,
  netns_dev: 88,
  netns_ino: 96,
  nr_jited_ksyms: 104,
  nr_jited_func_lens: 108,
  jited_ksyms: 112,
  jited_func_lens: 120,
  btf_id: 128,
  func_info_rec_size: 132,
  func_info: 136,
  nr_func_info: 144,
  nr_line_info: 148,
  line_info: 152,
  jited_line_info: 160,
  nr_jited_line_info: 168,
  line_info_rec_size: 172,
  jited_line_info_rec_size: 176,
  nr_prog_tags: 180,
  prog_tags: 184,
  run_time_ns: 192,
  run_cnt: 200,
  recursion_misses: 208,
  verified_insns: 216,
  attach_btf_obj_id: 220,
  attach_btf_id: 224,
} as const;
const O = PROG_INFO_OFFSETS;

/** Where the count and the pointer of each array lie. */
const PLACES: Readonly<Record<InfoArray, { readonly count: number; readonly pointer: number }>> = {
  mapIds: { count: O.nr_map_ids, pointer: O.map_ids },
  xlated: { count: O.xlated_prog_len, pointer: O.xlated_prog_insns },
  jited: { count: O.jited_prog_len, pointer: O.jited_prog_insns },
  jitedKsyms: { count: O.nr_jited_ksyms, pointer: O.jited_ksyms },
  jitedFuncLens: { count: O.nr_jited_func_lens, pointer: O.jited_func_lens },
  funcInfo: { count: O.nr_func_info, pointer: O.func_info },
  lineInfo: { count: O.nr_line_info, pointer: O.line_info },
  jitedLineInfo: { count: O.nr_jited_line_info, pointer: O.jited_line_info },
  progTags: { count: O.nr_prog_tags, pointer: O.prog_tags },
};

/** A call of `BPF_OBJ_GET_INFO_BY_FD`, as user space makes it. */
export interface ProgInfoCall extends Pick<ProgInfoQuery, 'capBpf' | 'kallsymsShow'> {
  /** The struct handed in: `info_len` bytes. Longer than the kernel's, its tail has to be 0. */
  readonly struct: Uint8Array;
  /** Default little. */
  readonly order?: ByteOrder;
  /** Writes to user memory; false where there is none: EFAULT. Called for each array that is asked for. */
  copyOut(addr: bigint, bytes: Uint8Array): boolean;
}

export type ProgInfoAnswer =
  | { readonly ok: false; readonly errno: number }
  /** The struct as it comes back: no longer than it was handed in, nor than the kernel's. */
  | { readonly ok: true; readonly struct: Uint8Array };

/**
 * Answers a call for information about a program in bytes. Arrays written before the one that fails stay written, as in
 * Linux.
 */
export function answerProgInfo(info: ProgInfo, call: ProgInfoCall): ProgInfoAnswer {
  const { order = 'little' } = call;
  const tail = call.struct.subarray(PROG_INFO_BYTES);
  if (call.struct.length > PAGE_BYTES || tail.some(byte => byte !== 0)) return { ok: false, errno: ERRNO.E2BIG };
  const bytes = new Uint8Array(PROG_INFO_BYTES);
  const length = Math.min(call.struct.length, PROG_INFO_BYTES);
  bytes.set(call.struct.subarray(0, length));
  const view = new DataView(bytes.buffer);
  const little = order === 'little';
  const capacities = {} as Record<InfoArray, number>;
  for (const name of INFO_ARRAYS) capacities[name] = view.getUint32(PLACES[name].count, little);
  const reply = getProgInfo(info, {
    capacities,
    recordBytes: {
      funcInfo: view.getUint32(O.func_info_rec_size, little),
      lineInfo: view.getUint32(O.line_info_rec_size, little),
      jitedLineInfo: view.getUint32(O.jited_line_info_rec_size, little),
    },
    capBpf: call.capBpf,
    kallsymsShow: call.kallsymsShow,
    order,
  });
  if (!reply.ok) return reply;
  for (const name of INFO_ARRAYS) {
    const { count, pointer } = PLACES[name];
    const { bytes: elements, pointerCleared, count: there } = reply.arrays[name];
    if (elements.length > 0 && !call.copyOut(view.getBigUint64(pointer, little), elements)) {
      return { ok: false, errno: ERRNO.EFAULT };
    }
    view.setUint32(count, there, little);
    if (pointerCleared) view.setBigUint64(pointer, 0n, little);
  }
  putFields(view, info, little);
  return { ok: true, struct: bytes.subarray(0, length) };
}

const NAME_BYTES = 16;

/** Everything that is no array. Statistics of runs and devices stay as they are handed in where there are none: 0. */
function putFields(view: DataView, info: ProgInfo, little: boolean): void {
  const u32 = (off: number, value: number): void => view.setUint32(off, value, little);
  const bytes = new Uint8Array(view.buffer);
  u32(O.type, info.type);
  u32(O.id, info.id);
  bytes.set(fromHex(info.tag).subarray(0, 8), O.tag);
  view.setBigUint64(O.load_time, BigInt.asUintN(64, info.loadTimeNs), little);
  u32(O.created_by_uid, info.createdByUid);
  bytes.fill(0, O.name, O.name + NAME_BYTES);
  bytes.set(encodeText(info.name).subarray(0, NAME_BYTES - 1), O.name);
  // A bit field of one bit: the lowest bit of the first byte, or the highest on big-endian machines.
  const bit = little ? 0x01 : 0x80;
  bytes[O.gpl_compatible] = info.gplCompatible ? bytes[O.gpl_compatible] | bit : bytes[O.gpl_compatible] & ~bit;
  u32(O.btf_id, info.btfId);
  u32(O.func_info_rec_size, INFO_ELEMENT_BYTES.funcInfo);
  u32(O.line_info_rec_size, INFO_ELEMENT_BYTES.lineInfo);
  u32(O.jited_line_info_rec_size, INFO_ELEMENT_BYTES.jitedLineInfo);
  for (const off of [O.run_time_ns, O.run_cnt, O.recursion_misses]) view.setBigUint64(off, 0n, little);
  u32(O.verified_insns, info.verifiedInsns);
  u32(O.attach_btf_obj_id, info.attachBtfObjId);
  u32(O.attach_btf_id, info.attachBtfId);
}
