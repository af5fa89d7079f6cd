import type { Insn, InsnDef } from '../../isa/index.ts';
import { WASM_FAULTS, type WasmFault, type WasmGlobals, type WasmImports } from './abi.ts';
import type { Code } from './code.ts';
import type { SplitProgram } from './function-split.ts';
import * as w from './opcodes.ts';
import { ADDR, FRAME, REG_LOCAL } from './registers.ts';

/** Everything the instructions of one function are written with. */
export interface Emission {
  readonly code: Code;
  readonly program: SplitProgram;
  readonly imports: WasmImports;
  readonly globals: WasmGlobals;
  /** Index of the function that translates BPF function 0. */
  readonly firstFunc: number;
  /** Bytes of its frame; 0 where R10 is never used. */
  readonly frameBytes: number;
  /** It calls, so what it calls must find its own frame below this one. */
  readonly movesSp: boolean;
}

/** Writes one instruction that is no jump. */
export type Emit = (e: Emission, insn: Insn, def: InsnDef, slot: number) => void;

export const reg = (e: Emission, n: number): void => e.code.get(REG_LOCAL[n]);
export const setReg = (e: Emission, n: number): void => e.code.set(REG_LOCAL[n]);
/** Low half of a register, as i32. */
export function reg32(e: Emission, n: number): void {
  e.code.get(REG_LOCAL[n]);
  e.code.op(w.I32_WRAP_I64);
}
/** Sets a register to the i32 on the stack, zero-extended. */
export function setReg32(e: Emission, n: number): void {
  e.code.op(w.I64_EXTEND_I32_U);
  e.code.set(REG_LOCAL[n]);
}

/**
 * Leaves an address on the stack; the rest of it is returned, as an access's own offset. WebAssembly adds that without
 * wrapping: bases below 0 do not occur, as nothing accessible lies in the first 64 KiB and offsets have 15 bits.
 */
export function address(e: Emission, base: number, offBytes: number): number {
  const { code } = e;
  if (base === 10 && e.frameBytes + offBytes >= 0) {
    code.get(FRAME);
    return e.frameBytes + offBytes;
  }
  reg32(e, base);
  if (offBytes >= 0) return offBytes;
  code.i32(offBytes);
  code.op(w.I32_ADD);
  return 0;
}

/** {@link address}, kept in a local to be used twice. */
export function keptAddress(e: Emission, base: number, offBytes: number): number {
  const rest = address(e, base, offBytes);
  e.code.set(ADDR);
  return rest;
}

/** Ends the run: the import throws. */
export function fault(e: Emission, kind: WasmFault, slot: number): void {
  e.code.i32(WASM_FAULTS.indexOf(kind));
  e.code.i32(slot);
  e.code.call(e.imports.fault);
  e.code.op(w.UNREACHABLE);
}

/** Gives the frame back: callers find `sp` as they left it. */
export function restoreSp(e: Emission): void {
  if (!e.movesSp) return;
  e.code.get(FRAME);
  e.code.i32(e.frameBytes);
  e.code.op(w.I32_ADD);
  e.code.globalSet(e.globals.sp);
}
