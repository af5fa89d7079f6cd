import {
  baseType,
  CONST_PTR_TO_DYNPTR,
  CONST_PTR_TO_MAP,
  MEM_ALLOC,
  NON_OWN_REF,
  NOT_INIT,
  PTR_TO_ARENA,
  PTR_TO_BTF_ID,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_PACKET,
  PTR_TO_PACKET_META,
  PTR_TO_STACK,
  SCALAR_VALUE,
} from '../../helpers/index.ts';
import { MAX_BPF_REG } from '../../isa/index.ts';
import { addHi } from '../../util/index.ts';
import { rangeTexts, signedText, tnumIsConst, tnumIsUnknown, tnumText, unsignedText } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { FuncState } from '../state/func-state.ts';
import { BPF_ADD_CONST, REG_LIVE_DONE, REG_LIVE_READ, REG_LIVE_WRITTEN, type RegState } from '../state/reg.ts';
import { BPF_DYNPTR_NR_SLOTS, STACK_DYNPTR, STACK_ITER, STACK_SPILL, slotTypeOf } from '../state/stack.ts';
import { dynptrTypeStr, iterStateStr, iterTypeStr, regTypeStr } from './reg-type-text.ts';

function livenessText(env: VerifierEnv, live: number): string {
  if (live === 0 || !env.rules.printsLiveness) return '';
  return `_${(live & REG_LIVE_READ) !== 0 ? 'r' : ''}${(live & REG_LIVE_WRITTEN) !== 0 ? 'w' : ''}${(live & REG_LIVE_DONE) !== 0 ? 'D' : ''}`;
}

const isMapPointer = (base: number): boolean =>
  base === CONST_PTR_TO_MAP || base === PTR_TO_MAP_KEY || base === PTR_TO_MAP_VALUE;

/** A 32-bit number in the log, sign-extended. */
const intText = (value: number): string => signedText(value >> 31, value);

/** `scalar(umax=255,var_off=(0x0; 0xff))`, `fp-8`, `map_value(map=m,ks=4,vs=8)`. Source: `print_reg_state`. */
export function regText(frame: FuncState, reg: RegState): string {
  const { type, scalar, info } = reg;
  const base = baseType(type);
  const precise = type === SCALAR_VALUE && reg.precise ? 'P' : '';
  if (type === SCALAR_VALUE && tnumIsConst(scalar)) return precise + signedText(scalar.valueHi, scalar.valueLo);
  let text = precise + regTypeStr(type);
  if (type === PTR_TO_ARENA) return text;
  if (type === PTR_TO_STACK) {
    if (frame.frameno !== reg.frameno) text += `[${reg.frameno}]`;
    if (tnumIsConst(scalar)) {
      const hi = addHi(scalar.valueHi, scalar.valueLo, reg.off >> 31, reg.off);
      return text + signedText(hi, (scalar.valueLo + reg.off) | 0);
    }
  }
  if (base === PTR_TO_BTF_ID && info.btf !== undefined) text += info.btf.nameOf(info.btfId);
  const parts: string[] = [];
  if (reg.id !== 0) {
    const linked = (reg.id & BPF_ADD_CONST) !== 0;
    parts.push(`id=${reg.id & ~BPF_ADD_CONST}${linked ? (reg.off < 0 ? reg.off : `+${reg.off}`) : ''}`);
  }
  if (reg.refObjId !== 0) parts.push(`ref_obj_id=${reg.refObjId}`);
  if (base === PTR_TO_BTF_ID && (type & MEM_ALLOC) !== 0 && (type & NON_OWN_REF) !== 0) parts.push('non_own_ref');
  if (isMapPointer(base) && info.map !== undefined) {
    if (info.map.name !== '') parts.push(`map=${info.map.name}`);
    parts.push(`ks=${info.map.keySize},vs=${info.map.valueSize}`);
  }
  if (type !== SCALAR_VALUE && reg.off !== 0) parts.push(`off=${intText(reg.off)}`);
  if (base === PTR_TO_PACKET || base === PTR_TO_PACKET_META) {
    parts.push(`r=${unsignedText(info.range >> 31, info.range)}`);
  }
  if (base === PTR_TO_MEM) parts.push(`sz=${unsignedText(0, info.memSize)}`);
  if (type === CONST_PTR_TO_DYNPTR) parts.push(`type=${dynptrTypeStr(info.dynptrType)}`);
  if (tnumIsConst(scalar)) {
    if ((scalar.valueHi | scalar.valueLo) !== 0) parts.push(`imm=${signedText(scalar.valueHi, scalar.valueLo)}`);
  } else {
    parts.push(...rangeTexts(scalar));
    if (!tnumIsUnknown(scalar)) parts.push(`var_off=${tnumText(scalar)}`);
  }
  return `${text}(${parts.join(',')})`;
}

/** By kind of byte. */
const SLOT_CHARS = '?rm0di';

/** The 8 bytes of a slot, `????mmmm`; '' if nothing is there. */
function slotChars(slot: RegState): string {
  if (slot.slotTypes === 0) return '';
  let text = '';
  for (let i = 0; i < 8; i++) text += SLOT_CHARS[slotTypeOf(slot, i)];
  return text;
}

/** Text of the slots from `spi` on that are shown as one, and the last of them. */
function slotText(env: VerifierEnv, frame: FuncState, spi: number): { readonly text: string; readonly last: number } {
  const slot = frame.stack[spi];
  const chars = slotChars(slot);
  const at = (last: number, reg: RegState): string => ` fp${(-last - 1) * 8}${livenessText(env, reg.live)}=`;
  if (chars === '') return { text: '', last: spi };
  switch (slotTypeOf(slot, 7)) {
    case STACK_SPILL:
      // Bytes above a spilled half register come before it.
      return { text: at(spi, slot) + chars.slice(0, chars.indexOf('r')) + regText(frame, slot), last: spi };
    case STACK_DYNPTR: {
      const last = spi + BPF_DYNPTR_NR_SLOTS - 1;
      const reg = frame.stack[last];
      const parts: string[] = [];
      if (reg.id !== 0) parts.push(`id=${reg.id}`);
      if (reg.refObjId !== 0) parts.push(`ref_id=${reg.refObjId}`);
      // The kernel prints a slice's field of the union here; that the slot is the first one lies in the same place.
      if (reg.info.firstSlot) parts.push('dynptr_id=1');
      return { text: `${at(last, reg)}dynptr_${dynptrTypeStr(reg.info.dynptrType)}(${parts.join(',')})`, last };
    }
    case STACK_ITER: {
      if (slot.refObjId === 0) return { text: '', last: spi };
      const { btf, btfId, iterState, iterDepth } = slot.info;
      const what = `ref_id=${slot.refObjId},state=${iterStateStr(iterState)},depth=${iterDepth >>> 0}`;
      return { text: `${at(spi, slot)}iter_${iterTypeStr(btf, btfId)}(${what})`, last: spi };
    }
    default:
      return { text: at(spi, slot) + chars, last: spi };
  }
}

const scratched = (env: VerifierEnv, spi: number): boolean =>
  (((spi < 32 ? env.scratchedSlotsLo : env.scratchedSlotsHi) >>> (spi & 31)) & 1) === 1;

/** The registers and stack slots of a frame on one line: all, or what changed since the last time. Source: `print_verifier_state`. */
export function printVerifierState(env: VerifierEnv, frame: FuncState, printAll: boolean): void {
  let text = frame.frameno === 0 ? '' : ` frame${frame.frameno}:`;
  for (let i = 0; i < MAX_BPF_REG; i++) {
    const reg = frame.regs[i];
    if (reg.type === NOT_INIT || !(printAll || ((env.scratchedRegs >>> i) & 1) === 1)) continue;
    text += ` R${i}${livenessText(env, reg.live)}=${regText(frame, reg)}`;
  }
  for (let spi = 0; spi < frame.stack.length; spi++) {
    if (!printAll && !scratched(env, spi)) continue;
    const shown = slotText(env, frame, spi);
    text += shown.text;
    spi = shown.last;
  }
  const { refs } = frame;
  if (refs.length > 0 && refs[0].id !== 0) {
    text += ` refs=${refs
      .filter(ref => ref.id !== 0)
      .map(ref => ref.id)
      .join(',')}`;
  }
  if (frame.inCallbackFn) text += ' cb';
  if (frame.inAsyncCallbackFn) text += ' async_cb';
  env.verbose(`${text}\n`);
  if (!printAll) {
    env.scratchedRegs = 0;
    env.scratchedSlotsLo = 0;
    env.scratchedSlotsHi = 0;
  }
}

const BPF_LOG_MIN_ALIGNMENT = 8;
const BPF_LOG_ALIGNMENT = 40;

/** Spaces up to the column of states, behind an instruction of `pos` characters. Source: `vlog_alignment`. */
function padding(pos: number): string {
  const least = Math.max(pos + BPF_LOG_MIN_ALIGNMENT / 2, BPF_LOG_ALIGNMENT);
  const column = Math.ceil(least / BPF_LOG_MIN_ALIGNMENT) * BPF_LOG_MIN_ALIGNMENT;
  return ' '.repeat(Math.max(column - pos - 1, 1));
}

/** What an instruction changed, behind its text if that is the last line of the log. Source: `print_insn_state`. */
export function printInsnState(env: VerifierEnv, frame: FuncState): void {
  const { log } = env;
  if (env.prevLogPos !== 0 && env.prevLogPos === log.position) {
    log.reset(env.prevLogPos - 1);
    env.verbose(`${padding(env.prevInsnPrintPos)};`);
  } else env.verbose(`${env.insnIdx}:`);
  printVerifierState(env, frame, false);
}
