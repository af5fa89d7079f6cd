import {
  baseType,
  CONST_PTR_TO_MAP,
  PTR_TO_BTF_ID,
  PTR_TO_FUNC,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  SCALAR_VALUE,
} from '../../helpers/index.ts';
import {
  BPF_DW,
  BPF_PSEUDO_BTF_ID,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_IDX,
  BPF_PSEUDO_MAP_IDX_VALUE,
  BPF_PSEUDO_MAP_VALUE,
  type Insn,
} from '../../isa/index.ts';
import { bpf_map_type } from '../../uapi/index.ts';
import { funcLinkage } from '../btf-info.ts';
import type { VerifierEnv } from '../env.ts';
import { markRegKnownRaw, markRegKnownZero, markRegUnknownRaw } from '../state/marks.ts';
import { btfInfo, funcInfoOf, mapInfo, memInfo, type RegState } from '../state/reg.ts';
import { calleeSlot } from '../subprogs.ts';
import { checkRegArg, DST_OP } from './liveness.ts';

/** Checks a `ld_imm64` and gives its register what it names. Source: `check_ld_imm`. */
export function checkLdImm(env: VerifierEnv, insn: Insn): void {
  if ((insn.code & 0x18) !== BPF_DW) env.refuse('ldImmSize');
  if (insn.off !== 0) env.refuse('ldImm64Reserved');
  checkRegArg(env, insn.dst, DST_OP);
  const { regs } = env;
  const dstReg = regs[insn.dst];
  if (insn.src === 0) {
    dstReg.type = SCALAR_VALUE;
    markRegKnownRaw(dstReg, env.insns[env.insnIdx + 1].imm, insn.imm);
    return;
  }
  markRegKnownZero(env, regs, insn.dst);
  switch (insn.src) {
    case BPF_PSEUDO_BTF_ID:
      loadKernelSymbol(env, dstReg);
      return;
    case BPF_PSEUDO_FUNC:
      loadFunction(env, insn, dstReg);
      return;
    default:
      loadMap(env, insn, dstReg);
  }
}

function loadKernelSymbol(env: VerifierEnv, dstReg: RegState): void {
  const { btfVarType, btfVarBtf, btfVarId, btfVarMemSize } = env.aux.detail;
  dstReg.type = btfVarType;
  const base = baseType(btfVarType);
  if (base === PTR_TO_MEM) dstReg.info = memInfo(btfVarMemSize);
  else if (base === PTR_TO_BTF_ID && btfVarBtf !== undefined) dstReg.info = btfInfo(btfVarBtf, btfVarId);
  else env.bug('a ld_imm64 of a kernel symbol that was not resolved');
}

/** A callback: it has to be a static function, so that its arguments are those of the call that takes it. */
function loadFunction(env: VerifierEnv, insn: Insn, dstReg: RegState): void {
  const subprogno = env.subprogs.at(calleeSlot(insn, env.insnIdx));
  const { func } = env.subprogInfo(subprogno);
  if (func === undefined) env.refuse('callbackNoInfo');
  if (funcLinkage(func) !== 'static') env.refuse('callbackNotStatic');
  dstReg.type = PTR_TO_FUNC;
  dstReg.info = funcInfoOf(subprogno);
}

function loadMap(env: VerifierEnv, insn: Insn, dstReg: RegState): void {
  const { mapIndex, mapOff } = env.aux.detail;
  const map = env.maps[mapIndex];
  if (map === undefined) env.bug('a ld_imm64 of a map that was not resolved');
  dstReg.info = mapInfo(map);
  switch (insn.src) {
    case BPF_PSEUDO_MAP_VALUE:
    case BPF_PSEUDO_MAP_IDX_VALUE:
      if (map.type === bpf_map_type.BPF_MAP_TYPE_ARENA) {
        markRegUnknownRaw(env, dstReg);
        return;
      }
      dstReg.type = PTR_TO_MAP_VALUE;
      dstReg.off = mapOff;
      // There is only one value, so that no id tells it from others.
      return;
    case BPF_PSEUDO_MAP_FD:
    case BPF_PSEUDO_MAP_IDX:
      dstReg.type = CONST_PTR_TO_MAP;
      return;
    default:
      env.refuse('ldImmMisconfigured');
  }
}
