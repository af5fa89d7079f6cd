import { u64Of } from '../../util/index.ts';
import type { KernelGate } from '../emu-types.ts';
import type { Core } from './core.ts';
import type { Op } from './op.ts';
import { CTR, LR, MAGIC_HI, MAGIC_LO, R1, R2, R12, R13, RED_ZONE_BYTES } from './regs.ts';

export type Abi = 'elfv1' | 'elfv2';

/** Sizes and offsets in a stack frame. */
interface FrameLayout {
  /** Smallest frame a function that calls may have. */
  readonly minBytes: number;
  /** Where callees save CR and LR. */
  readonly crOff: number;
  readonly lrOff: number;
  /** Where callees may save their arguments; 0 bytes where only prototypes without one are called. */
  readonly paramOff: number;
  readonly paramBytes: number;
}

export const FRAMES: Readonly<Record<Abi, FrameLayout>> = {
  elfv1: { minBytes: 112, crOff: 8, lrOff: 16, paramOff: 48, paramBytes: 64 },
  elfv2: { minBytes: 32, crOff: 8, lrOff: 16, paramOff: 32, paramBytes: 0 },
};

/** CR2, CR3 and CR4. */
const KEPT_CR = 0x00fff000;
const START_CR = 0x556a9355;

/** r14..r31. */
const FIRST_KEPT = 14;

/** A value no address and no result looks like, another one for every register and depth of nesting. */
const poisonHi = (reg: number, depth: number): number => 0x5a000000 | (depth << 16) | reg | 0;
const poisonLo = (reg: number, depth: number): number => 0xa5000000 | (reg << 16) | depth | 0;

function poison(m: Core, reg: number, depth: number): void {
  m.r[2 * reg] = poisonLo(reg, depth);
  m.r[2 * reg + 1] = poisonHi(reg, depth);
}

/** What the caller of a program may expect to find again. */
export interface CallerState {
  readonly sp: number;
  readonly toc: readonly [number, number];
  readonly depth: number;
}

/** Fills every register before a function is called, so that what it reads without having written shows. */
export function poisonAll(m: Core, depth: number): void {
  const [pacaLo, pacaHi] = [m.r[R13], m.r[R13 + 1]];
  for (let reg = 0; reg < 32; reg++) if (reg !== 1) poison(m, reg, depth);
  m.r[R13] = pacaLo;
  m.r[R13 + 1] = pacaHi;
  m.cr = START_CR;
  poisonSpecial(m, depth);
  m.r[LR] = MAGIC_LO;
  m.r[LR + 1] = MAGIC_HI;
}

function poisonSpecial(m: Core, depth: number): void {
  m.r[CTR] = poisonLo(40, depth);
  m.r[CTR + 1] = poisonHi(40, depth);
  m.so = m.ov = m.ca = m.ov32 = m.ca32 = 1;
  m.resvBytes = 0;
}

/** After a kernel function: what it may clobber, it has. r3 holds its result. */
export function clobber(m: Core, abi: Abi, depth: number): void {
  poison(m, 0, depth);
  for (let reg = 4; reg <= 12; reg++) poison(m, reg, depth);
  m.cr = (m.cr & KEPT_CR) | (START_CR & ~KEPT_CR);
  poisonSpecial(m, depth);
  const sp = m.r[R1];
  const frame = FRAMES[abi];
  const { mem } = m;
  mem.u8.fill(0xa7, Math.max(m.stack.start, sp - RED_ZONE_BYTES), sp);
  m.view.setInt32(sp + frame.crOff, START_CR, m.little);
  if (frame.paramBytes > 0) mem.u8.fill(0xa7, sp + frame.paramOff, sp + frame.paramOff + frame.paramBytes);
}

/** Every register an exception callback may not rely on. */
export function poisonForResume(m: Core, depth: number): void {
  const { r } = m;
  const kept = [r[R1], r[R1 + 1]];
  poisonAll(m, depth + 0x40);
  [r[R1], r[R1 + 1]] = kept;
}

/** Checks registers and stack as a function of the kernel relies on them when it is entered. */
export function checkGateEntry(m: Core, abi: Abi, caller: CallerState, gate: KernelGate, local: boolean, o: Op): void {
  const { r, options } = m;
  const addr = u64Of(r[R12 + 1], r[R12]);
  const toc = u64Of(r[R2 + 1], r[R2]);
  const { kernelToc } = options;
  if (kernelToc !== 0n) {
    if (abi === 'elfv2' && !local) {
      if (options.gates.gateAt(addr) !== gate) {
        const what = `${gate.name} entered at its global entry with r12 = 0x${addr.toString(16)}, which is not its address`;
        throw m.fault(o, 'bad-toc', what, addr);
      }
    } else if (toc !== kernelToc) {
      const what = `${gate.name} entered with r2 = 0x${toc.toString(16)}, the kernel's TOC is 0x${kernelToc.toString(16)}`;
      throw m.fault(o, 'bad-toc', what, toc);
    }
  }
  const into = `${gate.name} entered`;
  const sp = r[R1];
  checkStackPointer(m, o, into);
  const tail = r[LR] === MAGIC_LO && r[LR + 1] === MAGIC_HI;
  if (tail) {
    if (sp !== caller.sp)
      throw badStack(m, o, `${into} by a tail call with r1 ${caller.sp - sp} bytes below the caller's`);
    return;
  }
  if (sp > caller.sp - FRAMES[abi].minBytes) {
    throw badStack(m, o, `${into} without a frame: its callees would save LR in the caller's frame`);
  }
  let at = sp;
  while (at < caller.sp) {
    const next = m.view.getInt32(at + (m.little ? 0 : 4), m.little);
    const high = m.view.getInt32(at + (m.little ? 4 : 0), m.little);
    if (high !== 0 || next < at + FRAMES[abi].minBytes || next > caller.sp || (next & 15) !== 0) {
      const held = `0x${u64Of(high, next).toString(16)}`;
      throw badStack(m, o, `${into} with a broken back chain: 0x${at.toString(16)} holds ${held}`);
    }
    at = next;
  }
}

function checkStackPointer(m: Core, o: Op, what: string): void {
  const sp = m.r[R1];
  const shown = `r1 = 0x${u64Of(m.r[R1 + 1], sp).toString(16)}`;
  if (m.r[R1 + 1] !== 0 || sp < m.stack.start || sp >= m.stack.end)
    throw badStack(m, o, `${what} with ${shown}, outside the stack`);
  if ((sp & 15) !== 0) throw badStack(m, o, `${what} with ${shown}, which is not aligned to 16 bytes`);
}

function badStack(m: Core, o: Op, message: string): Error {
  return m.fault(o, 'bad-stack', message, u64Of(m.r[R1 + 1], m.r[R1]));
}

/** Checks what a function must have restored when it returns; `o` is the instruction it returned by. */
export function checkReturn(m: Core, abi: Abi, caller: CallerState, o: Op): void {
  const { r } = m;
  if (r[R1] !== caller.sp || r[R1 + 1] !== 0) {
    throw badStack(
      m,
      o,
      `returned with r1 = 0x${u64Of(r[R1 + 1], r[R1]).toString(16)}, entered with 0x${caller.sp.toString(16)}`,
    );
  }
  for (let reg = FIRST_KEPT; reg < 32; reg++) {
    if (r[2 * reg] === poisonLo(reg, caller.depth) && r[2 * reg + 1] === poisonHi(reg, caller.depth)) continue;
    throw m.fault(o, 'clobbered', `returned with another r${reg} than it was entered with`);
  }
  if (r[R13] !== m.pacaStart || r[R13 + 1] !== 0)
    throw m.fault(o, 'clobbered', 'returned with another r13 than it was entered with');
  if (((m.cr ^ START_CR) & KEPT_CR) !== 0)
    throw m.fault(o, 'clobbered', 'returned with other CR2, CR3 or CR4 than it was entered with');
  const [tocLo, tocHi] = caller.toc;
  const same = r[R2] === tocLo && r[R2 + 1] === tocHi;
  const kernels = abi === 'elfv2' && u64Of(r[R2 + 1], r[R2]) === m.options.kernelToc;
  if (!same && !kernels && m.options.kernelToc !== 0n) {
    throw m.fault(
      o,
      'bad-toc',
      `returned with r2 = 0x${u64Of(r[R2 + 1], r[R2]).toString(16)}`,
      u64Of(r[R2 + 1], r[R2]),
    );
  }
}
