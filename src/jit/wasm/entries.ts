import type { EntryName } from '../entry-functions.ts';
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
  /** Ways in that are there already. */
  readonly ways: ReadonlyMap<EntryName, number>;
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
 * Exports that take and give i32 only: ways in as {@link EntryName} has them. Those that are not there already call the program:
 * `run`, `repeat`, `ready`, and where there is `batch` also `all()`, which is `batch` on the list in the run's state. Ways in that make
 * contexts of packets are only there already.
 */
export function writeEntries(module: ModuleWriter, targets: EntryTargets, stateAddr: number): void {
  const { ways } = targets;
  for (const [name, func] of ways) module.export(name, 'func', func);
  const entry = (
    name: string,
    params: number,
    locals: readonly (readonly [count: number, type: number])[],
    write: (e: Entry) => void,
  ): void => {
    if (ways.has(name as EntryName)) return;
    const types = Array.from({ length: params }, () => I32);
    module.export(name, 'func', module.func(module.type(types, [I32])));
    write(new Entry(module.body(locals), stateAddr, targets));
    module.endBody();
  };
  const R0 = 2;
  entry('run', 2, [[1, I64]], e => {
    e.callMain(
      () => e.code.get(0),
      () => e.code.get(1),
    );
    e.keepR0(R0);
  });
  entry('ready', 0, [], e => {
    e.callMain(() => e.state.get32(RUN_STATE.ctx));
    e.code.op(w.I32_WRAP_I64);
  });
  entry(
    'repeat',
    2,
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
  const batch = ways.get('batch');
  if (batch === undefined) return;
  entry('all', 0, [], e => {
    for (const off of [RUN_STATE.list, RUN_STATE.count, RUN_STATE.verdicts]) e.state.get32(off);
    e.code.call(batch);
  });
}
