import { checkHelperArgs, type HelperDef, ProgramFault } from '../../helpers/index.ts';
import { type InsnDef, type JumpOp, MAX_TAIL_CALL_CNT } from '../../isa/index.ts';
import { hi32, hiOfNumber, lo32, ltS64, ltU64 } from '../../util/index.ts';
import type { Exec, Op } from './program.ts';
import type { Vm } from './vm.ts';

type Compare = (ah: number, al: number, bh: number, bl: number) => boolean;

// 32-bit comparisons hand in sign-extended halves on both sides, which keeps the order of u32 and s32 alike.
const COMPARE: Readonly<Record<JumpOp, Compare>> = {
  jeq: (ah, al, bh, bl) => al === bl && ah === bh,
  jne: (ah, al, bh, bl) => al !== bl || ah !== bh,
  jset: (ah, al, bh, bl) => ((al & bl) | (ah & bh)) !== 0,
  jgt: (ah, al, bh, bl) => ltU64(bh, bl, ah, al),
  jge: (ah, al, bh, bl) => !ltU64(ah, al, bh, bl),
  jlt: (ah, al, bh, bl) => ltU64(ah, al, bh, bl),
  jle: (ah, al, bh, bl) => !ltU64(bh, bl, ah, al),
  jsgt: (ah, al, bh, bl) => ltS64(bh, bl, ah, al),
  jsge: (ah, al, bh, bl) => !ltS64(ah, al, bh, bl),
  jslt: (ah, al, bh, bl) => ltS64(ah, al, bh, bl),
  jsle: (ah, al, bh, bl) => !ltS64(bh, bl, ah, al),
};

/** Handler of conditional jumps. */
export function jcondExec(def: InsnDef): Exec {
  const compare = COMPARE[def.op as JumpOp];
  if (def.bits === 64) {
    return def.source === 'imm'
      ? (vm, o) => {
          if (compare(vm.r[o.dst + 1], vm.r[o.dst], o.imm >> 31, o.imm)) vm.pc = o.target;
        }
      : (vm, o) => {
          if (compare(vm.r[o.dst + 1], vm.r[o.dst], vm.r[o.src + 1], vm.r[o.src])) vm.pc = o.target;
        };
  }
  return def.source === 'imm'
    ? (vm, o) => {
        const a = vm.r[o.dst];
        if (compare(a >> 31, a, o.imm >> 31, o.imm)) vm.pc = o.target;
      }
    : (vm, o) => {
        const a = vm.r[o.dst];
        const b = vm.r[o.src];
        if (compare(a >> 31, a, b >> 31, b)) vm.pc = o.target;
      };
}

export const jaExec: Exec = (vm, o) => {
  vm.pc = o.target;
};

/** Falls through while the frame has loop budget, then jumps (`kernel/bpf/core.c: bpf_check_timed_may_goto`). */
export const mayGotoExec: Exec = (vm, o) => {
  if (vm.frame.mayGotoLeft-- <= 0) vm.pc = o.target;
};

/** The function whose address is in a register. */
function functionIn(vm: Vm, reg2: number): ReturnType<Vm['functionAt']> {
  return vm.r[reg2 + 1] === 0 ? vm.functionAt(vm.r[reg2] >>> 0) : undefined;
}

export const gotoxExec: Exec = (vm, o) => {
  const target = functionIn(vm, o.dst);
  if (target === undefined || target.program !== vm.program) {
    vm.faultReg = o.dst >> 1;
    throw new ProgramFault('bad-instruction', `gotox r${o.dst >> 1}: not an address of this program's instructions`);
  }
  vm.pc = target.slot;
};

export const exitExec: Exec = vm => {
  vm.leave();
  if (vm.depth <= vm.baseDepth) {
    vm.running = false;
    return;
  }
  const frame = vm.frame;
  vm.switchTo(frame.program, frame.returnTo);
};

export const callLocalExec: Exec = (vm, o) => {
  vm.frame.returnTo = vm.pc;
  vm.enter(vm.program, o.target);
};

/** Runs a helper or kfunc: arguments checked against its proto, result in R0. */
function callDef(vm: Vm, def: HelperDef): void {
  const { r } = vm;
  const { env } = vm.host;
  checkHelperArgs(env, def);
  const result = def.run(env, r[2] >>> 0, r[4] >>> 0, r[6] >>> 0, r[8] >>> 0, r[10] >>> 0);
  if (def.proto.ret === 'RET_VOID') return;
  if (typeof result === 'number') {
    r[0] = result;
    r[1] = hiOfNumber(result);
  } else {
    r[0] = lo32(result);
    r[1] = hi32(result);
  }
}

const TAIL_CALL = 12;

/** `bpf_tail_call(ctx, map, index)`: on success the target replaces this frame, otherwise the program goes on. */
function tailCall(vm: Vm): void {
  const { r } = vm;
  if (vm.host.env.mapAt(r[4] >>> 0) === undefined || r[5] !== 0) {
    throw new ProgramFault('bad-argument', 'bpf_tail_call: r2 is not a map');
  }
  const target = vm.host.tailCallTarget(r[4] >>> 0, r[6] >>> 0);
  if (target === undefined || vm.tailCalls >= MAX_TAIL_CALL_CNT) return;
  const program = vm.loaded.get(target);
  if (program === undefined) throw new ProgramFault('bad-call', 'bpf_tail_call: the target runs on another engine');
  vm.tailCalls++;
  vm.replace(program);
}

function callHelper(vm: Vm, id: number): void {
  if (id === TAIL_CALL) {
    tailCall(vm);
    return;
  }
  const def = vm.host.helper(id);
  if (def === undefined) throw new ProgramFault('bad-call', `no helper has number ${id}`);
  callDef(vm, def);
}

export const callHelperExec: Exec = (vm, o) => callHelper(vm, o.imm);

export const callKfuncExec: Exec = (vm, o) => {
  const def = vm.host.kfunc(o.imm, o.off);
  if (def === undefined) throw new ProgramFault('bad-call', `kernel function of BTF id ${o.imm} is not there`);
  callDef(vm, def);
};

/**
 * Calls what a register says: the address of a function, or, as the conformance suite's runners read RFC 9669's callx,
 * a helper's number. Linux has no callx.
 */
export const callxExec: Exec = (vm, o) => {
  const target = functionIn(vm, o.dst);
  if (target !== undefined) {
    vm.frame.returnTo = vm.pc;
    vm.enter(target.program, target.slot);
    return;
  }
  vm.faultReg = o.dst >> 1;
  if (vm.r[o.dst + 1] !== 0) throw new ProgramFault('bad-call', `callx r${o.dst >> 1}: not a function`);
  callHelper(vm, vm.r[o.dst]);
};

/** `ld_abs` and `ld_ind`: packet bytes in network order to R0; outside the packet the program ends with 0. */
export function packetLoadExec(def: InsnDef): Exec {
  const size = def.sizeBytes as 1 | 2 | 4;
  const indirect = def.kind === 'ld_ind';
  return (vm: Vm, o: Op) => {
    const value = vm.host.packetLoad(indirect ? (vm.r[o.src] + o.imm) | 0 : o.imm, size);
    vm.r[0] = value ?? 0;
    vm.r[1] = 0;
    if (value === undefined) exitExec(vm, o);
  };
}
