import { MAIN_STATE, RUN_STATE, StateAccess, WASM_IMPORTS } from './abi.ts';
import { ModuleWriter } from './module-writer.ts';
import * as w from './opcodes.ts';
import { I32, I64 } from './opcodes.ts';

/**
 * A module that calls functions of the table without a BigInt: `call(index) → low half of R0`, arguments from the run's
 * state, all of R0 to it. Imports `memory` and `table`.
 */
export function callTrampoline(shared = false, stateAddr = MAIN_STATE): Uint8Array<ArrayBuffer> {
  const module = new ModuleWriter();
  const funcType = module.type([I64, I64, I64, I64, I64], [I64]);
  if (shared) module.sharedMemory(WASM_IMPORTS, 'memory');
  else module.import(WASM_IMPORTS, 'memory', 'memory', 1);
  module.import(WASM_IMPORTS, 'table', 'table', 0);
  module.export('call', 'func', module.func(module.type([I32], [I32])));
  const code = module.body([[1, I64]]);
  const state = new StateAccess(code, stateAddr);
  for (let n = 1; n <= 5; n++) state.get64(RUN_STATE.regs + 8 * n);
  code.get(0);
  code.callIndirect(funcType);
  code.set(1);
  state.put64(RUN_STATE.regs, () => code.get(1));
  code.get(1);
  code.op(w.I32_WRAP_I64);
  module.endBody();
  return module.finish();
}
