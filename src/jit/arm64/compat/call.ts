import { BPF_PSEUDO_CALL, BPF_PSEUDO_KFUNC_CALL, CALL, type Insn, TAIL_CALL } from '../../../isa/index.ts';
import { bpf_func_id, ERRNO } from '../../../uapi/index.ts';
import { callTarget, isCallOf, PROCESSOR_ID_FUNCTIONS } from '../../func-addr.ts';
import { type Callee, type CallSite, JitError, tailCallSite } from '../../types.ts';
import {
  add,
  addImm,
  bCond,
  bl,
  blr,
  br,
  cb,
  cmp,
  HS,
  LOAD,
  ldr,
  lslImm,
  memRegister,
  memScaled,
  nop,
  str,
  W,
  X,
} from '../encode.ts';
import { move } from './alu.ts';
import { address, constant32, constant64 } from './constant.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { leaveFrame, TAIL_ENTRY_WORDS } from './frame.ts';
import { COUNT_POINTER, REGISTERS, RESULT, T1, T2, T3 } from './registers.ts';

const MAX_TAIL_CALL_CNT = 33;
const MIB128 = 128n << 20n;
/** `struct thread_info`: the CPU's number, where the kernel does not say otherwise. */
const THREAD_INFO_CPU = 16;

const mrsSpEl0 = (rt: number): number => 0xd5384100 | rt;

export function calleeAt(callees: readonly Callee[], subprog: number): Callee {
  const callee = callees[subprog];
  if (callee === undefined) throw new JitError(ERRNO.EINVAL, `there is no function ${subprog}`);
  return callee;
}

type Inline = (e: Emission) => void;

const processorId: Inline = e => {
  const off = e.unit.env.space.kernel.structs.threadInfoCpu ?? THREAD_INFO_CPU;
  e.emit(mrsSpEl0(T1));
  if (off % 4 === 0 && off < 0x4000) {
    e.emit(memScaled(2, LOAD, RESULT, T1, off >> 2));
  } else {
    constant32(e, X, T2, off);
    e.emit(memRegister(2, LOAD, RESULT, T1, T2));
  }
};
const currentTask: Inline = e => e.emit(mrsSpEl0(RESULT));

/** Helpers that are instructions (`bpf_jit_inlines_helper_call`): number, the kernel's functions behind it, code. */
const INLINED: readonly (readonly [id: number, functions: readonly string[], inline: Inline])[] = [
  [bpf_func_id.BPF_FUNC_get_smp_processor_id, PROCESSOR_ID_FUNCTIONS, processorId],
  [bpf_func_id.BPF_FUNC_get_current_task, ['bpf_get_current_task'], currentTask],
  [bpf_func_id.BPF_FUNC_get_current_task_btf, ['bpf_get_current_task_btf'], currentTask],
];

/** The code of a helper call that is none: by number, as the kernel's verifier leaves it, or by distance, as ours does. */
function inlineOf({ unit }: Emission, { src, imm }: Insn): Inline | undefined {
  if (src !== 0) return undefined;
  const { kernel } = unit.env.space;
  return INLINED.find(([id, names]) => id === imm || isCallOf(kernel, imm, names))?.[2];
}

const kindOf = (insn: Insn): CallSite['kind'] =>
  insn.src === BPF_PSEUDO_CALL ? 'subprog' : insn.src === BPF_PSEUDO_KFUNC_CALL ? 'kfunc' : 'helper';

/** `bl` where it reaches, else the address in a register; that too while there is no image or no callee. */
function emitCall(e: Emission, target: bigint): string {
  const distance = e.at === undefined ? 0n : BigInt.asIntN(64, target - (e.at + BigInt(e.idx * 4)));
  if (e.at !== undefined && target !== 0n && distance >= -MIB128 && distance < MIB128) {
    e.emit(bl(Number(distance)));
    return 'bl';
  }
  address(e, T1, target);
  e.emit(blr(T1));
  return target === 0n ? 'placeholder' : 'imm48';
}

function lowerCall(e: Emission, insn: Insn): void {
  const { func, env } = e.unit;
  const inlined = inlineOf(e, insn);
  if (inlined !== undefined) {
    inlined(e);
    return;
  }
  const start = e.idx;
  const target = callTarget(insn, e.callees, env.space, (imm, off) => func.kfuncAddr(imm, off));
  const form = emitCall(e, target);
  e.emit(move(X, RESULT, 0));
  e.sites.push({
    insnIdx: e.slot,
    kind: kindOf(insn),
    offBytes: start * 4,
    endBytes: e.idx * 4,
    target,
    subprog: insn.src === BPF_PSEUDO_CALL ? insn.off : 0,
    form,
  });
}

/** `bpf_tail_call`: by what the array holds when it happens. */
function lowerTailCall(e: Emission): void {
  const { arrayMaxEntries, arrayPtrs, progBpfFunc } = e.unit.env.space.kernel.structs;
  const [array, index] = [REGISTERS[2], REGISTERS[3]];
  const start = e.idx;
  const outs: (readonly [idx: number, word: (off: number) => number])[] = [];
  const out = (word: (off: number) => number): void => {
    outs.push([e.idx, word]);
    e.emit(nop());
  };
  constant64(e, T1, 0, arrayMaxEntries);
  e.emit(memRegister(2, LOAD, T1, array, T1));
  e.emit(move(W, index, index));
  e.emit(cmp(W, index, T1));
  out(off => bCond(HS, off));
  constant64(e, T1, 0, MAX_TAIL_CALL_CNT);
  e.emit(ldr(T3, COUNT_POINTER, 0));
  e.emit(cmp(X, T3, T1));
  out(off => bCond(HS, off));
  e.emit(addImm(X, T3, T3, 1));
  constant64(e, T1, 0, arrayPtrs);
  e.emit(add(X, T1, array, T1));
  e.emit(lslImm(X, T2, index, 3));
  e.emit(memRegister(3, LOAD, T2, T1, T2));
  out(off => cb(X, 0, T2, off));
  e.emit(str(T3, COUNT_POINTER, 0));
  leaveFrame(e);
  constant64(e, T1, 0, progBpfFunc);
  e.emit(memRegister(3, LOAD, T1, T2, T1));
  e.emit(addImm(X, T1, T1, 4 * TAIL_ENTRY_WORDS));
  e.emit(br(T1));
  for (const [idx, word] of outs) e.patch(idx, word((e.idx - idx) * 4));
  e.sites.push(tailCallSite(e.slot, start * 4, e.idx * 4));
}

export const CALL_ROWS: readonly LoweringRow[] = [
  [CALL, lowerCall],
  [TAIL_CALL, lowerTailCall],
];
