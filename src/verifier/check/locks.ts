import { PTR_TO_MAP_VALUE } from '../../helpers/index.ts';
import { i64Of } from '../../util/index.ts';
import { isConst } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { VerifierMap } from '../input.ts';
import {
  BPF_KPTR,
  BPF_KPTR_PERCPU,
  BPF_KPTR_REF,
  BPF_SPIN_LOCK,
  BPF_TIMER,
  type BtfField,
  recordFind,
  recordHasField,
} from '../state/record.ts';
import { invalidateNonOwningRefs } from '../state/refs.ts';
import type { RegState } from '../state/reg.ts';
import { typeIsPtrAllocObj } from './pointer-kinds.ts';
import { regBtfRecord } from './reg-record.ts';

/** Arguments that are special fields of map values and objects: locks, timers, work queues, kptrs. All refuse. */

/** The constant offset of a pointer, as 64 bits: fixed and variable part together. */
const offsetOf = (reg: RegState): bigint =>
  BigInt.asIntN(64, i64Of(reg.scalar.valueHi, reg.scalar.valueLo) + BigInt(reg.off));

const pointsAt = (reg: RegState, offBytes: number): boolean =>
  reg.scalar.valueHi * 0x100000000 + (reg.scalar.valueLo >>> 0) + reg.off === offBytes;

/**
 * Takes or gives back the lock register `regno` points to: the state remembers which one it holds.
 * Source: `kernel/bpf/verifier.c: process_spin_lock`.
 */
export function processSpinLock(env: VerifierEnv, regno: number, isLock: boolean): void {
  const reg = env.regs[regno];
  const cur = env.curState;
  if (!isConst(reg.scalar)) env.refuse('fieldNotConst', regno, 'bpf_spin_lock');
  let map: VerifierMap | undefined;
  if (reg.type === PTR_TO_MAP_VALUE) {
    map = reg.info.map as VerifierMap;
    if (map.btf === undefined) env.refuse('fieldNoBtf', map.name, 'bpf_spin_lock');
  }
  const ptr = map ?? reg.info.btf;
  if (ptr === undefined) env.bug('lock in neither map nor object');
  const record = regBtfRecord(reg);
  if (record === undefined || !recordHasField(record, BPF_SPIN_LOCK))
    env.refuse('lockNone', map === undefined ? 'local' : 'map', map === undefined ? 'kptr' : map.name);
  if (!pointsAt(reg, record.spinLockOff))
    env.refuse('fieldOffset', String(offsetOf(reg)), 'bpf_spin_lock', record.spinLockOff);
  if (isLock) {
    if (cur.activeLock !== undefined) env.refuse('lockTwo');
    cur.activeLock = { ptr, id: reg.id };
    return;
  }
  if (cur.activeLock === undefined) env.refuse('unlockNone');
  if (cur.activeLock.ptr !== ptr || cur.activeLock.id !== reg.id) env.refuse('unlockOther');
  invalidateNonOwningRefs(env);
  cur.activeLock = undefined;
}

/** What {@link processTimerFunc} finds out (part of `struct bpf_call_arg_meta`). */
export interface MapMeta {
  map: VerifierMap | undefined;
  mapUid: number;
}

/** A timer in a map value. Source: `kernel/bpf/verifier.c: process_timer_func`. */
export function processTimerFunc(env: VerifierEnv, regno: number, meta: MapMeta): void {
  const reg = env.regs[regno];
  if (!isConst(reg.scalar)) env.refuse('fieldNotConst', regno, 'bpf_timer');
  const map = reg.info.map as VerifierMap;
  if (map.btf === undefined) env.refuse('fieldNoBtf', map.name, 'bpf_timer');
  const { record } = map;
  if (record === undefined || !recordHasField(record, BPF_TIMER)) env.refuse('timerNone', map.name);
  if (!pointsAt(reg, record.timerOff)) env.refuse('fieldOffset', String(offsetOf(reg)), 'bpf_timer', record.timerOff);
  if (meta.map !== undefined) env.refuse('timerTwoMaps');
  meta.mapUid = reg.info.mapUid;
  meta.map = map;
}

/** What {@link processWqFunc} finds out (part of `struct bpf_kfunc_call_arg_meta`). */
export interface WqMeta {
  readonly map: { ptr: VerifierMap | undefined; uid: number };
}

/** A work queue in a map value. Source: `kernel/bpf/verifier.c: process_wq_func`. */
export function processWqFunc(env: VerifierEnv, regno: number, meta: WqMeta): void {
  const reg = env.regs[regno];
  const map = reg.info.map as VerifierMap;
  const wqOff = map.record?.wqOff ?? -1;
  if (!pointsAt(reg, wqOff)) env.refuse('fieldOffset', String(offsetOf(reg)), 'bpf_wq', wqOff);
  meta.map.uid = reg.info.mapUid;
  meta.map.ptr = map;
}

/** What {@link processKptrFunc} finds out (part of `struct bpf_call_arg_meta`). */
export interface KptrMeta {
  map: VerifierMap | undefined;
  kptrField: BtfField | undefined;
}

/** The field `bpf_kptr_xchg` exchanges. Source: `kernel/bpf/verifier.c: process_kptr_func`. */
export function processKptrFunc(env: VerifierEnv, regno: number, meta: KptrMeta): void {
  const reg = env.regs[regno];
  if (!typeIsPtrAllocObj(reg.type)) {
    const map = reg.info.map as VerifierMap;
    if (map.btf === undefined) env.refuse('fieldNoBtf', map.name, 'bpf_kptr_xchg');
    meta.map = map;
  }
  const record = regBtfRecord(reg);
  if (!isConst(reg.scalar)) env.refuse('kptrNotConst', regno);
  if (!recordHasField(record, BPF_KPTR)) env.refuse('kptrNone', regno);
  const off = (reg.off + reg.scalar.valueLo) | 0;
  const field = recordFind(record, off >>> 0, BPF_KPTR);
  if (field === undefined) env.refuse('kptrOffset', off);
  if (field.type !== BPF_KPTR_REF && field.type !== BPF_KPTR_PERCPU) env.refuse('kptrNotReferenced', off);
  meta.kptrField = field;
}
