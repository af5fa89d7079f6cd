/**
 * Where a program is entered from outside: offsets in its code. `main(r1..r5)` is the program itself, whose R0 is in its register alone;
 * the others are what `EntryName` says. Arguments are in the registers of R1, R2 and R3, numbers of 32 bits, and the memory's
 * address where all code has it.
 */
export interface LinearEntries {
  readonly main: number;
  readonly run: number;
  readonly repeat: number;
  readonly packet: number | undefined;
  readonly batch: number | undefined;
}
