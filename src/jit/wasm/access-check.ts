import { RUN_STATE, StateAccess, type WasmImports } from './abi.ts';
import type { ModuleWriter } from './module-writer.ts';
import * as w from './opcodes.ts';
import { I32, I64 } from './opcodes.ts';

/** What an access by checked code is for, by the number the `access` import is given. */
export const ACCESS_KINDS = ['read', 'write', 'probe'] as const;
export type AccessKindName = (typeof ACCESS_KINDS)[number];

const ADDRESS = 0;
const SIZE = 1;
const SLOT = 2;

/**
 * Writes the function `(address: i64, bytes: i32, slot: i32) → i32` that checked code calls before each access: the
 * address, if all bytes lie in the region the last access fell into or in an open frame; otherwise the import decides.
 */
export function writeAccessCheck(
  module: ModuleWriter,
  imports: WasmImports,
  kind: AccessKindName,
  stateAddr: number,
): void {
  const code = module.body([]);
  const state = new StateAccess(code, stateAddr);
  const write = kind === 'write';
  // start <= address && address <= end - bytes
  const within = (start: () => void, end: () => void): void => {
    code.get(ADDRESS);
    start();
    code.op(w.I64_GE_U);
    code.get(ADDRESS);
    end();
    code.get(SIZE);
    code.op(w.I64_EXTEND_I32_U);
    code.op(w.I64_SUB);
    code.op(w.I64_LE_U);
    code.op(w.I32_AND);
    code.open(w.IF);
    code.get(ADDRESS);
    code.op(w.I32_WRAP_I64);
    code.op(w.RETURN);
    code.op(w.END);
  };
  const half = (off: number): void => {
    state.get32(off);
    code.op(w.I64_EXTEND_I32_U);
  };
  within(
    () => state.get64(write ? RUN_STATE.writeStart : RUN_STATE.readStart),
    () => state.get64(write ? RUN_STATE.writeEnd : RUN_STATE.readEnd),
  );
  within(
    () => half(RUN_STATE.sp),
    () => half(RUN_STATE.stackTop),
  );
  code.i32(ACCESS_KINDS.indexOf(kind));
  code.get(ADDRESS);
  code.op(w.I32_WRAP_I64);
  code.get(ADDRESS);
  code.i64(0, 32);
  code.op(w.I64_SHR_U);
  code.op(w.I32_WRAP_I64);
  code.get(SIZE);
  code.get(SLOT);
  code.call(imports.access);
  module.endBody();
}

/** Type of such a function. */
export const accessCheckType = (module: ModuleWriter): number => module.type([I64, I32, I32], [I32]);
