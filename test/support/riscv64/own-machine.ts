import type { EmulatedCpu, KernelGate } from '../../../src/engine/index.ts';
import type { Insn } from '../../../src/isa/index.ts';
import { plainFunc } from '../../../src/jit/func-input.ts';
import type { Callee, CompiledFunc, FuncInput, TargetEnv } from '../../../src/jit/index.ts';
import { RISCV64 } from '../../../src/jit/riscv64/index.ts';
import type { KernelSpace } from '../../../src/kernels/index.ts';
import { LinearMemory } from '../../../src/mem/index.ts';
import { createRiscvCpu } from './cpu.ts';

const IMAGES = 0xffffffff79000000n;
const GATES = 0xffffffff80123400n;
/** Where the kernel would have its table of per-CPU offsets. */
const PER_CPU_TABLE = 0xffffffff81234ff8n;
const USER_LIMIT = 0xffffn;

/** What a test says of a function; the rest is a plain function without stack. */
export type FuncSetup = Partial<Omit<FuncInput, 'insns' | 'index' | 'isFunc'>> & { readonly insns: readonly Insn[] };

/** Where maps, arrays and programs of these tests have what compiled code reads. */
export const STRUCTS = { arrayMaxEntries: 36, arrayPtrs: 288, arrayValue: 288, progBpfFunc: 48 } as const;

/** `imm` of a helper call of the kernel function at `addr`. */
export const helperImm = (addr: bigint): number => Number(addr - GATES);

/** A compiled program in a machine. */
export interface Placed {
  /** By function: what a pointer to it holds, and what the compiler said. */
  readonly funcs: readonly (Callee & { readonly compiled: CompiledFunc; readonly at: bigint })[];
}

/** An emulated CPU and own mode's compiler for it, with 4 KiB of data. */
export class OwnMachine {
  readonly cpuName: string;
  readonly mem = new LinearMemory('little');
  /** Address of the data. */
  readonly data: number;
  readonly cpu: EmulatedCpu;
  readonly #images: { readonly addr: bigint; readonly bytes: Uint8Array }[] = [];
  readonly #gates = new Map<bigint, KernelGate>();
  readonly #fixups = new Map<bigint, bigint>();
  readonly #space: KernelSpace;
  #next = IMAGES;

  constructor(cpuName: string) {
    this.cpuName = cpuName;
    this.data = this.mem.alloc(4096, 16);
    this.mem.addRegion({ kind: 'mem', name: 'data', start: this.data, sizeBytes: 4096 });
    // The parts of a kernel's address space own mode asks for. Data lie in low memory: probe loads compare with the limit.
    this.#space = {
      layout: { userLimit: 0x7fffffffffffn, linearMap: { start: 0n, end: 0n } },
      kernel: { structs: STRUCTS },
      callBase: GATES,
      symbolAddr: () => PER_CPU_TABLE,
      imageAt: (at: bigint) => this.#images.find(({ addr, bytes }) => at >= addr && at < addr + BigInt(bytes.length)),
    } as unknown as KernelSpace;
    this.cpu = createRiscvCpu({
      mem: this.mem,
      code: this.#space,
      gates: { gateAt: at => this.#gates.get(at) },
      cpu: cpuName,
      kernelToc: 0n,
      userLimit: USER_LIMIT,
      fixupFor: pc => this.#fixups.get(pc),
    });
  }

  /** Address of a new kernel function. */
  gate(name: string, call: (cpu: EmulatedCpu, out: Int32Array) => void): bigint {
    const addr = GATES + 0x100n * BigInt(this.#gates.size);
    this.#gates.set(addr, { name, call });
    return addr;
  }

  /** Compiles functions, links them `distance` bytes apart, and puts them where the CPU finds them. */
  place(setups: readonly FuncSetup[], distance = 0n): Placed {
    const env: TargetEnv = { cpu: this.cpuName, mode: 'own', space: this.#space, userLimit: USER_LIMIT, pcrel: false };
    const compilers = setups.map((setup, index) =>
      RISCV64.compiler(plainFunc(setup.insns, { ...setup, index, isFunc: setups.length > 1 }), env),
    );
    let images = compilers.map(compiler => compiler.emit(undefined, undefined));
    const room = images.map(image => image.bytes.length);
    const places = images.map(image => {
      const at = this.#next;
      this.#next += BigInt((image.bytes.length + 0x1ff) & ~0xff) + distance;
      return at;
    });
    const calleesNow = (): Callee[] =>
      images.map((image, i) => ({
        bpfFunc: places[i],
        entry: places[i] + BigInt(image.entryOff),
        localEntry: places[i] + BigInt(image.localEntryOff),
      }));
    for (let round = 0; ; round++) {
      const known = calleesNow();
      const next = compilers.map((compiler, i) => compiler.emit(places[i], known));
      const same = next.every((image, i) => Buffer.from(image.bytes).equals(images[i].bytes));
      images = next;
      if (same) break;
      if (round > 16) throw new Error('does not settle');
    }
    const longer = images.findIndex((image, i) => image.bytes.length > room[i]);
    if (longer >= 0) throw new Error(`function ${longer} became longer than its first pass`);
    const known = calleesNow();
    return {
      funcs: images.map((compiled, i) => {
        this.#images.push({ addr: places[i], bytes: compiled.bytes });
        for (const { insnOff, fixupOff } of compiled.extable)
          this.#fixups.set(places[i] + BigInt(insnOff), places[i] + BigInt(fixupOff));
        return { ...known[i], compiled, at: places[i] };
      }),
    };
  }

  /** Calls a function; the value, or the fault as text. */
  call(funcPointer: bigint, args: readonly bigint[]): bigint | string {
    const result = this.cpu.call(funcPointer, args, { insnBudget: 2_000_000 });
    return result.ok ? result.value : `${result.fault.kind}: ${result.fault.message}`;
  }

  u64(addr: number): bigint {
    return this.mem.view.getBigUint64(addr, true);
  }
  setU64(addr: number, value: bigint): void {
    this.mem.view.setBigUint64(addr, BigInt.asUintN(64, value), true);
  }
  u32(addr: number): number {
    return this.mem.view.getUint32(addr, true);
  }
  setU32(addr: number, value: number): void {
    this.mem.view.setUint32(addr, value, true);
  }
}
