import { ProgramFault } from '../../helpers/index.ts';
import { BPF_PSEUDO_KFUNC_CALL, CALL } from '../../isa/index.ts';
import {
  type FaultInjector,
  type InterpretedProgram,
  type JitedProgram,
  type JitMode,
  type JitTarget,
  jitProgram,
} from '../../jit/index.ts';
import type { KernelImage, KernelSpace, LayoutRow, Placement } from '../../kernels/index.ts';
import { isArenaMap } from '../../maps/index.ts';
import { errnoName } from '../../uapi/index.ts';
import { FarcallError } from '../../util/index.ts';
import { type KfuncName, type XlatedProgram, type XlateOptions, xlateUnverified } from '../../verifier/index.ts';
import type { EmuFault, EmulatedCpu, EmulatorOptions } from '../emu-types.ts';
import { interpEngine } from '../interp/index.ts';
import type { Engine, EngineHost, EngineProgram, Fault, LoadedProgram, RunOptions, RunResult } from '../types.ts';
import { JitedMachine, NestedFault, USER_LIMIT } from './machine-state.ts';

export interface JitEngineOptions {
  readonly target: JitTarget;
  readonly layout: LayoutRow;
  readonly kernel: KernelImage;
  readonly cpu: string;
  readonly mode: JitMode;
  readonly makeCpu: (options: EmulatorOptions, space: KernelSpace) => EmulatedCpu;
  /** Where a program's functions go; default the next free place. */
  readonly placement?: (program: string, index: number) => Placement | undefined;
  readonly inject?: FaultInjector;
  /** What makes of a program what is compiled; default {@link xlateForEngine}. */
  readonly xlate?: EngineXlate;
}

/** Makes of a program as a machine has it the one a JIT takes; throws FarcallError for one that cannot be loaded. */
export type EngineXlate = (program: EngineProgram, host: EngineHost, options: XlateOptions) => XlatedProgram;

/** A program of this engine, compiled or left to the interpreter. */
export interface JitLoadedProgram extends LoadedProgram {
  /** What the JIT made of it, or left to the interpreter. */
  readonly outcome: JitedProgram | InterpretedProgram;
  /** The code of runs with or without probe reads; throws `run.refused` for a program left to the interpreter. */
  compiled(probeReads: boolean): JitedProgram;
}

export interface JitEngine extends Engine {
  /** The simulated kernel a machine's programs lie in. */
  machineOf(host: EngineHost): JitedMachine;
  load(program: EngineProgram, host: EngineHost): JitLoadedProgram;
}

/** Kernel functions the program calls, by the fields of its calls. */
function kfuncsOf({ insns }: EngineProgram, host: EngineHost): KfuncName[] {
  const found = new Map<string, KfuncName>();
  for (const { code, src, imm, off } of insns) {
    if (code !== CALL || src !== BPF_PSEUDO_KFUNC_CALL) continue;
    const name = host.kfunc(imm, off)?.name ?? `kfunc_${imm}_${off}`;
    found.set(`${imm} ${off}`, { imm, off, name });
  }
  return [...found.values()];
}

/** What the door makes of a program as engines take it. */
export function xlateForEngine(program: EngineProgram, host: EngineHost, options: XlateOptions): XlatedProgram {
  const arena = host.maps.find(isArenaMap);
  const { spec } = program;
  return xlateUnverified(
    {
      name: program.name,
      type: program.type,
      insns: program.insns,
      original: program.original,
      exceptionCallback: program.exceptionCallback,
      btf: program.btf,
      funcInfo: spec?.funcInfo,
      lineInfo: spec?.lineInfo,
      subprogNames:
        spec === undefined ? undefined : new Map(spec.subprogs.map(subprog => [subprog.insnIdx, subprog.name])),
      kfuncs: kfuncsOf(program, host),
      maps: host.maps.map(map => {
        const start = map.directValueAddr(0);
        const values = start === 0 ? undefined : { start: BigInt(start), sizeBytes: map.def.valueSizeBytes };
        return { id: map.id, name: map.def.name, addr: BigInt(map.addr), values };
      }),
      arena:
        arena === undefined
          ? undefined
          : { kernVmStart: 0n, userVmStart: arena.userVmStart & ~0xffffffffn, sizeBytes: 4096 * arena.pageCount },
    },
    options,
  );
}

class JitLoaded implements JitLoadedProgram {
  readonly program: EngineProgram;
  readonly outcome: JitedProgram | InterpretedProgram;
  readonly #state: JitedMachine;
  readonly #options: JitEngineOptions;
  readonly #interp: LoadedProgram | undefined;
  /** Without and with probe loads; the second is made when first asked for. */
  readonly #variants: (JitedProgram | undefined)[] = [];

  constructor(program: EngineProgram, state: JitedMachine, options: JitEngineOptions) {
    this.program = program;
    this.#state = state;
    this.#options = options;
    const made = this.#compile(false);
    this.outcome = made;
    if (!made.jited) {
      this.#interp = interpEngine.load(program, state.host);
    } else {
      this.#variants[0] = made;
      state.publish(program.handle, made.funcs[0].bpfFunc);
    }
  }

  #compile(probeReads: boolean): JitedProgram | InterpretedProgram {
    const { placement, xlate = xlateForEngine, ...options } = this.#options;
    const zext = options.target.caps(options.mode).needsZext;
    const { space, kernel, host } = this.#state;
    const result = jitProgram(xlate(this.program, host, { kernel, probeReads, zext }), {
      ...options,
      space,
      userLimit: USER_LIMIT,
      placement: placement === undefined || probeReads ? undefined : index => placement(this.program.name, index),
    });
    if (!result.ok) {
      const { errno, message, failure } = result.rejection;
      throw new FarcallError({
        code: 'run.refused',
        message: `program ${this.program.name} cannot be loaded: ${message || failure?.message || 'the JIT failed'}`,
        expected: 'a program the JIT or the interpreter can take',
        found: errnoName(-errno),
      });
    }
    if (result.prog.jited) this.#state.add(result.prog);
    return result.prog;
  }

  compiled(probeReads: boolean): JitedProgram {
    const { outcome } = this;
    if (!outcome.jited) throw new FarcallError({ code: 'run.refused', message: outcome.reason?.message ?? 'no JIT' });
    const variant = probeReads ? 1 : 0;
    let found = this.#variants[variant];
    if (found === undefined) {
      const made = this.#compile(true);
      if (!made.jited) throw new FarcallError({ code: 'run.refused', message: made.reason?.message ?? 'no JIT' });
      found = made;
      this.#variants[variant] = found;
    }
    return found;
  }

  run(ctx: bigint, options: RunOptions = {}): RunResult {
    if (this.#interp !== undefined) return this.#interp.run(ctx, options);
    const { bpfFunc } = this.compiled(options.probeReads === true).funcs[0];
    return runFunction(this.#state, this.program.name, bpfFunc, [ctx, options.r2 ?? 0n], options);
  }

  free(): void {
    this.#interp?.free();
    this.#state.publish(this.program.handle, 0n);
    for (const variant of this.#variants.splice(0)) if (variant !== undefined) this.#state.remove(variant);
  }
}

function runFunction(
  state: JitedMachine,
  name: string,
  func: bigint,
  args: readonly bigint[],
  options: RunOptions,
): RunResult {
  if (state.running) {
    throw new FarcallError({ code: 'run.reentrant', message: 'a program of this machine is already running' });
  }
  state.running = true;
  const previous = state.host.setCallFunc(state.callFunc);
  try {
    const result = state.cpu.call(func, args, { insnBudget: options.insnBudget });
    const counts = { insnCount: result.insnCount, probedReads: 0 };
    if (result.ok) return { ok: true, r0: result.value, ...counts };
    return { ok: false, fault: describe(state, name, result.fault), ...counts };
  } catch (error) {
    if (error instanceof NestedFault) {
      return { ok: false, fault: describe(state, name, error.fault), insnCount: 0, probedReads: 0 };
    }
    if (!(error instanceof ProgramFault)) throw error;
    const { kind, message, addr, sizeBytes } = error;
    const fault: Fault = { kind, message, addr, sizeBytes, prog: name, insnIdx: 0, regs: [], frames: [] };
    return { ok: false, fault, insnCount: 0, probedReads: 0 };
  } finally {
    state.running = false;
    state.host.setCallFunc(previous);
  }
}

/** A fault at a machine address as a fault at an instruction of the program. */
function describe(state: JitedMachine, name: string, fault: EmuFault): Fault {
  const place = state.funcOfPc(fault.pc);
  let insnIdx = 0;
  if (place !== undefined) {
    const { slotOffs, start } = place.func;
    let slot = 0;
    while (slot + 2 < slotOffs.length && slotOffs[slot + 1] <= place.off) slot++;
    insnIdx = start + slot;
  }
  return {
    kind: fault.kind,
    prog: place?.program.xlated.name ?? name,
    insnIdx,
    message: fault.message,
    addr: fault.addr,
    sizeBytes: fault.sizeBytes,
    regs: fault.regs,
    frames: [insnIdx],
  };
}

/**
 * Runs programs as machine code of a simulated kernel: compiled by the target, placed by the layout, executed by an
 * emulated CPU at those addresses. Programs the JIT cannot take go to the interpreter, as in Linux.
 */
export function jitEngine(options: JitEngineOptions): JitEngine {
  const states = new WeakMap<EngineHost, JitedMachine>();
  const machineOf = (host: EngineHost): JitedMachine => {
    let state = states.get(host);
    if (state === undefined) {
      state = new JitedMachine(host, options);
      states.set(host, state);
    }
    return state;
  };
  return {
    name: `${options.target.name}/${options.cpu}${options.mode === 'compat' ? '/compat' : ''}`,
    machineOf,
    load: (program, host) => new JitLoaded(program, machineOf(host), options),
    callFunction: (host, funcAddr, args) => {
      const state = machineOf(host);
      const func = state.funcAt(funcAddr);
      if (func === undefined) return interpEngine.callFunction(host, funcAddr, args);
      return runFunction(state, 'callback', func, args, {});
    },
  };
}
