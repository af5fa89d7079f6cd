import { ProgramFault } from '../../helpers/index.ts';
import { NATIVE_BLOCK, NATIVE_ENTRIES } from '../../jit/index.ts';
import type { LinearMemory } from '../../mem/index.ts';
import { FarcallError, InternalError, u64Of } from '../../util/index.ts';
import { PROG_HANDLE } from '../types.ts';
import { type Addon, type AddonOptions, loadAddon } from './addon.ts';
import { CodeSpace } from './code-space.ts';
import { checkHost, hasExtension, hasTriedV8, hostPageBytes } from './host.ts';

/** Address space for code; pages are there when code is. */
const CODE_BYTES = 1 << 28;
/** No host's pages are smaller: code at other places begins so far apart. */
const LEAST_PAGE_BYTES = 4096;
/** As far as addresses of a memory go. */
const REACH = 1n << 32n;
const SIGNALS: Readonly<Record<number, string>> = { 7: 'SIGBUS', 8: 'SIGFPE', 11: 'SIGSEGV' };

/** Indices of the block's words. */
const WORD = {
  entry: NATIVE_BLOCK.entry >> 2,
  base: NATIVE_BLOCK.base >> 2,
  args: NATIVE_BLOCK.args >> 2,
  r0: NATIVE_BLOCK.r0 >> 2,
  gate: NATIVE_BLOCK.gate >> 2,
  slot: NATIVE_BLOCK.slot >> 2,
  result: NATIVE_BLOCK.result >> 2,
  signal: NATIVE_BLOCK.signal >> 2,
  out: NATIVE_BLOCK.out >> 2,
  tail: NATIVE_BLOCK.tailTarget >> 2,
} as const;

/** The same of the block as doubles. */
const ENTRY_DOUBLE = NATIVE_BLOCK.entry >> 3;

/** How code is entered. */
export interface EntryHow {
  /** It may call gates. */
  readonly gates: boolean;
  /** It takes a third number. */
  readonly third?: boolean;
}

/** A gate of a program's: called with the slot, and what it answers. */
export type NativeGate = (slot: number) => number;

/** Whose memory native code works on, and what its programs' gates are, by number: one machine's. */
export interface NativeUser {
  readonly mem: LinearMemory;
  readonly gates: readonly (NativeGate | undefined)[];
}

/** Code at its address. */
export interface PlacedCode {
  readonly address: bigint;
  readonly offBytes: number;
  readonly sizeBytes: number;
}

/** What native code of one thread of JavaScript shares: the addon, the block, the code. */
export class NativeHost {
  /** See `LinearOptions.extended`. */
  readonly extended: boolean;
  readonly gateAddr: bigint;
  /** Address of the `NATIVE_ENTRIES` of all machines. */
  readonly entriesAddr: bigint;
  readonly #addon: Addon;
  /** `Addon.direct`'s, where there is one. */
  readonly #direct: (() => void) | undefined;
  readonly #block = new ArrayBuffer(NATIVE_BLOCK.sizeBytes);
  readonly #words = new Int32Array(this.#block);
  readonly #doubles = new Float64Array(this.#block);
  readonly #view = new DataView(this.#block);
  readonly #codeStart: bigint;
  readonly #entries = new DataView(new ArrayBuffer(NATIVE_ENTRIES.sizeBytes));
  /** Real addresses of handles, by the entries that have one. */
  readonly #handles = new Map<number, bigint>();
  readonly #space = new CodeSpace(CODE_BYTES, hostPageBytes());
  /** Takes code away whose owner is gone. */
  readonly #orphans = new FinalizationRegistry<PlacedCode>(placed => this.remove(placed));
  /** Whose run it is, or was last, and the bytes of its memory when it was found where they are. */
  #user: NativeUser | undefined;
  #bytes: unknown;

  /** Throws `run.native-host`, `run.native-load`. */
  constructor(options?: AddonOptions) {
    checkHost();
    this.#addon = loadAddon(options);
    this.#direct = (options?.direct ?? hasTriedV8()) ? this.#addon.direct() : undefined;
    const words = this.#words;
    this.#addon.attach(this.#block, () => {
      const user = this.#user;
      const gate = user?.gates[words[WORD.gate]];
      if (user === undefined || gate === undefined) {
        throw new InternalError(`native code calls gate ${words[WORD.gate]}`);
      }
      const [lo, hi] = [words[WORD.base], words[WORD.base + 1]];
      // Gates may run programs, of other machines too, which use the same words.
      const result = gate(words[WORD.slot]);
      this.#enter(user);
      // A memory that grew stays where it is: V8 keeps room for all it may become.
      if (words[WORD.base] !== lo || words[WORD.base + 1] !== hi) {
        throw new InternalError('the linear memory has moved while native code ran');
      }
      words[WORD.result] = result;
    });
    this.gateAddr = this.#view.getBigUint64(NATIVE_BLOCK.gateCode, true);
    words[WORD.args] = CODE_BYTES;
    this.#addon.reserve();
    words[WORD.args] = 0;
    const found = this.#view.getBigInt64(NATIVE_BLOCK.out, true);
    if (found <= 0n) throw noCode(`mmap: errno ${-found}`);
    this.#codeStart = found;
    this.extended = hasExtension();
    this.entriesAddr = this.#addressOf(this.#entries.buffer);
  }

  /**
   * Puts code where it can run, in pages that are written first and then nothing but executed, until it is removed or nothing
   * holds its owner any more. Throws `run.native-load`.
   */
  place(code: Uint8Array<ArrayBuffer>, owner: object): PlacedCode {
    const sizeBytes = code.length;
    const offBytes = this.#space.take(sizeBytes);
    if (offBytes === undefined) throw noCode(`${CODE_BYTES} bytes of code are there already`);
    const address = this.#codeStart + BigInt(offBytes);
    this.#setAddress(WORD.args, address);
    this.#addon.place(code.buffer);
    this.#clearArgs();
    if (this.#words[WORD.out] !== 0) {
      this.#space.give(offBytes, sizeBytes);
      throw noCode(`mprotect: errno ${-this.#words[WORD.out]}`);
    }
    const placed = { address, offBytes, sizeBytes };
    this.#orphans.register(owner, placed, placed);
    return placed;
  }
  remove(placed: PlacedCode): void {
    this.#orphans.unregister(placed);
    const { address, offBytes, sizeBytes } = placed;
    this.#dropEntry(entryOf(placed));
    this.#setAddress(WORD.args, address);
    this.#words[WORD.args + 2] = sizeBytes;
    this.#addon.release();
    this.#clearArgs();
    this.#space.give(offBytes, sizeBytes);
  }

  #setAddress(word: number, address: bigint): void {
    this.#words[word] = Number(BigInt.asIntN(32, address));
    this.#words[word + 1] = Number(BigInt.asIntN(32, address >> 32n));
  }
  #clearArgs(): void {
    this.#words.fill(0, WORD.args, WORD.args + 10);
  }

  /** Lets tail calls enter code of the program whose handle is at an address of a memory. */
  setEntry(placed: PlacedCode, codeOff: number, mem: LinearMemory, handle: number): void {
    const at = entryOf(placed);
    // Code on the last page of all has no entry.
    if (at >= NATIVE_ENTRIES.sizeBytes) return;
    const real = this.#addressOf(mem.u8.buffer) + BigInt(handle);
    this.#handles.set(at, real);
    this.#entries.setBigUint64(at + NATIVE_ENTRIES.code, placed.address + BigInt(codeOff), true);
    this.#entries.setBigUint64(at + NATIVE_ENTRIES.handle, real, true);
    mem.i32[(handle + PROG_HANDLE.nativeEntry) >> 2] = at;
  }
  #dropEntry(at: number): void {
    if (!this.#handles.delete(at)) return;
    this.#entries.setBigUint64(at + NATIVE_ENTRIES.handle, 0n, true);
    this.#entries.setBigUint64(at + NATIVE_ENTRIES.code, 0n, true);
  }
  /** A machine begins: entries of one that had its memory at the same address, and is gone, are nobody's. */
  begin(mem: LinearMemory): void {
    const start = this.#addressOf(mem.u8.buffer);
    for (const [at, real] of this.#handles) if (real >= start && real - start < REACH) this.#dropEntry(at);
  }

  #addressOf(buffer: ArrayBufferLike): bigint {
    this.#words[WORD.out] = this.#words[WORD.out + 1] = 0;
    this.#addon.addressOf(buffer);
    return this.#view.getBigUint64(NATIVE_BLOCK.out, true);
  }

  /** Makes native code work on a machine's memory, with its gates. */
  #enter(user: NativeUser): void {
    const bytes = user.mem.u8;
    if (this.#user === user && this.#bytes === bytes) return;
    const address = this.#addressOf(bytes.buffer);
    if (address === 0n) throw noCode('the memory has no address');
    this.#setAddress(WORD.base, address);
    this.#user = user;
    this.#bytes = bytes;
  }

  /** A function that runs the code at an address on two numbers of 32 bits, or three; its answer is the low half of rax. */
  entry(user: NativeUser, address: bigint, how: EntryHow): (a: number, b: number, c?: number) => number {
    const doubles = this.#doubles;
    const words = this.#words;
    const enter = (how.gates ? undefined : this.#direct) ?? this.#addon.enter;
    // All of this is a few nanoseconds: no word is looked up by name, none written that need not be, and the address
    // in one piece: the CPU waits for two to reach memory before it reads them as one.
    const code = doubleOf(address);
    const { args, signal, r0 } = WORD;
    const [first, second, last] = [args, args + 2, args + 4];
    const run = (a: number, b: number): number => {
      this.#enter(user);
      doubles[ENTRY_DOUBLE] = code;
      words[first] = a;
      words[second] = b;
      enter();
      if (words[signal] !== 0) this.#signalled();
      return words[r0];
    };
    if (how.third !== true) return run;
    return (a, b, c = 0) => {
      words[last] = c;
      return run(a, b);
    };
  }

  /** Calls a BPF function: halves of R1.., low ones first. Returns its R0's, in the same array each time. */
  callFunction(user: NativeUser, address: bigint, halves: Int32Array): Int32Array {
    const words = this.#words;
    this.#enter(user);
    this.#setAddress(WORD.entry, address);
    words.set(halves, WORD.args);
    this.#addon.call();
    words.fill(0, WORD.args, WORD.args + 10);
    if (words[WORD.signal] !== 0) this.#signalled();
    return words.subarray(WORD.r0, WORD.r0 + 2);
  }

  /** Where a tail call goes on. */
  setTailTarget(address: bigint): void {
    this.#setAddress(WORD.tail, address);
  }

  /** The CPU stopped the code. */
  #signalled(): never {
    const words = this.#words;
    const signal = words[WORD.signal];
    words[WORD.signal] = 0;
    const base = this.#view.getBigUint64(NATIVE_BLOCK.base, true);
    const addr = BigInt.asUintN(64, this.#view.getBigUint64(NATIVE_BLOCK.faultAddr, true) - base);
    const code = this.#view.getBigUint64(NATIVE_BLOCK.faultCode, true) - this.#codeStart;
    throw new ProgramFault(
      'out-of-bounds',
      `${SIGNALS[signal] ?? `signal ${signal}`} at 0x${addr.toString(16)}, in native code +0x${code.toString(16)}`,
      addr,
    );
  }

  /** All of R0 of the last call. */
  get r0(): bigint {
    return u64Of(this.#words[WORD.r0 + 1], this.#words[WORD.r0]);
  }
}

/** The number whose 64 bits are those of an address, which are never a NaN's. */
const doubleOf = (address: bigint): number => new Float64Array(BigUint64Array.of(address).buffer)[0];

/** Where the entry of code is. */
const entryOf = ({ offBytes }: PlacedCode): number => (offBytes / LEAST_PAGE_BYTES + 1) * NATIVE_ENTRIES.entryBytes;

function noCode(found: string): FarcallError {
  return new FarcallError({
    code: 'run.native-load',
    message: 'native code has no place to be',
    expected: 'memory that can be made executable',
    found,
  });
}
