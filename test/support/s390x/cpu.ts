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
import type { LinearMemory, Region } from '../../../src/mem/index.ts';
import { InternalError } from '../../../src/util/index.ts';
import { type Decoded, decodeInsn, execute } from './execute.ts';

/*
 * A small z/Architecture for tests: the instructions the JIT emits, one at a time, slowly. It records what executables then
 * repeat under qemu, which is the judge of both.
 */

const SP = 15;
const LINK = 14;
const FIRST_ARG = 2;
/** r6 to r13, and where runs return to. */
const KEPT = [6, 7, 8, 9, 10, 11, 12, 13];
const MAGIC = 0xfeedfacecafe0000n;
const STACK_BYTES = 65536;
/** As the recorder has it, and the executables' glue. */
const STACK_TOP_BYTES = 512;
const CALLBACK_GAP = 224n;
const HEADER_BYTES = 160;
const MAX_DEPTH = 64;
const DEFAULT_BUDGET = 2 ** 32;

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

interface Running {
  readonly sp: bigint;
  readonly depth: number;
  readonly budgetEnd: number;
}

export class S390xCpu implements EmulatedCpu {
  readonly mem: LinearMemory;
  readonly r: BigUint64Array = new BigUint64Array(16);
  pc = 0n;
  next = 0n;
  cc = 0;
  readonly #options: EmulatorOptions;
  readonly #stack: Region;
  readonly #calls: Running[] = [];
  /** Where calls return to, and r15 once they have; innermost last. */
  #shadow: EmuFrame[] = [];
  #count = 0;
  readonly #code = new WeakMap<Uint8Array, Map<number, Decoded>>();

  constructor(options: EmulatorOptions) {
    this.#options = options;
    this.mem = options.mem;
    const guard = this.mem.alloc(2 * STACK_BYTES, 16);
    const start = guard + STACK_BYTES;
    this.#stack = this.mem.addRegion({ kind: 'stack', name: 'machine stack', start, sizeBytes: STACK_BYTES });
  }

  argLo(n: number): number {
    return Number(BigInt.asIntN(32, this.r[FIRST_ARG + n]));
  }
  argHi(n: number): number {
    return Number(BigInt.asIntN(32, this.r[FIRST_ARG + n] >> 32n));
  }
  frames(): readonly EmuFrame[] {
    return this.#shadow.filter(({ pc }) => pc !== MAGIC).reverse();
  }
  resumeAt(to: ResumePoint): never {
    throw new Resume(to);
  }

  call(func: bigint, args: readonly bigint[], options: { readonly insnBudget?: number } = {}): EmuResult {
    const depth = this.#calls.length;
    const saved = { r: this.r.slice(), pc: this.pc, next: this.next, shadow: this.#shadow.slice() };
    const before = this.#count;
    try {
      const outer = this.#calls.at(-1);
      const top = BigInt(this.#stack.end - STACK_TOP_BYTES);
      if (outer === undefined) this.mem.u8.fill(0, this.#stack.start, this.#stack.end);
      const sp = outer === undefined ? top : this.r[SP] - CALLBACK_GAP;
      if (depth > MAX_DEPTH || sp < BigInt(this.#stack.start + 1024))
        throw this.fault('stack-overflow', `calls nested ${depth} deep leave no stack`);
      const budgetEnd = Math.min(before + (options.insnBudget ?? DEFAULT_BUDGET), outer?.budgetEnd ?? Infinity);
      this.#calls.push({ sp, depth, budgetEnd });
      this.#poison(depth);
      this.r[SP] = sp;
      this.mem.view.setBigUint64(Number(sp), 0n);
      this.#enter(func, args);
      this.r[LINK] = MAGIC;
      this.#shadow.push({ pc: MAGIC, sp });
      this.#loop();
      for (const register of KEPT) {
        const was = register === 6 ? (args[4] ?? 0n) : poison(register, depth);
        if (this.r[register] !== was) throw this.fault('clobbered', `r${register} changed`);
      }
      return { ok: true, value: this.r[FIRST_ARG], insnCount: this.#count - before };
    } catch (error) {
      const fault = this.#faultOf(error);
      if (fault === undefined) throw error;
      return { ok: false, fault, insnCount: this.#count - before };
    } finally {
      this.#calls.length = depth;
      this.r.set(saved.r);
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
    return { kind, message, addr, sizeBytes, pc: this.pc, regs: [...this.r] };
  }

  #poison(depth: number): void {
    for (let register = 0; register < 16; register++) this.r[register] = poison(register, depth);
  }
  #enter(func: bigint, args: readonly bigint[]): void {
    for (let n = 0; n < 5; n++) this.r[FIRST_ARG + n] = args[n] ?? 0n;
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
        const below = this.r[SP] - CALLBACK_GAP;
        this.#poison(depth + 0x40);
        this.r[SP] = to.sp ?? below;
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
      if (insn === undefined) known.set(off, (insn = decodeInsn(image.bytes, off)));
      this.next = this.pc + BigInt(insn.size);
      execute(this, insn);
    }
  }

  #gate(gate: KernelGate): void {
    const sp = Number(this.r[SP]);
    if ((sp & 7) !== 0 || sp < this.#stack.start || sp + HEADER_BYTES > this.#stack.end)
      throw this.fault('bad-stack', `${gate.name} entered with r15 = 0x${sp.toString(16)}`);
    const chain = this.mem.view.getBigUint64(sp);
    const { sp: top } = this.#calls[this.#calls.length - 1];
    if (chain <= BigInt(sp) || chain > top || chain - BigInt(sp) < BigInt(HEADER_BYTES))
      throw this.fault('bad-stack', `${gate.name} entered with a back chain of 0x${chain.toString(16)}`);
    const out = new Int32Array(2);
    gate.call(this, out);
    const { depth } = this.#calls[this.#calls.length - 1];
    for (const register of [0, 1, 3, 4, 5]) this.r[register] = poison(register, depth + 0x20);
    // What is below r15, and the callee's part of the frame.
    this.mem.u8.fill(0xa7, Math.max(this.#stack.start, sp - 512), sp);
    this.mem.u8.fill(0xa7, sp + 16, sp + HEADER_BYTES);
    this.r[FIRST_ARG] = BigInt.asUintN(64, (BigInt(out[1]) << 32n) | BigInt(out[0] >>> 0));
    this.cc = 3;
    this.ret(this.r[LINK]);
  }

  // ---- what instructions do

  callTo(link: number, to: bigint): void {
    this.#shadow.push({ pc: this.next, sp: this.r[SP] });
    this.r[link] = this.next;
    this.next = to;
  }
  ret(to: bigint): void {
    const frame = this.#shadow.pop();
    if (frame === undefined || frame.pc !== to || frame.sp !== this.r[SP])
      throw this.fault('bad-stack', `a return to 0x${to.toString(16)}, which called nobody from there`);
    this.next = to;
  }

  /** The place of an access; -1 when it faulted and control went to its fixup. */
  #place(addr: bigint, bytes: number, access: 'read' | 'write'): number {
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
    // Nothing below r15 is safe from interrupts.
    if (region === this.#stack && BigInt(at) < this.r[SP]) return false;
    return region !== undefined;
  }
  /** Reads; undefined when control went to a fixup. */
  read(addr: bigint, bytes: number): bigint | undefined {
    const at = this.#place(addr, bytes, 'read');
    if (at < 0) return undefined;
    const { view } = this.mem;
    if (bytes === 8) return view.getBigUint64(at);
    return BigInt(bytes === 4 ? view.getUint32(at) : bytes === 2 ? view.getUint16(at) : view.getUint8(at));
  }
  /** Writes; false when control went to a fixup. */
  write(addr: bigint, bytes: number, value: bigint): boolean {
    const at = this.#place(addr, bytes, 'write');
    if (at < 0) return false;
    const { view } = this.mem;
    if (bytes === 8) view.setBigUint64(at, BigInt.asUintN(64, value));
    else {
      const low = Number(BigInt.asUintN(32, value));
      if (bytes === 4) view.setUint32(at, low);
      else if (bytes === 2) view.setUint16(at, low & 0xffff);
      else view.setUint8(at, low & 0xff);
    }
    return true;
  }

  fault(kind: EmuFaultKind, message: string, addr?: bigint, sizeBytes?: number): Error {
    return new CpuFault({ kind, message, pc: this.pc, addr, sizeBytes, regs: [...this.r] });
  }
}

const poison = (register: number, depth: number): bigint =>
  0xa500000000000000n | (BigInt(depth) << 40n) | 0x5a5a00n | BigInt(register);

/** Makes one where the emulated CPUs of the library are made: for `CompileOptions.wrapCpu`. */
export function createS390xCpu(options: EmulatorOptions): EmulatedCpu {
  if (options.mem.order !== 'big') throw new InternalError('s390x is big-endian');
  return new S390xCpu(options);
}
