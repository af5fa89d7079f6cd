import { helperDef } from '../../helpers/index.ts';
import { BPF_HELPER_CALL, type Insn, makeInsn, TAIL_CALL } from '../../isa/index.ts';
import { bpf_func_id } from '../../uapi/index.ts';
import type { Fixup, FixupContext } from './context.ts';
import { aluImm, callDistance, OP } from './insns.ts';

/** Helpers whose kernel functions take allocation flags behind their own arguments (`is_storage_get_function`). */
const STORAGE_GET_IDS: ReadonlySet<number> = new Set([
  bpf_func_id.BPF_FUNC_sk_storage_get,
  bpf_func_id.BPF_FUNC_inode_storage_get,
  bpf_func_id.BPF_FUNC_task_storage_get,
  bpf_func_id.BPF_FUNC_cgrp_storage_get,
]);
/** `GFP_ATOMIC` and `GFP_KERNEL` of `include/linux/gfp_types.h`. */
const GFP_ATOMIC = 0x820;
const GFP_KERNEL = 0xcc0;

/**
 * A helper call as the distance of the kernel's function from `__bpf_call_base`; `bpf_tail_call` as its own instruction.
 * Kernel functions and local calls stay as they are.
 *
 * Differs from Linux: calls of map operations are not bound to the map type's functions and nothing is inlined, which
 * takes what the verifier knows; `bpf_timer_set_callback` gets no third argument.
 *
 * Source: `kernel/bpf/verifier.c: do_misc_fixups`.
 */
export const fixCall: Fixup = (insn, _, ctx) => {
  if (insn.src !== BPF_HELPER_CALL) return undefined;
  if (insn.imm === bpf_func_id.BPF_FUNC_tail_call) return { insns: [makeInsn(TAIL_CALL, 0, 0, 0, 0)] };
  let distance = ctx.distances.get(insn.imm);
  if (distance === undefined) {
    distance = ctx.kernel.symbolOffset(ctx.kernel.helperSymbol(insn.imm, ctx.progType));
    ctx.distances.set(insn.imm, distance);
    if (!ctx.helpers.has(distance)) ctx.helpers.set(distance, insn.imm);
  }
  const call = callDistance(distance);
  const flags = storageGetFlags(insn.imm, ctx.sleepable);
  return { insns: flags === undefined ? [call] : [flags, call] };
};

/** A call of a kernel function that no helper id names. */
export function callSymbol(ctx: FixupContext, name: string): Insn {
  const distance = ctx.kernel.symbolOffset(name);
  ctx.internalCalls.set(distance, name);
  return callDistance(distance);
}

/** A call of the kernel's function behind a helper, or of `name` in its place. */
export function callHelper(ctx: FixupContext, helperId: number, name: string): Insn {
  const distance = ctx.kernel.symbolOffset(name);
  if (!ctx.helpers.has(distance)) ctx.helpers.set(distance, helperId);
  return callDistance(distance);
}

/** What the kernel's allocation takes behind the arguments of a `*_storage_get`. */
export const storageGetFlags = (helperId: number, maySleep: boolean): Insn | undefined =>
  STORAGE_GET_IDS.has(helperId) ? aluImm(true, OP.mov, 5, maySleep ? GFP_KERNEL : GFP_ATOMIC) : undefined;

/** Arguments a helper takes, over all its contracts. */
export function argCountOf(id: number): number | undefined {
  const def = helperDef(id);
  if (def === undefined) return undefined;
  return Math.max(def.proto.args.length, ...(def.variants ?? []).map(variant => variant.proto.args.length));
}
