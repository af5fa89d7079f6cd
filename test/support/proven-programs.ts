import type { Insn } from '../../src/isa/index.ts';
import { LOOP_DATA_BYTES, loopProgram } from './loop-programs.ts';
import { OPT_DATA_BYTES, optProgram } from './opt-programs.ts';
import { Random } from './random.ts';

/** Bytes of data programs are given at most. */
export const PROVEN_DATA_BYTES = Math.max(LOOP_DATA_BYTES, OPT_DATA_BYTES);

/** A program that does nothing it may not, and what its data are: every second one has loops that count. */
export function provenProgram(seed: number): { readonly insns: Insn[]; readonly start: Uint8Array } {
  const r = new Random(seed);
  const loops = seed % 2 === 0;
  const insns = loops ? loopProgram(r) : optProgram(r);
  const start = new Uint8Array(PROVEN_DATA_BYTES);
  start.set(r.bytes(loops ? LOOP_DATA_BYTES : OPT_DATA_BYTES));
  return { insns, start };
}
