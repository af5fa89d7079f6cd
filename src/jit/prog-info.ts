import type { Insn } from '../isa/index.ts';

/**
 * What `BPF_OBJ_GET_INFO_BY_FD` says of a loaded program (`struct bpf_prog_info`), arrays as they are before any
 * capacity cuts them.
 */
export interface ProgInfo {
  readonly id: number;
  /** `BPF_PROG_TYPE_*` */
  readonly type: number;
  /** At most 15 bytes. */
  readonly name: string;
  /** 8 bytes as 16 hex digits. */
  readonly tag: string;
  readonly gplCompatible: boolean;
  /** Nanoseconds since boot. */
  readonly loadTimeNs: bigint;
  readonly createdByUid: number;
  readonly mapIds: readonly number[];
  /** 0 without BTF. */
  readonly btfId: number;
  /** Of the whole program in dump form; empty when the caller may not see it. */
  readonly xlated: readonly Insn[];
  readonly xlatedBytes: number;
  /** All images, one after another in the order of subprograms; empty when not jited or hidden. */
  readonly jited: Uint8Array;
  readonly jitedBytes: number;
  /** Addresses of the functions; 0 where kallsyms values are hidden. One element for a program without subprograms. */
  readonly jitedKsyms: readonly bigint[];
  readonly jitedFuncLens: readonly number[];
  readonly progTags: readonly string[];
  readonly funcInfo: readonly { readonly insnIdx: number; readonly typeId: number }[];
  readonly lineInfo: readonly {
    readonly insnIdx: number;
    readonly fileNameOff: number;
    readonly lineOff: number;
    readonly line: number;
    readonly column: number;
  }[];
  /** Address of the code of each lineInfo record. */
  readonly jitedLineInfo: readonly bigint[];
  readonly verifiedInsns: number;
  readonly attachBtfObjId: number;
  readonly attachBtfId: number;
}
