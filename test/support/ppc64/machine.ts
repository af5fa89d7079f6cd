import { createPpc64Cpu, type Ppc64Cpu, type Ppc64CpuOptions } from '../../../src/engine/emu-ppc64/index.ts';
import type { EmulatedCpu, KernelGate } from '../../../src/engine/emu-types.ts';
import { LinearMemory } from '../../../src/mem/index.ts';
import type { ByteOrder } from '../../../src/util/index.ts';

export const TOC = 0xc000000002000000n;
export const IMAGES = 0xc008000000010000n;
export const GATES = 0xc000000000123400n;

/** Code as rows of words; prefixed instructions are pairs. */
export type Code = readonly (number | readonly [number, number])[];

/** A machine of the tests: one CPU, images, gates and 4 KiB of data. */
export interface TestMachine {
  readonly cpu: Ppc64Cpu;
  readonly mem: LinearMemory;
  /** Address of the data. */
  readonly data: number;
  /** Puts code at the next free place, or at an address; returns what a function pointer to it holds. */
  add(code: Code, at?: bigint): bigint;
  /** As {@link add} without a descriptor: the address of the first instruction. */
  addRaw(bytes: Uint8Array, at?: bigint): bigint;
  remove(at: bigint): void;
  /** Address of a new kernel function. */
  gate(name: string, call: (cpu: EmulatedCpu, out: Int32Array) => void): bigint;
  /** Continuations of faulting instructions. */
  readonly fixups: Map<bigint, bigint>;
}

export function wordsToBytes(code: Code, order: ByteOrder): Uint8Array {
  const words = code.flat();
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => {
    view.setUint32(4 * i, word >>> 0, order === 'little');
  });
  return bytes;
}

export function testMachine(setup: Partial<Ppc64CpuOptions> = {}): TestMachine {
  const abi = setup.abi ?? 'elfv2';
  const order = setup.order ?? (abi === 'elfv2' ? 'little' : 'big');
  const mem = new LinearMemory(order);
  const images: { addr: bigint; bytes: Uint8Array }[] = [];
  const gates = new Map<bigint, KernelGate>();
  const fixups = new Map<bigint, bigint>();
  const data = mem.alloc(4096, 16);
  mem.addRegion({ kind: 'mem', name: 'data', start: data, sizeBytes: 4096 });
  const cpu = createPpc64Cpu({
    mem,
    order,
    abi,
    cpu: 'power8',
    kernelToc: TOC,
    userLimit: 0xffffn,
    code: { imageAt: at => images.find(({ addr, bytes }) => at >= addr && at < addr + BigInt(bytes.length)) },
    gates: { gateAt: at => gates.get(at) },
    fixupFor: pc => fixups.get(pc),
    ...setup,
  });
  let next = IMAGES;
  const addRaw = (bytes: Uint8Array, at = next): bigint => {
    images.push({ addr: at, bytes });
    const end = at + BigInt(bytes.length + 256);
    if (end > next) next = end & ~0xffn;
    return at;
  };
  return {
    cpu,
    mem,
    data,
    fixups,
    addRaw,
    add(code, at = next) {
      const words = wordsToBytes(code, order);
      if (abi === 'elfv2') return addRaw(words, at);
      const bytes = new Uint8Array(24 + words.length);
      const view = new DataView(bytes.buffer);
      view.setBigUint64(0, at + 24n, order === 'little');
      view.setBigUint64(8, TOC, order === 'little');
      bytes.set(words, 24);
      return addRaw(bytes, at);
    },
    remove(at) {
      images.splice(
        images.findIndex(image => image.addr === at),
        1,
      );
    },
    gate(name, call) {
      const addr = GATES + 0x100n * BigInt(gates.size);
      gates.set(addr, { name, call });
      return addr;
    },
  };
}
