/** Indices in `Core.r`: twice a register's number. */
export const R1 = 2;
export const R2 = 4;
export const R12 = 24;
export const R13 = 26;
/** Always 0: what RA = 0 stands for in many instructions. */
export const ZERO = 64;
export const LR = 66;
export const CTR = 68;
export const TAR = 70;
/** Halves of all of them. */
export const REG_HALVES = 72;

/** Bytes below r1 a leaf function may use; what lies below those, interrupts write. */
export const RED_ZONE_BYTES = 288;

/** Where a run ends: what LR holds when it begins. In no image. */
export const MAGIC_HI = 0xfa11bacc | 0;
export const MAGIC_LO = 0x0badc0d0;

/** What the architecture leaves undefined reads as this. */
export const UNDEFINED = 0x5ca1ab1e;
