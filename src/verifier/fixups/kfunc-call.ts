import type { Insn } from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import type { InsnAux } from '../insn-aux.ts';
import { aluImm, aluReg, loadImm64, OP } from './insns.ts';
import { halves } from './kernel-addresses.ts';
import type { MiscContext, MiscFixup } from './misc-context.ts';

type KfuncFixup = (call: Insn, aux: InsnAux, ctx: MiscContext) => readonly Insn[];

/** `ld_imm64` of the struct's special fields as the kernel keeps them; 0 without any. */
function structMeta(reg: number, aux: InsnAux, ctx: MiscContext): readonly Insn[] {
  const record = aux.detail.kptrStructRecord;
  return loadImm64(reg, ...halves(record === undefined ? 0n : ctx.addresses.objectAt(record)));
}

const newObject: KfuncFixup = (call, aux, ctx) => [
  aluImm(true, OP.mov, 1, aux.detail.objNewSize),
  ...structMeta(2, aux, ctx),
  call,
];
const withMeta: KfuncFixup = (call, aux, ctx) => [...structMeta(2, aux, ctx), call];
const insertInto =
  (metaReg: number): KfuncFixup =>
  (call, aux, ctx) => [...structMeta(metaReg, aux, ctx), aluImm(true, OP.mov, metaReg + 1, aux.detail.insertOff), call];
const sameValue: KfuncFixup = () => [aluReg(true, OP.mov, 0, 1)];
const withProgAux =
  (reg: number): KfuncFixup =>
  (call, _aux, ctx) => [...loadImm64(reg, ...halves(ctx.addresses.objectAt('prog->aux'))), call];

/** Kernel functions with arguments that only the verifier knows, and those that do nothing. Source: `fixup_kfunc_call`. */
const KFUNC_FIXUPS: ReadonlyMap<string, KfuncFixup> = new Map<string, KfuncFixup>([
  ['bpf_obj_new_impl', newObject],
  ['bpf_percpu_obj_new_impl', newObject],
  ['bpf_obj_drop_impl', withMeta],
  ['bpf_percpu_obj_drop_impl', withMeta],
  ['bpf_refcount_acquire_impl', withMeta],
  ['bpf_list_push_back_impl', insertInto(3)],
  ['bpf_list_push_front_impl', insertInto(3)],
  ['bpf_rbtree_add_impl', insertInto(4)],
  ['bpf_cast_to_kern_ctx', sameValue],
  ['bpf_rdonly_cast', sameValue],
  ['bpf_wq_set_callback_impl', withProgAux(4)],
]);

/** A call of a kernel function. The call itself changes in place; `patch` only where instructions join it. */
export const fixKfuncCall: MiscFixup = (insn, aux, ctx) => {
  const { env } = ctx.program;
  if (insn.imm === 0) env.refuseWith(ERRNO.EINVAL, 'kfuncNotEliminated');
  const name = ctx.kfuncName(aux.origIdx);
  if (name === undefined) return undefined;
  const call = ctx.kfuncCall(insn, name);
  const insns = KFUNC_FIXUPS.get(name)?.(call, aux, ctx) ?? [call];
  return { insns, ...(insns.length === 1 && insns[0] === call ? { inPlace: true } : {}) };
};
