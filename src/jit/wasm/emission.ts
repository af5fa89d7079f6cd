import type { Insn, InsnDef } from '../../isa/index.ts';
import { type CallShape, RUN_STATE, type StateAccess, WASM_FAULTS, type WasmFault, type WasmImports } from './abi.ts';
import type { Code } from './code.ts';
import type { SplitProgram } from './function-split.ts';
import * as w from './opcodes.ts';
import { ADDR, FRAME, LEVEL, REG_LOCAL } from './registers.ts';

/** What the caller of the translation decided, for all of a program. */
export interface EmissionOptions {
  /** Nobody verified it: the depth of calls is checked. */
  readonly unproven: boolean;
  readonly shared: boolean;
  /** Functions of the module that turn an address, a size and a slot into an address that may be accessed; checked code only. */
  readonly check: { readonly read: number; readonly write: number } | undefined;
  /** Address of the word of slot 0 in the table of function addresses; 0 where no instruction takes one. */
  readonly funcBase: number;
  readonly helperShape: (id: number) => CallShape;
  readonly kfuncShape: (btfId: number, fdIdx: number) => CallShape;
  readonly tailCalls: TailCallLayout | undefined;
}

/** Where verified code finds the targets of tail calls: offsets in a prog array's and a program's handle. */
export interface TailCallLayout {
  /** u32 of the map's handle. */
  readonly maxEntries: number;
  /** First of the elements, 8 bytes each: addresses of programs' handles. */
  readonly elements: number;
  /** u32 of a program's handle: its index in the table, 0 for none. */
  readonly entry: number;
}

/** Everything the instructions of one function are written with. */
export interface Emission {
  readonly code: Code;
  readonly program: SplitProgram;
  readonly imports: WasmImports;
  readonly state: StateAccess;
  readonly how: EmissionOptions;
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

/** An access: how many bytes, and what for. */
export interface AccessKind {
  readonly sizeBytes: number;
  readonly write: boolean;
  /** Where it is, for faults. */
  readonly slot: number;
}

/**
 * Leaves an address on the stack; the rest of it is returned, as an access's own offset. WebAssembly adds that without
 * wrapping: bases below 0 do not occur, as nothing accessible lies in the first 64 KiB and offsets have 15 bits.
 */
export function address(e: Emission, base: number, offBytes: number, kind: AccessKind): number {
  const { code, frameBytes } = e;
  const { check } = e.how;
  if (base === 10 && frameBytes + offBytes >= 0 && (check === undefined || offBytes + kind.sizeBytes <= 0)) {
    code.get(FRAME);
    return frameBytes + offBytes;
  }
  if (check !== undefined) {
    reg(e, base);
    code.i64(offBytes >> 31, offBytes);
    code.op(w.I64_ADD);
    code.i32(kind.sizeBytes);
    code.i32(kind.slot);
    code.call(kind.write ? check.write : check.read);
    return 0;
  }
  reg32(e, base);
  if (offBytes >= 0) return offBytes;
  code.i32(offBytes);
  code.op(w.I32_ADD);
  return 0;
}

/** {@link address}, kept in a local to be used twice. */
export function keptAddress(e: Emission, base: number, offBytes: number, kind: AccessKind): number {
  const rest = address(e, base, offBytes, kind);
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

/** Gives the frame back: callers find `sp` and `level` as they left them. */
export function restoreSp(e: Emission): void {
  const { code, state } = e;
  if (e.movesSp) {
    state.put32(RUN_STATE.sp, () => {
      code.get(FRAME);
      code.i32(e.frameBytes);
      code.op(w.I32_ADD);
    });
  }
  if (e.how.unproven) {
    state.put32(RUN_STATE.level, () => {
      code.get(LEVEL);
      code.i32(1);
      code.op(w.I32_SUB);
    });
  }
}
