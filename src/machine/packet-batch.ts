import type { Fault, ProgramRunner } from '../engine/index.ts';
import type { LinearMemory } from '../mem/index.ts';

/** What became of a batch. */
export interface BatchResult {
  /** Low 32 bits of R0 by packet, unsigned; of packets that were not run 0. */
  readonly verdicts: Uint32Array;
  /** Packets run, the one that faulted not counted. */
  readonly done: number;
  /** What ended the batch before its end. */
  readonly fault: Fault | undefined;
}

/** Alignment of packets: a cache line. */
const ALIGN_BYTES = 64;
const roundUp = (bytes: number): number => Math.ceil(bytes / ALIGN_BYTES) * ALIGN_BYTES;

/**
 * Packets in the memory, run in one call with their contexts made on the way. A program that changes a packet finds it changed
 * in the next run, until {@link reload}.
 *
 * ```
 *   list      [addr, bytes] a packet, u32 each
 *   verdicts  u32 a packet
 *   packets   each on a cache line of its own
 * ```
 */
export class PacketBatch {
  readonly #mem: LinearMemory;
  readonly #runner: ProgramRunner;
  readonly #packets: readonly Uint8Array[];
  readonly #close: () => void;
  readonly #block: number;
  readonly #verdicts: number;
  readonly #at: readonly number[];

  /** @param runner one that makes contexts of packets */
  constructor(mem: LinearMemory, runner: ProgramRunner, packets: readonly Uint8Array[], close: () => void) {
    this.#mem = mem;
    this.#runner = runner;
    this.#packets = packets;
    this.#close = close;
    const count = packets.length;
    const head = roundUp(12 * count);
    const bytes = packets.reduce((sum, packet) => sum + roundUp(packet.length), head);
    this.#block = mem.alloc(bytes, ALIGN_BYTES);
    this.#verdicts = this.#block + 8 * count;
    let at = this.#block + head;
    this.#at = packets.map(packet => {
      const here = at;
      at += roundUp(packet.length);
      return here;
    });
    packets.forEach((packet, i) => {
      mem.view.setUint32(this.#block + 8 * i, this.#at[i], true);
      mem.view.setUint32(this.#block + 8 * i + 4, packet.length, true);
    });
    this.reload();
  }

  get length(): number {
    return this.#packets.length;
  }

  /** Puts the packets back as they were given. */
  reload(): void {
    this.#packets.forEach((packet, i) => void this.#mem.write(this.#at[i], packet));
  }

  /** Runs the program on all packets, in order, until one faults. */
  run(): BatchResult {
    const fault = this.runAll();
    const verdicts = new Uint32Array(this.length);
    const done = fault === undefined ? this.length : this.#runner.done;
    verdicts.set(new Uint32Array(this.#mem.wasm.buffer, this.#verdicts, done));
    return { verdicts, done, fault };
  }

  /** {@link run} without a copy of what it returned. */
  runAll(): Fault | undefined {
    if (this.length === 0) return undefined;
    this.#runner.batch?.(this.#block, this.length, this.#verdicts);
    return this.#runner.fault;
  }

  /** Runs the program on one packet: low half of R0, signed; 0 after a fault, see {@link fault}. */
  runOne(index: number): number {
    return this.#runner.packet?.(this.#at[index], this.#packets[index].length) ?? 0;
  }

  /** What ended the last run. */
  get fault(): Fault | undefined {
    return this.#runner.fault;
  }

  /** A packet as the last run left it. */
  packet(index: number): Uint8Array {
    return this.#mem.read(this.#at[index], this.#packets[index].length);
  }

  close(): void {
    this.#close();
    this.#mem.free(this.#block);
  }
}

/** A program on one context, laid out once: the least there is between JavaScript and the program. */
export class ContextRunner {
  readonly #runner: ProgramRunner;
  readonly #ctxAddr: number;
  readonly #close: () => void;

  constructor(runner: ProgramRunner, ctxAddr: number, close: () => void) {
    this.#runner = runner;
    this.#ctxAddr = ctxAddr;
    this.#close = close;
  }

  /** Low half of R0, signed; 0 after a fault. */
  run(): number {
    return this.#runner.run(this.#ctxAddr);
  }
  repeat(count: number): number {
    return this.#runner.repeat(this.#ctxAddr, count);
  }
  /** What ended the last run. */
  get fault(): Fault | undefined {
    return this.#runner.fault;
  }
  /** All of R0 of the last run, unsigned. */
  get r0(): bigint {
    return this.#runner.r0;
  }
  close(): void {
    this.#close();
  }
}
