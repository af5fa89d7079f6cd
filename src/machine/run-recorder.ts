import type { EmulatedCpu, EmulatorOptions, EmuResult, KernelGate } from '../engine/index.ts';
import type { ExeGate, ExeMemory, ExeRange } from '../jit/index.ts';
import type { KernelSpace } from '../kernels/index.ts';
import { type LinearMemory, NULL_GUARD_BYTES, type RegionKind } from '../mem/index.ts';
import { InternalError, u64Of } from '../util/index.ts';
import { CallLog } from './call-log.ts';
import { changedPieces, contentPieces, digestOf } from './memory-pieces.ts';

/** Functions of the kernel that recorded runs called, by number. Recorders whose runs go into one executable share one. */
export class GateTable {
  readonly gates: ExeGate[] = [];
  readonly #indexByAddr = new Map<bigint, number>();

  indexOf(addr: bigint, name: string): number {
    let index = this.#indexByAddr.get(addr);
    if (index === undefined) {
      index = this.gates.push({ addr, name }) - 1;
      this.#indexByAddr.set(addr, index);
    }
    return index;
  }
}

/** One run of a program, with all a repetition without the machine needs. */
export interface RecordedRun {
  readonly recorder: RunRecorder;
  readonly func: bigint;
  readonly args: readonly bigint[];
  /** Stack pointer of the caller. */
  readonly sp: bigint;
  /** The stack: all zero when the run began. */
  readonly stack: ExeRange;
  /** What was not zero in the linear memory before the first run of a machine; undefined for the others. */
  readonly before: readonly ExeMemory[] | undefined;
  /** What differed before this run from what the run before it in the same machine left; undefined for the first. */
  readonly changed: readonly ExeMemory[] | undefined;
  readonly log: Uint8Array;
  readonly result: Outcome;
  /** Memory programs share with others: contexts, packets, map values, as they lay after the run. */
  readonly ranges: readonly ExeRange[];
  /** FNV-1a of those ranges after the run. */
  readonly digest: bigint;
  /** End of the linear memory after the run. */
  readonly memoryEnd: number;
}

/** How a run ended: with R0 or not. */
export type Outcome = { readonly ok: true; readonly value: bigint } | { readonly ok: false };

export interface RecordOptions {
  /** Kinds of regions that go into the digest; default context, packet, map values and plain memory. */
  readonly kinds?: readonly RegionKind[];
  /** Default: a table of its own. */
  readonly gates?: GateTable;
}

/** A run as it begins. */
export interface RunStart {
  readonly func: bigint;
  readonly args: readonly bigint[];
  /** The executable's stack, in the linear memory. */
  readonly stack: ExeRange;
  /** The stack programs use here, where that is another; asked for while they run. */
  readonly foreignStack?: () => ExeRange;
}

const SHARED: readonly RegionKind[] = ['ctx', 'packet', 'map_value', 'mem'];
/** Distance of the caller's stack pointer from the end of the stack, as the emulated CPU has it. */
const STACK_TOP_BYTES = 512;

/**
 * Stands beside the runs of one machine and writes down what crosses between programs and the kernel's functions: calls with
 * their arguments, memory they change, functions they call back, what they return. Every run becomes a {@link RecordedRun}
 * that an executable can repeat, call for call and address for address.
 */
export class RunRecorder {
  readonly runs: RecordedRun[] = [];
  readonly gates: GateTable;
  readonly #options: RecordOptions;
  readonly #wrapped = new WeakMap<KernelGate, KernelGate>();
  #space: KernelSpace | undefined;
  #cpu: EmulatedCpu | undefined;
  #fixupFor: EmulatorOptions['fixupFor'];
  #calls: CallLog | undefined;
  /** Linear memory as the last run left it. */
  #after: Uint8Array | undefined;

  constructor(options: RecordOptions = {}) {
    this.#options = options;
    this.gates = options.gates ?? new GateTable();
  }

  /** The address space of the recorded machine; undefined while nothing was compiled for it. */
  get space(): KernelSpace | undefined {
    return this.#space;
  }
  /** Calls of the run in progress. */
  get calls(): CallLog | undefined {
    return this.#calls;
  }

  /** Address of the fixup for a load at `pc` that faults. */
  fixupFor(pc: bigint): bigint | undefined {
    return this.#fixupFor?.(pc);
  }

  /** Says where the recorded machine's code lies. */
  attach(space: KernelSpace, fixupFor: EmulatorOptions['fixupFor']): void {
    this.#space = space;
    this.#fixupFor = fixupFor;
  }

  /** Runs `body` and records what the calls it makes through {@link calls} are. */
  record<T>(mem: LinearMemory, start: RunStart, body: () => T, outcomeOf: (result: T) => Outcome): T {
    const { func, args, stack, foreignStack } = start;
    const calls = new CallLog(mem, foreignStack);
    const after = this.#after;
    const now = mem.u8.subarray(NULL_GUARD_BYTES, mem.usedBytes);
    const before = after === undefined ? contentPieces(mem.u8, NULL_GUARD_BYTES, mem.usedBytes) : undefined;
    const changed = after === undefined ? undefined : changedPieces(after, now, NULL_GUARD_BYTES);
    this.#calls = calls;
    try {
      const result = body();
      const kinds = this.#options.kinds ?? SHARED;
      const ranges = mem
        .regions()
        .filter(region => kinds.includes(region.kind) && region.end > region.start)
        .map(region => ({ addr: region.start, sizeBytes: region.end - region.start }));
      this.runs.push({
        recorder: this,
        func,
        args,
        sp: BigInt(stack.addr + stack.sizeBytes - STACK_TOP_BYTES),
        stack,
        before,
        changed,
        log: calls.finish(),
        result: outcomeOf(result),
        ranges,
        digest: digestOf(mem.u8, ranges),
        memoryEnd: mem.usedBytes,
      });
      return result;
    } finally {
      this.#calls = undefined;
      this.#after = mem.u8.slice(NULL_GUARD_BYTES, mem.usedBytes);
    }
  }

  /** For `CompileOptions.wrapCpu`: makes the emulated CPU of the machine, and looks on. */
  readonly wrapCpu = (
    options: EmulatorOptions,
    space: KernelSpace,
    make: (options: EmulatorOptions) => EmulatedCpu,
  ): EmulatedCpu => {
    this.attach(space, options.fixupFor);
    const cpu = make({
      ...options,
      gates: {
        gateAt: addr => {
          const gate = options.gates.gateAt(addr);
          return gate === undefined ? undefined : this.#wrap(gate, addr);
        },
      },
    });
    this.#cpu = this.#recording(cpu);
    return this.#cpu;
  };

  /** The same CPU; runs and callbacks are recorded. */
  #recording(cpu: EmulatedCpu): EmulatedCpu {
    return {
      mem: cpu.mem,
      argLo: n => cpu.argLo(n),
      argHi: n => cpu.argHi(n),
      frames: () => cpu.frames(),
      call: (func, args, options) => {
        const body = (): EmuResult => cpu.call(func, args, options);
        const calls = this.#calls;
        if (calls === undefined) return this.record(cpu.mem, { func, args, stack: stackOf(cpu.mem) }, body, r => r);
        calls.callback(func, args);
        const result = body();
        if (result.ok) calls.calledBack(result.value);
        return result;
      },
      resumeAt: to => {
        this.#calls?.resume(to.func, to.args, to.sp ?? 0n, to.frameSp);
        return cpu.resumeAt(to);
      },
    };
  }

  #wrap(gate: KernelGate, addr: bigint): KernelGate {
    let wrapped = this.#wrapped.get(gate);
    if (wrapped === undefined) {
      const index = this.gates.indexOf(addr, gate.name);
      wrapped = {
        name: gate.name,
        call: (cpu, out) => {
          const calls = this.#calls;
          const args = Array.from({ length: gate.argCount ?? 0 }, (_, n) => u64Of(cpu.argHi(n), cpu.argLo(n)));
          calls?.enter(index, args);
          gate.call(this.#cpu ?? cpu, out);
          calls?.leave(u64Of(out[1], out[0]));
        },
      };
      this.#wrapped.set(gate, wrapped);
    }
    return wrapped;
  }
}

/** The region the emulated CPU made for its stack. */
function stackOf(mem: LinearMemory): ExeRange {
  const region = mem.regions().find(candidate => candidate.kind === 'stack' && candidate.name === 'machine stack');
  if (region === undefined) throw new InternalError('an emulated CPU without a stack');
  return { addr: region.start, sizeBytes: region.end - region.start };
}
