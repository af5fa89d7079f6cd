import { attachModule, type SharedModule, shareModule, type ThreadProgram } from '../engine/index.ts';
import { ProgramFault } from '../helpers/index.ts';
import { MAX_BPF_STACK, MAX_CALL_FRAMES } from '../isa/index.ts';
import { MAIN_STATE, RUN_STATE } from '../jit/index.ts';
import type { LinearMemory } from '../mem/index.ts';
import { FarcallError } from '../util/index.ts';
import { PacketList } from './packet-list.ts';
import type { MachineProgram } from './types.ts';

export interface ShareOptions {
  /** The CPU the thread is, default 0: whose per-CPU values it has. */
  readonly cpu?: number;
  /** Room for its packets, default 1 MiB. */
  readonly packetBytes?: number;
}

/** A program for another thread. Can be posted to it. */
export interface SharedProgram extends SharedModule {
  readonly name: string;
  readonly ctxAddr: number;
  /** Where its packets go. */
  readonly block: { readonly start: number; readonly sizeBytes: number };
  readonly stackTop: number;
}

const CTX_BYTES = 256;
const PACKET_BYTES = 1 << 20;
/** States of threads lie behind that of the machine's own, below what operations of maps have. */
const STATE_STEP = 256;
const MOST_THREADS = 58;

export function shareProgram(
  mem: LinearMemory,
  program: MachineProgram,
  thread: number,
  { cpu = 0, packetBytes = PACKET_BYTES }: ShareOptions,
): SharedProgram | undefined {
  if (!mem.shared) {
    throw new FarcallError({
      code: 'run.not-shared',
      message: 'threads cannot work in the memory of this machine',
      expected: 'a machine made with shared: true',
    });
  }
  if (thread > MOST_THREADS) {
    throw new FarcallError({ code: 'run.threads', message: 'too many threads', expected: `at most ${MOST_THREADS}` });
  }
  const made = shareModule(program.loaded, mem.wasm, MAIN_STATE + STATE_STEP * thread);
  if (made === undefined) return undefined;
  const stackBytes = MAX_BPF_STACK * MAX_CALL_FRAMES;
  const stackTop = mem.alloc(stackBytes, 64) + stackBytes;
  const ctxAddr = mem.alloc(CTX_BYTES, 64);
  const block = { start: mem.alloc(packetBytes, 64), sizeBytes: packetBytes };
  const put = (off: number, value: number): void => mem.view.setInt32(made.stateAddr + off, value, true);
  put(RUN_STATE.cpu, cpu);
  put(RUN_STATE.ctx, ctxAddr);
  put(RUN_STATE.stackTop, stackTop);
  put(RUN_STATE.sp, stackTop);
  return { ...made, name: program.name, ctxAddr, block, stackTop };
}

/** A shared program in the thread it was posted to. */
export class ThreadRunner {
  readonly #program: ThreadProgram;
  readonly #shared: SharedProgram;
  #packets: PacketList | undefined;
  /** What ended the last run: its words. */
  fault: string | undefined;

  constructor(shared: SharedProgram) {
    this.#shared = shared;
    this.#program = attachModule(shared);
  }

  /** Puts packets into the thread's room. Throws `run.data` when there are too many. */
  load(packets: readonly Uint8Array[]): void {
    const { block, memory } = this.#shared;
    const size = PacketList.sizeOf(packets);
    if (size > block.sizeBytes) {
      throw new FarcallError({
        code: 'run.data',
        message: 'the packets of a thread do not fit',
        expected: `at most ${block.sizeBytes} bytes`,
        found: `${size} bytes`,
      });
    }
    this.#packets = new PacketList(() => memory.buffer, block.start, packets);
    this.#packets.reload();
  }

  /** Runs on all packets that were loaded, in order, `times` times; how many runs were completed. */
  run(times = 1): number {
    const list = this.#packets;
    const { batch } = this.#program;
    this.fault = undefined;
    if (list === undefined || batch === undefined || list.length === 0) return 0;
    let done = 0;
    try {
      for (let i = 0; i < times; i++) {
        batch(list.addr, list.length, list.verdictAddr);
        done += list.length;
      }
    } catch (error) {
      if (!(error instanceof ProgramFault) && !(error instanceof WebAssembly.RuntimeError)) throw error;
      this.fault = error.message;
      done += this.#program.get(RUN_STATE.done);
      this.#program.put(RUN_STATE.sp, this.#shared.stackTop);
    }
    return done;
  }

  /** Low 32 bits of R0 by packet of the last run over all, unsigned. */
  get verdicts(): Uint32Array {
    return this.#packets?.verdicts(this.#packets.length) ?? new Uint32Array(0);
  }
}

/** Makes a shared program ready in this thread. */
export function attachProgram(shared: SharedProgram): ThreadRunner {
  return new ThreadRunner(shared);
}
