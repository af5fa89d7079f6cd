import {
  type CompileOptions,
  type EngineHost,
  type EngineProgram,
  emulatorEngine,
  interpEngine,
  type JitEngine,
  type JitLoadedProgram,
  type LoadedProgram,
  type RunOptions,
  type RunResult,
} from '../engine/index.ts';
import { type HelperDef, type HelperEnv, ProgramThrow } from '../helpers/index.ts';
import { isPseudoCall, isPseudoFunc, isWide, MAX_BPF_STACK, MAX_CALL_FRAMES, MAX_TAIL_CALL_CNT } from '../isa/index.ts';
import type { ExeRange } from '../jit/index.ts';
import type { KernelSpace } from '../kernels/index.ts';
import type { LinearMemory, Region } from '../mem/index.ts';
import { FarcallError, InternalError, u64Of } from '../util/index.ts';
import type { RunRecorder } from './run-recorder.ts';

const STACK_BYTES = 65536;
/** The interpreter's stack ends where its region does, and is so large. */
const FOREIGN_STACK_BYTES = MAX_BPF_STACK * MAX_CALL_FRAMES * (MAX_TAIL_CALL_CNT + 1);
const MAX_ARGS = 5;
const PACKET_LOADS = {
  1: 'bpf_skb_load_helper_8_no_cache',
  2: 'bpf_skb_load_helper_16_no_cache',
  4: 'bpf_skb_load_helper_32_no_cache',
} as const;
const EFAULT = -14n;

/** First slots of a program's functions, ascending: compiled functions are in the same order. */
function functionStarts({ insns, exceptionCallback }: EngineProgram): number[] {
  const starts = new Set([0]);
  if (exceptionCallback !== undefined) starts.add(exceptionCallback);
  for (let i = 0; i < insns.length; i += isWide(insns[i]) ? 2 : 1) {
    if (isPseudoCall(insns[i]) || isPseudoFunc(insns[i])) starts.add(i + insns[i].imm + 1);
  }
  return [...starts].sort((a, b) => a - b);
}

/** A program compiled, and interpreted when it runs. */
class RecordedProgram implements JitLoadedProgram {
  readonly program: EngineProgram;
  readonly jited: JitLoadedProgram;
  readonly interp: LoadedProgram;
  readonly #machine: RecordedMachine;

  constructor(program: EngineProgram, jited: JitLoadedProgram, interp: LoadedProgram, machine: RecordedMachine) {
    this.program = program;
    this.jited = jited;
    this.interp = interp;
    this.#machine = machine;
  }

  get outcome(): JitLoadedProgram['outcome'] {
    return this.jited.outcome;
  }
  compiled(probeReads: boolean): ReturnType<JitLoadedProgram['compiled']> {
    return this.jited.compiled(probeReads);
  }
  run(ctx: bigint, options: RunOptions = {}): RunResult {
    const { funcs } = this.compiled(options.probeReads === true);
    const args = [ctx, options.r2 ?? 0n];
    const how = { func: funcs[0].bpfFunc, args, probeReads: options.probeReads === true };
    return this.#machine.run(this.program, how, () => this.interp.run(ctx, options));
  }
  free(): void {
    this.interp.free();
    this.jited.free();
  }
}

/** What recorded programs of one machine share. */
class RecordedMachine {
  readonly host: EngineHost;
  readonly #real: EngineHost;
  readonly #recorder: RunRecorder;
  readonly #space: () => KernelSpace;
  readonly #stack: ExeRange;
  /** Who owns each region of the interpreter's function addresses. */
  readonly #functions = new Map<Region, RecordedProgram>();
  readonly #defs = new WeakMap<HelperDef, HelperDef>();
  readonly #wrappers = new WeakSet<HelperEnv['callFunc']>();
  /** The program that was started: its type says which of a helper's functions is called. */
  #running: EngineProgram | undefined;
  #probeReads = false;

  constructor(real: EngineHost, recorder: RunRecorder, space: () => KernelSpace) {
    this.#real = real;
    this.#recorder = recorder;
    this.#space = space;
    this.#stack = { addr: this.#mem.alloc(STACK_BYTES, 16), sizeBytes: STACK_BYTES };
    this.host = {
      env: real.env,
      maps: real.maps,
      helper: id => this.#helper(id),
      kfunc: (imm, off) => {
        const def = real.kfunc(imm, off);
        return def === undefined ? undefined : this.#wrap(def, () => this.#space().symbolAddr(def.name));
      },
      packetLoad: (off, size) => this.#packetLoad(off, size),
      tailCallTarget: (addr, index) => {
        const target = real.tailCallTarget(addr, index);
        return target instanceof RecordedProgram ? target.interp : target;
      },
      setCallFunc: call => real.setCallFunc(this.#callFunc(call)),
    };
  }

  get #mem(): LinearMemory {
    return this.#real.env.mem;
  }

  load(program: EngineProgram, jited: JitLoadedProgram): RecordedProgram {
    const known = new Set(this.#mem.regions());
    const interp = interpEngine.load(program, this.host);
    const loaded = new RecordedProgram(program, jited, interp, this);
    for (const region of this.#mem.regions()) {
      if (region.kind === 'func' && !known.has(region)) this.#functions.set(region, loaded);
    }
    return loaded;
  }

  run(
    program: EngineProgram,
    how: { readonly func: bigint; readonly args: readonly bigint[]; readonly probeReads: boolean },
    body: () => RunResult,
  ): RunResult {
    this.#running = program;
    this.#probeReads = how.probeReads;
    const start = { ...how, stack: this.#stack, foreignStack: () => this.#foreignStack() };
    return this.#recorder.record(this.#mem, start, body, result =>
      result.ok ? { ok: true, value: result.r0 } : { ok: false },
    );
  }

  /** While something runs the region ends where the stack does. */
  #foreignStack(): ExeRange {
    const region = this.#mem.regions().find(({ kind, name }) => kind === 'stack' && name === 'stack');
    if (region === undefined) throw new InternalError('an interpreter without a stack');
    return { addr: region.end - FOREIGN_STACK_BYTES, sizeBytes: FOREIGN_STACK_BYTES };
  }

  #helper(id: number): HelperDef | undefined {
    const def = this.#real.helper(id);
    if (def === undefined) return undefined;
    return this.#wrap(def, () => {
      const space = this.#space();
      return space.symbolAddr(space.kernel.helperSymbol(id, this.#running?.type ?? 0));
    });
  }

  /** The same function; what it does is written down. */
  #wrap(def: HelperDef, addr: () => bigint): HelperDef {
    let wrapped = this.#defs.get(def);
    if (wrapped === undefined) {
      const compared = (n: number): boolean => def.proto.args[n].type !== 'ARG_PTR_TO_FUNC';
      wrapped = {
        ...def,
        run: (env, ...given) => {
          const { calls, gates } = this.#recorder;
          if (calls === undefined) return def.run(env, ...given);
          const args = Array.from({ length: Math.min(MAX_ARGS, def.proto.args.length) }, (_, n) =>
            u64Of(env.regs[2 * n + 3], env.regs[2 * n + 2]),
          );
          calls.enter(gates.indexOf(addr(), def.name), args, compared);
          const result = this.#runDef(def, env, given);
          const value = def.proto.ret === 'RET_VOID' ? 0n : BigInt.asUintN(64, BigInt(result));
          calls.leave(value);
          return result;
        },
      };
      this.#defs.set(def, wrapped);
    }
    return wrapped;
  }

  #runDef(def: HelperDef, env: HelperEnv, given: [number, number, number, number, number]): number | bigint {
    try {
      return def.run(env, ...given);
    } catch (error) {
      if (!(error instanceof ProgramThrow)) throw error;
      throw new FarcallError({
        code: 'run.replay',
        message: 'an exception ends in a frame of compiled code, which only an emulated CPU knows',
        expected: 'a target with an emulated CPU',
        found: def.name,
      });
    }
  }

  #packetLoad(off: number, size: 1 | 2 | 4): number | undefined {
    const { calls, gates } = this.#recorder;
    const value = this.#real.packetLoad(off, size);
    if (calls !== undefined) {
      const name = PACKET_LOADS[size];
      calls.enter(gates.indexOf(this.#space().symbolAddr(name), name), []);
      calls.leave(value === undefined ? BigInt.asUintN(64, EFAULT) : BigInt(value));
    }
    return value;
  }

  #callFunc(call: HelperEnv['callFunc']): HelperEnv['callFunc'] {
    if (this.#wrappers.has(call)) return call;
    const wrapper: HelperEnv['callFunc'] = (handle, ...args) => {
      const { calls } = this.#recorder;
      const func = this.#funcAt(handle);
      if (calls === undefined || func === undefined) return call(handle, ...args);
      calls.callback(
        func,
        args.map(arg => BigInt.asUintN(64, BigInt(arg))),
      );
      const result = call(handle, ...args);
      // Helpers are told the low half only.
      calls.calledBack(BigInt.asUintN(32, BigInt(result)), 0xffffffffn);
      return result;
    };
    this.#wrappers.add(wrapper);
    return wrapper;
  }

  /** The compiled function behind an address of the interpreter's. */
  #funcAt(handle: number): bigint | undefined {
    const region = this.#mem.regionAt(handle);
    const owner = region === undefined ? undefined : this.#functions.get(region);
    if (region === undefined || owner === undefined) return undefined;
    const index = functionStarts(owner.program).indexOf((handle - region.start) / 8);
    return owner.compiled(this.#probeReads).funcs[index]?.bpfFunc;
  }
}

/**
 * An engine that compiles programs and lets the interpreter run them, while `recorder` writes down what an executable of the
 * compiled code has to repeat: for CPUs nobody emulates. Pointers to the stack are told by the arguments they came from.
 *
 * Differs from a recording on an emulated CPU: `bpf_throw` cannot be repeated (`run.replay`), and of what callbacks return the
 * low half is compared.
 */
export function recordedInterpreter(options: Omit<CompileOptions, 'wrapCpu'>, recorder: RunRecorder): JitEngine {
  let space: KernelSpace | undefined;
  const jit = emulatorEngine({
    ...options,
    wrapCpu: (cpuOptions, made, make) => {
      space = made;
      recorder.attach(made, cpuOptions.fixupFor);
      return make(cpuOptions);
    },
  });
  const machines = new WeakMap<EngineHost, RecordedMachine>();
  const machineOf = (host: EngineHost): RecordedMachine => {
    let machine = machines.get(host);
    if (machine === undefined) {
      machine = new RecordedMachine(host, recorder, () => {
        if (space === undefined) throw new InternalError('nothing was compiled');
        return space;
      });
      machines.set(host, machine);
    }
    return machine;
  };
  return {
    name: `${jit.name}/recorded`,
    machineOf: host => jit.machineOf(host),
    load: (program, host) => {
      const jited = jit.load(program, host);
      return jited.outcome.jited ? machineOf(host).load(program, jited) : jited;
    },
    callFunction: (host, funcAddr, args) => interpEngine.callFunction(machineOf(host).host, funcAddr, args),
  };
}
