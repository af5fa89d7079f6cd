import type { KernelGate } from '../../../src/engine/index.ts';
import type { Insn } from '../../../src/isa/index.ts';
import { plainFunc } from '../../../src/jit/func-input.ts';
import type { Callee, CompiledFunc, FuncInput, TargetEnv } from '../../../src/jit/index.ts';
import { S390X } from '../../../src/jit/s390x/index.ts';
import type { KernelSpace } from '../../../src/kernels/index.ts';
import { LinearMemory } from '../../../src/mem/index.ts';
import { S390xCpu } from './cpu.ts';

/** What a test says of a function; the rest is a plain function without stack. */
export type FuncSetup = Partial<Omit<FuncInput, 'insns' | 'index' | 'isFunc'>> & { readonly insns: readonly Insn[] };

/** Where maps, arrays and programs of these tests have what compiled code reads. */
export const STRUCTS = { arrayMaxEntries: 36, arrayPtrs: 288, arrayValue: 288, progBpfFunc: 48 } as const;
export const USER_LIMIT = 0xffff;

const GATES = 0x1000000000n;
const IMAGES = 0x1020000000n;
const DATA_BYTES = 16384;

/** `imm` of a helper call of the kernel function at `addr`. */
export const helperImm = (addr: bigint): number => Number(addr - GATES);

export interface PlacedFunc extends Callee {
  readonly compiled: CompiledFunc;
  readonly at: bigint;
}

/** An emulated CPU, and own mode's compiler for it, without a machine around. */
export class OwnMachine {
  readonly cpu: S390xCpu;
  readonly mem: LinearMemory;
  /** Memory programs may use. */
  readonly data: number;
  readonly #model: string;
  readonly #images: { readonly addr: bigint; readonly bytes: Uint8Array }[] = [];
  readonly #gates = new Map<bigint, KernelGate>();
  readonly #fixups = new Map<bigint, bigint>();
  #next = IMAGES;

  constructor(model: string) {
    this.#model = model;
    this.mem = new LinearMemory('big');
    this.data = this.mem.alloc(DATA_BYTES, 64);
    this.mem.addRegion({ kind: 'mem', name: 'data', start: this.data, sizeBytes: DATA_BYTES });
    this.cpu = new S390xCpu({
      mem: this.mem,
      code: {
        imageAt: addr =>
          this.#images.find(image => addr >= image.addr && addr < image.addr + BigInt(image.bytes.length)),
      },
      gates: { gateAt: addr => this.#gates.get(addr) },
      cpu: model,
      kernelToc: 0n,
      userLimit: BigInt(USER_LIMIT),
      fixupFor: pc => this.#fixups.get(pc),
    });
  }

  /** A function of the kernel; its address. */
  gate(name: string, call: KernelGate['call']): bigint {
    const addr = GATES + 64n * BigInt(this.#gates.size + 1);
    this.#gates.set(addr, { name, call });
    return addr;
  }

  /** Compiles functions and links them `distance` bytes apart. */
  place(setups: readonly FuncSetup[], distance = 0n): PlacedFunc[] {
    const layout = { textBase: GATES, userLimit: 0xfffn };
    const space = { layout, kernel: { structs: STRUCTS }, callBase: GATES, kernelToc: 0n } as unknown as KernelSpace;
    const env: TargetEnv = { cpu: this.#model, mode: 'own', space, userLimit: BigInt(USER_LIMIT), pcrel: false };
    const compilers = setups.map((setup, index) =>
      S390X.compiler(plainFunc(setup.insns, { ...setup, index, isFunc: setups.length > 1 }), env),
    );
    let images = compilers.map(compiler => compiler.emit(undefined, undefined));
    const room = images.map(image => image.bytes.length);
    const places = images.map(image => {
      const at = this.#next;
      this.#next += BigInt((image.bytes.length + 0x1ff) & ~0xff) + distance;
      return at;
    });
    const callees = (): Callee[] =>
      images.map((image, i) => ({
        bpfFunc: places[i],
        entry: places[i] + BigInt(image.entryOff),
        localEntry: places[i] + BigInt(image.localEntryOff),
      }));
    for (let round = 0; ; round++) {
      const known = callees();
      const next = compilers.map((compiler, i) => compiler.emit(places[i], known));
      const same = next.every((image, i) => Buffer.from(image.bytes).equals(images[i].bytes));
      images = next;
      if (same) break;
      if (round > 16) throw new Error('does not settle');
    }
    const longer = images.findIndex((image, i) => image.bytes.length > room[i]);
    if (longer >= 0) throw new Error(`function ${longer} became longer than its first pass`);
    const known = callees();
    return images.map((compiled, i) => {
      const at = places[i];
      this.#images.push({ addr: at, bytes: compiled.bytes });
      for (const { insnOff, fixupOff } of compiled.extable)
        this.#fixups.set(at + BigInt(insnOff), at + BigInt(fixupOff));
      return { ...known[i], compiled, at };
    });
  }

  /** Calls a function; the value, or the fault as text. */
  call(func: bigint, args: readonly bigint[]): bigint | string {
    const result = this.cpu.call(func, args, { insnBudget: 2_000_000 });
    return result.ok ? result.value : `${result.fault.kind}: ${result.fault.message}`;
  }
  u64(addr: number): bigint {
    return this.mem.view.getBigUint64(addr);
  }
  setU64(addr: number, value: bigint): void {
    this.mem.view.setBigUint64(addr, BigInt.asUintN(64, value));
  }
}
