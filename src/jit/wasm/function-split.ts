import {
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  CALL,
  classifyInsn,
  type Insn,
  type InsnDef,
  isInsnProblem,
  LD_IMM64,
} from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import type { Room } from '../room.ts';
import { JitError } from '../types.ts';

/** A program's slots, looked up in the instruction table, and its functions. */
export interface SplitProgram {
  readonly insns: readonly Insn[];
  /** Row of each slot; undefined for second slots of `ld_imm64`. */
  readonly defs: readonly (InsnDef | undefined)[];
  /** First slot of each function, ascending, and the number of slots. */
  readonly starts: Int32Array;
  /** Function that begins at a slot, or -1. */
  readonly functionAt: Int32Array;
  /** Slots of calls, ascending. */
  readonly callSlots: readonly number[];
  /** The last slot that an instruction names as a function's, or -1. */
  readonly lastNamed: number;
}

/** Where a program's functions begin, and what it calls. */
export type FunctionStarts = Omit<SplitProgram, 'defs'>;

/**
 * Functions begin at slot 0, where local calls and function addresses point, and at `entries`; each reaches to the next
 * (`kernel/bpf/verifier.c: add_subprog_and_kfunc`). Throws JitError for calls out of the program.
 *
 * @param room where the table of functions by slot lives; default an array of its own
 */
export function findFunctions(insns: readonly Insn[], entries: readonly number[], room?: Room): FunctionStarts {
  const count = insns.length;
  if (count === 0) throw new JitError(ERRNO.EINVAL, 'the program has no instructions');
  const functionAt = room?.ints(count, -1) ?? new Int32Array(count).fill(-1);
  const begin = (slot: number, from: number): void => {
    if (slot < 0 || slot >= count)
      throw new JitError(ERRNO.EINVAL, `insn ${from} names a function at ${slot}, outside the program`);
    functionAt[slot] = 0;
  };
  begin(0, 0);
  for (const slot of entries) begin(slot, 0);
  const callSlots: number[] = [];
  let lastNamed = -1;
  const name = (slot: number, from: number): void => {
    begin(slot, from);
    if (slot > lastNamed) lastNamed = slot;
  };
  for (let idx = 0; idx < count; idx++) {
    const insn = insns[idx];
    if (insn.code === CALL) {
      callSlots.push(idx);
      if (insn.src === BPF_PSEUDO_CALL) name(idx + 1 + insn.imm, idx);
    } else if (insn.code === LD_IMM64) {
      if (insn.src === BPF_PSEUDO_FUNC) name(idx + 1 + insn.imm, idx);
      idx++;
    }
  }
  const found: number[] = [];
  for (let slot = 0; slot >= 0; slot = functionAt.indexOf(0, slot + 1)) functionAt[slot] = found.push(slot) - 1;
  const starts = new Int32Array(found.length + 1);
  for (let func = 0; func < found.length; func++) starts[func] = found[func];
  starts[found.length] = count;
  return { insns, starts, functionAt, callSlots, lastNamed };
}

/** The same with every slot looked up. Throws JitError for slots that are no instruction too. */
export function splitProgram(insns: readonly Insn[], entries: readonly number[]): SplitProgram {
  const defs: (InsnDef | undefined)[] = new Array(insns.length);
  for (let idx = 0; idx < insns.length; idx++) {
    const def = classifyInsn(insns, idx);
    if (isInsnProblem(def)) {
      throw new JitError(ERRNO.ENOTSUPP, `insn ${idx}: ${def.message}: expected ${def.expected}, found ${def.found}`);
    }
    defs[idx] = def;
    if (def.slots === 2) defs[++idx] = undefined;
  }
  return { ...findFunctions(insns, entries), defs };
}
