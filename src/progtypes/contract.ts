import type { Btf } from '../btf/index.ts';
import type { HelperProto } from '../helpers/index.ts';
import type { Insn } from '../isa/index.ts';

/** What rules of a program type may ask about the program being verified. */
export interface ProgFacts {
  /** `BPF_PROG_TYPE_*`; of an extension, the type of what it replaces. */
  readonly type: number;
  /** `BPF_PROG_TYPE_*` it was loaded as: EXT for an extension. */
  readonly rawType: number;
  /** `BPF_*` attach type (`expected_attach_type`). */
  readonly attachType: number;
  readonly sleepable: boolean;
  readonly gplCompatible: boolean;
  /** `BPF_F_XDP_HAS_FRAGS`, … */
  readonly flags: number;
  /** The kernel's BTF. */
  readonly kernelBtf: Btf | undefined;
  /** What the program is attached to: its BTF, the FUNC (or TYPEDEF, VAR) id there, the FUNC_PROTO, and its name. */
  readonly attachBtf: Btf | undefined;
  readonly attachBtfId: number;
  readonly attachFuncProtoId: number;
  readonly attachFuncName: string;
  /** Attached to another BPF program (extensions, fentry of programs). */
  readonly attachesToProg: boolean;
  readonly capBpf: boolean;
  readonly capPerfmon: boolean;
  readonly capNetAdmin: boolean;
  readonly capSysAdmin: boolean;
  readonly jitRequested: boolean;
  /** `x86_64`, … */
  readonly arch: string;
  /** The kernel's release, 6012 for 6.12; that if left out. */
  readonly release?: number;
  /** struct_ops: the struct and the member implemented. */
  readonly structOps?: { readonly structName: string; readonly member: string };
  /** Attached to a program: that program's type; of an extension, the type of what it replaces. */
  readonly targetProgType?: number;
  /** The rules of `__sk_buff` found `tstamp_type` used: what `tstamp` means depends on it. Set by `isValidAccess`. */
  tstampTypeAccess?: boolean;
}

/** What a context access finds out (`struct bpf_insn_access_aux`). Callers preset the fields marked "in". */
export interface CtxAccess {
  /** Type of what is loaded: SCALAR_VALUE, PTR_TO_PACKET … with flags. In: SCALAR_VALUE. */
  regType: number;
  /** In: a sign-extending load. */
  isLdsx: boolean;
  /** Narrow loads: size of the whole field; 0 if the access is the whole field's. */
  ctxFieldSizeBytes: number;
  /** PTR_TO_BTF_ID. */
  btf: Btf | undefined;
  btfId: number;
  /** The function's return value is read (fexit, LSM). */
  isRetval: boolean;
  /** Lines for the log, without newline. */
  readonly log: (line: string) => void;
  /** Text for the log that ends no line. */
  readonly logText?: (text: string) => void;
}

/** Rules of one program type (`struct bpf_verifier_ops`, `struct bpf_prog_ops`). */
export interface ProgTypeContract {
  /** `BPF_PROG_TYPE_*` */
  readonly type: number;
  /** The contract of a helper in programs of this type; undefined where they may not call it. */
  helperProto(helperId: number, prog: ProgFacts): HelperProto | undefined;
  /** Whether `sizeBytes` bytes at `offBytes` of the context may be accessed so. */
  isValidAccess(offBytes: number, sizeBytes: number, write: boolean, prog: ProgFacts, access: CtxAccess): boolean;
  /**
   * The instructions in place of a context access (`convert_ctx_access`), for kernels with the offsets in `structs`;
   * undefined where the context is accessed as it is (tracing, raw tracepoints).
   */
  readonly convertAccess?: ConvertAccess;
  /** Instructions before the first one, if the program writes packets directly (`gen_prologue`). */
  prologue?(writesPacket: boolean, prog: ProgFacts, offsets: KernelOffsets): readonly Insn[];
}

/** See {@link ProgTypeContract.convertAccess}. `targetSizeBytes` is the size of the kernel's own field. */
export type ConvertAccess = (
  write: boolean,
  insn: Insn,
  prog: ProgFacts,
  offsets: KernelOffsets,
) => { readonly insns: readonly Insn[]; readonly targetSizeBytes: number };

/**
 * Where members of kernel structs are: byte offset and size of `struct.member`, from the kernel's BTF. A member may be
 * dotted (`sg.size`), and may lie in structs and unions without names.
 */
export interface KernelOffsets {
  offsetOf(struct: string, member: string): number;
  sizeOf(struct: string, member: string): number;
}
