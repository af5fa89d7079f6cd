import { type HelperEnv, ProgramFault } from '../../helpers/index.ts';
import type { JitedProgram } from '../../jit/index.ts';
import { createKernelSpace, type KernelImage, type KernelSpace, withStructs } from '../../kernels/index.ts';
import { MAP_HANDLE, PROG_ARRAY_PTRS } from '../../maps/index.ts';
import { NULL_GUARD_BYTES, type Region } from '../../mem/index.ts';
import { hi32, InternalError, lo32, u64Of } from '../../util/index.ts';
import type { EmuFault, EmulatedCpu, KernelGate } from '../emu-types.ts';
import { type EngineHost, PROG_HANDLE } from '../types.ts';
import type { JitEngineOptions } from './engine.ts';
import { helperGate, packetLoadGate, unknownGate } from './gates.ts';

const PACKET_LOADS: ReadonlyMap<string, 1 | 2 | 4> = new Map([
  ['bpf_skb_load_helper_8_no_cache', 1],
  ['bpf_skb_load_helper_16_no_cache', 2],
  ['bpf_skb_load_helper_32_no_cache', 4],
]);

/** Everything above the guard page may be the machine's: what probe loads of compiled code test against. */
export const USER_LIMIT = BigInt(NULL_GUARD_BYTES - 1);

/** A fault inside a callback, on its way through the helper that called it. */
export class NestedFault extends ProgramFault {
  readonly fault: EmuFault;

  constructor(fault: EmuFault) {
    super('bad-call', fault.message);
    this.fault = fault;
  }
}

/** The recorded kernel with the struct offsets of the machine's own handles in place of its own. */
export function machineKernel(kernel: KernelImage): KernelImage {
  return withStructs(kernel, {
    ...kernel.structs,
    arrayMaxEntries: MAP_HANDLE.maxEntries,
    arrayPtrs: PROG_ARRAY_PTRS,
    progBpfFunc: PROG_HANDLE.bpfFunc,
  });
}

/** What compiled programs of one machine share: the kernel's address space, its gates, and the CPU. */
export class JitedMachine {
  readonly host: EngineHost;
  readonly kernel: KernelImage;
  readonly space: KernelSpace;
  readonly cpu: EmulatedCpu;
  readonly #gates = new Map<bigint, KernelGate>();
  /** Compiled programs by the address of their images, for faults and exception tables. */
  readonly programs = new Set<JitedProgram>();
  /** Functions whose address a program may take: place in the linear memory ↔ `bpf_func`. */
  readonly #funcByHandle = new Map<number, bigint>();
  readonly #handleByFunc = new Map<bigint, number>();
  readonly #funcRegions = new Map<JitedProgram, Region>();
  running = false;

  constructor(host: EngineHost, options: JitEngineOptions) {
    this.host = host;
    this.kernel = machineKernel(options.kernel);
    this.space = createKernelSpace(options.layout, this.kernel);
    this.cpu = options.makeCpu(
      {
        mem: host.env.mem,
        code: this.space,
        gates: { gateAt: addr => this.#gates.get(addr) },
        cpu: options.cpu,
        kernelToc: this.space.kernelToc,
        userLimit: USER_LIMIT,
        fixupFor: pc => this.#fixupFor(pc),
      },
      this.space,
    );
  }

  /** Puts a program's helpers at their addresses and its functions where helpers can call them. */
  add(program: JitedProgram): void {
    this.programs.add(program);
    const { xlated } = program;
    const { callBase } = this.space;
    const at = (offset: number): bigint => BigInt.asUintN(64, callBase + BigInt(offset));
    for (const [offset, id] of xlated.helpers) {
      const def = this.host.helper(id);
      this.#gates.set(at(offset), def === undefined ? unknownGate(`helper ${id}`) : helperGate(this, def));
    }
    for (const [offset, name] of xlated.internalCalls) {
      const size = PACKET_LOADS.get(name);
      this.#gates.set(at(offset), size === undefined ? unknownGate(name) : packetLoadGate(this, name, size));
    }
    for (const { imm, off, name } of xlated.kfuncs) {
      const def = this.host.kfunc(imm, off);
      const gate = def === undefined ? unknownGate(name) : helperGate(this, def);
      this.#gates.set(this.space.symbolAddr(name), gate);
    }
    const { mem } = this.host.env;
    const sizeBytes = 8 * program.funcs.length;
    const start = mem.alloc(sizeBytes);
    const name = xlated.name;
    const region = mem.addRegion({ kind: 'func', name, start, sizeBytes, readable: false, writable: false });
    this.#funcRegions.set(program, region);
    program.funcs.forEach((func, index) => {
      this.#funcByHandle.set(start + 8 * index, func.bpfFunc);
      this.#handleByFunc.set(func.bpfFunc, start + 8 * index);
    });
  }

  remove(program: JitedProgram): void {
    const region = this.#funcRegions.get(program);
    if (region === undefined) throw new InternalError(`program ${program.xlated.name} is not loaded`);
    const { mem } = this.host.env;
    const { start } = region;
    program.funcs.forEach((func, index) => {
      this.#funcByHandle.delete(start + 8 * index);
      this.#handleByFunc.delete(func.bpfFunc);
    });
    mem.removeRegion(region);
    mem.free(start);
    this.#funcRegions.delete(program);
    this.programs.delete(program);
    program.free();
  }

  /** Where helpers know the function at a kernel address; 0 for an address that is no function's. */
  funcHandle(high: number, low: number): number {
    return this.#handleByFunc.get(u64Of(high, low)) ?? 0;
  }

  /** What a helper's callback runs; see {@link HelperEnv.callFunc}. */
  readonly callFunc: HelperEnv['callFunc'] = (handle, ...args) => {
    const func = this.#funcByHandle.get(handle);
    if (func === undefined) {
      throw new ProgramFault('bad-call', `callback 0x${handle.toString(16)} is not a function`, BigInt(handle));
    }
    const { regs } = this.host.env;
    const saved = regs.slice();
    const result = this.cpu.call(
      func,
      args.map(arg => BigInt.asUintN(64, BigInt(arg))),
    );
    regs.set(saved);
    if (!result.ok) throw new NestedFault(result.fault);
    return lo32(result.value);
  };

  /** The address a handle given to a helper stands for. */
  funcAt(handle: number): bigint | undefined {
    return this.#funcByHandle.get(handle);
  }

  /** Lets tail calls reach a program; 0 closes it. */
  publish(handle: number, bpfFunc: bigint): void {
    if (handle === 0) return;
    const { mem } = this.host.env;
    const at = handle + PROG_HANDLE.bpfFunc;
    mem.view.setInt32(at + (mem.littleEndian ? 0 : 4), lo32(bpfFunc), mem.littleEndian);
    mem.view.setInt32(at + (mem.littleEndian ? 4 : 0), hi32(bpfFunc), mem.littleEndian);
  }

  /** The function whose image holds an address. */
  funcOfPc(pc: bigint): { program: JitedProgram; func: JitedProgram['funcs'][number]; off: number } | undefined {
    for (const program of this.programs) {
      for (const func of program.funcs) {
        if (pc >= func.addr && pc < func.addr + BigInt(func.bytes.length)) {
          return { program, func, off: Number(pc - func.addr) };
        }
      }
    }
    return undefined;
  }

  #fixupFor(pc: bigint): bigint | undefined {
    const place = this.funcOfPc(pc);
    const entry = place?.func.extable.find(candidate => candidate.insnOff === place.off);
    return place === undefined || entry === undefined ? undefined : place.func.addr + BigInt(entry.fixupOff);
  }

  /** `bpf_throw`: unwinds to the boundary of the program that runs and enters its exception callback. */
  throwException(cpu: EmulatedCpu, cookie: bigint): never {
    for (const { pc, sp } of cpu.frames()) {
      const place = this.funcOfPc(pc);
      if (place === undefined || place.func.index !== 0) continue;
      const { funcs, xlated } = place.program;
      const callback = funcs[xlated.subprogs.findIndex(subprog => subprog.isExceptionCallback)];
      if (callback === undefined) break;
      cpu.resumeAt({ func: callback.bpfFunc, args: [cookie, sp, 0n], sp, frameSp: sp });
    }
    throw new ProgramFault('bad-call', 'bpf_throw outside a program that may throw');
  }
}
