import type {
  EmuFault,
  EmuFaultKind,
  EmuFrame,
  EmulatedCpu,
  EmulatorOptions,
  EmuResult,
  KernelGate,
  ResumePoint,
} from '../../../src/engine/index.ts';
import { ProgramFault } from '../../../src/helpers/index.ts';
import type { KernelSpace } from '../../../src/kernels/index.ts';
import type { LinearMemory, Region } from '../../../src/mem/index.ts';
import { InternalError } from '../../../src/util/index.ts';
import { execute } from './execute.ts';
import { expand } from './expand.ts';

/*
 * A small RV64IMAC, with parts of Zba and Zbb, for tests: one instruction at a time, slowly. It records what executables
 * then repeat under qemu, which is the judge of both.
 */

const RA = 1;
const A4 = 14;
const SP = 2;
const TP = 4;
const A0 = 10;
const ARG_COUNT = 5;
const KEPT = [8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27];
/** Not changed by anybody: sp, gp, tp. */
const FIXED = [SP, 3, TP];
/** Where runs return to. */
const MAGIC = 0xfeedfacecafe0000n;
const STACK_BYTES = 65536;
/** As the recorder has it, and the executables' glue. */
const STACK_TOP_BYTES = 512;
const CALLBACK_GAP = 64n;
const MAX_DEPTH = 64;
const DEFAULT_BUDGET = 2 ** 32;
/** Where tp points, and which CPU that says this is. */
const TASK = 0x7fffffff00000000n;
const TASK_CPU = TASK + 32n;

/** Ends a run from inside. */
class CpuFault extends Error {
  readonly fault: EmuFault;
  constructor(fault: EmuFault) {
    super(fault.message);
    this.fault = fault;
  }
}
class Resume extends Error {
  readonly to: ResumePoint;
  constructor(to: ResumePoint) {
    super('resumeAt');
    this.to = to;
  }
}

/** A word, or what a half stands for. */
interface Decoded {
  readonly word: number;
  readonly size: 2 | 4;
}

interface Running {
  readonly sp: bigint;
  readonly depth: number;
  readonly budgetEnd: number;
}

export class RiscvCpu implements EmulatedCpu {
  readonly mem: LinearMemory;
  readonly x: BigUint64Array = new BigUint64Array(32);
  /** Zba and Zbb. */
  readonly bits: boolean;
  reservation: bigint | undefined;
  conditionalStores = 0;
  pc = 0n;
  next = 0n;
  readonly #options: EmulatorOptions;
  readonly #stack: Region;
  readonly #perCpu: bigint;
  readonly #calls: Running[] = [];
  /** Where calls return to, and sp once they have; innermost last. */
  #shadow: EmuFrame[] = [];
  #count = 0;
  readonly #code = new WeakMap<Uint8Array, Map<number, Decoded>>();

  constructor(options: EmulatorOptions) {
    this.#options = options;
    this.mem = options.mem;
    this.bits = options.cpu.includes('zba');
    this.#perCpu = (options.code as KernelSpace).symbolAddr('__per_cpu_offset');
    const guard = this.mem.alloc(2 * STACK_BYTES, 16);
    const start = guard + STACK_BYTES;
    this.#stack = this.mem.addRegion({ kind: 'stack', name: 'machine stack', start, sizeBytes: STACK_BYTES });
  }

  argLo(n: number): number {
    return Number(BigInt.asIntN(32, this.x[A0 + n]));
  }
  argHi(n: number): number {
    return Number(BigInt.asIntN(32, this.x[A0 + n] >> 32n));
  }

  frames(): readonly EmuFrame[] {
    return this.#shadow.filter(({ pc }) => pc !== MAGIC).reverse();
  }
  resumeAt(to: ResumePoint): never {
    throw new Resume(to);
  }

  call(func: bigint, args: readonly bigint[], options: { readonly insnBudget?: number } = {}): EmuResult {
    const depth = this.#calls.length;
    const saved = { x: this.x.slice(), pc: this.pc, next: this.next, shadow: this.#shadow.slice() };
    const before = this.#count;
    try {
      const outer = this.#calls.at(-1);
      const top = BigInt(this.#stack.end - STACK_TOP_BYTES);
      if (outer === undefined) this.mem.u8.fill(0, this.#stack.start, this.#stack.end);
      const sp = outer === undefined ? top : this.x[SP] - CALLBACK_GAP;
      if (depth > MAX_DEPTH || sp < BigInt(this.#stack.start + 512))
        throw this.fault('stack-overflow', `calls nested ${depth} deep leave no stack`);
      const budgetEnd = Math.min(before + (options.insnBudget ?? DEFAULT_BUDGET), outer?.budgetEnd ?? Infinity);
      this.#calls.push({ sp, depth, budgetEnd });
      this.#poison(depth);
      this.x[SP] = sp;
      this.#enter(func, args);
      this.x[RA] = MAGIC;
      this.#shadow.push({ pc: MAGIC, sp });
      this.#loop();
      for (const register of KEPT) {
        if (this.x[register] !== poison(register, depth)) throw this.fault('clobbered', `register ${register} changed`);
      }
      if (this.x[SP] !== sp) throw this.fault('bad-stack', 'sp is not where it was');
      return { ok: true, value: this.x[A0], insnCount: this.#count - before };
    } catch (error) {
      const fault = this.#faultOf(error);
      if (fault === undefined) throw error;
      return { ok: false, fault, insnCount: this.#count - before };
    } finally {
      this.#calls.length = depth;
      this.x.set(saved.x);
      this.pc = saved.pc;
      this.next = saved.next;
      this.#shadow = saved.shadow;
    }
  }

  #faultOf(error: unknown): EmuFault | undefined {
    if (error instanceof CpuFault) return error.fault;
    if (!(error instanceof ProgramFault)) return undefined;
    if ('fault' in error && error.fault !== undefined) return error.fault as EmuFault;
    const { kind, message, addr, sizeBytes } = error;
    return { kind, message, addr, sizeBytes, pc: this.pc, regs: [...this.x] };
  }

  #poison(depth: number): void {
    for (let register = 1; register < 32; register++) this.x[register] = poison(register, depth);
    this.x[TP] = TASK;
  }
  #enter(func: bigint, args: readonly bigint[]): void {
    for (let i = 0; i < ARG_COUNT; i++) this.x[A0 + i] = args[i] ?? 0n;
    this.next = func;
  }

  #loop(): void {
    for (;;) {
      try {
        this.#run();
        return;
      } catch (error) {
        if (!(error instanceof Resume)) throw error;
        const { to } = error;
        const { sp, depth } = this.#calls[this.#calls.length - 1];
        if (to.frameSp >= sp) throw error;
        this.#shadow = this.#shadow.filter(frame => frame.sp > to.frameSp);
        this.#poison(depth + 0x40);
        this.x[SP] = to.sp ?? this.x[SP];
        this.#enter(to.func, to.args);
      }
    }
  }

  #run(): void {
    const { budgetEnd } = this.#calls[this.#calls.length - 1];
    const { code, gates } = this.#options;
    let image: { readonly addr: bigint; readonly bytes: Uint8Array } | undefined;
    for (;;) {
      this.pc = this.next;
      if (this.pc === MAGIC) return;
      if (image === undefined || this.pc < image.addr || this.pc >= image.addr + BigInt(image.bytes.length)) {
        image = code.imageAt(this.pc);
        if (image === undefined) {
          const gate = gates.gateAt(this.pc);
          if (gate === undefined) throw this.fault('bad-fetch', `nothing at 0x${this.pc.toString(16)}`);
          this.#gate(gate);
          continue;
        }
      }
      if (++this.#count > budgetEnd) throw this.fault('step-budget', 'the instruction budget is spent');
      const off = Number(this.pc - image.addr);
      let known = this.#code.get(image.bytes);
      if (known === undefined) this.#code.set(image.bytes, (known = new Map()));
      let insn = known.get(off);
      if (insn === undefined) {
        insn = decode(image.bytes, off);
        if (insn === undefined) throw this.fault('illegal-instruction', `no instruction at ${off}`);
        known.set(off, insn);
      }
      this.next = this.pc + BigInt(insn.size);
      if (!execute(this, insn.word))
        throw this.fault('illegal-instruction', `no instruction 0x${(insn.word >>> 0).toString(16)}`);
    }
  }

  #gate(gate: KernelGate): void {
    const out = new Int32Array(2);
    gate.call(this, out);
    const { depth } = this.#calls[this.#calls.length - 1];
    const back = this.x[RA];
    if (this.x[SP] % 16n !== 0n) throw this.fault('bad-stack', 'sp is not aligned in a call');
    for (let register = 1; register < 32; register++) {
      if (![...KEPT, ...FIXED].includes(register)) this.x[register] = poison(register, depth + 0x20);
    }
    this.mem.u8.fill(0xa7, Math.max(this.#stack.start, Number(this.x[SP]) - 256), Number(this.x[SP]));
    this.x[A0] = BigInt.asUintN(64, (BigInt(out[1]) << 32n) | BigInt(out[0] >>> 0));
    this.#return(back);
  }

  // ---- what instructions do

  set(register: number, value: bigint): void {
    if (register !== 0) this.x[register] = value;
  }
  /** jal and jalr: calls link in ra, returns go where ra says; links in a4 are a function's own and no calls. */
  jump(link: number, from: number, to: bigint): void {
    const back = this.next;
    if (link === RA) this.#shadow.push({ pc: back, sp: this.x[SP] });
    else if (link !== 0 && link !== A4) throw this.fault('illegal-instruction', 'a link in another register');
    if (link === 0 && from === RA) this.#return(to);
    else this.next = to;
    this.set(link, back);
  }
  #return(to: bigint): void {
    const frame = this.#shadow.pop();
    if (frame === undefined || frame.pc !== to || frame.sp !== this.x[SP])
      throw this.fault('bad-stack', `a return to 0x${to.toString(16)}, which called nobody from there`);
    this.next = to;
  }

  /** The place of an access; -1 when it faulted and control went to its fixup. */
  place(addr: bigint, bytes: number, access: 'read' | 'write'): number {
    if (addr < 0x100000000n) {
      const at = Number(addr);
      const { mem } = this;
      if (this.#allows(at, bytes, access)) return at;
      const handle = mem.regionAt(at);
      if (access === 'read' && (handle?.kind === 'map' || handle?.kind === 'prog') && at + bytes <= handle.end)
        return at;
    }
    const fixup = this.#options.fixupFor?.(this.pc);
    if (fixup === undefined) {
      const kind = this.mem.regionAt(Number(addr & 0xffffffffn)) !== undefined ? 'write-protected' : 'out-of-bounds';
      throw this.fault(kind, `${access} of ${bytes} bytes at 0x${addr.toString(16)}`, addr, bytes);
    }
    this.next = fixup;
    return -1;
  }
  #allows(at: number, bytes: number, access: 'read' | 'write'): boolean {
    const region = this.mem.accessible(at, bytes, access);
    // Nothing below sp is safe from interrupts.
    if (region === this.#stack && BigInt(at) < this.x[SP]) return false;
    return region !== undefined;
  }
  /** Reads; undefined when control went to a fixup. */
  read(addr: bigint, bytes: number): bigint | undefined {
    if (addr === TASK_CPU || addr === this.#perCpu) return 0n;
    const at = this.place(addr, bytes, 'read');
    if (at < 0) return undefined;
    const { view } = this.mem;
    if (bytes === 8) return view.getBigUint64(at, true);
    return BigInt(bytes === 4 ? view.getUint32(at, true) : bytes === 2 ? view.getUint16(at, true) : view.getUint8(at));
  }
  /** Writes; false when control went to a fixup. */
  write(addr: bigint, bytes: number, value: bigint): boolean {
    const at = this.place(addr, bytes, 'write');
    if (at < 0) return false;
    const { view } = this.mem;
    if (bytes === 8) view.setBigUint64(at, BigInt.asUintN(64, value), true);
    else {
      const low = Number(BigInt.asUintN(32, value));
      if (bytes === 4) view.setUint32(at, low, true);
      else if (bytes === 2) view.setUint16(at, low & 0xffff, true);
      else view.setUint8(at, low & 0xff);
    }
    return true;
  }

  fault(kind: EmuFaultKind, message: string, addr?: bigint, sizeBytes?: number): Error {
    return new CpuFault({ kind, message, pc: this.pc, addr, sizeBytes, regs: [...this.x] });
  }
}

const poison = (register: number, depth: number): bigint =>
  0xa500000000000000n | (BigInt(depth) << 40n) | 0x5a5a00n | BigInt(register);

/** Makes one where the emulated CPUs of the library are made: for `CompileOptions.wrapCpu`. */
export function createRiscvCpu(options: EmulatorOptions): EmulatedCpu {
  if (options.mem.order !== 'little') throw new InternalError('RISC-V is little-endian');
  return new RiscvCpu(options);
}

function decode(bytes: Uint8Array, off: number): Decoded | undefined {
  const half = bytes[off] | (bytes[off + 1] << 8);
  if ((half & 3) === 3) return { word: half | (bytes[off + 2] << 16) | (bytes[off + 3] << 24), size: 4 };
  const word = expand(half);
  return word === undefined ? undefined : { word, size: 2 };
}
