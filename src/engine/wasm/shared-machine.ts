import { type HelperEnv, ProgramFault } from '../../helpers/index.ts';
import { MAX_BPF_STACK, MAX_CALL_FRAMES, MAX_TAIL_CALL_CNT } from '../../isa/index.ts';
import { callTrampoline, MAIN_STATE, RUN_STATE, WASM_IMPORTS } from '../../jit/index.ts';
import type { Region } from '../../mem/index.ts';
import { FarcallError, hi32, lo32 } from '../../util/index.ts';
import { type EngineHost, type LoadedProgram, PROG_HANDLE } from '../types.ts';
import type { WasmLoaded } from './loaded.ts';
import { RunState } from './run-state.ts';

/** Frames there can be: every tail call from a function starts a program that may call 8 deep again. */
const STACK_BYTES = MAX_BPF_STACK * MAX_CALL_FRAMES * (MAX_TAIL_CALL_CNT + 1);
/** Elements a table is grown by at least: growing copies it. */
const TABLE_STEP = 64;

/** Which code runs: a machine runs one kind at a time, so that tail calls and callbacks stay in it. */
export interface RunMode {
  readonly counted: boolean;
  readonly probeReads: boolean;
}

/** What programs of one machine share: the table of functions, the stack, and what is running. */
export class WasmMachine {
  readonly host: EngineHost;
  readonly table: WebAssembly.Table;
  readonly state: RunState;
  readonly programs = new Set<WasmLoaded>();
  readonly stackTop: number;
  readonly #stack: Region;
  #tableUsed = 1;
  #trampoline: ((index: number) => number) | undefined;
  running = false;
  mode: RunMode = { counted: false, probeReads: false };
  /** Programs that others run in front of a program of this machine: what maps of programs hold. */
  readonly fronts = new Map<LoadedProgram, WasmLoaded>();
  /** Calls a function of the table in another form of code, as {@link call} does; undefined if it has no other. */
  callNatively: ((index: number) => number | undefined) | undefined;
  /** The place of a fault on its way out: the innermost one noted. */
  faultAt: { readonly loaded: WasmLoaded; readonly slot: number } | undefined;
  faultReg: number | undefined;

  constructor(host: EngineHost) {
    const { mem } = host.env;
    this.host = host;
    // Addresses of functions are never 0.
    this.table = new WebAssembly.Table({ element: 'anyfunc', initial: TABLE_STEP });
    this.state = new RunState(mem, MAIN_STATE);
    const start = mem.alloc(STACK_BYTES, 16);
    this.stackTop = start + STACK_BYTES;
    this.#stack = mem.addRegion({ kind: 'stack', name: 'stack', start, sizeBytes: 0 });
    this.state.put(RUN_STATE.stackTop, this.stackTop);
    this.state.put(RUN_STATE.sp, this.stackTop);
    this.state.forgetRegions();
  }

  /** Room for functions in a row: the index of the first. */
  reserve(count: number): number {
    const first = this.#tableUsed;
    this.#tableUsed += count;
    if (this.#tableUsed > this.table.length) {
      this.table.grow(Math.max(this.#tableUsed - this.table.length, TABLE_STEP, this.table.length));
    }
    return first;
  }

  /** The part of the stack that is in use is what helpers may touch. */
  openStack(): void {
    this.#stack.start = this.state.get(RUN_STATE.sp);
    this.#stack.end = this.stackTop;
  }
  /** Whether all bytes lie in an open frame. */
  inStack(addr: number, sizeBytes: number): boolean {
    return addr >= this.state.get(RUN_STATE.sp) && addr + sizeBytes <= this.stackTop;
  }

  /** Calls a function of the table, arguments and result in the run's state; the low half of its R0, signed. */
  call(index: number): number {
    const result = this.callNatively?.(index);
    if (result !== undefined) return result;
    this.#trampoline ??= new WebAssembly.Instance(new WebAssembly.Module(callTrampoline(this.host.env.mem.shared)), {
      [WASM_IMPORTS]: { memory: this.host.env.mem.wasm, table: this.table },
    }).exports.call as (index: number) => number;
    return this.#trampoline(index);
  }

  /** The program that has a function at an address. */
  ownerOf(addr: number): WasmLoaded | undefined {
    const region = this.host.env.mem.regionAt(addr);
    if (region === undefined || (addr - region.start) % 8 !== 0) return undefined;
    for (const loaded of this.programs) if (loaded.functions === region) return loaded;
    return undefined;
  }
  /** Index in the table of the function at an address, 0 for none. */
  functionAt(addr: number): number {
    const owner = this.ownerOf(addr);
    if (owner === undefined) return 0;
    const { mem } = this.host.env;
    if (mem.i32[addr >> 2] === 0) owner.publish();
    return mem.i32[addr >> 2];
  }

  setArgs(args: readonly (number | bigint)[]): void {
    for (let n = 1; n <= 5; n++) {
      const value = BigInt(args[n - 1] ?? 0);
      this.state.put64(RUN_STATE.regs + 8 * n, hi32(value), lo32(value));
    }
  }

  /** What helpers call back; see `HelperEnv.callFunc`. */
  readonly callFunc: HelperEnv['callFunc'] = (addr, ...args) => {
    const index = this.functionAt(addr);
    if (index === 0) {
      throw new ProgramFault('bad-call', `callback 0x${addr.toString(16)} is not a function`, BigInt(addr));
    }
    const { state } = this;
    const level = state.get(RUN_STATE.level);
    if (level >= MAX_CALL_FRAMES) throw tooDeep();
    const { regs } = this.host.env;
    const saved = regs.slice();
    this.setArgs(args);
    const result = this.call(index);
    regs.set(saved);
    state.put(RUN_STATE.level, level);
    this.openStack();
    return result;
  };

  /** Begins a run, or several; returns what ends it. Throws `run.reentrant`. */
  begin(mode: RunMode): () => void {
    if (this.running) {
      throw new FarcallError({ code: 'run.reentrant', message: 'a program of this machine is already running' });
    }
    this.enter(mode);
    this.running = true;
    this.reset();
    this.state.forgetRegions();
    const previous = this.host.setCallFunc(this.callFunc);
    return () => {
      this.running = false;
      this.host.setCallFunc(previous);
      this.#stack.end = this.#stack.start;
    };
  }

  /** As a run begins: no frames. */
  reset(): void {
    const { state } = this;
    this.faultAt = undefined;
    this.faultReg = undefined;
    state.put(RUN_STATE.sp, this.stackTop);
    state.put(RUN_STATE.level, 0);
    state.put(RUN_STATE.probedReads, 0);
  }

  setFuel(insns: number): void {
    this.state.put64(RUN_STATE.fuel, Math.floor(insns / 2 ** 32), insns | 0);
  }

  /** Runs `body` between the beginning and the end of a run. Throws `run.reentrant`. */
  during<T>(mode: RunMode, insnBudget: number, body: () => T): T {
    const end = this.begin(mode);
    try {
      this.setFuel(insnBudget);
      return body();
    } finally {
      end();
    }
  }

  /** Makes one kind of code what tail calls and callbacks find. */
  enter(mode: RunMode): void {
    if (mode.counted === this.mode.counted && mode.probeReads === this.mode.probeReads) return;
    this.mode = mode;
    for (const loaded of this.programs) loaded.withdraw();
  }

  /** Lets tail calls of programs of a type find every other one. */
  publishAll(type: number): void {
    for (const loaded of this.programs) if (loaded.program.type === type) loaded.publish();
  }

  /** Where tail calls find a program; 0 closes it. */
  publish(handle: number, index: number): void {
    if (handle !== 0) this.host.env.mem.i32[(handle + PROG_HANDLE.bpfFunc) >> 2] = index;
  }
}

export const tooDeep = (): ProgramFault =>
  new ProgramFault(
    'too-deep',
    `the call stack of ${MAX_CALL_FRAMES + 1} frames is too deep, at most ${MAX_CALL_FRAMES} are allowed`,
  );
