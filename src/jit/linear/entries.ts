/**
 * Where a program is entered from outside: offsets in its code. R0 of the last run goes to the run's state. Arguments are in the
 * registers of R1, R2 and R3, numbers of 32 bits, and the memory's address where all code has it:
 *
 * - `run(ctx, r2)`
 * - `repeat(ctx, count)`: runs on the same context, at least once
 * - `packet(data, bytes)`: writes the context of a packet in the memory to `RUN_STATE.ctx` and runs on it
 * - `batch(list, count, verdicts)`: that for each pair of address and length in a list; low halves of R0 go to `verdicts`
 * - `main(r1..r5)`: the program itself; R0 is in its register alone
 */
export interface LinearEntries {
  readonly main: number;
  readonly run: number;
  readonly repeat: number;
  readonly packet: number | undefined;
  readonly batch: number | undefined;
}

/** What entries call: offsets in the code, and how runs begin. */
export interface EntryInit {
  readonly main: number;
  readonly context: number | undefined;
  /** A program that makes tail calls counts them from 0. */
  readonly tailCalls: boolean;
  readonly stateAddr: number;
}
