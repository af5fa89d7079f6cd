import { RUN_STATE, StateAccess } from './abi.ts';
import type { Code } from './code.ts';
import type { ModuleWriter } from './module-writer.ts';
import * as w from './opcodes.ts';
import { I32, I64 } from './opcodes.ts';

/** What the entries call: functions of the module. */
export interface EntryTargets {
  readonly main: number;
  /** A program that makes tail calls counts them from 0. */
  readonly tailCalls: boolean;
  /** Makes the context of a packet: R1 its address, R2 the packet's, R3 its bytes. It calls nothing outside. */
  readonly context: number | undefined;
}

/** One entry's body in the making. */
class Entry {
  readonly code: Code;
  readonly state: StateAccess;
  readonly #targets: EntryTargets;

  constructor(code: Code, stateAddr: number, targets: EntryTargets) {
    this.code = code;
    this.state = new StateAccess(code, stateAddr);
    this.#targets = targets;
  }

  /** Leaves the address of contexts on the stack. */
  ctx(): void {
    this.state.get32(RUN_STATE.ctx);
  }

  /** Leaves R0 of a run on the stack. @param ctx, r2 leave what the program is given, i32 */
  callMain(ctx: () => void, r2?: () => void): void {
    const { code } = this;
    if (this.#targets.tailCalls) this.state.put32(RUN_STATE.tailCalls, () => code.i32(0));
    ctx();
    code.op(w.I64_EXTEND_I32_U);
    if (r2 === undefined) code.i64(0, 0);
    else {
      r2();
      code.op(w.I64_EXTEND_I32_U);
    }
    for (let n = 3; n <= 5; n++) code.i64(0, 0);
    code.call(this.#targets.main);
  }

  /** Writes the context of a packet. @param data, bytes leave where it is and how long, i32 */
  writeContext(func: number, data: () => void, bytes: () => void): void {
    const { code, state } = this;
    state.put32(RUN_STATE.packet, data);
    this.ctx();
    code.op(w.I64_EXTEND_I32_U);
    data();
    code.op(w.I64_EXTEND_I32_U);
    bytes();
    code.op(w.I64_EXTEND_I32_U);
    for (let n = 4; n <= 5; n++) code.i64(0, 0);
    code.call(func);
    code.op(w.DROP);
  }

  /** Keeps the i64 on the stack as R0 of the run, and leaves its low half. */
  keepR0(local: number): void {
    const { code, state } = this;
    code.set(local);
    state.put64(RUN_STATE.regs, () => code.get(local));
    code.get(local);
    code.op(w.I32_WRAP_I64);
  }

  /** `do { body } while (++done < count)`, for counts above 0; `done` is in the run's state before each round. */
  countedLoop(done: number, count: number, body: () => void): void {
    const { code, state } = this;
    code.open(w.LOOP);
    state.put32(RUN_STATE.done, () => code.get(done));
    body();
    code.get(done);
    code.i32(1);
    code.op(w.I32_ADD);
    code.tee(done);
    code.get(count);
    code.op(w.I32_LT_U);
    code.brIf(0);
    code.op(w.END);
    state.put32(RUN_STATE.done, () => code.get(done));
  }
}

/**
 * Exports that take and give i32 only; all of the last R0 is in the run's state:
 *
 * - `run(ctx, r2) → low half of R0`
 * - `repeat(ctx, count) → low half of the last R0`: runs on the same context, at least once
 * - `packet(data, bytes) → low half of R0`: writes the context of a packet in the memory to `RUN_STATE.ctx` and runs on it
 * - `batch(list, count, verdicts)`: {@link packet} for each pair of address and length (u32 each) in the list, at least one;
 *   low halves of R0 go to `verdicts`, u32 each. `RUN_STATE.done` is the packet it is at.
 */
export function writeEntries(module: ModuleWriter, targets: EntryTargets, stateAddr: number): void {
  const entry = (
    name: string,
    params: number,
    result: boolean,
    locals: readonly (readonly [count: number, type: number])[],
    write: (e: Entry) => void,
  ): void => {
    const types = Array.from({ length: params }, () => I32);
    module.export(name, 'func', module.func(module.type(types, result ? [I32] : [])));
    write(new Entry(module.body(locals), stateAddr, targets));
    module.endBody();
  };
  const R0 = 2;
  entry('run', 2, true, [[1, I64]], e => {
    e.callMain(
      () => e.code.get(0),
      () => e.code.get(1),
    );
    e.keepR0(R0);
  });
  entry(
    'repeat',
    2,
    true,
    [
      [1, I64],
      [1, I32],
    ],
    e => {
      e.countedLoop(3, 1, () => {
        e.callMain(() => e.code.get(0));
        e.code.set(R0);
      });
      e.code.get(R0);
      e.keepR0(R0);
    },
  );
  const { context } = targets;
  if (context === undefined) return;
  entry('packet', 2, true, [[1, I64]], e => {
    e.writeContext(
      context,
      () => e.code.get(0),
      () => e.code.get(1),
    );
    e.callMain(() => e.ctx());
    e.keepR0(R0);
  });
  const [LIST, COUNT, VERDICTS, DONE] = [0, 1, 2, 3];
  entry('batch', 3, false, [[1, I32]], e => {
    const { code } = e;
    const word = (off: number): void => {
      code.get(LIST);
      code.access(w.I32_LOAD, off);
    };
    const step = (local: number, bytes: number): void => {
      code.get(local);
      code.i32(bytes);
      code.op(w.I32_ADD);
      code.set(local);
    };
    e.countedLoop(DONE, COUNT, () => {
      e.writeContext(
        context,
        () => word(0),
        () => word(4),
      );
      code.get(VERDICTS);
      e.callMain(() => e.ctx());
      code.op(w.I32_WRAP_I64);
      code.access(w.I32_STORE, 0);
      step(LIST, 8);
      step(VERDICTS, 4);
    });
  });
}
