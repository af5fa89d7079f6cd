import { checkHelperArgs, type HelperDef, ProgramFault } from '../../helpers/index.ts';
import type { Insn } from '../../isa/index.ts';
import { ACCESS_KINDS, helperImport, kfuncImport, RUN_STATE, WASM_FAULTS, type WasmProgram } from '../../jit/index.ts';
import { hi32, hiOfNumber, lo32, subHi } from '../../util/index.ts';
import { accessFault } from '../access-fault.ts';
import { shapeOf } from './call-shape.ts';
import type { WasmLoaded } from './loaded.ts';
import { tooDeep, type WasmMachine } from './shared-machine.ts';

/** A gate: a function outside of WebAssembly, at the slot that calls it. */
type Gate = (slot: number) => void;

/** Whether what a call is given and what code touches is checked when it happens. */
export interface GateOptions {
  readonly checked: boolean;
}

/**
 * The functions that code of one program calls in JavaScript. Arguments and results of helpers are in the run's state, so
 * no call makes a BigInt.
 */
export class Gates {
  readonly #machine: WasmMachine;
  readonly #loaded: WasmLoaded;
  readonly #insns: readonly Insn[];
  readonly #checked: boolean;

  constructor(machine: WasmMachine, loaded: WasmLoaded, { checked }: GateOptions) {
    this.#machine = machine;
    this.#loaded = loaded;
    this.#insns = loaded.program.insns;
    this.#checked = checked;
  }

  /** What a module is instantiated with, but for memory and table. */
  imports({ calls }: WasmProgram): Record<string, (...args: number[]) => unknown> {
    const { host } = this.#machine;
    const made: Record<string, (...args: number[]) => unknown> = {
      callx: slot => this.#at(slot, () => this.#callx(slot)),
      packet: (off, sizeBytes) => this.#packet(off, sizeBytes as 1 | 2 | 4),
      tail: slot => this.#at(slot, () => this.#tail()),
      access: (kind, low, high, sizeBytes, slot) => this.#access(kind, low, high, sizeBytes, slot),
      fault: (kind, slot) => this.#fault(kind, slot),
    };
    for (const id of calls.helpers) made[helperImport(id)] = this.#gate(host.helper(id), `no helper has number ${id}`);
    for (const [btfId, fdIdx] of calls.kfuncs) {
      const missing = `kernel function of BTF id ${btfId} is not there`;
      made[kfuncImport(btfId, fdIdx)] = this.#gate(host.kfunc(btfId, fdIdx), missing);
    }
    return made;
  }

  /** Notes where a fault came from that leaves `body`. */
  #at<T>(slot: number, body: () => T): T {
    try {
      return body();
    } catch (error) {
      this.#machine.faultAt ??= { loaded: this.#loaded, slot };
      throw error;
    }
  }

  #gate(def: HelperDef | undefined, missing: string): Gate {
    if (def === undefined) return slot => this.#at(slot, () => fail('bad-call', missing));
    const run = this.#runner(def);
    return slot => {
      try {
        run();
      } catch (error) {
        this.#machine.faultAt ??= { loaded: this.#loaded, slot };
        throw error;
      }
    };
  }

  /** Runs a helper on what the run's state holds. */
  #runner(def: HelperDef): () => void {
    const machine = this.#machine;
    const checked = this.#checked;
    const { state } = machine;
    const { env } = machine.host;
    const { regs } = env;
    const { args, returns } = shapeOf(def);
    return () => {
      state.takeArgs(args, regs);
      machine.openStack();
      if (checked) checkHelperArgs(env, def);
      const result = def.run(env, regs[2] >>> 0, regs[4] >>> 0, regs[6] >>> 0, regs[8] >>> 0, regs[10] >>> 0);
      if (checked) state.forgetRegions();
      if (!returns) return;
      if (typeof result === 'number') state.put64(RUN_STATE.regs, hiOfNumber(result), result);
      else state.put64(RUN_STATE.regs, hi32(result), lo32(result));
    };
  }

  /** The index of the function a register holds, or -1 when it named a helper, which has been called. */
  #callx(slot: number): number {
    const { state, host } = this.#machine;
    const high = state.get(RUN_STATE.regs + 4);
    const low = state.get(RUN_STATE.regs);
    const index = high === 0 ? this.#machine.functionAt(low >>> 0) : 0;
    if (index !== 0) return index;
    const { dst } = this.#insns[slot];
    this.#machine.faultReg = dst;
    if (high !== 0) fail('bad-call', `callx r${dst}: not a function`);
    const def = host.helper(low);
    if (def === undefined) fail('bad-call', `no helper has number ${low}`);
    this.#runner(def)();
    return -1;
  }

  #packet(off: number, sizeBytes: 1 | 2 | 4): number {
    const { state, host } = this.#machine;
    const value = host.packetLoad(off, sizeBytes);
    if (value === undefined) return 0;
    state.put64(RUN_STATE.regs, 0, value);
    return 1;
  }

  /** The index of a tail call's target in the table, 0 for none. */
  #tail(): number {
    const { state, host } = this.#machine;
    const map = state.get(RUN_STATE.regs + 16) >>> 0;
    if (host.env.mapAt(map) === undefined || state.get(RUN_STATE.regs + 20) !== 0) {
      fail('bad-argument', 'bpf_tail_call: r2 is not a map');
    }
    const target = host.tailCallTarget(map, state.get(RUN_STATE.regs + 24) >>> 0);
    if (target === undefined) return 0;
    const { programs, fronts } = this.#machine;
    const loaded = fronts.get(target) ?? [...programs].find(other => other === target);
    const index = loaded?.publish() ?? 0;
    if (index === 0) fail('bad-call', 'bpf_tail_call: the target runs on another engine');
    return index;
  }

  /** An access that did not fall where the last one did. */
  #access(kind: number, low: number, high: number, sizeBytes: number, slot: number): number {
    const machine = this.#machine;
    const { mem } = machine.host.env;
    const name = ACCESS_KINDS[kind];
    const write = name === 'write';
    if (high === 0 && low >= 0) {
      machine.openStack();
      const region = mem.accessible(low, sizeBytes, write ? 'write' : 'read');
      if (region !== undefined) {
        if (region.solid !== undefined) machine.state.rememberRegion(write, ...region.solid(low));
        else if (region.strideBytes === 0 && region.holds === undefined && region.kind !== 'stack') {
          machine.state.rememberRegion(write, region.start, region.end);
        }
        return low;
      }
      const absent = mem.substitute(low);
      if (absent !== 0) return absent;
    }
    if (name === 'probe' && (high !== 0 || low < 0 || mem.regionAt(low) === undefined)) {
      const { state } = machine;
      state.put(RUN_STATE.probedReads, state.get(RUN_STATE.probedReads) + 1);
      return this.#loaded.zeros;
    }
    const insn = this.#insns[slot];
    const reg = write ? insn.dst : insn.src;
    machine.faultReg = reg;
    machine.faultAt ??= { loaded: this.#loaded, slot };
    const { off } = insn;
    const baseLow = (low - off) | 0;
    const baseHigh = subHi(high, low, off >> 31, off);
    const access = write ? 'write' : 'read';
    throw accessFault(mem, { reg, baseHigh, baseLow, offBytes: off, sizeBytes, access });
  }

  #fault(kind: number, slot: number): never {
    const name = WASM_FAULTS[kind];
    const machine = this.#machine;
    machine.faultAt ??= { loaded: this.#loaded, slot };
    if (name === 'too-deep') throw tooDeep();
    if (name === 'step-budget') throw new ProgramFault('step-budget', 'the budget of instructions is spent');
    const { length } = this.#insns;
    machine.faultAt = { loaded: this.#loaded, slot: length };
    throw new ProgramFault('bad-instruction', `control left the program, which has ${length} slots`);
  }
}

function fail(kind: 'bad-call' | 'bad-argument', message: string): never {
  throw new ProgramFault(kind, message);
}
