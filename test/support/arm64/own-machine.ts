import type { EmulatedCpu, KernelGate } from '../../../src/engine/index.ts';
import { CALL, type Insn, makeInsn } from '../../../src/isa/index.ts';
import { plainFunc } from '../../../src/jit/func-input.ts';
import { type Callee, type CompiledFunc, type FuncInput, findTarget, type TargetEnv } from '../../../src/jit/index.ts';
import type { KernelSpace } from '../../../src/kernels/index.ts';
import { LinearMemory } from '../../../src/mem/index.ts';
import { createArm64Cpu } from './cpu.ts';

const IMAGES = 0xffff800081000000n;
const GATES = 0xffff800080000000n;
const USER_LIMIT = 0xffffn;
/** Where data are in these tests, and where a layout says they are. */
const LOW_DATA = { userLimit: USER_LIMIT, linearMap: { start: 0n, end: 0n } };

/** Where arrays and programs of these tests have what compiled code reads. */
export const STRUCTS = { arrayMaxEntries: 36, arrayPtrs: 288, arrayValue: 288, progBpfFunc: 48 } as const;

/** What a test says of a function; the rest is a plain function without stack. */
export type FuncSetup = Partial<Omit<FuncInput, 'insns' | 'index' | 'isFunc'>> & { readonly insns: readonly Insn[] };

/** A call of the kernel function at `addr`. */
export const callOf = (addr: bigint): Insn => makeInsn(CALL, 0, 0, 0, Number(addr - GATES));

export interface Placed extends Callee {
  readonly compiled: CompiledFunc;
  readonly at: bigint;
}

/** The small CPU, 4 KiB of data, images and gates, and own mode's compiler for it. */
export class OwnArm64 {
  readonly mem = new LinearMemory('little');
  readonly data: number;
  readonly cpu: EmulatedCpu;
  readonly #name: string;
  readonly #images: { addr: bigint; bytes: Uint8Array }[] = [];
  readonly #gates = new Map<bigint, KernelGate>();
  readonly #fixups = new Map<bigint, bigint>();
  #next = IMAGES;

  constructor(cpu: string) {
    this.#name = cpu;
    this.data = this.mem.alloc(4096, 16);
    this.mem.addRegion({ kind: 'mem', name: 'data', start: this.data, sizeBytes: 4096 });
    this.cpu = createArm64Cpu({
      mem: this.mem,
      cpu,
      kernelToc: 0n,
      userLimit: USER_LIMIT,
      code: { imageAt: at => this.#images.find(({ addr, bytes }) => at >= addr && at < addr + BigInt(bytes.length)) },
      gates: { gateAt: at => this.#gates.get(at) },
      fixupFor: pc => this.#fixups.get(pc),
    });
  }

  gate(name: string, call: KernelGate['call']): bigint {
    const addr = GATES + 0x100n * BigInt(this.#gates.size);
    this.#gates.set(addr, { name, call });
    return addr;
  }

  /** Compiles functions, links them `distance` bytes apart, and puts them where the CPU finds them. */
  place(setups: readonly FuncSetup[], distance = 0n, layout = LOW_DATA): Placed[] {
    const space = {
      layout,
      kernel: { structs: STRUCTS },
      callBase: GATES,
    } as unknown as KernelSpace;
    // The data lie in low memory: probe loads compare with the limit itself.
    const env: TargetEnv = { cpu: this.#name, mode: 'own', space, userLimit: layout.userLimit, pcrel: false };
    const compilers = setups.map((setup, index) =>
      findTarget('arm64').compiler(plainFunc(setup.insns, { ...setup, index, isFunc: setups.length > 1 }), env),
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
        entry: places[i],
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
    return callees().map((callee, i) => {
      const compiled = images[i];
      this.#images.push({ addr: places[i], bytes: compiled.bytes });
      for (const { insnOff, fixupOff } of compiled.extable) {
        this.#fixups.set(places[i] + BigInt(insnOff), places[i] + BigInt(fixupOff));
      }
      return { ...callee, compiled, at: places[i] };
    });
  }

  /** Calls a function; the value, or the fault as text. */
  call(func: bigint, args: readonly bigint[]): bigint | string {
    const result = this.cpu.call(func, args, { insnBudget: 2_000_000 });
    return result.ok ? result.value : `${result.fault.kind}: ${result.fault.message}`;
  }

  u64(addr: number): bigint {
    return this.mem.view.getBigUint64(addr, true);
  }
  setU64(addr: number, value: bigint): void {
    this.mem.view.setBigUint64(addr, BigInt.asUintN(64, value), true);
  }
}
