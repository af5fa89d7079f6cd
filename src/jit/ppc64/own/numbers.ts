/** What 16-bit immediates reach. */
export const isS16 = (value: number): boolean => (value << 16) >> 16 === value;
/** `addis` takes this much of a distance, `addi` the rest. */
export const ha = (value: number): number => (value + 0x8000) >> 16;
/** Whether `addis` and `addi` reach: the sum must not wrap past the sign. */
export const isHaLo = (hi: number, lo: number): boolean => hi === lo >> 31 && lo < 0x7fff8000;
