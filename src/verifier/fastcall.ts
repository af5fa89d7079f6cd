import { type HelperProto, helperDef } from '../helpers/index.ts';
import { BPF_DW, BPF_LDX, BPF_MEM, BPF_REG_FP, BPF_STX, CALL, type Insn } from '../isa/index.ts';
import { bpf_func_id } from '../uapi/index.ts';
import { isKfuncCall, type KfuncCalls } from './kfunc-calls.ts';
import type { JitSupport } from './structure-input.ts';
import { isHelperCall, type SubprogTable } from './subprogs.ts';

/**
 * Calls that leave most argument registers alone (`bpf_fastcall`), and the spills and fills a compiler puts around them
 * for kernels that do not know.
 */
export interface FastcallMarks {
  /** 1 where a slot is such a spill or fill (`fastcall_pattern`). */
  readonly pattern: Uint8Array;
  /** By slot of a call: how many spills before it and fills behind it may go away (`fastcall_spills_num`). */
  readonly spillCount: Uint8Array;
  /** By subprog: where its other stack ends, 0 or negative (`fastcall_stack_off`). */
  readonly stackOff: Int32Array;
  /** By subprog: deepest spill or fill of a pattern, in bytes below R10. */
  readonly spillDepth: Int32Array;
  /** By subprog: 1 where its spills go away, if nothing else touches where they are. */
  readonly removable: Uint8Array;
  /** By subprog: 1 where a call that stays a call has such spills, so that all of the function's stay. */
  readonly kept: Uint8Array;
}

export interface FastcallSource {
  readonly insns: readonly Insn[];
  readonly subprogs: SubprogTable;
  readonly kfuncs: KfuncCalls;
  /** `BPF_PROG_TYPE_*` */
  readonly type: number;
  readonly jitRequested: boolean;
  readonly jit: JitSupport;
}

const CALLER_SAVED = 0b111111;
const SPILL = BPF_STX | BPF_MEM | BPF_DW;
const FILL = BPF_LDX | BPF_MEM | BPF_DW;
const SLOT_BYTES = 8;

/** Kernel functions the verifier replaces by a move, and the registers they take and give. */
const FASTCALL_KFUNCS: ReadonlyMap<string, number> = new Map([
  ['bpf_cast_to_kern_ctx', 0b11],
  ['bpf_rdonly_cast', 0b111],
]);

function clobbers(proto: HelperProto): number {
  let mask = proto.ret === 'RET_VOID' ? 0 : 1;
  proto.args.forEach((arg, i) => {
    if (arg.type !== 'ARG_DONTCARE') mask |= 2 << i;
  });
  return mask;
}

/** The registers a call clobbers at most, and whether it is replaced by instructions. */
function contractOf(source: FastcallSource, idx: number): { clobbered: number; inlined: boolean } | undefined {
  const insn = source.insns[idx];
  if (isHelperCall(insn)) {
    const def = helperDef(insn.imm);
    if (def === undefined) return undefined;
    const proto = def.variants?.find(({ progTypes }) => progTypes.includes(source.type))?.proto ?? def.proto;
    const inlined =
      insn.imm === bpf_func_id.BPF_FUNC_get_smp_processor_id && source.jitRequested && source.jit.inlinesProcessorId;
    return { clobbered: clobbers(proto), inlined };
  }
  const name = isKfuncCall(insn) ? source.kfuncs.nameAt(idx) : undefined;
  const clobbered = name === undefined ? undefined : FASTCALL_KFUNCS.get(name);
  return clobbered === undefined ? undefined : { clobbered, inlined: true };
}

/** How many spill and fill pairs stand around the call at `idx`, the innermost at `lowest`. */
function pairsAround(insns: readonly Insn[], idx: number, lowest: number, expected: number): number {
  let left = expected;
  for (let i = 1; i <= 6; i++) {
    const spill = insns[idx - i];
    const fill = insns[idx + i];
    const off = lowest + (i - 1) * SLOT_BYTES;
    const isPair =
      spill !== undefined &&
      fill !== undefined &&
      spill.code === SPILL &&
      fill.code === FILL &&
      spill.dst === BPF_REG_FP &&
      fill.src === BPF_REG_FP &&
      spill.src === fill.dst &&
      (left & (1 << spill.src)) !== 0 &&
      spill.off === off &&
      fill.off === off;
    if (!isPair) return i - 1;
    left &= ~(1 << spill.src);
  }
  return 6;
}

/** Source: `kernel/bpf/verifier.c: mark_fastcall_patterns, mark_fastcall_pattern_for_call`. */
export function findFastcalls(source: FastcallSource): FastcallMarks {
  const { insns, subprogs } = source;
  const marks: FastcallMarks = {
    pattern: new Uint8Array(insns.length),
    spillCount: new Uint8Array(insns.length),
    stackOff: new Int32Array(subprogs.count),
    spillDepth: new Int32Array(subprogs.count),
    removable: new Uint8Array(subprogs.count),
    kept: new Uint8Array(subprogs.count),
  };
  subprogs.list.forEach(({ start, end }, id) => {
    let lowest = 0;
    for (let idx = start; idx < end; idx++) {
      const insn = insns[idx];
      if (insn.code === SPILL && insn.dst === BPF_REG_FP && insn.off < lowest) lowest = insn.off;
    }
    let keep = false;
    for (let idx = start; idx < end; idx++) {
      if (insns[idx].code !== CALL) continue;
      const contract = contractOf(source, idx);
      if (contract === undefined || contract.clobbered === CALLER_SAVED) continue;
      const pairs = pairsAround(insns, idx, lowest, ~contract.clobbered & CALLER_SAVED);
      if (pairs === 0) continue;
      for (let i = 1; i <= pairs; i++) {
        marks.pattern[idx - i] = 1;
        marks.pattern[idx + i] = 1;
      }
      if (contract.inlined) {
        marks.spillCount[idx] = pairs;
        marks.removable[id] = 1;
      } else keep = true;
      marks.stackOff[id] = Math.min(marks.stackOff[id], lowest + pairs * SLOT_BYTES);
      marks.spillDepth[id] = -lowest;
    }
    if (keep) {
      marks.removable[id] = 0;
      marks.kept[id] = 1;
    }
  });
  return marks;
}

/**
 * A function's depth once its removable spills are gone, given how deep everything else in it reaches.
 *
 * Source: `kernel/bpf/verifier.c: check_fastcall_stack_contract, remove_fastcall_spills_fills`.
 */
export function withFastcalls(marks: FastcallMarks, id: number, otherDepthBytes: number): number {
  const free = -marks.stackOff[id];
  if (marks.removable[id] === 1 && otherDepthBytes <= free) return free;
  return Math.max(otherDepthBytes, marks.spillDepth[id]);
}
