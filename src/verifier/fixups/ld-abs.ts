import { BPF_B, BPF_H, BPF_IND, BPF_W } from '../../isa/index.ts';
import type { Fixup } from './context.ts';
import { aluImm, aluReg, callDistance, exit, jumpImm, OP } from './insns.ts';

/** The packet's context lies in R6 whenever these run. */
const R6 = 6;

const LOADERS: ReadonlyMap<number, string> = new Map([
  [BPF_B, 'bpf_skb_load_helper_8_no_cache'],
  [BPF_H, 'bpf_skb_load_helper_16_no_cache'],
  [BPF_W, 'bpf_skb_load_helper_32_no_cache'],
]);

/**
 * `ld_abs` and `ld_ind` as calls of the kernel's packet loaders (context, offset), whose negative result ends the function
 * with 0. The offset is set first, since it may come from R1.
 *
 * Source: `net/core/filter.c: bpf_gen_ld_abs` of 6.12.107; older ones set R1 first.
 */
export const fixPacketLoad: Fixup = (insn, _, ctx) => {
  const name = LOADERS.get(insn.code & 0x18);
  if (name === undefined) return undefined;
  const distance = ctx.kernel.symbolOffset(name);
  ctx.internalCalls.set(distance, name);
  const setContext = aluReg(true, OP.mov, 1, R6);
  const setOffset =
    (insn.code & 0xe0) !== BPF_IND
      ? [aluImm(true, OP.mov, 2, insn.imm)]
      : [aluReg(true, OP.mov, 2, insn.src), ...(insn.imm === 0 ? [] : [aluImm(true, OP.add, 2, insn.imm)])];
  return {
    insns: [
      ...setOffset,
      setContext,
      callDistance(distance),
      jumpImm(true, OP.jsge, 0, 0, 2),
      aluReg(false, OP.xor, 0, 0),
      exit(),
    ],
  };
};
