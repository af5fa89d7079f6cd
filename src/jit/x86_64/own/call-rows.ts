import { BPF_PSEUDO_CALL, BPF_PSEUDO_KFUNC_CALL, type Insn } from '../../../isa/index.ts';
import { ERRNO } from '../../../uapi/index.ts';
import { hi32, lo32 } from '../../../util/index.ts';
import { type Callee, type CallSite, JitError } from '../../types.ts';
import { callReg, jmpReg, lea, leaRip, movImm, movImm64, W } from '../encode.ts';
import { R11, RAX, RBP } from '../registers.ts';
import type { Emission } from './emission.ts';
import type { KernelTarget } from './unit.ts';

/** Bytes of `call` and of `lea` with a distance of 32 bits. */
const CALL_BYTES = 5;
const LEA_BYTES = 7;

/** Keys of kernel functions called by BTF are around it, distances to helpers are not. */
const KFUNCS = 2 ** 50;

function kernelTarget(e: Emission, insn: Insn, i: number): KernelTarget {
  const { func, env } = e.unit;
  const kernelTargets = (e.unit.kernelTargets ??= new Map());
  const kfunc = insn.src === BPF_PSEUDO_KFUNC_CALL;
  const key = kfunc ? KFUNCS + insn.imm * 0x10000 + insn.off : insn.imm;
  let target = kernelTargets.get(key);
  if (target === undefined) {
    const address = kfunc ? func.kfuncAddr(insn.imm, insn.off) : env.space.callBase + BigInt(insn.imm);
    if (address === undefined)
      throw new JitError(ERRNO.EINVAL, `insn ${i} calls kernel function #${insn.imm}, which nobody knows`);
    target = { kind: kfunc ? 'kfunc' : 'helper', address, hi: hi32(address), lo: lo32(address) };
    kernelTargets.set(key, target);
  }
  return target;
}

function calleeAt(callees: readonly Callee[], subprog: number): Callee {
  const callee = callees[subprog];
  if (callee === undefined) throw new JitError(ERRNO.EINVAL, `there is no function ${subprog}`);
  return callee;
}

/**
 * A call: `call` where 32 bits reach, else through a register: rax, or r11 where rax says where tail calls count. Callees
 * out of reach that are called often enough get a jump behind the code, which calls share.
 */
export function emitCall(e: Emission, i: number): void {
  const insn = e.insns[i];
  const { c, callees } = e;
  const { frame } = e.unit;
  const local = insn.src === BPF_PSEUDO_CALL;
  // Tail calls below count where ours do.
  const counts = local && frame.reachable;
  if (counts) lea(c, W, RAX, RBP, frame.countOff);
  const start = c.length;
  const register = counts ? R11 : RAX;
  let target = 0n;
  let kind: CallSite['kind'] = 'subprog';
  let form = 'placeholder';
  if (local) target = callees === undefined ? 0n : calleeAt(callees, insn.off).entry;
  else {
    const kernel = kernelTarget(e, insn, i);
    ({ kind, address: target } = kernel);
  }
  if (!e.located || (local && callees === undefined)) {
    movImm64(c, register, 0, 0);
    callReg(c, register);
  } else form = callAddress(e, i, target, register);
  e.sites.push({
    insnIdx: i,
    kind,
    offBytes: start,
    endBytes: c.length,
    target,
    subprog: local ? insn.off : 0,
    form,
  });
  e.called();
}

function callAddress(e: Emission, i: number, target: bigint, register: number): string {
  const { c, forms } = e;
  const hi = hi32(target);
  const lo = lo32(target);
  if (forms.far[i] === 0) {
    if (e.reaches(hi, lo, c.length + CALL_BYTES)) {
      c.u8(0xe8);
      c.u32(e.distance);
      return 'rel32';
    }
    forms.far[i] = 1;
    e.grew = true;
  }
  const insn = e.insns[i];
  const key = insn.src === BPF_PSEUDO_CALL ? `s${insn.off}` : `k${target}`;
  e.farCallees ??= new Map();
  const far = e.farCallees.get(key);
  if (far === undefined) e.farCallees.set(key, { hi, lo, register, calls: 1 });
  else far.calls++;
  if (forms.stubs?.has(key)) {
    e.stubLabels ??= new Map();
    let label = e.stubLabels.get(key);
    if (label === undefined) e.stubLabels.set(key, (label = c.label()));
    e.callLabel(label);
    return 'stub';
  }
  const from = c.length;
  movImm(c, register, hi, lo);
  const form = c.length - from === 10 ? 'imm64' : 'imm32';
  callReg(c, register);
  return form;
}

/** Jumps to callees out of reach, behind the code; chooses which callees get one the next time. */
export function emitStubs(e: Emission): void {
  const { c, forms } = e;
  if (e.farCallees === undefined) return;
  for (const [key, { hi, lo, register, calls }] of e.farCallees) {
    const label = e.stubLabels?.get(key);
    if (label === undefined) {
      const extra = register === RAX ? 0 : 1;
      const load = extra + (hi === 0 ? 5 : hi === -1 && lo < 0 ? 7 - extra : 10 - extra);
      if (calls * (load + extra + 2) <= calls * CALL_BYTES + load + extra + 2) continue;
      forms.stubs ??= new Set();
      forms.stubs.add(key);
      e.grew = true;
      continue;
    }
    c.bind(label);
    movImm(c, register, hi, lo);
    jmpReg(c, register);
  }
}

/** `ld_imm64` of a function: what a pointer to it holds. */
export function emitFunctionAddress(e: Emission, i: number, subprog: number): void {
  const { c, callees, forms } = e;
  const to = e.reg[e.insns[i].dst];
  if (callees === undefined) movImm64(c, to, 0, 0);
  else {
    const { bpfFunc } = calleeAt(callees, subprog);
    const hi = hi32(bpfFunc);
    const lo = lo32(bpfFunc);
    // A number of 32 bits is as short, and needs no place.
    const short = hi === 0 || (hi === -1 && lo < 0);
    if (!short && forms.far[i] === 0) {
      if (e.reaches(hi, lo, c.length + LEA_BYTES)) leaRip(c, to, e.distance);
      else {
        forms.far[i] = 1;
        e.grew = true;
      }
    }
    if (short || forms.far[i] !== 0) movImm(c, to, hi, lo);
  }
  e.wrote(to, false);
}
