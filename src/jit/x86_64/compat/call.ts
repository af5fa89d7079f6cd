import { BPF_PSEUDO_CALL, BPF_PSEUDO_KFUNC_CALL, CALL, type Insn, TAIL_CALL } from '../../../isa/index.ts';
import { ERRNO } from '../../../uapi/index.ts';
import { callTarget } from '../../func-addr.ts';
import { type Callee, type CallSite, JitError, tailCallSite } from '../../types.ts';
import { ADD, aluImm, CC, CMP, JCC8, JMP32, mov, pop, rm, rmDisp, rr, test, W } from '../encode.ts';
import { nops } from '../nops.ts';
import { RAX, RBP, RCX, RDX, RSI, RSP } from '../registers.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { countPointerOff, jumpTo, MAX_TAIL_CALL_CNT, PATCH_BYTES, popSaved, TAIL_ENTRY_BYTES } from './frame.ts';

const CALL_REL32 = 0xe8;
const LOAD = 0x8b;

export function calleeAt(callees: readonly Callee[], subprog: number): Callee {
  const callee = callees[subprog];
  if (callee === undefined) throw new JitError(ERRNO.EINVAL, `there is no function ${subprog}`);
  return callee;
}

const kindOf = (insn: Insn): CallSite['kind'] =>
  insn.src === BPF_PSEUDO_CALL ? 'subprog' : insn.src === BPF_PSEUDO_KFUNC_CALL ? 'kfunc' : 'helper';

/** rax = address of the tail call count. */
function loadCountPointer(e: Emission): void {
  rr32(e, LOAD, RAX, RBP, countPointerOff(e.unit));
}

/** Always with a displacement of 32 bits. */
function rr32({ c }: Emission, op: number, reg: number, base: number, off: number): void {
  c.u8(0x48);
  c.u8(op);
  c.u8(0x80 | (reg << 3) | base);
  c.u32(off);
}

function lowerCall(e: Emission, insn: Insn): void {
  const { c, unit } = e;
  const { func, env } = unit;
  const start = c.length;
  if (func.tailCallReachable) loadCountPointer(e);
  // A local call nobody knows yet goes to `__bpf_call_base` + 1, which has as many bytes.
  const target = callTarget(insn, e.callees, env.space, (imm, off) => func.kfuncAddr(imm, off));
  const distance = BigInt.asIntN(64, target - (e.here + BigInt(PATCH_BYTES)));
  if (e.writing && target !== 0n && BigInt.asIntN(32, distance) !== distance) {
    throw new JitError(ERRNO.ERANGE, `Target call ${target.toString(16)} is out of range`);
  }
  c.u8(CALL_REL32);
  c.u32(Number(BigInt.asIntN(32, distance)));
  e.sites.push({
    insnIdx: e.slot,
    kind: kindOf(insn),
    offBytes: start,
    endBytes: c.length,
    target,
    subprog: insn.src === BPF_PSEUDO_CALL ? insn.off : 0,
    form: 'rel32',
  });
}

/** A jump over the rest of the tail call, as far as the pass before says. */
function out(e: Emission, cc: number, label: number): void {
  e.c.u8(JCC8 | cc);
  e.c.u8((label - (e.written + 1)) & 0xff);
}

/** Out where the count is 33. */
function checkCount(e: Emission, label: number): void {
  const { c } = e;
  loadCountPointer(e);
  rm(c, W, 0x83, CMP, RAX, 0);
  c.u8(MAX_TAIL_CALL_CNT);
  out(e, CC.ae, label);
}

/** One more tail call, and everything back as the caller had it, but for rbp. */
function leaveFrame(e: Emission): void {
  const { c, unit } = e;
  rm(c, W, 0x83, ADD, RAX, 0);
  c.u8(1);
  popSaved(e);
  pop(c, RAX);
  pop(c, RAX);
  if (unit.stackBytes > 0) {
    rr(c, W, 0x81, ADD, RSP);
    c.u32(unit.stackBytes);
  }
}

/** `bpf_tail_call` by what the array holds when it happens. */
function indirect(e: Emission): void {
  const { c, labels } = e;
  const { arrayMaxEntries, arrayPtrs, progBpfFunc } = e.unit.env.space.kernel.structs;
  mov(c, 0, RDX, RDX);
  rmDisp(c, 0, 0x39, RDX, RSI, arrayMaxEntries);
  out(e, CC.be, labels.tailIndirect);
  checkCount(e, labels.tailIndirect);
  // rcx = [rsi + 8 · rdx + ptrs]
  c.u8(0x48);
  c.u8(LOAD);
  c.u8(0x8c);
  c.u8(0xd6);
  c.u32(arrayPtrs);
  test(c, W, RCX, RCX);
  out(e, CC.e, labels.tailIndirect);
  leaveFrame(e);
  rmDisp(c, W, LOAD, RCX, RCX, progBpfFunc);
  aluImm(c, W, ADD, RCX, TAIL_ENTRY_BYTES);
  jumpTo(c, RCX);
  labels.tailIndirect = e.written;
}

/**
 * `bpf_tail_call` of an entry the verifier knows: as long as the array is empty there, a jump leads past it. Whoever fills the
 * entry makes that jump a nop, and the nop at the end a jump to the program.
 */
function direct(e: Emission): void {
  const { c, labels } = e;
  checkCount(e, labels.tailDirect);
  const bypass = e.written + PATCH_BYTES;
  c.u8(JMP32);
  c.u32(labels.tailDirect - bypass);
  leaveFrame(e);
  nops(c, PATCH_BYTES);
  labels.tailDirect = e.written;
}

function lowerTailCall(e: Emission, insn: Insn): void {
  const start = e.c.length;
  if (insn.imm === 0) indirect(e);
  else direct(e);
  e.sites.push(tailCallSite(e.slot, start, e.c.length, insn.imm === 0 ? 'tail_call' : 'tail_call_direct'));
}

export const CALL_ROWS: readonly LoweringRow[] = [
  [CALL, lowerCall],
  [TAIL_CALL, lowerTailCall],
];
