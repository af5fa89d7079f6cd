import { BPF_CALL, BPF_EXIT, BPF_JA, BPF_JMP, BPF_JMP32, type Insn, isPseudoCall, isWide } from '../../isa/index.ts';
import type { DumpEncoding } from '../../jit/index.ts';
import { localCall } from './calls.ts';

/** A stretch of instructions that is entered at its head and left at its tail. */
export interface DumpBlock {
  /** 2, 3, … in the order of the code; 0 and 1 are a function's entry and exit. */
  readonly number: number;
  /** First and last slot. */
  readonly head: number;
  readonly tail: number;
  /** Numbers of the blocks that may follow, the one behind first. */
  readonly next: readonly number[];
}

export interface DumpFunction {
  /** In the order calls mention them, main 0. */
  readonly number: number;
  readonly start: number;
  readonly blocks: readonly DumpBlock[];
}

export const ENTRY_BLOCK = 0;
export const EXIT_BLOCK = 1;
const FIRST_BLOCK = 2;

const opOf = (code: number): number => code & 0xf0;
const isJump = (code: number): boolean => (code & 7) === BPF_JMP || (code & 7) === BPF_JMP32;
const isGotol = (code: number): boolean => (code & 7) === BPF_JMP32 && opOf(code) === BPF_JA;

/**
 * The functions of a dump and their blocks. Functions are numbered in the order of their first mention, blocks by place.
 *
 * @param asBpftool draw what bpftool draws: an edge from every `exit` to the block behind it, two from a call, `gotol` to
 *   the next instruction. Otherwise edges are those of the program.
 *
 * Source: `tools/bpf/bpftool/cfg.c`.
 */
export function dumpFunctions(insns: readonly Insn[], encoding: DumpEncoding, asBpftool: boolean): DumpFunction[] {
  if (insns.length === 0) return [];
  const numbers = new Map([[0, 0]]);
  for (let idx = 0; idx < insns.length; idx++) {
    if (isPseudoCall(insns[idx])) {
      const start = idx + 1 + localCall(insns[idx], encoding).distance;
      if (start > 0 && start < insns.length && !numbers.has(start)) numbers.set(start, numbers.size);
    }
    if (isWide(insns[idx])) idx++;
  }
  const starts = [...numbers.keys()].sort((a, b) => a - b);
  return starts.map((start, i) => ({
    number: numbers.get(start) ?? 0,
    start,
    blocks: blocksOf(insns, start, starts[i + 1] ?? insns.length, asBpftool),
  }));
}

/** Where a jump leads: `gotol` has its distance in imm. */
function jumpTarget(insns: readonly Insn[], idx: number, asBpftool: boolean): number {
  const { code, off, imm } = insns[idx];
  return idx + 1 + (isGotol(code) && !asBpftool ? imm : off);
}

function blocksOf(insns: readonly Insn[], start: number, end: number, asBpftool: boolean): DumpBlock[] {
  const heads = new Set([start]);
  const add = (idx: number): void => {
    if (idx >= start && idx < end) heads.add(idx);
  };
  for (let idx = start; idx < end; idx++) {
    const { code } = insns[idx];
    if (isWide(insns[idx])) idx++;
    if (!isJump(code) || opOf(code) === BPF_CALL || (asBpftool && opOf(code) === BPF_EXIT)) continue;
    if (opOf(code) !== BPF_EXIT) add(jumpTarget(insns, idx, asBpftool));
    if (opOf(code) !== BPF_JA || !asBpftool) add(idx + 1);
  }
  const sorted = [...heads].sort((a, b) => a - b);
  const numberAt = new Map(sorted.map((head, i) => [head, FIRST_BLOCK + i]));
  return sorted.map((head, i) => {
    const last = i + 1 === sorted.length;
    const tail = (last ? end : sorted[i + 1]) - 1;
    const behind = last ? EXIT_BLOCK : FIRST_BLOCK + i + 1;
    return { number: FIRST_BLOCK + i, head, tail, next: successors(insns, tail, behind, numberAt, asBpftool) };
  });
}

function successors(
  insns: readonly Insn[],
  tail: number,
  behind: number,
  numberAt: ReadonlyMap<number, number>,
  asBpftool: boolean,
): number[] {
  const { code } = insns[tail];
  if (!isJump(code) || (opOf(code) === BPF_CALL && !asBpftool)) return [behind];
  if (opOf(code) === BPF_EXIT) return [asBpftool ? behind : EXIT_BLOCK];
  const jumped = numberAt.get(jumpTarget(insns, tail, asBpftool)) ?? EXIT_BLOCK;
  return opOf(code) === BPF_JA ? [jumped] : [behind, jumped];
}
