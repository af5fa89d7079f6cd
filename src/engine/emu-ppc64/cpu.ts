import type { LinearMemory } from '../../mem/index.ts';
import { type ByteOrder, FarcallError, hi32, InternalError, lo32, u64Of } from '../../util/index.ts';
import type { EmuFrame, EmulatedCpu, EmulatorOptions, EmuResult, ResumePoint } from '../emu-types.ts';
import {
  type Abi,
  type CallerState,
  type Convention,
  checkGateEntry,
  checkReturn,
  clobber,
  convention,
  poisonAll,
  poisonForResume,
} from './abi.ts';
import { Core, type Target } from './core.ts';
import { decodeAt } from './decode.ts';
import { faultOf } from './fault.ts';
import type { Image } from './image.ts';
import { Op } from './op.ts';
import { LR, R1, R2, R12, R13 } from './regs.ts';
import type { Level } from './row.ts';

export interface Ppc64CpuOptions extends EmulatorOptions {
  /** Of data and instructions; must be the memory's. */
  readonly order: ByteOrder;
  readonly abi: Abi;
  /** What the kernel's linear mapping starts at; the per-CPU page says so. */
  readonly kernelBase?: bigint;
  /** A kernel built PC-relative: the per-CPU page has no TOC, and no function wants one. Default: when there is no TOC. */
  readonly pcrel?: boolean;
  /** Asked at each conditional store that would succeed; true: the reservation was lost, as real CPUs may lose it any time. */
  readonly losesReservation?: () => boolean;
  /** Default 64 KiB. */
  readonly stackBytes?: number;
}

/** An emulated PowerPC64 CPU. */
export interface Ppc64Cpu extends EmulatedCpu {
  readonly abi: Abi;
  /** Address of the per-CPU page r13 points to (the kernel's paca). */
  readonly pacaAddr: number;
  /** Called with the address and first word of each instruction before it runs; undefined to stop. */
  trace(each: ((pc: bigint, word: number) => void) | undefined): void;
}

const DEFAULT_BUDGET = 2 ** 32;
/** Instructions granted at once. */
const GRANT = 0x3fffffff;
const MAX_ARGS = 8;
/** Nested calls there can be. */
const MAX_DEPTH = 64;

const PACA_BYTES = 4096;
/** `struct paca_struct` as pseries builds of 6.12 have it. */
const PACA = { index: 8, kernelToc: 16, kernelBase: 24, dataOffset: 48 } as const;

/** Unwinds the JavaScript stack to the call whose frames hold the function that will return. */
class Resume extends Error {
  readonly to: ResumePoint;
  constructor(to: ResumePoint) {
    super('resumeAt');
    this.to = to;
  }
}

/** A call in progress. */
interface Running extends CallerState {
  readonly budgetEnd: number;
}

class Cpu implements Ppc64Cpu {
  readonly mem: LinearMemory;
  readonly abi: Abi;
  readonly pacaAddr: number;
  readonly #m: Core;
  readonly #rules: Convention;
  readonly #options: Ppc64CpuOptions;
  /** Innermost last. */
  readonly #calls: Running[] = [];
  /** Instructions granted so far, of which `m.left` are not yet used. */
  #granted = 0;
  /** The instruction by which control entered the gate that runs. */
  #gateOp: Op = START;
  readonly #outs = Array.from({ length: MAX_DEPTH + 1 }, () => new Int32Array(2));

  constructor(options: Ppc64CpuOptions) {
    const level = levelOf(options.cpu);
    const { mem } = options;
    if (mem.order !== options.order)
      throw new InternalError(`a ${options.order}-endian CPU on ${mem.order}-endian memory`);
    this.mem = mem;
    this.abi = options.abi;
    this.#options = options;
    const m = new Core(options, options.order, level, decodeAt);
    this.#m = m;
    this.#rules = convention(options.abi, options.pcrel === true ? 0n : options.kernelToc);
    m.losesReservation = options.losesReservation;
    m.onGate = (target, o) => this.#gate(target, o);
    if (options.abi === 'elfv1') m.codeElsewhere = (addr, sizeBytes) => this.#gateDescriptor(addr, sizeBytes);
    m.refill = () => this.#refill();
    m.executed = () => this.#granted - m.left;
    this.#makeStack(options.stackBytes ?? 65536);
    this.pacaAddr = this.#makePaca();
    m.view = mem.view;
  }

  #makeStack(bytes: number): void {
    const { mem } = this;
    const m = this.#m;
    const guard = mem.alloc(2 * bytes, 16);
    m.guardStart = guard;
    m.stack = mem.addRegion({ kind: 'stack', name: 'machine stack', start: guard + bytes, sizeBytes: bytes });
    m.lowestSp = m.stack.end;
  }

  #makePaca(): number {
    const { mem } = this;
    const m = this.#m;
    const paca = mem.alloc(PACA_BYTES + 16, 16);
    m.pacaStart = paca;
    m.pacaEnd = paca + PACA_BYTES;
    m.scratch = m.pacaEnd;
    const { kernelToc, kernelBase = 0xc000000000000000n } = this.#options;
    const pcrel = this.#options.pcrel ?? kernelToc === 0n;
    const little = mem.littleEndian;
    const { view } = mem;
    view.setUint16(paca + PACA.index, 0, little);
    if (pcrel) view.setBigUint64(paca + PACA.kernelToc, kernelBase, little);
    else {
      view.setBigUint64(paca + PACA.kernelToc, kernelToc, little);
      view.setBigUint64(paca + PACA.kernelBase, kernelBase, little);
    }
    view.setBigUint64(paca + PACA.dataOffset, 0n, little);
    mem.addRegion({
      kind: 'internal',
      name: 'paca',
      start: paca,
      sizeBytes: PACA_BYTES + 16,
      readable: false,
      writable: false,
    });
    return paca;
  }

  trace(each: ((pc: bigint, word: number) => void) | undefined): void {
    this.#m.trace = each;
  }

  argLo(n: number): number {
    return this.#m.r[2 * (3 + n)];
  }
  argHi(n: number): number {
    return this.#m.r[2 * (3 + n) + 1];
  }

  // ---- calls ------------------------------------------------------------------------------------------------------

  call(funcPointer: bigint, args: readonly bigint[], options: { readonly insnBudget?: number } = {}): EmuResult {
    if (args.length > MAX_ARGS)
      throw new InternalError(`${args.length} arguments, at most ${MAX_ARGS} go in registers`);
    const m = this.#m;
    const depth = this.#calls.length;
    const saved = depth === 0 ? undefined : saveState(m);
    const gateOp = this.#gateOp;
    const before = m.executed();
    const count = (): number => m.executed() - before;
    m.view = this.mem.view;
    try {
      this.#prepare(funcPointer, args, before + (options.insnBudget ?? DEFAULT_BUDGET));
      this.#loop();
      return { ok: true, value: u64Of(m.r[7], m.r[6]), insnCount: count() };
    } catch (error) {
      const fault = faultOf(error, m.image.addrOf(this.#gateOp.at), m.regs());
      if (fault === undefined) throw error;
      return { ok: false, fault, insnCount: count() };
    } finally {
      this.#calls.length = depth;
      this.#gateOp = gateOp;
      m.view = this.mem.view;
      if (saved === undefined) m.running = false;
      else restoreState(m, saved);
    }
  }

  /** Opens a frame for the caller, fills the registers and goes to the function. */
  #prepare(funcPointer: bigint, args: readonly bigint[], budgetEnd: number): void {
    const m = this.#m;
    const { r } = m;
    const depth = this.#calls.length;
    const outer = this.#calls.at(-1);
    let sp: number;
    if (outer === undefined) {
      m.flushTargets();
      m.lowestSp = Math.max(m.stack.start, m.lowestSp - 512);
      this.mem.u8.fill(0, m.lowestSp, m.stack.end);
      m.lowestSp = m.stack.end;
      sp = m.stack.end - 512;
    } else {
      const frame = this.#rules.minFrameBytes + 64;
      sp = r[R1] - frame;
      if (depth > MAX_DEPTH || sp - 512 < m.stack.start) {
        throw m.fault(this.#gateOp, 'stack-overflow', `calls nested ${depth} deep leave no stack`);
      }
      // The kernel function has saved its return address in its caller's frame and opened one of its own.
      this.#writeWord(r[R1] + this.#rules.lrOff, r[LR + 1], r[LR]);
      this.#writeWord(sp, 0, r[R1]);
      if (sp < m.lowestSp) m.lowestSp = sp;
    }
    r[R13] = m.pacaStart;
    r[R13 + 1] = 0;
    poisonAll(m, depth);
    r[R1] = sp;
    r[R1 + 1] = 0;
    this.#setArgs(args);
    this.#enter(funcPointer);
    this.#calls.push({
      sp,
      toc: [r[R2], r[R2 + 1]],
      depth,
      budgetEnd: outer === undefined ? budgetEnd : Math.min(budgetEnd, outer.budgetEnd),
    });
    this.#grant();
    m.running = true;
    this.#go(funcPointer);
  }

  #setArgs(args: readonly bigint[]): void {
    const { r } = this.#m;
    args.forEach((arg, n) => {
      r[2 * (3 + n)] = lo32(arg);
      r[2 * (3 + n) + 1] = hi32(arg);
    });
  }

  /** Sets what the ABI wants in registers when a function pointer is called. */
  #enter(funcPointer: bigint): void {
    const m = this.#m;
    const { r } = m;
    if (this.abi === 'elfv2') {
      r[R12] = lo32(funcPointer);
      r[R12 + 1] = hi32(funcPointer);
      return;
    }
    const descriptor = this.#descriptor(funcPointer);
    const [toc, env] = descriptor === undefined ? [this.#options.kernelToc, 0n] : [descriptor.toc, descriptor.env];
    r[R2] = lo32(toc);
    r[R2 + 1] = hi32(toc);
    r[22] = lo32(env);
    r[23] = hi32(env);
  }

  #go(funcPointer: bigint): void {
    const m = this.#m;
    const entry = this.abi === 'elfv2' ? funcPointer : (this.#descriptor(funcPointer)?.entry ?? funcPointer);
    m.branchTo(START, hi32(entry), lo32(entry));
  }

  /** The three doublewords an ELFv1 function pointer points to; undefined where it names a function of the kernel itself. */
  #descriptor(addr: bigint): { readonly entry: bigint; readonly toc: bigint; readonly env: bigint } | undefined {
    const m = this.#m;
    const image = m.imageAt(addr);
    const off = image === undefined ? 0 : Number(addr - image.addr);
    if (image === undefined || off + 24 > image.bytes.length) {
      if (this.#options.gates.gateAt(addr) !== undefined) return undefined;
      throw m.fault(START, 'bad-fetch', `no function descriptor at 0x${addr.toString(16)}`, addr, 24);
    }
    const at = (n: number): bigint => image.view.getBigUint64(off + n, image.little);
    return { entry: at(0), toc: at(8), env: at(16) };
  }

  /**
   * Bytes of the kernel's own descriptors: each is taken to lie where the function's text does, since code only ever
   * reads the one and enters the other.
   */
  #gateDescriptor(addr: bigint, sizeBytes: number): Uint8Array | undefined {
    for (const off of [0, 8, 16]) {
      const start = BigInt.asUintN(64, (addr & ~7n) - BigInt(off));
      if (this.#options.gates.gateAt(start) === undefined) continue;
      const bytes = new Uint8Array(24);
      const view = new DataView(bytes.buffer);
      view.setBigUint64(0, start, this.mem.littleEndian);
      view.setBigUint64(8, this.#options.kernelToc, this.mem.littleEndian);
      const from = off + Number(addr & 7n);
      return bytes.subarray(from, from + sizeBytes);
    }
    return undefined;
  }

  #loop(): void {
    const m = this.#m;
    for (;;) {
      try {
        m.run();
        break;
      } catch (error) {
        if (!(error instanceof Resume)) throw error;
        if (error.to.frameSp < BigInt(this.#calls[this.#calls.length - 1].sp)) this.#resume(error.to);
        else if (this.#calls.length > 1) throw error;
        else throw new InternalError('resumeAt a frame above every call');
      }
    }
    const running = this.#calls[this.#calls.length - 1];
    checkReturn(m, this.#rules, running, m.ops[Math.max(0, m.idx - 1)] ?? START);
  }

  // ---- instructions ------------------------------------------------------------------------------------------------

  #refill(): void {
    const m = this.#m;
    this.#grant();
    if (m.left > 0) return;
    const op = new Op(START.exec, m.idx, 0);
    throw m.fault(op, 'step-budget', 'the instruction budget is spent');
  }

  #grant(): void {
    const m = this.#m;
    const used = m.executed();
    const left = Math.min(GRANT, this.#calls[this.#calls.length - 1].budgetEnd - used);
    m.left = Math.max(0, left);
    this.#granted = used + m.left;
  }

  // ---- gates -------------------------------------------------------------------------------------------------------

  #gate(target: Target, o: Op): void {
    const { gate } = target;
    if (gate === undefined) throw new InternalError('a gate that is none');
    const m = this.#m;
    const { r } = m;
    const depth = this.#calls.length - 1;
    checkGateEntry(m, this.#rules, this.#calls[depth], target, o);
    const outerOp = this.#gateOp;
    this.#gateOp = o;
    if (r[R1] < m.lowestSp) m.lowestSp = r[R1];
    const out = this.#outs[depth];
    gate.call(this, out);
    this.#gateOp = outerOp;
    m.view = this.mem.view;
    clobber(m, this.#rules, depth);
    r[6] = out[0];
    r[7] = out[1];
    if (this.#rules.hasToc && this.abi === 'elfv2' && !target.local) {
      r[R2] = this.#rules.tocLo;
      r[R2 + 1] = this.#rules.tocHi;
    }
    m.branchTo(o, r[LR + 1], r[LR]);
  }

  frames(): readonly EmuFrame[] {
    const m = this.#m;
    const frames: EmuFrame[] = [];
    const { lrOff } = this.#rules;
    let sp = m.r[R1];
    let pc = u64Of(m.r[LR + 1], m.r[LR]);
    const top = this.#calls[0]?.sp ?? 0;
    while (sp !== top && sp >= m.stack.start && sp + lrOff + 8 <= m.stack.end && (sp & 7) === 0) {
      frames.push({ sp: BigInt(sp), pc });
      const next = Number(this.#readWord(sp) & 0xffffffffn);
      if (next <= sp || next + lrOff + 8 > m.stack.end) break;
      sp = next;
      pc = this.#readWord(sp + lrOff);
    }
    return frames;
  }

  resumeAt(to: ResumePoint): never {
    throw new Resume(to);
  }

  #resume(to: ResumePoint): void {
    const m = this.#m;
    const { r } = m;
    m.view = this.mem.view;
    this.#gateOp = START;
    const depth = this.#calls.length - 1;
    poisonForResume(m, this.#rules, depth);
    const sp = to.sp ?? BigInt(r[R1] - this.#rules.minFrameBytes - 64);
    r[R1] = lo32(sp);
    r[R1 + 1] = hi32(sp);
    this.#setArgs(to.args);
    this.#enter(to.func);
    this.#go(to.func);
  }

  // ---- memory ------------------------------------------------------------------------------------------------------

  #writeWord(addr: number, hi: number, lo: number): void {
    const { view, littleEndian } = this.mem;
    view.setInt32(littleEndian ? addr : addr + 4, lo, littleEndian);
    view.setInt32(littleEndian ? addr + 4 : addr, hi, littleEndian);
  }
  #readWord(addr: number): bigint {
    return this.mem.view.getBigUint64(addr, this.mem.littleEndian);
  }
}

/** Stands for the caller of a run where a fault needs an instruction. */
const START = new Op(
  () => {
    throw new InternalError('the caller of a run is no instruction');
  },
  0,
  0,
);

interface SavedState {
  readonly r: Int32Array;
  readonly flags: readonly number[];
  readonly image: Image;
  readonly idx: number;
}

function saveState(m: Core): SavedState {
  return { r: m.r.slice(), flags: [m.cr, m.so, m.ov, m.ca, m.ov32, m.ca32, m.xerCount], image: m.image, idx: m.idx };
}
function restoreState(m: Core, saved: SavedState): void {
  m.r.set(saved.r);
  [m.cr, m.so, m.ov, m.ca, m.ov32, m.ca32, m.xerCount] = saved.flags;
  m.image = saved.image;
  m.ops = saved.image.ops;
  m.idx = saved.idx;
  m.resvBytes = 0;
  m.running = true;
}

function levelOf(cpu: string): Level {
  const level = /^(?:power|pwr|p)(8|9|10|11)$/.exec(cpu)?.[1];
  if (level !== undefined) return Math.min(10, Number(level)) as Level;
  throw new FarcallError({
    code: 'arg.cpu',
    message: 'unknown PowerPC CPU',
    expected: 'power8, power9 or power10',
    found: cpu,
  });
}

/**
 * A CPU of the PowerPC64 family that executes the bytes of images, checks the calling convention wherever control enters
 * the kernel or returns, and stops at whatever real hardware or a real kernel would not survive. Throws `arg.cpu`.
 */
export function createPpc64Cpu(options: Ppc64CpuOptions): Ppc64Cpu {
  return new Cpu(options);
}
