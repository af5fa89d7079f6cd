import { type ExeRange, ReplayLog } from '../jit/index.ts';
import type { LinearMemory, RegionKind } from '../mem/index.ts';
import { FarcallError, hex64 } from '../util/index.ts';
import { changedPieces } from './memory-pieces.ts';

/** What helpers may change without any program seeing it. */
const INVISIBLE: readonly RegionKind[] = ['internal', 'func'];

/** A copy of what programs can see. */
interface Shadow {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** A call of the kernel that has not returned. */
interface OpenCall {
  readonly args: readonly bigint[];
  shadow: readonly Shadow[];
}

/** A number as an executable finds it: as it is, or so far from one of the call's arguments (1 to 5). */
interface Placed {
  readonly base: number;
  readonly value: bigint;
}

/**
 * Writes down the calls of one run as they happen, with the memory each changes: what is not as it was when the call
 * began, or when the last function it called back returned.
 */
export class CallLog {
  readonly #mem: LinearMemory;
  readonly #log: ReplayLog;
  /** Programs' stack here, where the executable's lies elsewhere: pointers to it are told by arguments that point to it. */
  readonly #stack: (() => ExeRange) | undefined;
  readonly #open: OpenCall[] = [];

  constructor(mem: LinearMemory, stack: (() => ExeRange) | undefined) {
    this.#mem = mem;
    this.#log = new ReplayLog(mem.order);
    this.#stack = stack;
  }

  /** @param args those the function takes */
  enter(gate: number, args: readonly bigint[], compared: (n: number) => boolean = () => true): void {
    const known = args.map((arg, n) => (compared(n) && !this.#inStack(arg) ? arg : undefined));
    this.#log.call(gate, known);
    this.#open.push({ args, shadow: this.#takeShadow() });
  }

  leave(r0: bigint): void {
    this.#changes();
    const { base, value } = this.#place(r0);
    this.#log.return(value, base);
    this.#open.pop();
  }

  /** The call goes on elsewhere and does not return. */
  resume(func: bigint, args: readonly bigint[], sp: bigint, frameSp: bigint): void {
    this.#changes();
    this.#log.resume(func, args, sp, frameSp);
    this.#open.length = 0;
  }

  callback(func: bigint, args: readonly bigint[]): void {
    this.#changes();
    const placed = args.map(arg => this.#place(arg));
    this.#log.callback(
      func,
      placed.map(({ value }) => value),
      placed.map(({ base }) => base),
    );
  }

  /** @param mask bits of its result that are known */
  calledBack(r0: bigint, mask?: bigint): void {
    this.#log.result(r0, mask);
    const call = this.#open.at(-1);
    if (call !== undefined) call.shadow = this.#takeShadow();
  }

  finish(): Uint8Array {
    return this.#log.finish();
  }

  #inStack(value: bigint): boolean {
    const stack = this.#stack?.();
    return stack !== undefined && value >= stack.addr && value < stack.addr + stack.sizeBytes;
  }

  #place(value: bigint): Placed {
    if (!this.#inStack(value)) return { base: 0, value };
    const base = this.#nearest(value);
    return { base: base + 1, value: value - (this.#open.at(-1)?.args[base] ?? 0n) };
  }

  /** The argument of the innermost call that points to the stack at or before `addr`, as near as there is. */
  #nearest(addr: bigint): number {
    const args = this.#open.at(-1)?.args ?? [];
    const distance = (n: number): bigint => {
      const off = addr - args[n];
      return off >= 0n ? off : (1n << 32n) - off;
    };
    let best = -1;
    args.forEach((arg, n) => {
      if (this.#inStack(arg) && (best < 0 || distance(n) < distance(best))) best = n;
    });
    if (best >= 0) return best;
    throw new FarcallError({
      code: 'run.replay',
      message: 'a function of the kernel reached a stack that none of its arguments points to',
      expected: 'a pointer among the arguments',
      found: hex64(addr),
    });
  }

  #takeShadow(): Shadow[] {
    const mem = this.#mem;
    return mem
      .regions()
      .filter(region => !INVISIBLE.includes(region.kind) && region.end > region.start)
      .map(region => ({ start: region.start, bytes: mem.u8.slice(region.start, region.end) }));
  }

  /** Writes down what is not as the shadow has it, new regions as a whole. */
  #changes(): void {
    const mem = this.#mem;
    const shadow = this.#open.at(-1)?.shadow ?? [];
    for (const region of mem.regions()) {
      if (INVISIBLE.includes(region.kind)) continue;
      let at = region.start;
      for (const { start, bytes } of shadow) {
        const end = start + bytes.length;
        if (end <= at || start >= region.end) continue;
        if (start > at) this.#put(at, mem.read(at, start - at));
        const from = Math.max(at, start);
        const to = Math.min(end, region.end);
        for (const piece of changedPieces(bytes.subarray(from - start, to - start), mem.u8.subarray(from, to), from)) {
          this.#put(piece.addr, piece.bytes);
        }
        at = to;
      }
      if (at < region.end) this.#put(at, mem.read(at, region.end - at));
    }
  }

  #put(addr: number, bytes: Uint8Array): void {
    const at = BigInt(addr);
    if (this.#inStack(at)) {
      const base = this.#nearest(at);
      this.#log.writeAt(base + 1, Number(at - (this.#open.at(-1)?.args[base] ?? 0n)), bytes);
    } else if (bytes.every(byte => byte === 0)) this.#log.fill(addr, bytes.length);
    else this.#log.write(addr, bytes);
  }
}
