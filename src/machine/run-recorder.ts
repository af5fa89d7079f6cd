import type { EmulatedCpu, EmulatorOptions, EmuResult, KernelGate } from '../engine/index.ts';
import type { ExeGate, ExeMemory, ExeRange } from '../jit/index.ts';
import { ReplayLog } from '../jit/index.ts';
import type { KernelSpace } from '../kernels/index.ts';
import { type LinearMemory, NULL_GUARD_BYTES, type RegionKind } from '../mem/index.ts';
import { InternalError, u64Of } from '../util/index.ts';
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

/** One run of a program on an emulated CPU, with all a repetition without the machine needs. */
export interface RecordedRun {
  readonly recorder: RunRecorder;
  readonly func: bigint;
  readonly args: readonly bigint[];
  /** Stack pointer of the caller. */
  readonly sp: bigint;
  /** The stack: all zero when the run began. */
  readonly stack: ExeRange;
  /** What was not zero in the linear memory before. */
  readonly before: readonly ExeMemory[];
  /** What differed before this run from what the run before it in the same machine left; undefined for the first. */
  readonly changed: readonly ExeMemory[] | undefined;
  readonly log: Uint8Array;
  readonly result: EmuResult;
  /** Memory programs share with others: contexts, packets, map values, as they lay after the run. */
  readonly ranges: readonly ExeRange[];
  /** FNV-1a of those ranges after the run. */
  readonly digest: bigint;
  /** End of the linear memory after the run. */
  readonly memoryEnd: number;
}

export interface RecordOptions {
  /** Kinds of regions that go into the digest; default context, packet, map values and plain memory. */
  readonly kinds?: readonly RegionKind[];
  /** Default: a table of its own. */
  readonly gates?: GateTable;
}

const SHARED: readonly RegionKind[] = ['ctx', 'packet', 'map_value', 'mem'];
/** What helpers may change that programs can see. */
const INVISIBLE: readonly RegionKind[] = ['internal', 'func'];
/** Distance of the caller's stack pointer from the end of the stack, as the emulated CPU has it. */
const STACK_TOP_BYTES = 512;

/** A copy of what programs can see. */
interface Shadow {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/**
 * Sits between an emulated CPU and the kernel's functions and writes down what crosses: calls with their arguments,
 * memory they change, functions they call back, what they return. Every run the machine starts becomes a
 * {@link RecordedRun} that an executable can repeat, call for call and address for address.
 *
 * One recorder records one machine.
 */
export class RunRecorder {
  readonly runs: RecordedRun[] = [];
  readonly gates: GateTable;
  readonly #options: RecordOptions;
  readonly #wrapped = new WeakMap<KernelGate, KernelGate>();
  #space: KernelSpace | undefined;
  #cpu: EmulatedCpu | undefined;
  #cpuOptions: EmulatorOptions | undefined;
  #log: ReplayLog | undefined;
  #shadow: readonly Shadow[] = [];
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

  /** Address of the fixup for a load at `pc` that faults. */
  fixupFor(pc: bigint): bigint | undefined {
    return this.#cpuOptions?.fixupFor?.(pc);
  }

  /** For `CompileOptions.wrapCpu`: makes the CPU of the machine, and looks on. */
  readonly wrapCpu = (
    options: EmulatorOptions,
    space: KernelSpace,
    make: (options: EmulatorOptions) => EmulatedCpu,
  ): EmulatedCpu => {
    this.#space = space;
    this.#cpuOptions = options;
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
      call: (func, args, options) =>
        this.#log === undefined
          ? this.#run(cpu, func, args, () => cpu.call(func, args, options))
          : this.#callback(cpu, this.#log, func, args, () => cpu.call(func, args, options)),
      resumeAt: to => {
        this.#changes(cpu);
        this.#log?.resume(to.func, to.args, to.sp ?? 0n, to.frameSp);
        return cpu.resumeAt(to);
      },
    };
  }

  #run(cpu: EmulatedCpu, func: bigint, args: readonly bigint[], body: () => EmuResult): EmuResult {
    const { mem } = cpu;
    const log = new ReplayLog(mem.order);
    const stack = stackOf(mem);
    const before = contentPieces(mem.u8, NULL_GUARD_BYTES, mem.usedBytes);
    const changed =
      this.#after === undefined
        ? undefined
        : changedPieces(this.#after, mem.u8.subarray(NULL_GUARD_BYTES, mem.usedBytes), NULL_GUARD_BYTES);
    this.#log = log;
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
        log: log.finish(),
        result,
        ranges,
        digest: digestOf(mem.u8, ranges),
        memoryEnd: mem.usedBytes,
      });
      return result;
    } finally {
      this.#log = undefined;
      this.#after = mem.u8.slice(NULL_GUARD_BYTES, mem.usedBytes);
    }
  }

  #callback(cpu: EmulatedCpu, log: ReplayLog, func: bigint, args: readonly bigint[], body: () => EmuResult): EmuResult {
    this.#changes(cpu);
    log.callback(func, args);
    const result = body();
    if (result.ok) log.result(result.value);
    this.#takeShadow(cpu.mem);
    return result;
  }

  #wrap(gate: KernelGate, addr: bigint): KernelGate {
    let wrapped = this.#wrapped.get(gate);
    if (wrapped === undefined) {
      const index = this.gates.indexOf(addr, gate.name);
      wrapped = {
        name: gate.name,
        call: (cpu, out) => {
          const log = this.#log;
          const recording = this.#cpu;
          if (log === undefined || recording === undefined) {
            gate.call(cpu, out);
            return;
          }
          const args = Array.from({ length: gate.argCount ?? 0 }, (_, n) => u64Of(cpu.argHi(n), cpu.argLo(n)));
          log.call(index, args);
          const shadow = this.#shadow;
          this.#takeShadow(cpu.mem);
          gate.call(recording, out);
          this.#changes(cpu);
          this.#shadow = shadow;
          log.return(u64Of(out[1], out[0]));
        },
      };
      this.#wrapped.set(gate, wrapped);
    }
    return wrapped;
  }

  #takeShadow(mem: LinearMemory): void {
    this.#shadow = mem
      .regions()
      .filter(region => !INVISIBLE.includes(region.kind) && region.end > region.start)
      .map(region => ({ start: region.start, bytes: mem.u8.slice(region.start, region.end) }));
  }

  /** Writes down what is not as the shadow has it, new regions as a whole. */
  #changes(cpu: EmulatedCpu): void {
    const { mem } = cpu;
    const log = this.#log;
    if (log === undefined) return;
    for (const region of mem.regions()) {
      if (INVISIBLE.includes(region.kind)) continue;
      let at = region.start;
      for (const { start, bytes } of this.#shadow) {
        const end = start + bytes.length;
        if (end <= at || start >= region.end) continue;
        if (start > at) put(log, mem, at, start);
        const from = Math.max(at, start);
        const to = Math.min(end, region.end);
        for (const piece of changedPieces(bytes.subarray(from - start, to - start), mem.u8.subarray(from, to), from)) {
          log.write(piece.addr, piece.bytes);
        }
        at = to;
      }
      if (at < region.end) put(log, mem, at, region.end);
    }
  }
}

function put(log: ReplayLog, mem: LinearMemory, start: number, end: number): void {
  const bytes = mem.read(start, end - start);
  if (bytes.every(byte => byte === 0)) log.fill(start, end - start);
  else log.write(start, bytes);
}

/** The region the emulated CPU made for its stack. */
function stackOf(mem: LinearMemory): ExeRange {
  const region = mem.regions().find(candidate => candidate.kind === 'stack' && candidate.name === 'machine stack');
  if (region === undefined) throw new InternalError('an emulated CPU without a stack');
  return { addr: region.start, sizeBytes: region.end - region.start };
}
