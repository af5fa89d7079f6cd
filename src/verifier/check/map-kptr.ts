import type { Btf } from '../../btf/index.ts';
import {
  baseType,
  MEM_ALLOC,
  MEM_PERCPU,
  MEM_RCU,
  NON_OWN_REF,
  PTR_MAYBE_NULL,
  PTR_TO_BTF_ID,
  PTR_TRUSTED,
  PTR_UNTRUSTED,
  typeFlag,
} from '../../helpers/index.ts';
import { BPF_LDX, BPF_MEM, BPF_ST, BPF_STX } from '../../isa/index.ts';
import { btfFindStructMeta } from '../btf/record.ts';
import { btfStructIdsMatch } from '../btf/struct-access.ts';
import type { VerifierEnv } from '../env.ts';
import { regTypeStr } from '../print/reg-type-text.ts';
import { markBtfLdReg, registerIsNull } from '../state/marks.ts';
import {
  BPF_GRAPH_NODE,
  BPF_KPTR_PERCPU,
  BPF_KPTR_REF,
  BPF_KPTR_UNREF,
  type BtfField,
  recordHasField,
} from '../state/record.ts';
import type { RegState } from '../state/reg.ts';
import { checkPtrOffRegRaw } from './mem-region.ts';
import { btfIsKernel, inRcuCs, rcuProtectedObject } from './pointer-kinds.ts';

/** What a kptr field points to; fields of other kinds never get here. */
function target(env: VerifierEnv, field: BtfField): { readonly btf: Btf; readonly btfId: number } {
  return field.kptr ?? env.bug('kptr field without its type');
}

/**
 * Refuses to store what a register holds into a kptr of another type.
 *
 * Source: `kernel/bpf/verifier.c: map_kptr_match_type`.
 */
export function mapKptrMatchType(env: VerifierEnv, kptrField: BtfField, reg: RegState, regno: number): void {
  const { btf, btfId } = target(env, kptrField);
  const { type, info } = reg;
  const unref = kptrField.type === BPF_KPTR_UNREF;
  let regName = '';
  if (baseType(type) === PTR_TO_BTF_ID && info.btf !== undefined) {
    let allowed = PTR_MAYBE_NULL | MEM_ALLOC;
    if (btfIsKernel(env, info.btf)) allowed = PTR_MAYBE_NULL | PTR_TRUSTED | MEM_RCU | (unref ? PTR_UNTRUSTED : 0);
    else if (kptrField.type === BPF_KPTR_PERCPU) allowed |= MEM_PERCPU;
    if ((typeFlag(type) & ~allowed) === 0) {
      regName = info.btf.nameOf(info.btfId);
      checkPtrOffRegRaw(env, reg, regno, true);
      if (btfStructIdsMatch(env, info.btf, info.btfId, reg.off, btf, btfId, !unref)) return;
    }
  }
  const name = btf.nameOf(btfId);
  const expected = regTypeStr(PTR_TO_BTF_ID);
  const or = unref ? ` or ${regTypeStr(PTR_TO_BTF_ID | PTR_UNTRUSTED)}${name}` : '';
  env.refuse('kptrBadType', regno, regTypeStr(type), regName, expected, name, or);
}

/** Source: `kernel/bpf/verifier.c: rcu_safe_kptr`. */
function rcuSafeKptr(env: VerifierEnv, field: BtfField): boolean {
  if (field.type === BPF_KPTR_PERCPU) return true;
  const { btf, btfId } = target(env, field);
  return field.type === BPF_KPTR_REF && rcuProtectedObject(env, btf, btfId);
}

/**
 * Flags of what a load of a kptr gives.
 *
 * Source: `kernel/bpf/verifier.c: btf_ld_kptr_type`.
 */
export function btfLdKptrType(env: VerifierEnv, kptrField: BtfField): number {
  if (!rcuSafeKptr(env, kptrField) || !inRcuCs(env)) return PTR_MAYBE_NULL | PTR_UNTRUSTED;
  const { btf, btfId } = target(env, kptrField);
  const kernel = btfIsKernel(env, btf);
  let flags = PTR_MAYBE_NULL | MEM_RCU;
  if (kptrField.type === BPF_KPTR_PERCPU) flags |= MEM_PERCPU;
  else if (!kernel) flags |= MEM_ALLOC;
  const record = kernel ? undefined : btfFindStructMeta(btf, btfId);
  return recordHasField(record, BPF_GRAPH_NODE) ? flags | NON_OWN_REF : flags;
}

/**
 * A load or store of the whole of a kptr in a map value.
 *
 * Source: `kernel/bpf/verifier.c: check_map_kptr_access`.
 */
export function checkMapKptrAccess(
  env: VerifierEnv,
  _regno: number,
  valueRegno: number,
  insnIdx: number,
  kptrField: BtfField,
): void {
  const insn = env.insns[insnIdx];
  const cls = insn.code & 0x07;
  if ((insn.code & 0xe0) !== BPF_MEM) env.refuse('kptrMode');
  if (cls !== BPF_LDX && (kptrField.type & (BPF_KPTR_REF | BPF_KPTR_PERCPU)) !== 0) env.refuse('kptrStoreReferenced');
  if (cls === BPF_LDX) {
    const { btf, btfId } = target(env, kptrField);
    markBtfLdReg(env, env.regs, valueRegno, PTR_TO_BTF_ID, btf, btfId, btfLdKptrType(env, kptrField));
  } else if (cls === BPF_STX) {
    const reg = env.regs[valueRegno];
    if (!registerIsNull(reg)) mapKptrMatchType(env, kptrField, reg, valueRegno);
  } else if (cls === BPF_ST) {
    if (insn.imm !== 0) env.refuse('kptrStoreImm', kptrField.offBytes >>> 0);
  } else {
    env.refuse('kptrClass');
  }
}
