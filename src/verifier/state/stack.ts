import type { RegState } from './reg.ts';

/** What a byte of the stack holds (`enum bpf_stack_slot_type`). */
export const STACK_INVALID = 0;
export const STACK_SPILL = 1;
export const STACK_MISC = 2;
export const STACK_ZERO = 3;
export const STACK_DYNPTR = 4;
export const STACK_ITER = 5;

export const BPF_REG_SIZE = 8;
export const BPF_DYNPTR_NR_SLOTS = 2;

/**
 * Kind of byte `i` of a slot. Byte 7 is the one at the slot's highest index in the kernel's `slot_type[]`.
 *
 * ```
 *   slotTypes:  31..28  27..24  ...  7..4  3..0
 *   byte:          7       6    ...    1     0
 * ```
 */
export const slotTypeOf = (slot: RegState, i: number): number => (slot.slotTypes >>> (i << 2)) & 15;

export function setSlotType(slot: RegState, i: number, type: number): void {
  const shift = i << 2;
  slot.slotTypes = (slot.slotTypes & ~(15 << shift)) | (type << shift);
}

/** All 8 bytes of one kind. */
export function fillSlotTypes(slot: RegState, type: number): void {
  slot.slotTypes = Math.imul(type, 0x11111111);
}
/** `slotTypes` of a slot whose 8 bytes are of one kind. */
export const slotTypesAll = (type: number): number => Math.imul(type, 0x11111111);

/** Source: `is_spilled_reg`: the highest byte decides. */
export const isSpilledReg = (slot: RegState): boolean => slot.slotTypes >>> 28 === STACK_SPILL;
