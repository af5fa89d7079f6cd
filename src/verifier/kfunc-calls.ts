import { type Btf, type BtfKind, underModifiers } from '../btf/index.ts';
import { BPF_PSEUDO_KFUNC_CALL, CALL, type Insn } from '../isa/index.ts';
import { ERRNO } from '../uapi/index.ts';
import type { JitSupport } from './structure-input.ts';
import type { Rejection } from './types.ts';
import type { VerifierLog } from './verifier-log.ts';

/** Different kernel functions one program may call. */
const MAX_KFUNC_DESCS = 256;

/** Functions that read what a device knows of a packet. Source: `include/net/xdp.h: XDP_METADATA_KFUNC_xxx`. */
const METADATA_KFUNCS: ReadonlySet<string> = new Set([
  'bpf_xdp_metadata_rx_timestamp',
  'bpf_xdp_metadata_rx_hash',
  'bpf_xdp_metadata_rx_vlan_tag',
]);

export interface KfuncContext {
  readonly jitRequested: boolean;
  readonly jit: JitSupport;
  readonly gplCompatible: boolean;
  readonly kernelBtf: Btf | undefined;
  /** Whether the kernel has a symbol of that name; default: it has all. */
  readonly hasSymbol?: (name: string) => boolean;
  /** Names by slot, for calls whose id is not of `kernelBtf`. */
  readonly names: ReadonlyMap<number, string> | undefined;
}

export const isKfuncCall = (insn: Insn): boolean => insn.code === CALL && insn.src === BPF_PSEUDO_KFUNC_CALL;

/**
 * The kernel functions a program calls. Where the kernel's BTF is at hand their ids are checked against it; names given
 * by slot (a loader knows them before ids) go before ids.
 *
 * Source: `kernel/bpf/verifier.c: add_kfunc_call`.
 */
export class KfuncCalls {
  readonly #context: KfuncContext;
  readonly #named = new Map<number, string>();
  /** `imm:off` and names of the functions met, each once. */
  readonly #met = new Set<string>();
  #any = false;

  constructor(context: KfuncContext) {
    this.#context = context;
  }

  /** The function called at a slot; undefined where nothing tells. */
  nameAt(idx: number): string | undefined {
    return this.#named.get(idx);
  }

  /** Takes note of the call at `idx`, or says why it is not allowed. */
  add(insn: Insn, idx: number, log: VerifierLog): Rejection | undefined {
    const { jitRequested, jit, gplCompatible, names } = this.#context;
    if (!this.#any) {
      if (!jitRequested) return log.reject('kfuncNoJit', [], idx);
      if (!jit.kfuncCalls) return log.reject('kfuncJitSupport', [], idx);
      if (!gplCompatible) return log.reject('kfuncLicense', [], idx);
      this.#any = true;
    }
    const given = names?.get(idx);
    // Id 0 means an unresolved weak function: it is refused only if the call survives dead code elimination.
    if (given === undefined && insn.imm === 0 && insn.off === 0) return undefined;
    if (given === undefined && insn.off !== 0) return this.#refuseModule(insn, idx, log);
    const key = given ?? `${insn.imm}`;
    const name = given ?? this.#kernelName(insn, idx, log);
    if (name !== undefined && typeof name !== 'string') return name;
    if (name !== undefined) this.#named.set(idx, name);
    if (this.#met.has(key)) return undefined;
    if (this.#met.size === MAX_KFUNC_DESCS) return log.reject('kfuncTooMany', [], idx);
    this.#met.add(key);
    return given === undefined && name !== undefined ? this.#checkFunction(insn, idx, name, log) : undefined;
  }

  #checkFunction(insn: Insn, idx: number, name: string, log: VerifierLog): Rejection | undefined {
    const btf = this.#context.kernelBtf as Btf;
    if (this.#context.hasSymbol?.(name) === false) return log.reject('kfuncNoAddress', [name], idx);
    // No program here is loaded for a device.
    if (METADATA_KFUNCS.has(name)) return log.reject('kfuncDeviceBound', [], idx);
    return btfDistillFuncProto(btf, btf.types.third(insn.imm), name, log, idx);
  }

  // Module functions are named through an array of file descriptors, which nobody gives here.
  #refuseModule(insn: Insn, idx: number, log: VerifierLog): Rejection {
    const negative = insn.off < 0;
    log.reject(negative ? 'kfuncNegativeOffset' : 'kfuncNoFdArray', [], idx);
    return log.reject('kfuncBtf', [], idx, negative ? ERRNO.EINVAL : ERRNO.EPROTO);
  }

  #kernelName(insn: Insn, idx: number, log: VerifierLog): string | Rejection | undefined {
    const btf = this.#context.kernelBtf;
    if (btf === undefined) return undefined;
    const id = insn.imm >>> 0;
    if (id >= btf.typeCount || btf.kindOf(id) !== 'FUNC') {
      // The limit on different functions comes first in the kernel.
      if (this.#met.size === MAX_KFUNC_DESCS) return log.reject('kfuncTooMany', [], idx);
      return log.reject('kfuncNotFunc', [insn.imm], idx);
    }
    return btf.nameOf(id);
  }
}

const MAX_ARGS = 12;
const MAX_ARG_BYTES = 16;
const POINTER_BYTES = 8;

/** Kind and size of what a function takes or gives; -1 for what no register can hold. */
function passedAs(btf: Btf, typeId: number): { kind: BtfKind; sizeBytes: number } {
  const id = underModifiers(btf, typeId);
  const kind = btf.kindOf(id);
  const sized = kind === 'INT' || kind === 'ENUM' || kind === 'ENUM64' || kind === 'STRUCT';
  const sizeBytes = sized ? btf.types.third(id) : kind === 'PTR' ? POINTER_BYTES : typeId === 0 ? 0 : -1;
  return { kind, sizeBytes };
}

/** Whether a function can be called by trampolines and programs at all. Source: `kernel/bpf/btf.c: btf_distill_func_proto`. */
export function btfDistillFuncProto(
  btf: Btf,
  proto: number,
  name: string,
  log: VerifierLog,
  idx?: number,
): Rejection | undefined {
  const count = btf.types.vlen(proto);
  if (count > MAX_ARGS) return log.reject('kfuncManyArgs', [name, count], idx);
  const result = passedAs(btf, btf.types.third(proto));
  if (result.sizeBytes < 0 || result.kind === 'STRUCT') return log.reject('kfuncReturn', [name, result.kind], idx);
  for (let arg = 0; arg < count; arg++) {
    const typeId = btf.types.item(proto, arg, 1);
    if (arg === count - 1 && typeId === 0) return log.reject('kfuncVariadic', [name], idx);
    const { kind, sizeBytes } = passedAs(btf, typeId);
    if (sizeBytes < 0 || sizeBytes > MAX_ARG_BYTES) return log.reject('kfuncArg', [name, arg, kind], idx);
    if (sizeBytes === 0) return log.reject('kfuncVoidArg', [name], idx);
  }
  return undefined;
}

/** Kernel functions that call back at once, and the argument (1..5) that is the callback. */
const SYNC_CALLBACK: ReadonlyMap<string, number> = new Map([['bpf_rbtree_add_impl', 3]]);
/** Kernel functions that arrange a later call, and the argument that is the callback. */
const ASYNC_CALLBACK: ReadonlyMap<string, number> = new Map([['bpf_wq_set_callback_impl', 2]]);

/** Argument of a kernel function that it calls back at once; 0 for none. */
export const kfuncSyncCallbackArg = (name: string | undefined): number =>
  name === undefined ? 0 : (SYNC_CALLBACK.get(name) ?? 0);
/** Argument of a kernel function that it has called later; 0 for none. */
export const kfuncAsyncCallbackArg = (name: string | undefined): number =>
  name === undefined ? 0 : (ASYNC_CALLBACK.get(name) ?? 0);

/** Whether it steps an open-coded iterator: the kernel takes only functions of this form for one. */
export const isIterNext = (name: string | undefined): boolean => name !== undefined && /^bpf_iter_.+_next$/.test(name);

export const isBpfThrow = (name: string | undefined): boolean => name === 'bpf_throw';
