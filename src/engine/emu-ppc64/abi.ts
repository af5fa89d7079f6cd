import { hi32, lo32, u64Of } from '../../util/index.ts';
import type { Core, Target } from './core.ts';
import type { Op } from './op.ts';
import { CTR, LR, MAGIC_HI, MAGIC_LO, R1, R2, R12, R13, RED_ZONE_BYTES } from './regs.ts';

export type Abi = 'elfv1' | 'elfv2';

/** What functions of one ABI expect of each other. */
export interface Convention {
  readonly abi: Abi;
  /** Smallest frame a function that calls may have. */
  readonly minFrameBytes: number;
  /** Where in its caller's frame a function saves CR, 4 bytes, and LR. */
  readonly crOff: number;
  readonly lrOff: number;
  /** Where in its caller's frame a function may put its arguments; none where callers need not make room. */
  readonly paramOff: number;
  readonly paramBytes: number;
  /** Whether r2 and r12 mean anything: not to kernels built PC-relative. */
  readonly hasToc: boolean;
  readonly tocHi: number;
  readonly tocLo: number;
}

/** @param kernelToc 0 where there is none */
export function convention(abi: Abi, kernelToc: bigint): Convention {
  const toc = { hasToc: kernelToc !== 0n, tocHi: hi32(kernelToc), tocLo: lo32(kernelToc) };
  return abi === 'elfv1'
    ? { abi, minFrameBytes: 112, crOff: 8, lrOff: 16, paramOff: 48, paramBytes: 64, ...toc }
    : { abi, minFrameBytes: 32, crOff: 8, lrOff: 16, paramOff: 32, paramBytes: 0, ...toc };
}

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
export function clobber(m: Core, rules: Convention, depth: number): void {
  poison(m, 0, depth);
  for (let reg = 4; reg <= 12; reg++) poison(m, reg, depth);
  m.cr = (m.cr & KEPT_CR) | (START_CR & ~KEPT_CR);
  poisonSpecial(m, depth);
  const sp = m.r[R1];
  const { mem } = m;
  mem.u8.fill(0xa7, Math.max(m.stack.start, sp - RED_ZONE_BYTES), sp);
  m.view.setInt32(sp + rules.crOff, START_CR, m.little);
  if (rules.paramBytes > 0) mem.u8.fill(0xa7, sp + rules.paramOff, sp + rules.paramOff + rules.paramBytes);
}

/** Every register a function may not rely on that a kernel function calls never to return; r2 is the kernel's. */
export function poisonForResume(m: Core, rules: Convention, depth: number): void {
  const { r } = m;
  const kept = [r[R1], r[R1 + 1]];
  poisonAll(m, depth + 0x40);
  [r[R1], r[R1 + 1]] = kept;
  if (rules.hasToc) {
    r[R2] = rules.tocLo;
    r[R2 + 1] = rules.tocHi;
  }
}

/** Checks registers and stack as a function of the kernel relies on them when it is entered. */
export function checkGateEntry(m: Core, rules: Convention, caller: CallerState, target: Target, o: Op): void {
  const { r } = m;
  const { gate, local } = target;
  const name = gate?.name ?? '?';
  if (rules.hasToc) {
    if (rules.abi === 'elfv2' && !local) {
      if (r[R12] !== target.lo || r[R12 + 1] !== target.hi) {
        const held = u64Of(r[R12 + 1], r[R12]);
        const what = `${name} entered at its global entry with r12 = 0x${held.toString(16)}, which is not its address`;
        throw m.fault(o, 'bad-toc', what, held);
      }
    } else if (r[R2] !== rules.tocLo || r[R2 + 1] !== rules.tocHi) {
      const held = u64Of(r[R2 + 1], r[R2]);
      const toc = u64Of(rules.tocHi, rules.tocLo);
      const what = `${name} entered with r2 = 0x${held.toString(16)}, the kernel's TOC is 0x${toc.toString(16)}`;
      throw m.fault(o, 'bad-toc', what, held);
    }
  }
  const into = `${name} entered`;
  const sp = r[R1];
  checkStackPointer(m, o, into);
  const tail = r[LR] === MAGIC_LO && r[LR + 1] === MAGIC_HI;
  if (tail) {
    if (sp !== caller.sp)
      throw badStack(m, o, `${into} by a tail call with r1 ${caller.sp - sp} bytes below the caller's`);
    return;
  }
  if (sp > caller.sp - rules.minFrameBytes) {
    throw badStack(m, o, `${into} without a frame: its callees would save LR in the caller's frame`);
  }
  let at = sp;
  while (at < caller.sp) {
    const next = m.view.getInt32(at + (m.little ? 0 : 4), m.little);
    const high = m.view.getInt32(at + (m.little ? 4 : 0), m.little);
    if (high !== 0 || next < at + rules.minFrameBytes || next > caller.sp || (next & 15) !== 0) {
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
export function checkReturn(m: Core, rules: Convention, caller: CallerState, o: Op): void {
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
  const kernels = rules.abi === 'elfv2' && r[R2] === rules.tocLo && r[R2 + 1] === rules.tocHi;
  if (!same && !kernels && rules.hasToc) {
    throw m.fault(
      o,
      'bad-toc',
      `returned with r2 = 0x${u64Of(r[R2 + 1], r[R2]).toString(16)}`,
      u64Of(r[R2 + 1], r[R2]),
    );
  }
}
