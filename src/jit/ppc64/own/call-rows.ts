import { InternalError } from '../../../util/index.ts';
import { ir } from '../../rows/index.ts';
import type { CallSite } from '../../types.ts';
import { addi, bctrl, bl, clrldi, extsb, extsh, extsw, ld, mtctr } from '../encode.ts';
import { fillUp, LONGEST, putWay, type Way, wayTo } from './address.ts';
import { NO_REG, RETURN, SCRATCH0 as T0, SCRATCH2 as T2 } from './allocate.ts';
import type { Emission } from './emission.ts';
import { COUNT_OFF, PACA_TOC } from './frame.ts';
import { functionPointer, subprogTarget, type Target } from './targets.ts';

/** More than the code of a row takes, on average. */
const MOST_ROW_BYTES = 128;
const PLACEHOLDER: Way = { form: 'placeholder', words: LONGEST };

/** Whether `bl` from byte `off` of the image reaches. */
function reaches(e: Emission, { hi, lo }: Target, off: number): boolean {
  if (!e.located) return false;
  const distance = e.distanceLo(lo, off);
  return e.distanceHi(hi, lo, off) === distance >> 31 && distance >= -0x2000000 && distance <= 0x1fffffc;
}

/** Whether every place of the function reaches it by `bl`: a stub of the shared object that the function is in. */
export function isInObject(e: Emission, target: Target): boolean {
  if (e.unit.abi.tocSlot === undefined || target.subprog >= 0) return false;
  return reaches(e, target, 0) && reaches(e, target, MOST_ROW_BYTES * (e.rows.n + 1));
}

/** The call's target; undefined while callees have no addresses. */
export function targetOf(e: Emission, i: number): Target | undefined {
  if (e.rows.kind[i] !== ir.CALL_SUB) return e.unit.targets[e.rows.aux[i]];
  return e.callees === undefined ? undefined : subprogTarget(e.callees, e.rows.aux[i], e.toc);
}

export function emitCall(e: Emission, i: number): void {
  const { d, aux, kind } = e.rows;
  const local = kind[i] === ir.CALL_SUB;
  const target = targetOf(e, i);
  if (kind[i] === ir.CALL_KFUNC) extendArguments(e, i);
  // Tail calls below count where ours do.
  if (local && e.frame.reachable) e.w(addi(9, 1, e.frame.sizeBytes + COUNT_OFF));
  const start = e.buffer.length;
  let form: string = PLACEHOLDER.form;
  if (target === undefined) indirect(e, PLACEHOLDER, 0, 0);
  else if (isInObject(e, target) || (local && !e.forms.unreached.has(target.subprog) && reaches(e, target, start))) {
    if (!reaches(e, target, start)) throw new InternalError('a stub of the object is out of reach');
    e.w(bl(e.distanceLo(target.lo, start)));
    form = 'bl';
  } else {
    if (local && !e.forms.unreached.has(target.subprog)) {
      e.forms.unreached.add(target.subprog);
      e.grew = true;
    }
    if (e.stubs.has(target)) {
      e.branchLink(e.stubs.labelOf(e.buffer, target));
      form = 'stub';
    } else {
      const way = wayTo(e, target.hi, target.lo);
      if (target.changesToc && e.unit.abi.descriptors) throughDescriptor(e, way, target);
      else indirect(e, way, target.hi, target.lo);
      ({ form } = way);
    }
  }
  fillUp(e, i, start);
  const site: CallSite = {
    insnIdx: i,
    kind: target?.kind ?? 'subprog',
    offBytes: start,
    endBytes: e.buffer.length,
    target: target?.address ?? 0n,
    subprog: local ? aux[i] : 0,
    form,
  };
  e.sites.push(site);
  // Whoever called this function counts on r2, whether the function does or not.
  if (target?.changesToc === true && e.unit.hasToc) {
    const { tocSlot } = e.unit.abi;
    e.w(tocSlot === undefined ? ld(2, PACA_TOC, 13) : ld(2, tocSlot, 1));
  }
  e.changedByCall();
  if (d[i] !== NO_REG) e.move(d[i], RETURN);
}

/** Callees count on arguments extended to 64 bits as their types say; BPF cares for the low bits alone. */
function extendArguments(e: Emission, i: number): void {
  const { imm, off } = e.rows;
  const args = e.unit.func.kfuncArgs?.(imm[i], off[i]) ?? [];
  args.slice(0, 5).forEach(({ sizeBytes, signed }, n) => {
    if (sizeBytes >= 8 || sizeBytes === 0) return;
    const register = RETURN + n;
    if (!signed) e.w(clrldi(register, register, 64 - 8 * sizeBytes));
    else
      e.w(
        sizeBytes === 1
          ? extsb(register, register)
          : sizeBytes === 2
            ? extsh(register, register)
            : extsw(register, register),
      );
  });
}

function indirect(e: Emission, way: Way, hi: number, lo: number): void {
  putWay(e, way, e.t2, hi, lo);
  e.w(mtctr(T2));
  e.w(bctrl());
}

/** A module's function on ELFv1: its descriptor has its TOC beside its entry. */
function throughDescriptor(e: Emission, way: Way, { hi, lo }: Target): void {
  putWay(e, way, e.t2, hi, lo);
  e.w(ld(e.t0, 0, T2));
  e.w(ld(2, 8, T2));
  e.w(mtctr(T0));
  e.w(bctrl());
}

/** `ld_imm64` of a function: what a pointer to it holds. */
export function emitFunctionAddress(e: Emission, i: number): void {
  const { d, imm } = e.rows;
  const start = e.buffer.length;
  if (e.callees === undefined) putWay(e, PLACEHOLDER, d[i], 0, 0);
  else {
    const { hi, lo } = functionPointer(e.callees, imm[i]);
    putWay(e, wayTo(e, hi, lo), d[i], hi, lo);
  }
  fillUp(e, i, start);
}
