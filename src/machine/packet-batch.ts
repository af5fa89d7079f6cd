import type { Fault, ProgramRunner } from '../engine/index.ts';
import type { LinearMemory } from '../mem/index.ts';
import { PacketList } from './packet-list.ts';

/** What became of a batch. */
export interface BatchResult {
  /** Low 32 bits of R0 by packet, unsigned; of packets that were not run 0. */
  readonly verdicts: Uint32Array;
  /** Packets run, the one that faulted not counted. */
  readonly done: number;
  /** What ended the batch before its end. */
  readonly fault: Fault | undefined;
}

/**
 * Packets in the memory, run in one call with their contexts made on the way. A program that changes a packet finds it changed
 * in the next run, until {@link reload}.
 */
export class PacketBatch {
  /**
   * Runs the program on one packet: low half of R0, signed; 0 after a fault, see {@link fault}. 0, and no run, where there is no such
   * packet. Where no run can fault it is the compiled code itself.
   */
  readonly runOne: (index: number) => number;
  readonly #mem: LinearMemory;
  readonly #runner: ProgramRunner;
  readonly #all: () => void;
  readonly #close: () => void;
  readonly #block: number;
  readonly #list: PacketList;

  /** @param runner one that makes contexts of packets */
  constructor(mem: LinearMemory, runner: ProgramRunner, packets: readonly Uint8Array[], close: () => void) {
    this.#mem = mem;
    this.#runner = runner;
    this.#close = close;
    this.#block = mem.alloc(PacketList.sizeOf(packets), 64);
    this.#list = new PacketList(() => mem.wasm.buffer, this.#block, packets);
    this.reload();
    const ways = runner.over?.(this.#list.addr, packets.length, this.#list.verdictAddr);
    this.runOne = ways?.nth ?? (() => 0);
    this.#all = ways === undefined || packets.length === 0 ? () => {} : ways.all;
  }

  get length(): number {
    return this.#list.length;
  }

  /** Puts the packets back as they were given. */
  reload(): void {
    this.#list.reload();
  }

  /** Runs the program on all packets, in order, until one faults. */
  run(): BatchResult {
    const fault = this.runAll();
    const done = fault === undefined ? this.length : this.#runner.done;
    return { verdicts: this.#list.verdicts(done), done, fault };
  }

  /** {@link run} without a copy of what it returned. */
  runAll(): Fault | undefined {
    this.#all();
    return this.#runner.fault;
  }

  /** What ended the last run. */
  get fault(): Fault | undefined {
    return this.#runner.fault;
  }

  /** A packet as the last run left it. */
  packet(index: number): Uint8Array {
    return this.#list.packet(index);
  }

  close(): void {
    this.#close();
    this.#mem.free(this.#block);
  }
}

/** A program on one context, laid out once: the least there is between JavaScript and the program. */
export class ContextRunner {
  /** Low half of R0, signed; 0 after a fault. Where no run can fault it is the compiled code itself. */
  readonly run: () => number;
  readonly #runner: ProgramRunner;
  readonly #ctxAddr: number;
  readonly #close: () => void;

  /** @param ctxAddr the context the runner was opened for */
  constructor(runner: ProgramRunner, ctxAddr: number, close: () => void) {
    this.run = runner.ready;
    this.#runner = runner;
    this.#ctxAddr = ctxAddr;
    this.#close = close;
  }

  repeat(count: number): number {
    return this.#runner.repeat(this.#ctxAddr, count);
  }
  /** What ended the last run. */
  get fault(): Fault | undefined {
    return this.#runner.fault;
  }
  /** All of R0 of the last {@link repeat}, unsigned. */
  get r0(): bigint {
    return this.#runner.r0;
  }
  close(): void {
    this.#close();
  }
}
