import { ERRNO } from '../../../uapi/index.ts';
import { hi32, lo32 } from '../../../util/index.ts';
import { ir } from '../../rows/index.ts';
import { type Callee, type FuncInput, JitError, type TargetEnv, tailCallSite } from '../../types.ts';
import {
  agsi,
  basr,
  bc,
  brasl,
  brc,
  cl,
  clfi,
  cly,
  iilf,
  la,
  larl,
  lay,
  lg,
  lgbr,
  lgfr,
  lghr,
  lgr,
  llgcr,
  llgfr,
  llghr,
  llihf,
  lr,
  ltg,
  risbgnz,
} from '../encode.ts';
import { LINK, NO_REG, RETURN, SP, T0, T1 } from './allocate.ts';
import { constantInsns } from './constant.ts';
import type { Emission } from './emission.ts';
import { TAIL_ENTRY_BYTES, teardownOf } from './frame.ts';
import type { KernelTarget } from './unit.ts';

const NO_TARGETS: ReadonlyMap<number, KernelTarget> = new Map();

/** Helpers and kfuncs a function calls, by slot. Throws JitError for one nobody knows. */
export function kernelTargets(func: FuncInput, env: TargetEnv, rows: ir.Ir): ReadonlyMap<number, KernelTarget> {
  let first = 0;
  while (first < rows.n && rows.kind[first] !== ir.CALL_HELPER && rows.kind[first] !== ir.CALL_KFUNC) first++;
  if (first === rows.n) return NO_TARGETS;
  const targets = new Map<number, KernelTarget>();
  const helpers = new Map<number, KernelTarget>();
  for (let i = first; i < rows.n; i++) {
    const kind = rows.kind[i];
    const imm = rows.imm[i];
    if (kind === ir.CALL_HELPER) {
      let target = helpers.get(imm);
      if (target === undefined) {
        const address = BigInt.asUintN(64, env.space.callBase + BigInt(imm));
        target = { kind: 'helper', address, hi: hi32(address), lo: lo32(address) };
        helpers.set(imm, target);
      }
      targets.set(i, target);
    } else if (kind === ir.CALL_KFUNC) {
      const address = func.kfuncAddr(imm, rows.off[i]);
      if (address === undefined)
        throw new JitError(ERRNO.EINVAL, `insn ${i} calls kernel function #${imm}, which nobody knows`);
      targets.set(i, { kind: 'kfunc', address, hi: hi32(address), lo: lo32(address) });
    }
  }
  return targets;
}

function calleeAt(callees: readonly Callee[], subprog: number): Callee {
  const callee = callees[subprog];
  if (callee === undefined) throw new JitError(ERRNO.EINVAL, `there is no function ${subprog}`);
  return callee;
}

type Extend = (r1: number, r2: number) => number;
const EXTEND: Readonly<Record<number, readonly [unsigned: Extend, signed: Extend]>> = {
  1: [llgcr, lgbr],
  2: [llghr, lghr],
  4: [llgfr, lgfr],
};

/** Parameters narrower than a register are extended by whom calls. */
export function narrowArgs(
  func: FuncInput,
  imm: number,
  off: number,
): readonly (readonly [register: number, Extend])[] {
  const args = func.kfuncArgs?.(imm, off) ?? [];
  return args.slice(0, 5).flatMap(({ sizeBytes, signed }, n) => {
    const extend = EXTEND[sizeBytes]?.[signed ? 1 : 0];
    return extend === undefined ? [] : [[n + 2, extend] as const];
  });
}

/**
 * `brasl` reaches 4 GB; farther on, the address goes through r1. The first pass, which knows no addresses, takes the
 * longest form.
 */
export function emitCall(e: Emission, i: number): void {
  const { d, aux, imm, off, kind, flags } = e.rows;
  const local = kind[i] === ir.CALL_SUB;
  let hi = 0;
  let lo = 0;
  let address = 0n;
  let target: 'subprog' | 'helper' | 'kfunc' = 'subprog';
  if (!local) ({ hi, lo, address, kind: target } = e.unit.targets.get(i)!);
  else if (e.callees !== undefined) {
    const callee = calleeAt(e.callees, aux[i]);
    // The count starts with main and with what the kernel calls back.
    address = e.frame.reachable ? callee.localEntry : callee.entry;
    hi = hi32(address);
    lo = lo32(address);
  }
  if (kind[i] === ir.CALL_KFUNC) {
    for (const [register, extend] of narrowArgs(e.unit.func, imm[i], off[i])) e.w(extend(register, register));
  }
  const { countOff } = e.frame;
  if (local && e.frame.reachable) e.w(countOff < 4096 ? la(T0, countOff, 0, SP) : lay(T0, countOff, 0, SP));
  const start = e.buffer.length;
  let form = 'brasl';
  if (e.callees === undefined) {
    form = 'placeholder';
    e.w(llihf(T1, hi));
    e.w(iilf(T1, lo));
    e.w(basr(LINK, T1));
  } else {
    const distance = e.forms.far[i] === 0 ? e.halfwordsTo(hi, lo, start) : undefined;
    if (distance !== undefined) e.w(brasl(LINK, distance));
    else {
      if (e.forms.far[i] === 0) {
        e.forms.far[i] = 1;
        e.grew = true;
      }
      form = 'imm64';
      for (const insn of constantInsns(T1, hi, lo)) e.w(insn);
      e.w(basr(LINK, T1));
    }
  }
  e.sites.push({
    insnIdx: i,
    kind: target,
    offBytes: start,
    endBytes: e.buffer.length,
    target: address,
    subprog: local ? aux[i] : 0,
    form,
  });
  e.changedByCall();
  if (d[i] === NO_REG || d[i] === RETURN) return;
  if ((flags[i] & ir.HIGH) === 0) e.w(lr(d[i], RETURN));
  else {
    e.w(lgr(d[i], RETURN));
    e.set(d[i], false);
  }
}

/** `ld_imm64` of a function: what a pointer to it holds. */
export function emitFunctionAddress(e: Emission, i: number): void {
  const { d, imm } = e.rows;
  const start = e.buffer.length;
  e.set(d[i], false);
  if (e.callees === undefined) {
    e.w(llihf(d[i], 0));
    e.w(iilf(d[i], 0));
    return;
  }
  const { bpfFunc } = calleeAt(e.callees, imm[i]);
  const hi = hi32(bpfFunc);
  const lo = lo32(bpfFunc);
  const distance = e.forms.far[i] === 0 ? e.halfwordsTo(hi, lo, start) : undefined;
  // From 2 GB on, qemu 7.2 makes another address of it.
  if (distance !== undefined && distance === (distance << 1) >> 1) {
    e.w(larl(d[i], distance));
    return;
  }
  if (e.forms.far[i] === 0) {
    e.forms.far[i] = 1;
    e.grew = true;
  }
  for (const insn of constantInsns(d[i], hi, lo)) e.w(insn);
}

/** Registers of bpf_tail_call's arguments: R2 the array, R3 the index; R1, the context, stays in r2. */
const ARRAY = 3;
const INDEX = 4;
const VALUE = 5;
/** Tail calls one run may make (`MAX_TAIL_CALL_CNT`). */
const LIMIT = 33;

/**
 * `bpf_tail_call`: on to another program's main in this function's place, or behind this row.
 *
 * One count serves all frames of a run. A frame's slot holds the count itself, 0 to 33, or the address of the slot above
 * that does; of either the low half tells, and any number larger than 33 is an address. The program called finds in r0
 * what its own slot is to hold.
 */
export function emitTailCall(e: Emission, i: number): void {
  const { arrayMaxEntries, arrayPtrs, progBpfFunc } = e.unit.env.space.kernel.structs;
  const { countOff } = e.frame;
  const start = e.buffer.length;
  const out = e.buffer.label();
  const follow = e.buffer.label();
  const skip = (mask: number, label: number): void => e.near(brc(mask, 0), label);
  e.w(arrayMaxEntries < 4096 ? cl(INDEX, arrayMaxEntries, 0, ARRAY) : cly(INDEX, arrayMaxEntries, 0, ARRAY));
  skip(10, out);
  e.w(countOff < 4096 ? la(VALUE, countOff, 0, SP) : lay(VALUE, countOff, 0, SP));
  e.bind(follow);
  e.w(lgr(T1, VALUE));
  e.w(lg(VALUE, 0, 0, T1));
  e.w(clfi(VALUE, LIMIT));
  skip(2, follow);
  skip(8, out);
  e.w(risbgnz(INDEX, INDEX, 29, 60, 3));
  e.w(ltg(INDEX, arrayPtrs, INDEX, ARRAY));
  skip(8, out);
  e.w(agsi(0, T1, 1));
  e.w(lg(INDEX, progBpfFunc, 0, INDEX));
  e.w(lg(T0, countOff, 0, SP));
  for (const insn of teardownOf(e.frame)) e.w(insn);
  e.w(bc(15, TAIL_ENTRY_BYTES, 0, INDEX));
  e.bind(out);
  e.changedByCall();
  e.sites.push(tailCallSite(i, start, e.buffer.length));
}
