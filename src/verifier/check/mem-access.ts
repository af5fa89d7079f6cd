import {
  baseType,
  CONST_PTR_TO_MAP,
  NOT_INIT,
  PTR_TO_ARENA,
  PTR_TO_BTF_ID,
  PTR_TO_BUF,
  PTR_TO_CTX,
  PTR_TO_FLOW_KEYS,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
  PTR_TO_STACK,
  PTR_TO_TCP_SOCK,
  PTR_TO_TP_BUFFER,
  PTR_TO_XDP_SOCK,
  PTR_UNTRUSTED,
  SCALAR_VALUE,
  typeMayBeNull,
} from '../../helpers/index.ts';
import { BPF_B, BPF_DW, BPF_H, BPF_W } from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { isConst, scalarSext64, scalarTruncate, tnumText } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import { regTypeStr } from '../print/reg-type-text.ts';
import { markRegKnownRaw, markRegKnownZero, markRegS32Range, markRegUnknown, regIsPktPointer } from '../state/marks.ts';
import { BPF_KPTR, recordFind } from '../state/record.ts';
import { btfInfo, DEF_NOT_SUBREG, type RegState } from '../state/reg.ts';
import { checkPtrAlignment } from './alignment.ts';
import { checkPtrToBtfAccess, checkPtrToMapAccess } from './btf-access.ts';
import { checkBufferAccess, checkTpBufferAccess } from './buffer-access.ts';
import { checkCtxAccess, newCtxLoad } from './ctx-access.ts';
import {
  bpfMapDirectRead,
  bpfMapIsRdonly,
  checkMapAccess,
  checkMapAccessType,
  directValue,
  hasDirectValueAddr,
  mapOf,
} from './map-access.ts';
import { checkMapKptrAccess } from './map-kptr.ts';
import { checkMemRegionAccess, checkPtrOffReg } from './mem-region.ts';
import { checkPacketAccess, mayAccessDirectPktData } from './packet-access.ts';
import {
  ACCESS_DIRECT,
  type AccessType,
  BPF_READ,
  BPF_WRITE,
  isPointerValue,
  typeIsRdonlyMem,
  typeIsSkPointer,
} from './pointer-kinds.ts';
import { getFuncRetvalRange } from './return-code.ts';
import { checkFlowKeysAccess, checkSockAccess } from './sock-access.ts';
import { checkStackAccessWithinBounds, checkStackRead } from './stack-access.ts';
import { checkStackWrite } from './stack-write.ts';

/** Bytes of a `BPF_SIZE`. Source: `bpf_size_to_bytes`. */
export function bpfSizeToBytes(bpfSize: number): number {
  switch (bpfSize) {
    case BPF_B:
      return 1;
    case BPF_H:
      return 2;
    case BPF_W:
      return 4;
    case BPF_DW:
      return 8;
    default:
      return -ERRNO.EINVAL;
  }
}

/** The register becomes its low `size` bytes, zero-extended. Source: `coerce_reg_to_size`. */
export function coerceRegToSize(reg: RegState, size: number): void {
  reg.scalar = scalarTruncate(reg.scalar, size as 1 | 2 | 4);
}
/** The same, sign-extended. Source: `coerce_reg_to_size_sx`. */
export function coerceRegToSizeSx(reg: RegState, size: number): void {
  reg.scalar = scalarSext64(reg.scalar, size as 1 | 2 | 4);
}

/** An access through one kind of pointer. `off` includes the pointer's fixed offset. */
type Access = (
  env: VerifierEnv,
  reg: RegState,
  insnIdx: number,
  regno: number,
  off: number,
  size: number,
  t: AccessType,
  valueRegno: number,
  isLdsx: boolean,
) => void;

/** A load gives what nobody knows. */
function loadUnknown(env: VerifierEnv, t: AccessType, valueRegno: number): void {
  if (t === BPF_READ && valueRegno >= 0) markRegUnknown(env, env.regs, valueRegno);
}

/** Programs without rights must not store addresses where others read them. */
function checkNoLeak(env: VerifierEnv, t: AccessType, valueRegno: number, where: string): void {
  if (t === BPF_WRITE && valueRegno >= 0 && isPointerValue(env, valueRegno)) env.refuse('leaksAddr', valueRegno, where);
}

const accessMapKey: Access = (env, reg, _insnIdx, regno, off, size, t, valueRegno) => {
  if (t === BPF_WRITE) env.refuse('mapKeyWrite', regno);
  checkMemRegionAccess(env, regno, off, size, mapOf(env, reg).keySize, false);
  loadUnknown(env, t, valueRegno);
};

const accessMapValue: Access = (env, reg, insnIdx, regno, off, size, t, valueRegno, isLdsx) => {
  checkNoLeak(env, t, valueRegno, 'map');
  checkMapAccessType(env, regno, off, size, t);
  checkMapAccess(env, regno, off, size, false, ACCESS_DIRECT);
  const map = mapOf(env, reg);
  const fixed = isConst(reg.scalar);
  const at = off + reg.scalar.valueLo;
  if (fixed && map.record !== undefined) {
    const kptr = recordFind(map.record, at, BPF_KPTR);
    if (kptr !== undefined) {
      checkMapKptrAccess(env, regno, valueRegno, insnIdx, kptr);
      return;
    }
  }
  if (t !== BPF_READ || valueRegno < 0) return;
  if (fixed && bpfMapIsRdonly(map) && hasDirectValueAddr(map) && (map.data !== undefined || map.maxEntries !== 1)) {
    const err = bpfMapDirectRead(env, map, at, size, isLdsx);
    if (err < 0) env.fail(-err);
    const value = env.regs[valueRegno];
    value.type = SCALAR_VALUE;
    markRegKnownRaw(value, directValue.hi, directValue.lo);
    return;
  }
  markRegUnknown(env, env.regs, valueRegno);
};

const accessMem: Access = (env, reg, _insnIdx, regno, off, size, t, valueRegno) => {
  const { type } = reg;
  const rdonly = typeIsRdonlyMem(type);
  if (typeMayBeNull(type)) env.refuse('memInvalidAccess', regno, regTypeStr(type));
  if (t === BPF_WRITE && rdonly) env.refuse('memReadOnly', regno, regTypeStr(type));
  checkNoLeak(env, t, valueRegno, 'mem');
  checkMemRegionAccess(env, regno, off, size, reg.info.memSize, false);
  loadUnknown(env, t, valueRegno);
};

const accessCtx: Access = (env, reg, insnIdx, regno, off, size, t, valueRegno, isLdsx) => {
  checkNoLeak(env, t, valueRegno, 'ctx');
  checkPtrOffReg(env, reg, regno);
  const load = newCtxLoad();
  if (!checkCtxAccess(env, insnIdx, off, size, t, load, isLdsx)) {
    env.lines.print(insnIdx, '; ');
    env.fail(ERRNO.EACCES);
  }
  if (t !== BPF_READ || valueRegno < 0) return;
  const { regs } = env;
  const value = regs[valueRegno];
  const { regType } = load;
  if (regType === SCALAR_VALUE) {
    const range = load.isRetval ? getFuncRetvalRange(env.prog) : undefined;
    markRegUnknown(env, regs, valueRegno);
    if (range !== undefined) markRegS32Range(env, regs, valueRegno, range.min, range.max);
  } else {
    markRegKnownZero(env, regs, valueRegno);
    if (typeMayBeNull(regType)) value.id = env.newId();
    // Whatever the size of the load, what replaces it loads a whole pointer.
    value.subregDef = DEF_NOT_SUBREG;
    if (baseType(regType) === PTR_TO_BTF_ID && load.btf !== undefined) value.info = btfInfo(load.btf, load.btfId);
  }
  value.type = regType;
};

const accessStack: Access = (env, _reg, insnIdx, regno, off, size, t, valueRegno) => {
  checkStackAccessWithinBounds(env, regno, off, size, ACCESS_DIRECT, t);
  if (t === BPF_READ) checkStackRead(env, regno, off, size, valueRegno);
  else checkStackWrite(env, regno, off, size, valueRegno, insnIdx);
};

const accessPacket: Access = (env, _reg, _insnIdx, regno, off, size, t, valueRegno) => {
  if (t === BPF_WRITE && !mayAccessDirectPktData(env, undefined, t)) env.refuse('packetWrite');
  checkNoLeak(env, t, valueRegno, 'packet');
  checkPacketAccess(env, regno, off, size, false);
  loadUnknown(env, t, valueRegno);
};

const accessFlowKeys: Access = (env, reg, _insnIdx, regno, off, size, t, valueRegno) => {
  checkNoLeak(env, t, valueRegno, 'flow keys');
  if (!isConst(reg.scalar)) env.refuse('flowKeysVariable', regno, off, tnumText(reg.scalar));
  checkFlowKeysAccess(env, off, size);
  loadUnknown(env, t, valueRegno);
};

const accessSock: Access = (env, reg, insnIdx, regno, off, size, t, valueRegno) => {
  if (t === BPF_WRITE) env.refuse('memReadOnly', regno, regTypeStr(reg.type));
  checkSockAccess(env, insnIdx, regno, off, size);
  if (valueRegno >= 0) markRegUnknown(env, env.regs, valueRegno);
};

const accessTpBuffer: Access = (env, reg, _insnIdx, regno, off, size, t, valueRegno) => {
  checkTpBufferAccess(env, reg, regno, off, size);
  loadUnknown(env, t, valueRegno);
};

const accessBtf: Access = (env, _reg, _insnIdx, regno, off, size, t, valueRegno) =>
  checkPtrToBtfAccess(env, env.regs, regno, off, size, t, valueRegno);

const accessMapPtr: Access = (env, _reg, _insnIdx, regno, off, size, t, valueRegno) =>
  checkPtrToMapAccess(env, env.regs, regno, off, size, t, valueRegno);

const accessBuf: Access = (env, reg, _insnIdx, regno, off, size, t, valueRegno) => {
  const rdonly = typeIsRdonlyMem(reg.type);
  if (rdonly && t === BPF_WRITE) env.refuse('memReadOnly', regno, regTypeStr(reg.type));
  checkBufferAccess(env, reg, regno, off, size, false, rdonly ? 'maxRdonlyAccess' : 'maxRdwrAccess');
  loadUnknown(env, t, valueRegno);
};

const accessArena: Access = (env, _reg, _insnIdx, _regno, _off, _size, t, valueRegno) =>
  loadUnknown(env, t, valueRegno);

const refuseAccess: Access = (env, reg, _insnIdx, regno) => env.refuse('memInvalidAccess', regno, regTypeStr(reg.type));

/** The rule for a type of pointer; flags matter only to some of them. */
function accessOf(reg: RegState): Access {
  const { type } = reg;
  switch (type) {
    case PTR_TO_STACK:
      return accessStack;
    case PTR_TO_MAP_VALUE:
      return accessMapValue;
    case PTR_TO_CTX:
      return accessCtx;
    case PTR_TO_MAP_KEY:
      return accessMapKey;
    case PTR_TO_FLOW_KEYS:
      return accessFlowKeys;
    case PTR_TO_TP_BUFFER:
      return accessTpBuffer;
    case CONST_PTR_TO_MAP:
      return accessMapPtr;
    case PTR_TO_ARENA:
      return accessArena;
  }
  const base = baseType(type);
  if (base === PTR_TO_MEM) return accessMem;
  if (regIsPktPointer(reg)) return accessPacket;
  if (typeIsSkPointer(type)) return accessSock;
  if (!typeMayBeNull(type)) {
    if (base === PTR_TO_BTF_ID) return accessBtf;
    if (base === PTR_TO_BUF) return accessBuf;
  }
  return refuseAccess;
}

/**
 * Checks a load or store through a register, and makes the register loaded what is there. Refuses.
 *
 * Source: `kernel/bpf/verifier.c: check_mem_access`.
 * @param bpfSize `BPF_B` … `BPF_DW`
 * @param valueRegno register loaded or stored; -1: no register takes the value, or an unknown value is stored
 */
export function checkMemAccess(
  env: VerifierEnv,
  insnIdx: number,
  regno: number,
  off: number,
  bpfSize: number,
  t: AccessType,
  valueRegno: number,
  strictAlignmentOnce: boolean,
  isLdsx: boolean,
): void {
  const { regs } = env;
  const reg = regs[regno];
  const size = bpfSizeToBytes(bpfSize);
  if (size < 0) env.fail(-size);
  checkPtrAlignment(env, reg, off, size, strictAlignmentOnce);
  accessOf(reg)(env, reg, insnIdx, regno, (off + reg.off) | 0, size, t, valueRegno, isLdsx);
  if (size < 8 && valueRegno >= 0 && t === BPF_READ && regs[valueRegno].type === SCALAR_VALUE) {
    if (isLdsx) coerceRegToSizeSx(regs[valueRegno], size);
    else coerceRegToSize(regs[valueRegno], size);
  }
}

/** Types whose accesses are rewritten, each in its own way. Source: `reg_type_mismatch_ok`. */
const REWRITTEN: ReadonlySet<number> = new Set([
  PTR_TO_CTX,
  PTR_TO_SOCKET,
  PTR_TO_SOCK_COMMON,
  PTR_TO_TCP_SOCK,
  PTR_TO_XDP_SOCK,
  PTR_TO_BTF_ID,
  PTR_TO_ARENA,
]);

/**
 * Notes the type of the pointer an instruction accesses memory through; paths on which types differ must not need
 * different rewriting.
 *
 * Source: `kernel/bpf/verifier.c: save_aux_ptr_type`.
 */
export function saveAuxPtrType(env: VerifierEnv, type: number, allowTrustMismatch: boolean): void {
  const { aux } = env;
  const prev = aux.ptrType;
  if (prev === NOT_INIT) {
    aux.ptrType = type;
    return;
  }
  if (type === prev) return;
  const base = baseType(type);
  const prevBase = baseType(prev);
  if (!REWRITTEN.has(base) && !REWRITTEN.has(prevBase)) return;
  if (!allowTrustMismatch || base !== PTR_TO_BTF_ID || prevBase !== PTR_TO_BTF_ID) env.refuse('insnPointerTypes');
  aux.ptrType = PTR_TO_BTF_ID | PTR_UNTRUSTED;
}
