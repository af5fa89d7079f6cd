import { RUN_STATE, StateAccess } from './abi.ts';
import type { ModuleWriter } from './module-writer.ts';
import * as w from './opcodes.ts';
import { I32, I64 } from './opcodes.ts';

/**
 * Exports that take and give i32 only:
 *
 * - `run(ctx, r2) → low half of R0`: all of R0 is in the run's state
 */
export function writeEntries(module: ModuleWriter, main: number, stateAddr: number): void {
  module.export('run', 'func', module.func(module.type([I32, I32], [I32])));
  const code = module.body([[1, I64]]);
  const state = new StateAccess(code, stateAddr);
  state.put32(RUN_STATE.tailCalls, () => code.i32(0));
  code.get(0);
  code.op(w.I64_EXTEND_I32_U);
  code.get(1);
  code.op(w.I64_EXTEND_I32_U);
  for (let n = 3; n <= 5; n++) code.i64(0, 0);
  code.call(main);
  code.set(2);
  state.put64(RUN_STATE.regs, () => code.get(2));
  code.get(2);
  code.op(w.I32_WRAP_I64);
  module.endBody();
}
