import type { Insn } from '../../../src/isa/index.ts';
import { plainFunc } from '../../../src/jit/func-input.ts';
import type { Callee, CompiledFunc, FuncCompiler, FuncInput, JitTarget, TargetEnv } from '../../../src/jit/index.ts';
import { PPC64, PPC64LE } from '../../../src/jit/ppc64/index.ts';
import type { KernelSpace } from '../../../src/kernels/index.ts';
import { GATES, IMAGES, type TestMachine, TOC, testMachine } from './machine.ts';

/** A CPU, and with it an ABI, that own mode compiles for. */
export interface OwnConfig {
  readonly target: JitTarget;
  readonly cpu: string;
}

export const OWN_CONFIGS: readonly OwnConfig[] = [PPC64LE, PPC64].flatMap(target =>
  target.cpus.map(cpu => ({ target, cpu })),
);
export const configName = ({ target, cpu }: OwnConfig): string => `${target.name} ${cpu}`;

/** What a test says of a function; the rest is a plain function without stack. */
export type FuncSetup = Partial<Omit<FuncInput, 'insns' | 'index' | 'isFunc'>> & { readonly insns: readonly Insn[] };

/** Where maps, arrays and programs of these tests have what compiled code reads. */
export const STRUCTS = { arrayMaxEntries: 36, arrayPtrs: 288, arrayValue: 288, progBpfFunc: 48 } as const;

/** Addresses up to this are user space's. */
const USER_LIMIT = 0xffffn;

/** `imm` of a helper call of the kernel function at `addr`. */
export const helperImm = (addr: bigint): number => Number(addr - GATES);

/** The parts of a kernel's address space own mode asks for; text holds what the machine's gates are at. */
function spaceOf(userLimit: bigint): KernelSpace {
  const layout = { textBase: 0xc000000000000000n, userLimit: 0xc000000000000000n, linearMap: { start: 0n, end: 0n } };
  const kernel = { syntheticEndOffset: 0x4000000, structs: STRUCTS };
  return { layout: { ...layout, userLimit }, kernel, callBase: GATES, kernelToc: TOC } as unknown as KernelSpace;
}

/** A compiled program in a machine. */
export interface Placed {
  /** By function: what a pointer to it holds, and what the compiler said. */
  readonly funcs: readonly (Callee & { readonly compiled: CompiledFunc; readonly at: bigint })[];
}

/** An emulated CPU and own mode's compiler for it. */
export class OwnMachine {
  readonly config: OwnConfig;
  readonly machine: TestMachine;
  #next = IMAGES;

  constructor(config: OwnConfig) {
    this.config = config;
    this.machine = testMachine({
      abi: config.target.order === 'little' ? 'elfv2' : 'elfv1',
      cpu: config.cpu,
      userLimit: USER_LIMIT,
    });
  }

  /** Own mode's compiler of a function. */
  compiler(setup: FuncSetup, index = 0, isFunc = false): FuncCompiler {
    const { target, cpu } = this.config;
    // The data lie in low memory: probe loads compare with the limit itself.
    const env: TargetEnv = { cpu, mode: 'own', space: spaceOf(USER_LIMIT), userLimit: USER_LIMIT, pcrel: false };
    const input = plainFunc(setup.insns, { ...setup, index, isFunc });
    return target.compiler(input, env);
  }

  /** Compiles functions, links them `distance` bytes apart, and puts them where the CPU finds them. */
  place(setups: readonly FuncSetup[], distance = 0n): Placed {
    const compilers = setups.map((setup, index) => this.compiler(setup, index, setups.length > 1));
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
    return {
      funcs: images.map((compiled, i) => {
        this.machine.addRaw(compiled.bytes, places[i]);
        for (const { insnOff, fixupOff } of compiled.extable)
          this.machine.fixups.set(places[i] + BigInt(insnOff), places[i] + BigInt(fixupOff));
        return { ...known[i], compiled, at: places[i] };
      }),
    };
  }

  /** Calls a function; the value, or the fault as text. */
  call(funcPointer: bigint, args: readonly bigint[]): bigint | string {
    const result = this.machine.cpu.call(funcPointer, args, { insnBudget: 2_000_000 });
    return result.ok ? result.value : `${result.fault.kind}: ${result.fault.message}`;
  }

  u64(addr: number): bigint {
    return this.machine.mem.view.getBigUint64(addr, this.machine.mem.littleEndian);
  }
  setU64(addr: number, value: bigint): void {
    this.machine.mem.view.setBigUint64(addr, BigInt.asUintN(64, value), this.machine.mem.littleEndian);
  }
  u32(addr: number): number {
    return this.machine.mem.view.getUint32(addr, this.machine.mem.littleEndian);
  }
  setU32(addr: number, value: number): void {
    this.machine.mem.view.setUint32(addr, value, this.machine.mem.littleEndian);
  }
}
