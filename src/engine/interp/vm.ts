import { ProgramFault } from '../../helpers/index.ts';
import { MAX_BPF_STACK, MAX_CALL_FRAMES, MAX_TAIL_CALL_CNT } from '../../isa/index.ts';
import { type Access, type Region, regionAllows } from '../../mem/index.ts';
import { BPF_FLAGS } from '../../uapi/index.ts';
import { accessFault } from '../access-fault.ts';
import type { EngineHost, LoadedProgram } from '../types.ts';
import type { InterpProgram, Op } from './program.ts';

/**
 * Frames there can be: a tail call from a function starts a program that may call 8 deep again, as in Linux, where its
 * frames lie below those of the callers that are still open.
 */
const MAX_FRAMES = MAX_CALL_FRAMES * (MAX_TAIL_CALL_CNT + 1);

interface Frame {
  program: InterpProgram;
  /** 1 for a program's own frame, one more for each call since: what the limit of 8 counts. */
  level: number;
  /** Slot to go on at when the frame above returns. */
  returnTo: number;
  mayGotoLeft: number;
  /** R6..R9 of the caller, high and low halves, restored on return. */
  readonly saved: Int32Array;
}

/** An access's address by its base's low half, which is unsigned: 2 GiB and more, where nothing is, do not wrap to 0. */
const lowAddress = (low: number, offBytes: number): number => (low >= 0 ? low : low + 2 ** 32) + offBytes;

/**
 * The interpreter's state for one machine: registers, frames and the stack. R<n> is `r[2n]` (low half) and
 * `r[2n + 1]` (high half). All programs of the machine share one; runs nest when helpers call back.
 *
 * ```
 *   stack region     stackTop ─┐
 *   [ unused | frame 2 | frame 1 | frame 0 ]      R10 of frame d is stackTop - 512 d;
 *            └ start moves down as frames open    a frame may reach its callers' stacks, as in Linux
 * ```
 */
export class Vm {
  readonly host: EngineHost;
  readonly r: Int32Array;
  readonly frames: Frame[];
  depth = 0;
  pc = 0;
  /** The slot being executed, for faults. */
  at = 0;
  /** The register a fault is about, once one happened in this run. */
  faultReg: number | undefined;
  ops: readonly Op[] = [];
  program!: InterpProgram;
  running = false;
  insnCount = 0;
  insnBudget = 0;
  tailCalls = 0;
  probeReads = false;
  probedReads = 0;
  /** Frames below this belong to an outer run. */
  baseDepth = 0;
  /** Who owns each region of function addresses. */
  readonly functions = new Map<Region, InterpProgram>();
  /** Programs this interpreter has loaded: what tail calls may reach. */
  readonly loaded = new WeakMap<LoadedProgram, InterpProgram>();
  readonly #stack: Region;
  readonly #stackTop: number;

  constructor(host: EngineHost) {
    this.host = host;
    this.r = host.env.regs;
    const { mem } = host.env;
    const size = MAX_BPF_STACK * MAX_FRAMES;
    const base = mem.alloc(size, 16);
    this.#stackTop = base + size;
    this.#stack = mem.addRegion({ kind: 'stack', name: 'stack', start: base, sizeBytes: 0 });
    this.frames = Array.from({ length: MAX_FRAMES }, () => ({
      program: undefined as unknown as InterpProgram,
      level: 0,
      returnTo: 0,
      mayGotoLeft: 0,
      saved: new Int32Array(8),
    }));
  }

  get frame(): Frame {
    return this.frames[this.depth - 1];
  }

  /** Opens a frame for `program` and points R10 at its zeroed stack. */
  enter(program: InterpProgram, pc: number): void {
    const level = this.depth === 0 ? 1 : this.frames[this.depth - 1].level + 1;
    if (level > MAX_CALL_FRAMES || this.depth === MAX_FRAMES) {
      throw new ProgramFault(
        'too-deep',
        `the call stack of ${MAX_CALL_FRAMES + 1} frames is too deep, at most ${MAX_CALL_FRAMES} are allowed`,
      );
    }
    const { r } = this;
    const frame = this.frames[this.depth];
    frame.program = program;
    frame.level = level;
    frame.mayGotoLeft = BPF_FLAGS.BPF_MAX_LOOPS;
    for (let i = 0; i < 8; i++) frame.saved[i] = r[12 + i];
    const top = this.#stackTop - MAX_BPF_STACK * this.depth;
    this.#stack.start = top - MAX_BPF_STACK;
    this.#stack.end = this.#stackTop;
    this.host.env.mem.u8.fill(0, top - MAX_BPF_STACK, top);
    r[20] = top;
    r[21] = 0;
    this.depth++;
    this.switchTo(program, pc);
  }

  /** Puts another program in the innermost frame's place (`bpf_tail_call`), its stack zeroed again. */
  replace(program: InterpProgram): void {
    const { frame } = this;
    frame.program = program;
    frame.level = 1;
    frame.mayGotoLeft = BPF_FLAGS.BPF_MAX_LOOPS;
    const top = this.r[20];
    this.host.env.mem.u8.fill(0, top - MAX_BPF_STACK, top);
    this.switchTo(program, 0);
  }

  /** Closes the innermost frame; R6..R9 and R10 are the caller's again. */
  leave(): void {
    const { r } = this;
    this.depth--;
    const { saved } = this.frames[this.depth];
    for (let i = 0; i < 8; i++) r[12 + i] = saved[i];
    const top = this.#stackTop - MAX_BPF_STACK * (this.depth - 1);
    if (this.depth === 0) this.#stack.end = this.#stack.start;
    else {
      this.#stack.start = top - MAX_BPF_STACK;
      r[20] = top;
    }
    r[21] = 0;
  }

  /** Drops frames until `depth` are left, whatever state they are in. */
  unwind(depth: number): void {
    while (this.depth > depth) this.leave();
  }

  switchTo(program: InterpProgram, pc: number): void {
    this.program = program;
    this.ops = program.ops;
    this.pc = pc;
  }

  /**
   * The address of `*(sizeBytes *)(reg + off)`, checked against the regions that exist. `op.region` remembers where
   * the last access of this instruction fell.
   */
  address(op: Op, reg2: number, sizeBytes: number, access: Access): number {
    const { r } = this;
    const addr = lowAddress(r[reg2], op.off);
    if (r[reg2 + 1] === 0 && addr >= 0) {
      const cached = op.region;
      if (cached !== undefined && regionAllows(cached, addr, sizeBytes, access)) return addr;
      const region = this.host.env.mem.accessible(addr, sizeBytes, access);
      if (region !== undefined) {
        op.region = region;
        return addr;
      }
      const absent = this.host.env.mem.substitute(addr);
      if (absent !== 0) return absent;
    }
    throw this.#accessFault(op, reg2, sizeBytes, access);
  }

  /** {@link address} of a load; -1 where a probe read finds nothing and the value is 0. */
  loadAddress(op: Op, reg2: number, sizeBytes: number): number {
    if (!this.probeReads) return this.address(op, reg2, sizeBytes, 'read');
    const addr = lowAddress(this.r[reg2], op.off);
    const { mem } = this.host.env;
    if (this.r[reg2 + 1] === 0 && addr >= 0 && mem.regionAt(addr) !== undefined) {
      return this.address(op, reg2, sizeBytes, 'read');
    }
    this.probedReads++;
    return -1;
  }

  /** The function an address from a `ld_imm64` of a subprogram stands for; undefined for any other address. */
  functionAt(addr: number): { readonly program: InterpProgram; readonly slot: number } | undefined {
    const region = this.host.env.mem.regionAt(addr);
    const program = region === undefined ? undefined : this.functions.get(region);
    if (region === undefined || program === undefined || (addr - region.start) % 8 !== 0) return undefined;
    return { program, slot: (addr - region.start) / 8 };
  }

  #accessFault(op: Op, reg2: number, sizeBytes: number, access: Access): ProgramFault {
    this.faultReg = reg2 >> 1;
    return accessFault(this.host.env.mem, {
      reg: reg2 >> 1,
      baseHigh: this.r[reg2 + 1],
      baseLow: this.r[reg2],
      offBytes: op.off,
      sizeBytes,
      access,
    });
  }
}
