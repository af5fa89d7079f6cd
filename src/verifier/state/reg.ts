import type { Btf } from '../../btf/index.ts';
import { NOT_INIT, SCALAR_VALUE } from '../../helpers/index.ts';
import { SCALAR_UNKNOWN, type Scalar } from '../domain/index.ts';
import type { VerifierMap } from '../input.ts';
import type { FuncState } from './func-state.ts';

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
 * What a register, or 8 bytes of a stack, holds. Registers and states that hold the same share it: what several share never
 * changes.
 */
export class RegContent {
  type: number;
  off: number;
  scalar: Scalar;
  id: number;
  refObjId: number;
  info: Readonly<RegInfo>;
  frameno: number;
  subregDef: number;
  /** Means nothing in registers. */
  slotTypes: number;

  constructor(
    type: number,
    off: number,
    scalar: Scalar,
    id: number,
    refObjId: number,
    info: Readonly<RegInfo>,
    frameno: number,
    subregDef: number,
    slotTypes: number,
  ) {
    this.type = type;
    this.off = off;
    this.scalar = scalar;
    this.id = id;
    this.refObjId = refObjId;
    this.info = info;
    this.frameno = frameno;
    this.subregDef = subregDef;
    this.slotTypes = slotTypes;
  }
}

const withSlotTypes = (c: RegContent, slotTypes: number): RegContent =>
  new RegContent(c.type, c.off, c.scalar, c.id, c.refObjId, c.info, c.frameno, c.subregDef, slotTypes);

/** A place nobody wrote. */
export const NOTHING: RegContent = new RegContent(NOT_INIT, 0, SCALAR_UNKNOWN, 0, 0, NO_INFO, 0, DEF_NOT_SUBREG, 0);
/** Any number. */
export const ANY_NUMBER = new RegContent(SCALAR_VALUE, 0, SCALAR_UNKNOWN, 0, 0, NO_INFO, 0, DEF_NOT_SUBREG, 0);

/** Place of a register that is in no frame. */
const NO_PLACE = -1;
/** Place of a frame's first stack slot: registers come first. */
export const FIRST_SLOT = 11;

/**
 * A register of the path in hand, or 8 bytes of a stack with what is spilled there (`struct bpf_reg_state`,
 * `struct bpf_stack_state`): changed in place. Its content is copied by sharing it, and taken apart again when one
 * of those that share it is written. States put aside keep contents alone, see `FrameImages`.
 */
export class RegState {
  content: RegContent = NOTHING;
  /** Nobody shares the content. */
  owned = false;
  live = REG_LIVE_NONE;
  /** Its exact value matters to somebody later on. */
  precise = false;
  /** The frame it is in and where: R0..R10, then the slots. */
  home: FuncState | undefined = undefined;
  place = NO_PLACE;
  /** Liveness travels to {@link originFrame} instead of to the same place of the state the frame began from. */
  strayed = false;
  originFrame = 0;
  originPlace = 0;

  /** Content that may be written. */
  own(): RegContent {
    const c = withSlotTypes(this.content, this.content.slotTypes);
    this.content = c;
    this.owned = true;
    return c;
  }

  /** Base type and flags (`reg-types.ts` of helpers). */
  get type(): number {
    return this.content.type;
  }
  set type(value: number) {
    if (this.content.type === value) return;
    (this.owned ? this.content : this.own()).type = value;
  }
  /** Pointers: fixed part of the offset. Scalars whose id has BPF_ADD_CONST: distance from the register they are linked to. */
  get off(): number {
    return this.content.off;
  }
  set off(value: number) {
    if (this.content.off === value) return;
    (this.owned ? this.content : this.own()).off = value;
  }
  /** Scalars: what is known of the value. Pointers: of the variable part of the offset. */
  get scalar(): Scalar {
    return this.content.scalar;
  }
  set scalar(value: Scalar) {
    if (this.content.scalar === value) return;
    (this.owned ? this.content : this.own()).scalar = value;
  }
  get id(): number {
    return this.content.id;
  }
  set id(value: number) {
    if (this.content.id === value) return;
    (this.owned ? this.content : this.own()).id = value;
  }
  get refObjId(): number {
    return this.content.refObjId;
  }
  set refObjId(value: number) {
    if (this.content.refObjId === value) return;
    (this.owned ? this.content : this.own()).refObjId = value;
  }
  get info(): Readonly<RegInfo> {
    return this.content.info;
  }
  set info(value: Readonly<RegInfo>) {
    if (this.content.info === value) return;
    (this.owned ? this.content : this.own()).info = value;
  }
  /** PTR_TO_STACK: whose stack. */
  get frameno(): number {
    return this.content.frameno;
  }
  set frameno(value: number) {
    if (this.content.frameno === value) return;
    (this.owned ? this.content : this.own()).frameno = value;
  }
  /** One more than the slot of the instruction that wrote the low half last; DEF_NOT_SUBREG otherwise. */
  get subregDef(): number {
    return this.content.subregDef;
  }
  set subregDef(value: number) {
    if (this.content.subregDef === value) return;
    (this.owned ? this.content : this.own()).subregDef = value;
  }
  /** Stack only: kind of each byte, see `slotTypeOf`. */
  get slotTypes(): number {
    return this.content.slotTypes;
  }
  set slotTypes(value: number) {
    if (this.content.slotTypes === value) return;
    (this.owned ? this.content : this.own()).slotTypes = value;
  }
}

/** Gives a register another content, shared with whoever has it. The kinds of a stack slot's bytes stay. */
function shareContent(to: RegState, content: RegContent): void {
  const { slotTypes } = to.content;
  if (content.slotTypes === slotTypes || (to.place >= 0 && to.place < FIRST_SLOT)) {
    to.content = content;
    to.owned = false;
  } else {
    to.content = withSlotTypes(content, slotTypes);
    to.owned = true;
  }
}

/** Copies everything, liveness and parent included (C: `*to = *from`). The kinds of a stack slot's bytes stay. */
export function assignReg(to: RegState, from: RegState): void {
  if (to === from) return;
  copyRegisterState(to, from);
  to.live = from.live;
  setOrigin(to, originFrameOf(from), originPlaceOf(from));
}

/** Everything but liveness and parent, which belong to the place and not to its content. Source: `copy_register_state`. */
export function copyRegisterState(to: RegState, from: RegState): void {
  if (to === from) return;
  from.owned = false;
  shareContent(to, from.content);
  to.precise = from.precise;
}

/** An exact twin, kinds of bytes included. */
export function cloneReg(from: RegState): RegState {
  const to = new RegState();
  from.owned = false;
  to.content = from.content;
  to.live = from.live;
  to.precise = from.precise;
  setOrigin(to, originFrameOf(from), originPlaceOf(from));
  return to;
}

/** The whole slot becomes a spill of a register, whose content it shares: `slotTypes` is that of all 8 bytes. */
export function spillRegister(to: RegState, from: RegState, slotTypes: number): void {
  const { content } = from;
  if (content.slotTypes === slotTypes) from.owned = false;
  to.owned = content.slotTypes !== slotTypes;
  to.content = to.owned ? withSlotTypes(content, slotTypes) : content;
  to.precise = from.precise;
}

/** Becomes any number, or nothing; who wrote the low half and the kinds of bytes stay. */
export function setUnknown(reg: RegState, type: number, precise: boolean): void {
  const { subregDef, slotTypes } = reg.content;
  const shared = type === NOT_INIT ? NOTHING : ANY_NUMBER;
  if (subregDef === DEF_NOT_SUBREG && (slotTypes === 0 || (reg.place >= 0 && reg.place < FIRST_SLOT))) {
    reg.content = shared;
    reg.owned = false;
  } else {
    reg.content = new RegContent(type, 0, SCALAR_UNKNOWN, 0, 0, NO_INFO, 0, subregDef, slotTypes);
    reg.owned = true;
  }
  reg.precise = precise;
}

/** Where liveness travels from a register: which place of which image; 0: nowhere. */
export function originFrameOf(reg: RegState): number {
  if (reg.strayed) return reg.originFrame;
  const { home } = reg;
  // Slots the state before had not touched come from nowhere.
  return home !== undefined && reg.place < home.parentPlaces ? home.parent : 0;
}
export const originPlaceOf = (reg: RegState): number => (reg.strayed ? reg.originPlace : reg.place);

export function setOrigin(reg: RegState, frame: number, place: number): void {
  reg.strayed = false;
  if (originFrameOf(reg) === frame && (frame === 0 || reg.place === place)) {
    reg.originFrame = 0;
    return;
  }
  reg.strayed = true;
  reg.originFrame = frame;
  reg.originPlace = place;
}
