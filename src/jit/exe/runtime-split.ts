import { type Insn, isPseudoCall, isWide, makeInsn } from '../../isa/index.ts';
import { InternalError } from '../../util/index.ts';
import { plainFunc } from '../func-input.ts';
import type { FuncInput } from '../types.ts';

/** A function of the runtime as a target takes it. */
export type RuntimeFunc = FuncInput;

/** Bytes any function of the runtime uses below R10, at most. */
const STACK_BYTES = 64;

/** Splits a program at its functions' first slots, ascending, and names the callee in each local call. */
export function findFunctions(insns: readonly Insn[], starts: readonly number[]): RuntimeFunc[] {
  const numberAt = new Map(starts.map((slot, index) => [slot, index]));
  return starts.map((start, index) => {
    const end = starts[index + 1] ?? insns.length;
    const body = insns.slice(start, end);
    for (let i = 0; i < body.length; i += isWide(body[i]) ? 2 : 1) {
      if (!isPseudoCall(body[i])) continue;
      const callee = numberAt.get(start + i + body[i].imm + 1);
      if (callee === undefined) throw new InternalError(`no function of the runtime begins where ${start + i} calls`);
      body[i] = makeInsn(body[i].code, body[i].dst, body[i].src, callee, 1);
    }
    return plainFunc(body, { index, isFunc: true, stackDepthBytes: STACK_BYTES });
  });
}
