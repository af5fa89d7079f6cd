import { baseType, MEM_ALLOC, PTR_TO_BTF_ID, PTR_TO_MAP_VALUE } from '../../helpers/index.ts';
import { btfFindStructMeta } from '../btf/record.ts';
import { BPF_SPIN_LOCK, type BtfField, type BtfRecord, recordFind, recordHasField } from '../state/record.ts';
import type { RegState } from '../state/reg.ts';

/** Special fields of what a register points to. Source: `reg_btf_record`. */
export function regBtfRecord(reg: RegState): BtfRecord | undefined {
  const { type, info } = reg;
  if (type === PTR_TO_MAP_VALUE) return info.map?.record;
  if (baseType(type) === PTR_TO_BTF_ID && (type & MEM_ALLOC) !== 0 && info.btf !== undefined)
    return btfFindStructMeta(info.btf, info.btfId);
  return undefined;
}

/** Source: `reg_may_point_to_spin_lock`. */
export const regMayPointToSpinLock = (reg: RegState): boolean => recordHasField(regBtfRecord(reg), BPF_SPIN_LOCK);

/** The field of one of the kinds in `fields` that begins at `off`. Source: `reg_find_field_offset`. */
export const regFindFieldOffset = (reg: RegState, off: number, fields: number): BtfField | undefined =>
  recordFind(regBtfRecord(reg), off, fields);
