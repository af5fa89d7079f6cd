import { BPF_PSEUDO_CALL, CALL, encodeInsns, type Insn, isWide } from '../../isa/index.ts';
import type { ProgInfo } from '../../jit/index.ts';
import { ERRNO, helperId } from '../../uapi/index.ts';
import { type ByteOrder, ByteWriter, fromHex } from '../../util/index.ts';

/** The arrays of `bpf_prog_info`. Instructions are counted in bytes, the others in elements. */
export const INFO_ARRAYS = [
  'mapIds',
  'xlated',
  'jited',
  'jitedKsyms',
  'jitedFuncLens',
  'funcInfo',
  'lineInfo',
  'jitedLineInfo',
  'progTags',
] as const;
export type InfoArray = (typeof INFO_ARRAYS)[number];

/** Bytes of an element. */
export const INFO_ELEMENT_BYTES: Readonly<Record<InfoArray, number>> = {
  mapIds: 4,
  xlated: 1,
  jited: 1,
  jitedKsyms: 8,
  jitedFuncLens: 4,
  funcInfo: 8,
  lineInfo: 16,
  jitedLineInfo: 8,
  progTags: 8,
};

/** Arrays whose records may grow, so that who asks has to say the size he knows. */
export type RecordArray = 'funcInfo' | 'lineInfo' | 'jitedLineInfo';
const RECORD_ARRAYS: readonly RecordArray[] = ['funcInfo', 'lineInfo', 'jitedLineInfo'];

/** Who asks, and for how much. */
export interface ProgInfoQuery {
  /** How much of each array there is room for, in the units of {@link INFO_ARRAYS}; 0 asks for the count alone. Default 0. */
  readonly capacities?: Partial<Readonly<Record<InfoArray, number>>>;
  /** `*_rec_size`. Default: the kernel's size where there is room, else 0. */
  readonly recordBytes?: Partial<Readonly<Record<RecordArray, number>>>;
  /** CAP_BPF, or CAP_SYS_ADMIN. Default true. */
  readonly capBpf?: boolean;
  /** `kallsyms_show_value`: kernel.kptr_restrict and CAP_SYSLOG allow addresses to be seen. Default true. */
  readonly kallsymsShow?: boolean;
  /** Default little. */
  readonly order?: ByteOrder;
}

/** What comes back of one array. */
export interface InfoArrayReply {
  /** What the field of its count then holds: how much there is, whatever room there was. */
  readonly count: number;
  /** What is copied out: as much as there is room for. */
  readonly bytes: Uint8Array;
  /** The pointer comes back as 0: addresses are not for this caller. */
  readonly pointerCleared: boolean;
}

export type ProgInfoReply =
  | { readonly ok: false; readonly errno: number }
  | { readonly ok: true; readonly arrays: Readonly<Record<InfoArray, InfoArrayReply>> };

/** What addresses are made of: without `kallsymsShow` these are not copied, and their pointers come back as 0. */
const RAW: readonly InfoArray[] = ['jited', 'jitedKsyms', 'jitedFuncLens', 'jitedLineInfo'];
/** What everyone may ask for. */
const FREE: readonly InfoArray[] = ['mapIds'];

/**
 * `BPF_OBJ_GET_INFO_BY_FD` of a program: each count is room on the way in and what there is on the way out, arrays are cut
 * silently to the room there is.
 *
 * - Record sizes have to be the kernel's, or 0 where no record is asked for: else EINVAL.
 * - Without CAP_BPF all counts but those of maps are 0, and nothing is copied; the count of tags is left as it came in.
 * - Where addresses are hidden, pointers to what holds addresses come back as 0 while counts stay, and calls in the
 *   instructions have 0 in `imm`.
 *
 * Source: `kernel/bpf/syscall.c: bpf_prog_get_info_by_fd, set_info_rec_size`.
 *
 * Differs from Linux: programs that are not compiled have no address either, where Linux gives that of the interpreter.
 */
export function getProgInfo(info: ProgInfo, query: ProgInfoQuery = {}): ProgInfoReply {
  const { capacities = {}, capBpf = true, kallsymsShow = true } = query;
  for (const name of RECORD_ARRAYS) {
    const room = capacities[name] ?? 0;
    const bytes = query.recordBytes?.[name] ?? (room > 0 ? INFO_ELEMENT_BYTES[name] : 0);
    if ((room > 0 || bytes > 0) && bytes !== INFO_ELEMENT_BYTES[name]) return { ok: false, errno: ERRNO.EINVAL };
  }
  const nothing = new Uint8Array(0);
  const replyOf = (name: InfoArray): InfoArrayReply => {
    const room = capacities[name] ?? 0;
    if (!capBpf && !FREE.includes(name)) {
      return { count: name === 'progTags' ? room : 0, bytes: nothing, pointerCleared: false };
    }
    const count = countOf(info, name);
    // The count of an array nobody asked for, or that is not there, is all that is said.
    if (room === 0 || count === 0) return { count, bytes: nothing, pointerCleared: false };
    if (!kallsymsShow && RAW.includes(name)) return { count, bytes: nothing, pointerCleared: true };
    const bytes = arrayBytes(info, name, Math.min(room, count), kallsymsShow, query.order ?? 'little');
    return { count, bytes, pointerCleared: false };
  };
  const arrays = Object.fromEntries(INFO_ARRAYS.map(name => [name, replyOf(name)])) as Record<
    InfoArray,
    InfoArrayReply
  >;
  return { ok: true, arrays };
}

/** How much there is of an array. A program always has one function at least. */
function countOf(info: ProgInfo, name: InfoArray): number {
  switch (name) {
    case 'xlated':
      return info.xlatedBytes;
    case 'jited':
      return info.jitedBytes;
    case 'jitedKsyms':
    case 'jitedFuncLens':
    case 'progTags':
      return Math.max(1, info[name].length);
    default:
      return info[name].length;
  }
}

/** The first `count` elements as they lie in memory. */
function arrayBytes(info: ProgInfo, name: InfoArray, count: number, shown: boolean, order: ByteOrder): Uint8Array {
  if (name === 'xlated') return encodeInsns(shown ? info.xlated : hideCalls(info.xlated), order).subarray(0, count);
  if (name === 'jited') return info.jited.subarray(0, count);
  const out = new ByteWriter(order, count * INFO_ELEMENT_BYTES[name]);
  for (let i = 0; i < count; i++) putElement(out, info, name, i);
  return out.finish();
}

const TAG_BYTES = 8;

function putElement(out: ByteWriter, info: ProgInfo, name: InfoArray, i: number): void {
  switch (name) {
    case 'mapIds':
      out.u32(info.mapIds[i]);
      break;
    case 'jitedKsyms':
      out.u64(info.jitedKsyms[i] ?? 0n);
      break;
    case 'jitedFuncLens':
      out.u32(info.jitedFuncLens[i] ?? 0);
      break;
    case 'funcInfo':
      out.u32(info.funcInfo[i].insnIdx).u32(info.funcInfo[i].typeId);
      break;
    case 'lineInfo': {
      const { insnIdx, fileNameOff, lineOff, line, column } = info.lineInfo[i];
      out
        .u32(insnIdx)
        .u32(fileNameOff)
        .u32(lineOff)
        .u32((line << 10) | (column & 0x3ff));
      break;
    }
    case 'jitedLineInfo':
      out.u64(info.jitedLineInfo[i]);
      break;
    default:
      out.put(fromHex(info.progTags[i] ?? info.tag).subarray(0, TAG_BYTES));
  }
}

/** Instructions for those who may not see addresses: no call says how far it goes, save `bpf_tail_call`, an id. */
function hideCalls(insns: readonly Insn[]): Insn[] {
  const out = insns.slice();
  const tailCall = helperId('bpf_tail_call');
  for (let idx = 0; idx < out.length; idx++) {
    const insn = out[idx];
    if (isWide(insn)) idx++;
    else if (insn.code === CALL && !(insn.src !== BPF_PSEUDO_CALL && insn.imm === tailCall)) {
      out[idx] = { ...insn, imm: 0 };
    }
  }
  return out;
}

/**
 * A program as a caller who may not see everything knows it: what {@link getProgInfo} would give with room for all.
 * Arrays that were not copied are empty; the sizes stay what the counts say.
 */
export function visibleInfo(info: ProgInfo, query: Pick<ProgInfoQuery, 'capBpf' | 'kallsymsShow'>): ProgInfo {
  const { capBpf = true, kallsymsShow = true } = query;
  if (!capBpf) {
    const nothing = { xlated: [], xlatedBytes: 0, jited: new Uint8Array(0), jitedBytes: 0, jitedKsyms: [] };
    return { ...info, ...nothing, jitedFuncLens: [], progTags: [], funcInfo: [], lineInfo: [], jitedLineInfo: [] };
  }
  if (kallsymsShow) return info;
  return {
    ...info,
    xlated: hideCalls(info.xlated),
    jited: new Uint8Array(0),
    jitedKsyms: info.jitedKsyms.map(() => 0n),
    jitedFuncLens: [],
    jitedLineInfo: [],
  };
}
