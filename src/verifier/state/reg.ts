import type { Btf } from '../../btf/index.ts';
import { NOT_INIT } from '../../helpers/index.ts';
import { SCALAR_UNKNOWN, type Scalar } from '../domain/index.ts';
import type { VerifierMap } from '../input.ts';

/** Liveness of a register or stack slot within a state (`enum bpf_reg_liveness`). */
export const REG_LIVE_NONE = 0;
export const REG_LIVE_READ32 = 1;
export const REG_LIVE_READ64 = 2;
export const REG_LIVE_READ = 3;
export const REG_LIVE_WRITTEN = 4;
export const REG_LIVE_DONE = 8;

/** `subregDef` of a register whose upper half nobody defined by a 32-bit write. */
export const DEF_NOT_SUBREG = 0;
/** Top bit of a scalar's id: it is another register plus `off`. */
export const BPF_ADD_CONST = 1 << 31;
/** Special ranges of packet pointers. */
export const AT_PKT_END = -1;
export const BEYOND_PKT_END = -2;

/** `enum bpf_iter_state` */
export const BPF_ITER_STATE_INVALID = 0;
export const BPF_ITER_STATE_ACTIVE = 1;
export const BPF_ITER_STATE_DRAINED = 2;

/** `enum bpf_dynptr_type` */
export const BPF_DYNPTR_TYPE_INVALID = 0;
export const BPF_DYNPTR_TYPE_LOCAL = 1;
export const BPF_DYNPTR_TYPE_RINGBUF = 2;
export const BPF_DYNPTR_TYPE_SKB = 3;
export const BPF_DYNPTR_TYPE_XDP = 4;

/**
 * What is known of a pointer's target beside type and offsets: the union in `struct bpf_reg_state`. Which fields mean
 * something depends on the register's type; the others have their defaults. Never changes once it is in a register:
 * states share it. Make one with the functions below.
 */
export class RegInfo {
  /** CONST_PTR_TO_MAP, PTR_TO_MAP_VALUE, PTR_TO_MAP_KEY. */
  map: VerifierMap | undefined = undefined;
  /** Not 0 for inner maps: which look-up found it. */
  mapUid = 0;
  /** PTR_TO_BTF_ID; iterators: their struct. */
  btf: Btf | undefined = undefined;
  btfId = 0;
  /** PTR_TO_MEM: bytes. */
  memSize = 0;
  /** PTR_TO_MEM of a slice: the dynptr it is of. */
  dynptrId = 0;
  /** PTR_TO_PACKET, PTR_TO_PACKET_META: bytes known to be there; AT_PKT_END, BEYOND_PKT_END. */
  range = 0;
  /** Dynptr stack slots and CONST_PTR_TO_DYNPTR. */
  dynptrType = 0;
  firstSlot = false;
  /** Iterator stack slots. */
  iterState = 0;
  iterDepth = 0;
  /** PTR_TO_FUNC. */
  subprogno = 0;
}

export const NO_INFO: Readonly<RegInfo> = new RegInfo();

export function mapInfo(map: VerifierMap, mapUid = 0): RegInfo {
  const info = new RegInfo();
  info.map = map;
  info.mapUid = mapUid;
  return info;
}
export function btfInfo(btf: Btf, btfId: number): RegInfo {
  const info = new RegInfo();
  info.btf = btf;
  info.btfId = btfId;
  return info;
}
export function memInfo(memSize: number, dynptrId = 0): RegInfo {
  const info = new RegInfo();
  info.memSize = memSize;
  info.dynptrId = dynptrId;
  return info;
}
export function rangeInfo(range: number): RegInfo {
  const info = new RegInfo();
  info.range = range;
  return info;
}
export function dynptrInfo(dynptrType: number, firstSlot: boolean): RegInfo {
  const info = new RegInfo();
  info.dynptrType = dynptrType;
  info.firstSlot = firstSlot;
  return info;
}
export function iterInfo(btf: Btf, btfId: number, iterState: number, iterDepth: number): RegInfo {
  const info = btfInfo(btf, btfId);
  info.iterState = iterState;
  info.iterDepth = iterDepth;
  return info;
}
export function funcInfoOf(subprogno: number): RegInfo {
  const info = new RegInfo();
  info.subprogno = subprogno;
  return info;
}

/** Whether both mean the same; what `memcmp` of the union says in Linux. */
export function sameInfo(a: RegInfo, b: RegInfo): boolean {
  return (
    a === b ||
    (a.map === b.map &&
      a.mapUid === b.mapUid &&
      a.btf === b.btf &&
      a.btfId === b.btfId &&
      a.memSize === b.memSize &&
      a.dynptrId === b.dynptrId &&
      a.range === b.range &&
      a.dynptrType === b.dynptrType &&
      a.firstSlot === b.firstSlot &&
      a.iterState === b.iterState &&
      a.iterDepth === b.iterDepth &&
      a.subprogno === b.subprogno)
  );
}

/**
 * A register, or 8 bytes of a stack with what is spilled there (`struct bpf_reg_state`, `struct bpf_stack_state`).
 * Changed in place; every state has its own, but number (`scalar`) and target (`info`) never change and are shared.
 */
export class RegState {
  /** Base type and flags (`reg-types.ts` of helpers). */
  type = NOT_INIT;
  /** Pointers: fixed part of the offset. Scalars whose id has BPF_ADD_CONST: distance from the register they are linked to. */
  off = 0;
  /** Scalars: what is known of the value. Pointers: of the variable part of the offset. */
  scalar: Scalar = SCALAR_UNKNOWN;
  id = 0;
  refObjId = 0;
  info: Readonly<RegInfo> = NO_INFO;
  /** PTR_TO_STACK: whose stack. */
  frameno = 0;
  /** One more than the slot of the instruction that wrote the low half last; DEF_NOT_SUBREG otherwise. */
  subregDef = DEF_NOT_SUBREG;
  live = REG_LIVE_NONE;
  /** Its exact value matters to somebody later on. */
  precise = false;
  /** The same place in the state this one began from: liveness travels along it. */
  parent: RegState | undefined = undefined;
  /** Stack only: kind of each byte, see `slotTypeOf`. */
  slotTypes = 0;
}

/** Copies everything, liveness and parent included (C: `*to = *from`). The kinds of a stack slot's bytes stay. */
export function assignReg(to: RegState, from: RegState): void {
  to.type = from.type;
  to.off = from.off;
  to.scalar = from.scalar;
  to.id = from.id;
  to.refObjId = from.refObjId;
  to.info = from.info;
  to.frameno = from.frameno;
  to.subregDef = from.subregDef;
  to.live = from.live;
  to.precise = from.precise;
  to.parent = from.parent;
}

/** Everything but liveness and parent, which belong to the place and not to its content. Source: `copy_register_state`. */
export function copyRegisterState(to: RegState, from: RegState): void {
  const { parent, live } = to;
  assignReg(to, from);
  to.parent = parent;
  to.live = live;
}

/** An exact twin, kinds of bytes included. */
export function cloneReg(from: RegState): RegState {
  const to = new RegState();
  assignReg(to, from);
  to.slotTypes = from.slotTypes;
  return to;
}

/**
 * A register or slot of a state put aside that holds nothing to remember: not initialised, or plain bytes. Has only
 * what belongs to the place; the rest reads as of a `RegState` just made. Most of what a verification keeps is this.
 */
class PlainReg {
  live: number;
  parent: RegState | undefined;
  slotTypes: number;

  constructor(from: RegState) {
    this.live = from.live;
    this.parent = from.parent;
    this.slotTypes = from.slotTypes;
  }

  static {
    const { live, parent, slotTypes, ...rest } = new RegState();
    Object.assign(PlainReg.prototype, rest);
  }
}

/** Whether only {@link PlainReg} need remember it. Stack slots: no byte is spilled, of a dynptr or of an iterator. */
function isPlain({ type, slotTypes }: RegState): boolean {
  if (slotTypes === 0) return type === NOT_INIT;
  if (slotTypes === 0x22222222 || slotTypes === 0x33333333) return true;
  return (slotTypes & 0x44444444) === 0 && (slotTypes & 0x11111111 & ~(slotTypes >>> 1)) === 0;
}

/** A twin for a state put aside, to be read; {@link thawReg} before it is worked on. */
export const freezeReg = (from: RegState): RegState =>
  isPlain(from) ? (new PlainReg(from) as RegState) : cloneReg(from);

/** What may be changed in place of a frozen twin: itself, unless it is plain. */
export const thawReg = (from: RegState): RegState => (from instanceof PlainReg ? cloneReg(from) : from);
