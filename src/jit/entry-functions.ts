import { type Insn, ProgramBuilder, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, type Reg } from '../isa/index.ts';
import { Recent } from './recent.ts';
import { RUN_STATE } from './wasm/abi.ts';

/** Arguments of each way into a program, numbers of 32 bits. */
export const ENTRY_ARGS = { ready: 0, run: 2, repeat: 2, packet: 2, nth: 1, batch: 3 } as const;

/**
 * A way into a program from outside. What it returns is the low half of R0:
 *
 * - `run(ctx, r2)`: all of R0 goes to the run's state
 * - `repeat(ctx, count)`: runs on the same context, at least once; `RUN_STATE.done` counts; all of the last R0 goes to the run's state
 * - `ready()`: runs on the context at `RUN_STATE.ctx`
 * - `packet(data, bytes)`: writes the context of a packet in the memory to `RUN_STATE.ctx` and runs on it
 * - `nth(index)`: that for one pair of address and length (u32 each) of the list at `RUN_STATE.list`; 0 behind its end
 * - `batch(list, count, verdicts)`: that for each pair of a list, at least one; low halves of R0 go to `verdicts`, u32 each.
 *   `RUN_STATE.done` is the packet it is at. Returns 0
 *
 * A store more would be a quarter of what a small program costs from JavaScript: its calls are little else than stores.
 */
export type EntryName = keyof typeof ENTRY_ARGS;
const PACKET_ENTRIES: ReadonlySet<EntryName> = new Set(['packet', 'nth', 'batch']);

export interface EntryInit {
  /** Where the function begins that makes the context of a packet: R1 its address, R2 the packet's, R3 its bytes. It calls nothing outside. */
  readonly contextSlot: number | undefined;
  /** A program that makes tail calls counts them from 0. */
  readonly tailCalls: boolean;
  readonly stateAddr: number;
}

/** A program with its ways in behind it. */
export interface EnteredProgram {
  readonly insns: readonly Insn[];
  /** Where each begins; those that make contexts are only there when something makes contexts. */
  readonly slots: ReadonlyMap<EntryName, number>;
}

/** The ways in that were asked for and can be made. */
class EntryBuilder {
  readonly #b = new ProgramBuilder();
  readonly #init: EntryInit;
  /** Slots of calls, and whether they call what makes contexts; others call the program. */
  readonly #calls: [at: number, context: boolean][] = [];

  constructor(init: EntryInit) {
    this.#init = init;
  }

  #state(register: Reg): this {
    this.#b.mov(register, this.#init.stateAddr);
    return this;
  }
  #get(register: Reg, offBytes: number): void {
    this.#state(register).#b.load('w', register, register, offBytes);
  }
  #call(context: boolean): void {
    this.#calls.push([this.#b.here, context]);
    this.#b.emit('call_local');
  }

  /** Runs the program with R1 and, unless said, nothing else. */
  #main(hasR2 = false): void {
    const b = this.#b;
    if (this.#init.tailCalls) this.#state(R3).#b.store('w', R3, RUN_STATE.tailCalls, 0);
    for (const register of hasR2 ? [R3, R4, R5] : [R2, R3, R4, R5]) b.mov(register, 0);
    this.#call(false);
  }
  #keepR0(): void {
    this.#state(R1).#b.store('dw', R1, RUN_STATE.regs, R0).exit();
  }
  /** Makes the context of the packet at R2 of R3 bytes and runs on it. */
  #packet(): void {
    const b = this.#b;
    this.#get(R1, RUN_STATE.ctx);
    b.mov(R4, 0).mov(R5, 0);
    this.#call(true);
    this.#get(R1, RUN_STATE.ctx);
    this.#main();
  }

  ready(): void {
    this.#get(R1, RUN_STATE.ctx);
    this.#main();
    this.#b.exit();
  }
  run(): void {
    this.#b.alu32('mov', R1, R1).alu32('mov', R2, R2);
    this.#main(true);
    this.#keepR0();
  }
  repeat(): void {
    const b = this.#b;
    b.alu32('mov', R6, R1).alu32('mov', R7, R2).mov(R9, 0);
    this.#counted('repeat', R7, () => {
      b.mov(R1, R6);
      this.#main();
    });
    this.#keepR0();
  }
  packet(): void {
    this.#b.alu32('mov', R3, R2).alu32('mov', R2, R1);
    this.#packet();
    this.#b.exit();
  }
  nth(): void {
    const b = this.#b;
    this.#get(R2, RUN_STATE.count);
    b.jumpIf('jge', R1, R2, 'none', 32);
    this.#get(R4, RUN_STATE.list);
    b.alu32('lsh', R1, 3).alu64('add', R4, R1).load('w', R2, R4, 0).load('w', R3, R4, 4);
    this.#packet();
    b.exit().label('none').mov(R0, 0).exit();
  }
  batch(): void {
    const b = this.#b;
    b.alu32('mov', R6, R1).alu32('mov', R7, R2).alu32('mov', R8, R3).mov(R9, 0);
    this.#counted('batch', R7, () => {
      b.load('w', R2, R6, 0).load('w', R3, R6, 4);
      this.#packet();
      b.store('w', R8, 0, R0).alu64('add', R6, 8).alu64('add', R8, 4);
    });
    b.mov(R0, 0).exit();
  }

  /** `do { body } while (++done < count)`, R9 being done. */
  #counted(label: string, count: Reg, body: () => void): void {
    const b = this.#b;
    b.label(label);
    this.#state(R1).#b.store('w', R1, RUN_STATE.done, R9);
    body();
    b.alu64('add', R9, 1).jumpIf('jlt', R9, count, label);
    this.#state(R1).#b.store('w', R1, RUN_STATE.done, R9);
  }

  get here(): number {
    return this.#b.here;
  }
  finish(starts: readonly (readonly [EntryName, number])[]): BuiltEntries {
    return { insns: this.#b.build(), calls: this.#calls, starts };
  }
}

/** Ways into any program: what they call is still to be filled in. */
interface BuiltEntries {
  readonly insns: readonly Insn[];
  readonly calls: readonly (readonly [at: number, context: boolean])[];
  /** Where each begins, from the first. */
  readonly starts: readonly (readonly [EntryName, number])[];
}

function buildEntries(names: readonly EntryName[], init: EntryInit): BuiltEntries {
  const builder = new EntryBuilder(init);
  const starts: [EntryName, number][] = [];
  for (const name of names) {
    if (PACKET_ENTRIES.has(name) && init.contextSlot === undefined) continue;
    starts.push([name, builder.here]);
    builder[name]();
  }
  return builder.finish(starts);
}

/** What ways in are built from. */
interface BuiltFrom extends Pick<EntryInit, 'tailCalls' | 'stateAddr'> {
  readonly names: readonly EntryName[];
  readonly contexts: boolean;
}

/** Programs have the same. */
const BUILT = new Recent<BuiltFrom, BuiltEntries>(
  16,
  (a, b) =>
    a.names === b.names && a.contexts === b.contexts && a.tailCalls === b.tailCalls && a.stateAddr === b.stateAddr,
);

/**
 * Ways into a program as BPF functions behind it, so that an optimiser puts small programs where they are entered: a packet of a batch
 * then costs no call. They reach the run's state by its address, and are for code that was proven.
 */
export function withEntries(insns: readonly Insn[], names: readonly EntryName[], init: EntryInit): EnteredProgram {
  const { contextSlot, tailCalls, stateAddr } = init;
  const from = { names, contexts: contextSlot !== undefined, tailCalls, stateAddr };
  const built = BUILT.find(from) ?? BUILT.keep(from, buildEntries(names, init));
  const first = insns.length;
  const own = built.insns.slice();
  for (const [at, context] of built.calls) {
    own[at] = { ...own[at], imm: (context ? (init.contextSlot ?? 0) : 0) - (first + at) - 1 };
  }
  return { insns: insns.concat(own), slots: new Map(built.starts.map(([name, at]) => [name, first + at])) };
}
