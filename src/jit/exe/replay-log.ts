import { type ByteOrder, ByteWriter, FarcallError } from '../../util/index.ts';

/** Kinds of events: the first doubleword of each. */
export const EVENT = {
  end: 0,
  call: 1,
  write: 2,
  fill: 3,
  callback: 4,
  result: 5,
  return: 6,
  resume: 7,
  writeAt: 8,
} as const;

/** Arguments in a record, whatever a function takes. */
const ARGS = 5;
/** 256 MiB of log is more than an executable should carry. */
const MOST_BYTES = 1 << 28;

const ALL = (1n << 64n) - 1n;

/**
 * What the kernel's functions did in a run, as an executable plays it back: doublewords in the target's byte order.
 *
 * ```
 *   call      1, gate, mask, R1 … R5                    a gate is reached; arguments whose bit is set are compared
 *   write     2, address, bytes, data padded to 8       memory it changed
 *   fill      3, address, bytes                         memory it zeroed
 *   writeAt   8, argument, offset, bytes, data          memory it changed, from where an argument points
 *   callback  4, function pointer, bases, R1 … R5       it calls the program back; calls in there follow
 *   result    5, R0, mask                               … and has to get this, as far as the mask says
 *   return    6, R0, base                               the call ends
 *   resume    7, function pointer, r1, frame, R1 … R5   … or does not, and goes on elsewhere: bpf_throw
 *   end       0
 * ```
 *
 * Bases make numbers relative: 0 takes them as they are, 1 to 5 adds that argument of the call. A callback's are four bits an
 * argument, R1's the lowest. Whoever records on another stack than the executable's has pointers to the stack that way.
 */
export class ReplayLog {
  readonly #out: ByteWriter;

  constructor(order: ByteOrder) {
    this.#out = new ByteWriter(order, 256);
  }

  /** @param args at most five; undefined ones are not compared */
  call(gate: number, args: readonly (bigint | undefined)[]): void {
    const mask = args.reduce((bits, arg, i) => (arg === undefined || i >= ARGS ? bits : bits | (1 << i)), 0);
    this.#words(EVENT.call, gate, mask);
    this.#args(args);
  }
  write(addr: number, bytes: Uint8Array): void {
    this.#words(EVENT.write, addr, bytes.length);
    this.#out.put(bytes).align(8);
  }
  fill(addr: number, sizeBytes: number): void {
    this.#words(EVENT.fill, addr, sizeBytes);
  }
  /** @param arg 1 to 5 */
  writeAt(arg: number, offBytes: number, bytes: Uint8Array): void {
    this.#words(EVENT.writeAt, arg - 1, offBytes, bytes.length);
    this.#out.put(bytes).align(8);
  }
  /** @param bases of the arguments, 0 where left out */
  callback(func: bigint, args: readonly bigint[], bases: readonly number[] = []): void {
    this.#words(EVENT.callback).#out.u64(func);
    this.#words(bases.reduce((bits, base, i) => bits | (base << (4 * i)), 0));
    this.#args(args);
  }
  result(r0: bigint, mask = ALL): void {
    this.#words(EVENT.result).#out.u64(r0).u64(mask);
  }
  return(r0: bigint, base = 0): void {
    this.#words(EVENT.return).#out.u64(r0);
    this.#words(base);
  }
  /**
   * @param sp stack pointer it is entered with; 0: that of a callback
   * @param frameSp of the frame it returns from
   */
  resume(func: bigint, args: readonly bigint[], sp: bigint, frameSp: bigint): void {
    this.#words(EVENT.resume).#out.u64(func).u64(sp).u64(frameSp);
    this.#args(args);
  }

  /** The log so far, ended. Throws `run.replay` when it is too long to carry. */
  finish(): Uint8Array {
    this.#words(EVENT.end);
    return this.#out.finish();
  }

  #words(...values: readonly number[]): this {
    if (this.#out.length > MOST_BYTES) {
      throw new FarcallError({
        code: 'run.replay',
        message: 'the calls of this run are too many to carry along',
        expected: `at most ${MOST_BYTES} bytes of log`,
        found: `more than ${this.#out.length} bytes`,
      });
    }
    for (const value of values) this.#out.u64(BigInt(value));
    return this;
  }

  #args(args: readonly (bigint | undefined)[]): void {
    for (let i = 0; i < ARGS; i++) this.#out.u64(args[i] ?? 0n);
  }
}
