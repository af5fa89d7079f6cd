import { type HelperDef, ProgramFault, ProgramThrow } from '../../helpers/index.ts';
import { BPF_PSEUDO_KFUNC_CALL, CALL, type Insn, LD_IMM64 } from '../../isa/index.ts';
import {
  helperImport,
  JitError,
  kfuncImport,
  MAIN_STATE,
  RUN_STATE,
  translateProgram,
  WASM_IMPORTS,
} from '../../jit/index.ts';
import { MAP_HANDLE, PROG_ARRAY_PTRS } from '../../maps/index.ts';
import type { Region } from '../../mem/index.ts';
import { hi32, lo32, u64Of } from '../../util/index.ts';
import { DEFAULT_INSN_BUDGET, interpEngine } from '../interp/index.ts';
import {
  type EngineProgram,
  type Fault,
  type LoadedProgram,
  PROG_HANDLE,
  type RunOptions,
  type RunResult,
} from '../types.ts';
import { shapeOf } from './call-shape.ts';
import { Gates } from './gates.ts';
import { type LinkHelper, linkHelpers } from './link-helpers.ts';
import type { CacheableOptions, CompiledProgram, ModuleCache } from './module-cache.ts';
import type { RunMode, WasmMachine } from './shared-machine.ts';
import { isTrusted, stackDepths } from './trust.ts';

const TAIL_CALL = 12;

/** Exports of a module. */
interface Exports {
  readonly main: (...args: bigint[]) => bigint;
  readonly run: (ctx: number, r2: number) => number;
}

/** One kind of code of a program, in the machine's table. */
interface Variant {
  readonly compiled: CompiledProgram;
  readonly exports: Exports;
  readonly tableBase: number;
}

/** How a program is compiled, whatever kind of code is asked for. */
export interface LoadHow {
  readonly cache: ModuleCache;
  readonly linkHelper: LinkHelper | undefined;
}

/** A program of one machine, compiled when it first runs. */
export class WasmLoaded implements LoadedProgram {
  readonly program: EngineProgram;
  /** Addresses of its functions: the word at 8 bytes a slot is the index in the table. Absent if no instruction takes one. */
  readonly functions: Region | undefined;
  /** What loads that find nothing read. */
  readonly zeros = MAIN_STATE + RUN_STATE.zeros;
  readonly #machine: WasmMachine;
  readonly #how: LoadHow;
  readonly #variants = new Map<string, Variant | undefined>();
  readonly #hasTailCalls: boolean;
  /** Not settled before the first run: maps a program refers to are made before it, programs after it do not matter. */
  #trusted: boolean | undefined;
  #interp: LoadedProgram | undefined;

  constructor(program: EngineProgram, machine: WasmMachine, how: LoadHow) {
    this.program = program;
    this.#machine = machine;
    this.#how = how;
    const { insns } = program;
    this.#hasTailCalls = insns.some(({ code, src, imm }) => code === CALL && src === 0 && imm === TAIL_CALL);
    const { mem } = machine.host.env;
    if (insns.some(({ code, src }) => code === LD_IMM64 && src === 4)) {
      const sizeBytes = 8 * (insns.length + 1);
      const start = mem.alloc(sizeBytes);
      const name = program.name;
      this.functions = mem.addRegion({ kind: 'func', name, start, sizeBytes, readable: false, writable: false });
    }
    machine.programs.add(this);
  }

  get verified(): boolean {
    return this.program.proof?.verified === true;
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
  #variant(mode: RunMode): Variant | undefined {
    const counted = this.#counted(mode);
    const probeReads = !this.trusted && mode.probeReads;
    const key = `${counted} ${probeReads}`;
    if (!this.#variants.has(key)) this.#variants.set(key, this.#make(counted, probeReads));
    return this.#variants.get(key);
  }

  #make(counted: boolean, probeReads: boolean): Variant | undefined {
    const machine = this.#machine;
    const { mem } = machine.host.env;
    if (!mem.littleEndian) return undefined;
    let compiled: CompiledProgram;
    try {
      compiled = this.compile(counted, probeReads);
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

  /** The module of one kind of code. Throws JitError for programs without a translation. */
  compile(counted: boolean, probeReads: boolean): CompiledProgram {
    const { program, trusted, verified } = this;
    const { host } = this.#machine;
    const { linkHelper, cache } = this.#how;
    const linked =
      linkHelper === undefined || !trusted
        ? { insns: program.insns, addedDepths: [] }
        : linkHelpers(program.insns, host, linkHelper);
    const depths = stackDepths(program);
    const options: CacheableOptions = {
      unproven: !verified,
      checked: !trusted,
      probeReads,
      counted,
      entries: program.exceptionCallback === undefined ? [] : [program.exceptionCallback],
      funcBase: this.functions?.start ?? 0,
      stackDepths: depths === undefined ? undefined : [...depths, ...linked.addedDepths],
      tailCalls: trusted
        ? { maxEntries: MAP_HANDLE.maxEntries, elements: PROG_ARRAY_PTRS, entry: PROG_HANDLE.bpfFunc }
        : undefined,
      shapes: this.#shapes(linked.insns),
    };
    return cache.get(linked.insns, options, () =>
      translateProgram(linked.insns, {
        ...options,
        helperShape: id => shapeOf(host.helper(id)),
        kfuncShape: (btfId, fdIdx) => shapeOf(host.kfunc(btfId, fdIdx)),
      }),
    );
  }

  #shapes(insns: readonly Insn[]): CacheableOptions['shapes'] {
    const { host } = this.#machine;
    const found: Record<string, readonly [number, boolean]> = {};
    const note = (name: string, def: HelperDef | undefined): void => {
      const { args, returns } = shapeOf(def);
      found[name] = [args, returns];
    };
    for (const { code, src, imm, off } of insns) {
      if (code !== CALL) continue;
      if (src === 0) note(helperImport(imm), host.helper(imm));
      else if (src === BPF_PSEUDO_KFUNC_CALL) note(kfuncImport(imm, off), host.kfunc(imm, off));
    }
    return found;
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

  run(ctx: bigint, options: RunOptions = {}): RunResult {
    const machine = this.#machine;
    const mode: RunMode = {
      counted: options.insnBudget !== undefined,
      probeReads: options.probeReads ?? false,
    };
    const variant = this.#variant(mode);
    if (variant === undefined) {
      this.#interp ??= interpEngine.load(this.program, machine.host);
      return this.#interp.run(ctx, options);
    }
    const budget = options.insnBudget ?? DEFAULT_INSN_BUDGET;
    return machine.during(mode, budget, () => {
      if (!this.#ready || this.#hasTailCalls) {
        this.publish();
        if (this.#hasTailCalls) machine.publishAll(this.program.type);
        this.#ready = true;
      }
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
    try {
      try {
        body();
      } catch (error) {
        if (!(error instanceof ProgramThrow)) throw error;
        this.#endInException(error.cookie);
      }
      const r0 = u64Of(state.get(RUN_STATE.regs + 4), state.get(RUN_STATE.regs));
      return { ok: true, r0, insnCount: counted ? budget - this.#fuel() : undefined, probedReads: this.#probed() };
    } catch (error) {
      const fault = this.#describe(error, budget);
      const insnCount = fault.kind === 'step-budget' ? budget + 1 : undefined;
      return { ok: false, fault, insnCount, probedReads: this.#probed() };
    }
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
    const where = { prog: program.name, regs: [], frames: faultAt === undefined ? [] : [faultAt.slot] };
    const insnIdx = faultAt?.slot ?? 0;
    if (error instanceof ProgramFault) {
      const { kind, addr, sizeBytes } = error;
      const spent = kind === 'step-budget';
      const message = spent ? `the budget of ${budget} instructions is spent` : error.message;
      return { kind, message, addr, sizeBytes, reg: faultReg, insnIdx, ...where };
    }
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    const kind = /unaligned/.test(error.message) ? 'misaligned' : 'out-of-bounds';
    return { kind, message: error.message, insnIdx, ...where };
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
