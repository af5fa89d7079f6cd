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
import { execute } from './execute.ts';

/*
 * A small arm64 for tests: the instructions the JIT emits, one at a time, slowly. It records what executables then repeat
 * under qemu, which is the judge of both.
 */

const SP = 31;
const LR = 30;
/** x19 to x29, and x18, which is the kernel's. */
const FIRST_KEPT = 18;
/** Where runs return to. */
const MAGIC = 0xfeedfacecafe0000n;
const STACK_BYTES = 65536;
/** As the recorder has it. */
const STACK_TOP_BYTES = 512;
/** As the executables' glue has it. */
const CALLBACK_GAP = 64n;
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

/** No pointer, and each register another. */
const poison = (register: number, depth: number): bigint =>
  0xa500000000000000n | (BigInt(depth) << 40n) | 0x5a5a00n | BigInt(register);

export class Arm64Cpu implements EmulatedCpu {
  readonly mem: LinearMemory;
  pc = 0n;
  next = 0n;
  n = false;
  z = false;
  c = false;
  v = false;
  reserved: bigint | undefined;
  stores = 0;
  /** x0 … x30, sp. */
  readonly #r = new BigUint64Array(32);
  readonly #options: EmulatorOptions;
  readonly #stack: Region;
  readonly #calls: Running[] = [];
  /** Where calls return to, and sp once they have; innermost last. */
  #shadow: EmuFrame[] = [];
  #count = 0;

  constructor(options: EmulatorOptions) {
    this.#options = options;
    this.mem = options.mem;
    const guard = this.mem.alloc(2 * STACK_BYTES, 16);
    const start = guard + STACK_BYTES;
    this.#stack = this.mem.addRegion({ kind: 'stack', name: 'machine stack', start, sizeBytes: STACK_BYTES });
  }

  argLo(n: number): number {
    return Number(BigInt.asIntN(32, this.#r[n]));
  }
  argHi(n: number): number {
    return Number(BigInt.asIntN(32, this.#r[n] >> 32n));
  }
  frames(): readonly EmuFrame[] {
    return this.#shadow.filter(({ pc }) => pc !== MAGIC).reverse();
  }
  resumeAt(to: ResumePoint): never {
    throw new Resume(to);
  }

  call(func: bigint, args: readonly bigint[], options: { readonly insnBudget?: number } = {}): EmuResult {
    const depth = this.#calls.length;
    const saved = { r: this.#r.slice(), pc: this.pc, next: this.next, shadow: this.#shadow.slice() };
    const before = this.#count;
    try {
      const outer = this.#calls.at(-1);
      if (outer === undefined) this.mem.u8.fill(0, this.#stack.start, this.#stack.end);
      const sp = outer === undefined ? BigInt(this.#stack.end - STACK_TOP_BYTES) : this.#r[SP] - CALLBACK_GAP;
      if (depth > MAX_DEPTH || sp < BigInt(this.#stack.start + 512)) {
        throw this.fault('stack-overflow', `calls nested ${depth} deep leave no stack`);
      }
      const budgetEnd = Math.min(before + (options.insnBudget ?? DEFAULT_BUDGET), outer?.budgetEnd ?? Infinity);
      this.#calls.push({ sp, depth, budgetEnd });
      this.#poison(depth);
      this.#r[SP] = sp;
      this.#r[LR] = MAGIC;
      this.#enter(func, args);
      this.#shadow.push({ pc: MAGIC, sp });
      this.#loop();
      for (let register = FIRST_KEPT; register < LR; register++) {
        if (this.#r[register] !== poison(register, depth)) throw this.fault('clobbered', `x${register} is another`);
      }
      return { ok: true, value: this.#r[0], insnCount: this.#count - before };
    } catch (error) {
      const fault = this.#faultOf(error);
      if (fault === undefined) throw error;
      return { ok: false, fault, insnCount: this.#count - before };
    } finally {
      this.#calls.length = depth;
      this.#r.set(saved.r);
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
    return { kind, message, addr, sizeBytes, pc: this.pc, regs: [...this.#r] };
  }

  #poison(depth: number): void {
    for (let register = 0; register < SP; register++) this.#r[register] = poison(register, depth);
  }
  #enter(func: bigint, args: readonly bigint[]): void {
    for (let i = 0; i < 5; i++) this.#r[i] = args[i] ?? 0n;
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
        // The frame the function returns from is the resumed one's.
        while (this.#shadow.length > 0 && this.#shadow[this.#shadow.length - 1].sp <= to.frameSp) this.#shadow.pop();
        const under = this.#r[SP];
        this.#poison(depth + 0x40);
        this.#r[FIRST_KEPT] = poison(FIRST_KEPT, depth);
        this.#r[SP] = to.sp ?? under - CALLBACK_GAP;
        this.#enter(to.func, to.args);
      }
    }
  }

  #run(): void {
    const { budgetEnd } = this.#calls[this.#calls.length - 1];
    const { code, gates } = this.#options;
    let image: { readonly addr: bigint; readonly bytes: Uint8Array } | undefined;
    let view: DataView | undefined;
    for (;;) {
      this.pc = this.next;
      if (this.pc === MAGIC) return;
      if (
        view === undefined ||
        image === undefined ||
        this.pc < image.addr ||
        this.pc >= image.addr + BigInt(image.bytes.length)
      ) {
        image = code.imageAt(this.pc);
        if (image === undefined) {
          const gate = gates.gateAt(this.pc);
          if (gate === undefined) throw this.fault('bad-fetch', `nothing at 0x${this.pc.toString(16)}`);
          this.#gate(gate);
          continue;
        }
        view = new DataView(image.bytes.buffer, image.bytes.byteOffset, image.bytes.length);
      }
      if (++this.#count > budgetEnd) throw this.fault('step-budget', 'the instruction budget is spent');
      this.next = this.pc + 4n;
      const word = view.getInt32(Number(this.pc - image.addr), true);
      if (!execute(this, word)) {
        throw this.fault('illegal-instruction', `0x${(word >>> 0).toString(16)} at 0x${this.pc.toString(16)}`);
      }
    }
  }

  #gate(gate: KernelGate): void {
    const out = new Int32Array(2);
    if (this.#r[SP] % 16n !== 0n) throw this.fault('bad-stack', 'a call with sp not aligned to 16 bytes');
    gate.call(this, out);
    const { depth } = this.#calls[this.#calls.length - 1];
    for (let register = 0; register < FIRST_KEPT; register++) this.#r[register] = poison(register, depth + 0x20);
    this.mem.u8.fill(0xa7, Math.max(this.#stack.start, Number(this.#r[SP]) - 256), Number(this.#r[SP]));
    this.#r[0] = BigInt.asUintN(64, (BigInt(out[1]) << 32n) | BigInt(out[0] >>> 0));
    this.n = this.z = this.c = this.v = true;
    this.ret(this.#r[LR]);
  }

  // ---- what instructions do

  get(register: number, width: number): bigint {
    return register === 31 ? 0n : BigInt.asUintN(width, this.#r[register]);
  }
  set(register: number, width: number, value: bigint): void {
    if (register !== 31) this.#r[register] = BigInt.asUintN(width, value);
  }
  getSp(register: number, width: number): bigint {
    return BigInt.asUintN(width, this.#r[register]);
  }
  setSp(register: number, width: number, value: bigint): void {
    this.#r[register] = BigInt.asUintN(width, value);
    if (register !== SP) return;
    if (value < BigInt(this.#stack.start)) throw this.fault('stack-overflow', 'the stack is full');
    if (value % 16n !== 0n) throw this.fault('bad-stack', 'sp not aligned to 16 bytes');
  }
  link(): void {
    this.#r[LR] = this.next;
    this.#shadow.push({ pc: this.next, sp: this.#r[SP] });
  }
  ret(to: bigint): void {
    const frame = this.#shadow.pop();
    if (frame === undefined || frame.pc !== to || frame.sp !== this.#r[SP]) {
      throw this.fault('bad-stack', `a return to 0x${to.toString(16)}, which called nobody from there`);
    }
    this.next = to;
  }

  /** The place of an access; -1 when it faulted and control went to its fixup. */
  #place(addr: bigint, bytes: number, access: 'read' | 'write'): number {
    if (addr < 0x100000000n) {
      const at = Number(addr);
      const region = this.mem.accessible(at, bytes, access);
      // Nothing below sp is safe from interrupts.
      if (region !== undefined && (region !== this.#stack || addr >= this.#r[SP])) return at;
      const handle = this.mem.regionAt(at);
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
  /** Reads; undefined when control went to a fixup. */
  read(given: bigint, bytes: number, access: 'read' | 'write' = 'read'): bigint | undefined {
    const at = this.#place(BigInt.asUintN(64, given), bytes, access);
    if (at < 0) return undefined;
    let value = 0n;
    for (let k = bytes - 1; k >= 0; k--) value = (value << 8n) | BigInt(this.mem.u8[at + k]);
    return value;
  }
  write(given: bigint, bytes: number, value: bigint): void {
    const at = this.#place(BigInt.asUintN(64, given), bytes, 'write');
    if (at < 0) return;
    for (let k = 0; k < bytes; k++) this.mem.u8[at + k] = Number((value >> BigInt(8 * k)) & 0xffn);
  }

  fault(kind: EmuFaultKind, message: string, addr?: bigint, sizeBytes?: number): Error {
    return new CpuFault({ kind, message, pc: this.pc, addr, sizeBytes, regs: [...this.#r] });
  }
}

/** For `ThreeWayConfig.makeCpu`. */
export function createArm64Cpu(options: EmulatorOptions): EmulatedCpu {
  return new Arm64Cpu(options);
}
