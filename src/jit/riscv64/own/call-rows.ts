import { hi32, lo32 } from '../../../util/index.ts';
import type { CallSite } from '../../types.ts';
import { addi, andi, auipc, jal, jalr, RA, SP, slli, srai, srli, ZERO } from '../encode.ts';
import { NO_REG } from './allocate.ts';
import { stepWords } from './constant.ts';
import { type Emission, high20, low12 } from './emission.ts';
import * as ir from './ir.ts';
import { calleeAt, targetOf } from './targets.ts';

/** Where the tail call count, or its address, is at a function's entry: R0 is no argument. */
export const COUNT = 15;
const A0 = 10;

/** Bytes no way to an address is longer than: every constant, and c.jalr. */
const LONGEST_BYTES = 32;
/** Bytes of auipc and the instruction behind it. */
const PAIR_BYTES = 8;

/** Forms of calls and function addresses, by slot. */
const NEAR = 0;
const PAIR = 1;
const FULL = 2;

const JAL_REACH = 0x100000;
/** auipc and a 12-bit number reach this far, less 2 KB. */
const isPair = (distance: number | undefined): distance is number => distance !== undefined && distance < 0x7ffff800;

/** The program waits for an address: as long as any way to one, and then as long as it is. */
function placeholder(e: Emission, bytes: number): void {
  for (let k = 0; k < bytes; k += 4) e.buffer.u32(addi(ZERO, ZERO, 0));
}

function grow(e: Emission, i: number, form: number): void {
  if (e.forms[i] < form) e.forms[i] = form;
}

export function emitCall(e: Emission, i: number): void {
  const { d, aux, kind } = e.rows;
  const { frame } = e.unit;
  const local = kind[i] === ir.CALL_SUB;
  const target = targetOf(e, i);
  // Tail calls below count where ours do.
  if (local && frame.reachable) e.w(addi(COUNT, SP, frame.countOff));
  if (kind[i] === ir.CALL_KFUNC) extendArguments(e, i);
  const start = e.here;
  let form = 'placeholder';
  if (target === undefined) placeholder(e, LONGEST_BYTES);
  else form = callAddress(e, i, target.address);
  const site: CallSite = {
    insnIdx: i,
    kind: target?.kind ?? 'subprog',
    offBytes: start,
    endBytes: e.here,
    target: target?.address ?? 0n,
    subprog: local ? aux[i] : 0,
    form,
  };
  e.sites.push(site);
  e.forgetClobbered();
  if (d[i] !== NO_REG && (e.rows.flags[i] & ir.UNREAD) === 0) e.move(d[i], A0);
}

/** The shortest call that reaches, never shorter than one of an emission before; its name. */
function callAddress(e: Emission, i: number, address: bigint): string {
  const [hi, lo] = [hi32(address), lo32(address)];
  const plan = e.unit.constants.plan(hi, lo);
  const fullBytes = plan.head !== undefined ? plan.bytes : plan.bytes + 2;
  if (!e.located) {
    placeholder(e, Math.max(PAIR_BYTES, fullBytes + 2));
    return 'placeholder';
  }
  const distance = e.distance(hi, lo, e.here);
  if (e.forms[i] === NEAR) {
    if (distance !== undefined && distance >= -JAL_REACH && distance < JAL_REACH) {
      e.buffer.u32(jal(RA, distance));
      return 'jal';
    }
    grow(e, i, PAIR);
  }
  if (e.forms[i] === PAIR && fullBytes > PAIR_BYTES) {
    if (isPair(distance)) {
      e.buffer.u32(auipc(RA, high20(distance)));
      e.buffer.u32(jalr(RA, low12(distance), RA));
      return 'auipc';
    }
    grow(e, i, FULL);
  }
  stepWords(plan.head ?? plan.steps, RA, word => e.w(word));
  e.w(jalr(RA, plan.tail, RA));
  return hi === lo >> 31 ? 'lui' : 'imm64';
}

/** LP64 wants arguments of less than 8 bytes extended: those of 4 by sign, whatever their type. */
function extendArguments(e: Emission, i: number): void {
  const args = e.unit.func.kfuncArgs?.(e.rows.imm[i], e.rows.off[i]);
  args?.slice(0, 5).forEach(({ sizeBytes, signed }, k) => {
    const register = A0 + k;
    if (sizeBytes === 4) e.signExtend(register, register);
    else if (sizeBytes === 1 && !signed) e.w(andi(register, register, 0xff));
    else if (sizeBytes < 4) {
      const by = 64 - 8 * sizeBytes;
      e.w(slli(register, register, by));
      e.w((signed ? srai : srli)(register, register, by));
    }
  });
}

/** `ld_imm64` of a function: what a pointer to it holds. */
export function emitFunctionAddress(e: Emission, i: number): void {
  const { d, imm } = e.rows;
  const to = d[i];
  e.result(to, 0);
  if (e.callees === undefined) {
    placeholder(e, LONGEST_BYTES);
    return;
  }
  const { bpfFunc } = calleeAt(e.callees, imm[i]);
  const [hi, lo] = [hi32(bpfFunc), lo32(bpfFunc)];
  const plan = e.unit.constants.plan(hi, lo);
  const distance = e.distance(hi, lo, e.here);
  if (e.forms[i] < FULL && plan.bytes > PAIR_BYTES) {
    if (isPair(distance)) {
      e.buffer.u32(auipc(to, high20(distance)));
      e.buffer.u32(addi(to, to, low12(distance)));
      return;
    }
    grow(e, i, FULL);
  }
  stepWords(plan.steps, to, word => e.w(word));
}

export const isCall = (kind: number): boolean => kind >= ir.CALL_HELPER && kind <= ir.CALL_SUB;
