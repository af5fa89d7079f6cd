import { type Insn, isWide } from '../../isa/index.ts';
import { type ErrorCode, FarcallError } from '../../util/index.ts';
import { fallsThrough, RELATIVE, relativeOf, relativeTarget } from './relative.ts';

/** Where the functions of a program are. */
export interface FunctionTable {
  /** First slots, ascending, and the number of slots at the end. */
  readonly starts: Int32Array;
  readonly count: number;
  /** Slot → function it lies in. */
  readonly funcOf: Int32Array;
}

/** The function that begins exactly at `slot`, or -1. */
export function functionAt(table: FunctionTable, slot: number): number {
  const func = slot >= 0 && slot < table.funcOf.length ? table.funcOf[slot] : -1;
  return func >= 0 && table.starts[func] === slot ? func : -1;
}

function broken(code: ErrorCode, insnIdx: number, message: string, expected: string, found: string): FarcallError {
  return new FarcallError({ code, message, expected, found, where: { insnIdx } });
}

/**
 * Finds the functions of a program: main, and whatever is called locally, taken the address of, or listed in `extra`;
 * and makes sure that control stays inside each of them.
 *
 * Throws `insn.call-target`, `insn.jump-target` (outside, into another function, into the second half of a `ld_imm64`)
 * and `insn.fall-through` (a function's last instruction goes on behind it).
 *
 * @param noReturn slots of calls that do not come back (`bpf_throw`)
 *
 * Source: `kernel/bpf/verifier.c: add_subprog_and_kfunc, check_subprogs`.
 */
export function findFunctions(
  insns: readonly Insn[],
  extra: readonly number[] = [],
  noReturn: (insn: Insn) => boolean = () => false,
): FunctionTable {
  const count = insns.length;
  if (count === 0) throw broken('insn.no-instructions', 0, 'the program is empty', 'at least one slot', 'none');
  const second = new Uint8Array(count);
  for (let idx = 0; idx < count; idx++) {
    if (isWide(insns[idx]) && idx + 1 < count) second[++idx] = 1;
  }
  const isStart = new Uint8Array(count);
  const addStart = (slot: number, insnIdx: number): void => {
    if (slot < 0 || slot >= count || second[slot] !== 0) {
      const place = `an instruction inside the ${count} slots`;
      throw broken('insn.call-target', insnIdx, 'no function can begin there', place, `slot ${slot}`);
    }
    isStart[slot] = 1;
  };
  addStart(0, 0);
  for (const slot of extra) addStart(slot, slot);
  for (let idx = 0; idx < count; idx++) {
    if (second[idx] !== 0) continue;
    const relative = relativeOf(insns[idx]);
    if (relative === RELATIVE.call || relative === RELATIVE.func) {
      addStart(relativeTarget(insns[idx], idx, relative), idx);
    }
  }
  const found: number[] = [];
  const funcOf = new Int32Array(count);
  for (let idx = 0; idx < count; idx++) {
    if (isStart[idx] !== 0) found.push(idx);
    funcOf[idx] = found.length - 1;
  }
  const table = { starts: Int32Array.from([...found, count]), count: found.length, funcOf };
  for (let idx = 0; idx < count; idx++) {
    if (second[idx] === 0) checkFlow(insns, idx, table, second, noReturn);
  }
  return table;
}

function checkFlow(
  insns: readonly Insn[],
  idx: number,
  table: FunctionTable,
  second: Uint8Array,
  noReturn: (insn: Insn) => boolean,
): void {
  const insn = insns[idx];
  const func = table.funcOf[idx];
  const end = table.starts[func + 1];
  const relative = relativeOf(insn);
  if (relative === RELATIVE.jumpOff || relative === RELATIVE.jumpImm) {
    const target = relativeTarget(insn, idx, relative);
    if (target < table.starts[func] || target >= end || second[target] !== 0) {
      const range = `an instruction of its function, slots ${table.starts[func]} to ${end - 1}`;
      throw broken('insn.jump-target', idx, 'a jump leaves its function', range, `slot ${target}`);
    }
  }
  if (idx + (isWide(insn) ? 2 : 1) >= end && fallsThrough(insn.code) && !noReturn(insn)) {
    const expected = 'an exit or a jump at the end';
    throw broken('insn.fall-through', idx, 'a function goes on behind its last instruction', expected, 'neither');
  }
}
