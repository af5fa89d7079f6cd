import { ProgramFault, ProgramThrow } from '../../helpers/index.ts';
import { BPF_PSEUDO_FUNC, type Insn, LD_IMM64 } from '../../isa/index.ts';
import { JitError, MAIN_STATE, RUN_STATE, WASM_IMPORTS } from '../../jit/index.ts';
import { MAP_GATES } from '../../maps/index.ts';
import type { Region } from '../../mem/index.ts';
import { hi32, lo32, u64Of } from '../../util/index.ts';
import { DEFAULT_INSN_BUDGET, interpEngine } from '../interp/index.ts';
import type {
  EngineProgram,
  Fault,
  LoadedProgram,
  ProgramRunner,
  RunnerOptions,
  RunOptions,
  RunResult,
} from '../types.ts';
import { type CompileHow, compileProgram } from './compile-program.ts';
import type { Exports } from './exports.ts';
import { Gates } from './gates.ts';
import type { CompiledProgram } from './module-cache.ts';
import { WasmRunner } from './runner.ts';
import type { RunMode, WasmMachine } from './shared-machine.ts';
import { surveyOf } from './survey.ts';
import { isTrusted } from './trust.ts';

const TRACE_PRINTK = 6;
const TAIL_CALL = 12;
/** Programs of as many slots are first written as fast as can be; after that many runs it pays to optimise them. */
const QUICK_SLOTS = 64;
const QUICK_RUNS = 200;
/** Helpers that neither know nor change which packet a run is on: printing, time, random numbers, what operations of maps call. */
const PACKET_FREE: ReadonlySet<number> = new Set([
  ...[5, TRACE_PRINTK, 7, 8, 125, 160, 208],
  ...Object.values(MAP_GATES),
]);
/** Of these, those that answer whatever they are asked; printing reads memory. */
const FAULTLESS: ReadonlySet<number> = new Set([...PACKET_FREE].filter(id => id !== TRACE_PRINTK));
const MAP_GATE_IDS: ReadonlySet<number> = new Set(Object.values(MAP_GATES));

/** Which code a run wants. */
const modeOf = (options: RunOptions): RunMode => ({
  counted: options.insnBudget !== undefined || options.countInsns === true,
  probeReads: options.probeReads ?? false,
});

/** The slot `count` instructions behind another, in straight-line code. */
function slotAfter(insns: readonly Insn[], slot: number, count: number): number {
  let at = slot;
  for (let left = count; left > 0 && at < insns.length; left--) at += insns[at].code === LD_IMM64 ? 2 : 1;
  return at;
}

/** One kind of code of a program, in the machine's table. */
interface Variant {
  readonly compiled: CompiledProgram;
  readonly exports: Exports;
  readonly tableBase: number;
}

/** A program of one machine, compiled when it first runs. */
export class WasmLoaded implements LoadedProgram {
  readonly program: EngineProgram;
  /** Addresses of its functions: the word at 8 bytes a slot is the index in the table. Absent if no instruction takes one. */
  readonly functions: Region | undefined;
  /** What loads that find nothing read. */
  readonly zeros = MAIN_STATE + RUN_STATE.zeros;
  readonly hasTailCalls: boolean;
  readonly #machine: WasmMachine;
  readonly #how: CompileHow;
  readonly #variants = new Map<string, Variant | undefined>();
  readonly #hasPacketLoads: boolean;
  /** Not settled before the first run: maps a program refers to are made before it, programs after it do not matter. */
  #trusted: boolean | undefined;
  #interp: LoadedProgram | undefined;
  /** Runs left to code that was written quickly. */
  #quickRuns: number;

  constructor(program: EngineProgram, machine: WasmMachine, how: CompileHow) {
    this.program = program;
    this.#machine = machine;
    this.#how = how;
    const { insns } = program;
    this.#quickRuns = how.firstRuns === 'full' || insns.length < QUICK_SLOTS ? 0 : QUICK_RUNS;
    const { calls, constants, packetLoads } = surveyOf(insns);
    this.hasTailCalls = calls.some(slot => insns[slot].src === 0 && insns[slot].imm === TAIL_CALL);
    this.#hasPacketLoads = packetLoads;
    const { mem } = machine.host.env;
    if (constants.some(slot => insns[slot].src === BPF_PSEUDO_FUNC)) {
      const sizeBytes = 8 * (insns.length + 1);
      const start = mem.alloc(sizeBytes);
      const name = program.name;
      this.functions = mem.addRegion({ kind: 'func', name, start, sizeBytes, readable: false, writable: false });
    }
    machine.programs.add(this);
  }

  get verified(): boolean {
    return this.program.proof?.ok === true;
  }
  get trusted(): boolean {
    this.#trusted ??= isTrusted(this.program, this.#machine.host);
    return this.#trusted;
  }

  /** Whether the code counts instructions. */
  #counted(mode: RunMode): boolean {
    return !this.verified || mode.counted;
  }

  /** The code of a mode; undefined where the program has no translation. */
  #variant(mode: RunMode, quick = this.#quickRuns > 0): Variant | undefined {
    const counted = this.#counted(mode);
    const probeReads = !this.trusted && mode.probeReads;
    const effort = quick && this.trusted && !counted ? 'quick' : 'full';
    const key = `${counted} ${probeReads} ${effort}`;
    if (!this.#variants.has(key)) this.#variants.set(key, this.#make(counted, probeReads, effort));
    return this.#variants.get(key);
  }

  /** Takes `count` runs off those that code written quickly is good for. */
  #wear(count: number): void {
    if (this.#quickRuns === 0) return;
    this.#quickRuns = Math.max(0, this.#quickRuns - count);
    if (this.#quickRuns === 0) this.withdraw();
  }

  #make(counted: boolean, probeReads: boolean, effort: 'quick' | 'full'): Variant | undefined {
    const machine = this.#machine;
    const { mem } = machine.host.env;
    if (!mem.littleEndian) return undefined;
    let compiled: CompiledProgram;
    try {
      compiled = compileProgram(this.program, machine.host, this.#how, {
        counted,
        probeReads,
        funcBase: this.functions?.start ?? 0,
        shared: mem.shared,
        effort,
      });
    } catch (error) {
      if (error instanceof JitError) return undefined;
      throw error;
    }
    const { table } = machine;
    const tableBase = machine.reserve(compiled.functionSlots.length);
    const gates = new Gates(machine, this, { checked: !this.trusted });
    const { exports } = new WebAssembly.Instance(compiled.module, {
      [WASM_IMPORTS]: {
        ...gates.imports(compiled),
        memory: mem.wasm,
        table,
        tableBase: new WebAssembly.Global({ value: 'i32' }, tableBase),
      },
    });
    return { compiled, exports: exports as unknown as Exports, tableBase };
  }

  /** Its code for another thread, where that needs nothing of this machine but memory; see `shareModule`. */
  sharedModule(stateAddr: number): WebAssembly.Module | undefined {
    const { mem } = this.#machine.host.env;
    if (!this.trusted || !mem.shared || this.functions !== undefined || this.hasTailCalls || this.#hasPacketLoads) {
      return undefined;
    }
    const kind = { counted: false, probeReads: false, funcBase: 0, shared: true, stateAddr };
    const { calls, module } = compileProgram(this.program, this.#machine.host, this.#how, kind);
    return calls.kfuncs.length === 0 && calls.helpers.every(id => MAP_GATE_IDS.has(id)) ? module : undefined;
  }

  /** Its module, as runs without a budget use it; undefined where it has no translation. */
  compiled(): CompiledProgram | undefined {
    return this.#variant({ counted: false, probeReads: false }, false)?.compiled;
  }

  /** Lets tail calls and callbacks find the code of the machine's mode; its place in the table, 0 if there is none. */
  publish(): number {
    const machine = this.#machine;
    const variant = this.#variant(machine.mode);
    if (variant === undefined) return 0;
    const { tableBase, compiled } = variant;
    const { functions } = this;
    if (functions !== undefined) {
      const { i32 } = machine.host.env.mem;
      compiled.functionSlots.forEach((slot, i) => {
        const at = functions.start + 8 * slot;
        if (at < functions.end) i32[at >> 2] = tableBase + i;
      });
    }
    machine.publish(this.program.handle, tableBase);
    return tableBase;
  }

  /** The code of another mode is wanted. */
  withdraw(): void {
    this.#machine.publish(this.program.handle, 0);
    const { functions } = this;
    if (functions !== undefined) this.#machine.host.env.mem.u8.fill(0, functions.start, functions.end);
    this.#ready = false;
  }

  #ready = false;

  /** Makes what the program may call reachable, in the machine's mode. */
  #prepare(): void {
    if (this.#ready && !this.hasTailCalls) return;
    this.publish();
    if (this.hasTailCalls) this.#machine.publishAll(this.program.type);
    this.#ready = true;
  }

  open(options: RunnerOptions): ProgramRunner | undefined {
    const machine = this.#machine;
    const mode = modeOf(options);
    this.#wear(QUICK_RUNS);
    const variant = this.#variant(mode);
    if (variant === undefined) return undefined;
    const close = machine.begin(mode);
    this.#prepare();
    const { mem } = machine.host.env;
    const { helpers, kfuncs } = variant.compiled.calls;
    const budget = options.insnBudget ?? DEFAULT_INSN_BUDGET;
    const counted = this.#counted(mode);
    const alone = kfuncs.length === 0 && !this.#hasPacketLoads && !this.hasTailCalls;
    return new WasmRunner({
      machine,
      exports: variant.exports,
      ctxAddr: options.ctxAddr,
      packets: alone && helpers.every(id => PACKET_FREE.has(id)),
      faultless: alone && this.trusted && !counted && !mem.shared && helpers.every(id => FAULTLESS.has(id)),
      budget: counted ? budget : undefined,
      caught: error => this.#caught(error, budget),
      close,
    });
  }

  run(ctx: bigint, options: RunOptions = {}): RunResult {
    const machine = this.#machine;
    const mode = modeOf(options);
    this.#wear(1);
    const variant = this.#variant(mode);
    if (variant === undefined) {
      this.#interp ??= interpEngine.load(this.program, machine.host);
      return this.#interp.run(ctx, options);
    }
    const budget = options.insnBudget ?? DEFAULT_INSN_BUDGET;
    return machine.during(mode, budget, () => {
      this.#prepare();
      const { state } = machine;
      const r2 = options.r2 ?? 0n;
      return this.outcome(budget, this.#counted(mode), () => {
        if ((ctx | r2) >> 32n === 0n) {
          variant.exports.run(lo32(ctx), lo32(r2));
          return;
        }
        state.put(RUN_STATE.tailCalls, 0);
        const r0 = variant.exports.main(BigInt.asIntN(64, ctx), BigInt.asIntN(64, r2), 0n, 0n, 0n);
        state.put64(RUN_STATE.regs, hi32(r0), lo32(r0));
      });
    });
  }

  /** What became of a run inside of {@link WasmMachine.during}. @param body leaves R0 in the run's state */
  outcome(budget: number, counted: boolean, body: () => void): RunResult {
    const machine = this.#machine;
    const { state } = machine;
    let fault: Fault | undefined;
    try {
      body();
    } catch (error) {
      fault = this.#caught(error, budget);
    }
    if (fault !== undefined) {
      const insnCount = fault.kind === 'step-budget' ? budget + 1 : undefined;
      return { ok: false, fault, insnCount, probedReads: this.#probed() };
    }
    const r0 = u64Of(state.get(RUN_STATE.regs + 4), state.get(RUN_STATE.regs));
    return { ok: true, r0, insnCount: counted ? budget - this.#fuel() : undefined, probedReads: this.#probed() };
  }

  /** What ended a run, or undefined when it was an exception that the program's callback made a result of. */
  #caught(error: unknown, budget: number): Fault | undefined {
    let found = error;
    if (error instanceof ProgramThrow) {
      try {
        this.#endInException(error.cookie);
        return undefined;
      } catch (inCallback) {
        found = inCallback;
      }
    }
    return this.#describe(found, budget);
  }

  #fuel(): number {
    const { state } = this.#machine;
    return state.get(RUN_STATE.fuel + 4) * 2 ** 32 + (state.get(RUN_STATE.fuel) >>> 0);
  }
  #probed(): number {
    return this.#machine.state.get(RUN_STATE.probedReads) >>> 0;
  }

  /** Drops every frame and runs the exception callback; without one the cookie is the result. */
  #endInException(cookie: bigint): void {
    const machine = this.#machine;
    const { state } = machine;
    // After a tail call another program is in the outermost frame: the one that threw, but for callbacks of others.
    const program = state.get(RUN_STATE.tailCalls) === 0 ? this : (machine.faultAt?.loaded ?? this);
    machine.faultAt = undefined;
    state.put(RUN_STATE.sp, machine.stackTop);
    state.put(RUN_STATE.level, 0);
    const { exceptionCallback } = program.program;
    const variant = program.#variant(machine.mode);
    const func = exceptionCallback === undefined ? -1 : variant?.compiled.functionSlots.indexOf(exceptionCallback);
    if (func === undefined || func < 0) {
      state.put64(RUN_STATE.regs, hi32(cookie), lo32(cookie));
      return;
    }
    machine.setArgs([cookie]);
    machine.call((variant?.tableBase ?? 0) + func);
  }

  #describe(error: unknown, budget: number): Fault {
    const { faultAt, faultReg } = this.#machine;
    const program = (faultAt?.loaded ?? this).program;
    const slot = faultAt?.slot ?? 0;
    if (error instanceof ProgramFault) {
      const { kind, addr, sizeBytes } = error;
      const spent = kind === 'step-budget';
      const insnIdx = spent ? slotAfter(program.insns, slot, this.#fuel()) : slot;
      const message = spent ? `the budget of ${budget} instructions is spent` : error.message;
      return {
        kind,
        message,
        addr,
        sizeBytes,
        reg: faultReg,
        insnIdx,
        prog: program.name,
        regs: [],
        frames: [insnIdx],
      };
    }
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    const kind = /unaligned/.test(error.message) ? 'misaligned' : 'out-of-bounds';
    // A trap of the engine's own says no place.
    const message = `${error.message} (the instruction is not known)`;
    return { kind, message, insnIdx: slot, prog: program.name, regs: [], frames: [slot] };
  }

  free(): void {
    this.withdraw();
    this.#interp?.free();
    const machine = this.#machine;
    machine.programs.delete(this);
    for (const variant of this.#variants.values()) {
      if (variant === undefined) continue;
      const { tableBase, compiled } = variant;
      compiled.functionSlots.forEach((_, i) => void machine.table.set(tableBase + i, null));
    }
    this.#variants.clear();
    const { functions } = this;
    if (functions === undefined) return;
    const { start } = functions;
    machine.host.env.mem.removeRegion(functions);
    machine.host.env.mem.free(start);
  }
}
