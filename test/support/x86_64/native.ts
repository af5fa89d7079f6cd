import type { Insn } from '../../../src/isa/index.ts';
import { plainFunc } from '../../../src/jit/func-input.ts';
import {
  type Callee,
  type ExeEntry,
  type ExeGate,
  type ExeImage,
  type FuncInput,
  findTarget,
  type TargetEnv,
  writeExecutable,
} from '../../../src/jit/index.ts';
import {
  createKernelSpace,
  customLayout,
  defaultKernelImage,
  type KernelSpace,
  withStructs,
} from '../../../src/kernels/index.ts';
import { hex64, toHex } from '../../../src/util/index.ts';
import { NATIVE, runQemu } from '../three-way.ts';

/** Whether this machine's own CPU can be the judge; says so once where it cannot. */
export function isNativeX86(): boolean {
  const native = process.platform === 'linux' && process.arch === 'x64';
  if (!native) console.log('skipped: tests that run x86-64 code natively need Linux on x86-64');
  return native;
}

/** What a test says of a function; the rest is a plain function without stack. */
export type FuncSetup = Partial<Omit<FuncInput, 'insns' | 'index' | 'isFunc'>> & { readonly insns: readonly Insn[] };

/** Memory R1 points to in every run, and its size. */
export const DATA = 0x20000;
export const DATA_BYTES = 2048;
/** rsp of the caller; what a function finds there is its return address, 8 bytes below. */
export const SP = 0x70000n;
const MEMORY_END = 0x80000;
const TEXT = 0x1000000000n;
const IMAGES = 0x1020000000n;
/** Runs of one executable at most. */
const MOST_ENTRIES = 4000;

/** Where maps, arrays and programs of these tests have what compiled code reads. */
export const STRUCTS = { arrayMaxEntries: 36, arrayPtrs: 288, arrayValue: 288, progBpfFunc: 48 } as const;

export interface NativeOptions {
  readonly cpu: string;
  /** Probe loads of addresses up to this give 0. */
  readonly userLimit?: bigint;
  /** Probe loads test the sign. */
  readonly kernelHalf?: boolean;
}

export interface Compiled extends Callee {
  readonly addr: bigint;
  readonly bytes: Uint8Array;
}

interface Expected {
  readonly name: string;
  readonly r0: bigint;
  readonly data: Uint8Array | undefined;
}

/**
 * Programs compiled by own mode alone, with nothing of the machine around them: placed, and run natively with their memory
 * and registers as said, all in a few executables.
 */
export class NativeBatch {
  readonly #options: NativeOptions;
  readonly #space: KernelSpace;
  readonly #env: TargetEnv;
  readonly #gates: ExeGate[] = [];
  #images: ExeImage[] = [];
  #entries: ExeEntry[] = [];
  #expected: Expected[] = [];
  #next = IMAGES;
  readonly problems: string[] = [];
  count = 0;

  constructor(options: NativeOptions) {
    const { cpu, userLimit = 0xffffn, kernelHalf = false } = options;
    this.#options = options;
    const images = { start: IMAGES, end: 1n << 46n };
    const layout = customLayout({
      name: 'native',
      arch: 'x86_64',
      textBase: TEXT,
      modules: images,
      images,
      linearMap: kernelHalf
        ? { start: 0xffff888000000000n, end: 0xffffc88000000000n }
        : { start: 0x10000n, end: 0x80000000n },
      userLimit,
      packBytes: 0,
      pageBytes: 0x1000,
    });
    const kernel = defaultKernelImage('x86_64', 'little');
    this.#space = createKernelSpace(layout, withStructs(kernel, { ...kernel.structs, ...STRUCTS }));
    this.#env = { cpu, mode: 'own', space: this.#space, userLimit, pcrel: false };
  }

  /** A function of the kernel: its number in logs, and `imm` of calls. */
  gate(name: string): { readonly index: number; readonly imm: number } {
    const addr = this.#space.symbolAddr(name);
    const index = this.#gates.push({ addr, name }) - 1;
    return { index, imm: Number(addr - this.#space.callBase) };
  }

  /** Compiles functions and links them `distance` bytes apart. */
  place(setups: readonly FuncSetup[], distance = 0n): readonly Compiled[] {
    const target = findTarget('x86_64');
    const compilers = setups.map((setup, index) =>
      target.compiler(plainFunc(setup.insns, { ...setup, index, isFunc: setups.length > 1 }), this.#env),
    );
    let images = compilers.map(compiler => compiler.emit(undefined, undefined));
    const room = images.map(image => image.bytes.length);
    const places = images.map(image => {
      const at = this.#next;
      this.#next += BigInt((image.bytes.length + 0x3f) & ~0x3f) + distance;
      return at;
    });
    const callees = places.map(at => ({ bpfFunc: at, entry: at, localEntry: at }));
    for (let round = 0; ; round++) {
      const next = compilers.map((compiler, i) => compiler.emit(places[i], callees));
      const same = next.every((image, i) => Buffer.from(image.bytes).equals(images[i].bytes));
      images = next;
      if (same) break;
      if (round > 16) throw new Error('does not settle');
    }
    images.forEach(({ bytes, extable }, i) => {
      if (bytes.length > room[i]) throw new Error(`function ${i} became longer than its first pass`);
      this.#images.push({ addr: places[i], bytes, name: `f${this.#images.length}`, extable });
    });
    return images.map(({ bytes }, i) => ({ ...callees[i], addr: places[i], bytes }));
  }

  /**
   * A run of a function: R1 and what is behind it, the memory at {@link DATA} before, R0 and that memory after.
   * `data` left out of what is expected is not compared.
   */
  run(
    name: string,
    func: bigint,
    args: readonly bigint[],
    data: Uint8Array,
    expected: { readonly r0: bigint; readonly data?: Uint8Array },
    log?: Uint8Array,
  ): void {
    this.#entries.push({
      func,
      args,
      sp: SP,
      log,
      patches: [{ addr: DATA, bytes: data }],
      digest: [{ addr: DATA, sizeBytes: data.length }],
      dump: true,
    });
    this.#expected.push({ name, r0: expected.r0, data: expected.data });
    if (this.#entries.length >= MOST_ENTRIES) this.flush();
  }

  /** Runs what is waiting; what went wrong is in {@link problems}. */
  flush(): void {
    if (this.#entries.length === 0) return;
    const exe = writeExecutable({
      target: findTarget('x86_64'),
      cpu: this.#options.cpu,
      space: this.#space,
      images: this.#images,
      gates: this.#gates,
      memory: [],
      memoryEnd: MEMORY_END,
      entries: this.#entries,
      format: 'lines',
      limitSeconds: 5,
    });
    const { lines, problem } = runQemu(NATIVE, this.#options.cpu, exe);
    this.#expected.forEach(({ name, r0, data }, i) => {
      const [, value, , dump] = (lines[i] ?? '').split(' ');
      const bytes = data === undefined ? dump : toHex(data);
      if (value === hex64(r0) && dump === bytes) this.count++;
      else this.problems.push(`${name}: ${lines[i] ?? problem}, wanted ${hex64(r0)} ${bytes}`.slice(0, 300));
    });
    this.#entries = [];
    this.#expected = [];
    this.#images = [];
  }
}
