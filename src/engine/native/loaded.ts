import { type Gate, helperImport, JitError, kfuncImport, type LinearProgram, RUN_STATE } from '../../jit/index.ts';
import { FarcallError, hi32, lo32 } from '../../util/index.ts';
import type { CodeCache } from '../code-cache.ts';
import { DEFAULT_INSN_BUDGET } from '../interp/index.ts';
import {
  type EngineProgram,
  type LoadedProgram,
  PROG_HANDLE,
  type ProgramRunner,
  type RunnerOptions,
  type RunOptions,
  type RunResult,
} from '../types.ts';
import { type CompileHow, prepareCode, shapesIn } from '../wasm/compile-program.ts';
import { Gates } from '../wasm/gates.ts';
import { WasmLoaded } from '../wasm/loaded.ts';
import { hostTarget } from './host.ts';
import type { NativeGate, PlacedCode } from './native-host.ts';
import type { NativeMachine } from './native-machine.ts';
import { NativeRunner } from './runner.ts';

/** What a program that nobody verified does: runs anyway, in WebAssembly with every access checked, or not at all. */
export type Unverified = 'refuse' | 'wasm' | 'dangerous';

/** How programs are compiled, natively and otherwise. */
export interface NativeHow extends CompileHow {
  readonly nativeCache: CodeCache<LinearProgram>;
}

/** A program's native code, at its place. */
export interface NativeCode {
  readonly program: LinearProgram;
  readonly placed: PlacedCode;
  readonly firstGate: number;
  readonly run: (ctx: number, r2: number) => number;
  readonly repeat: (ctx: number, count: number) => number;
  readonly packet: ((data: number, sizeBytes: number) => number) | undefined;
  readonly batch: ((list: number, count: number, verdicts: number) => void) | undefined;
}

/** A verdict of nobody's: what the dangerous door leads through. */
const taken = (program: EngineProgram): EngineProgram => ({
  ...program,
  proof: { ok: true, stats: { stackDepth: [] } } as unknown as EngineProgram['proof'],
});

/**
 * A program of one machine in native code, compiled when it first runs. What native code is not made of, runs as WebAssembly on the
 * same machine: programs whose accesses have to be checked, and runs that count instructions.
 */
export class NativeLoaded implements LoadedProgram {
  readonly program: EngineProgram;
  readonly wasm: WasmLoaded;
  readonly #machine: NativeMachine;
  readonly #how: NativeHow;
  readonly #unverified: Unverified;
  /** Through the dangerous door. */
  readonly #taken: boolean;
  #code: NativeCode | undefined;
  #tried = false;
  #ready = false;

  constructor(program: EngineProgram, machine: NativeMachine, how: NativeHow, unverified: Unverified) {
    const verified = program.proof?.ok === true;
    this.#taken = unverified === 'dangerous' && !verified;
    this.program = this.#taken ? taken(program) : program;
    this.#machine = machine;
    this.#how = how;
    this.#unverified = unverified;
    this.wasm = new WasmLoaded(this.program, machine.wasm, how);
    machine.wasm.fronts.set(this, this.wasm);
  }

  /** Its code; undefined where it runs as WebAssembly. Throws `run.native-unverified`. */
  code(): NativeCode | undefined {
    if (!this.wasm.verified && this.#unverified === 'refuse') {
      throw new FarcallError({
        code: 'run.native-unverified',
        message: `${this.program.name} was not verified, and native code checks nothing`,
        expected: 'a program the verifier accepts, or another engine',
        found: this.program.proof === undefined ? 'a program nobody verified' : 'a program the verifier refuses',
      });
    }
    if (!this.#tried) {
      this.#tried = true;
      this.#code = this.#make();
    }
    return this.#code;
  }

  #make(): NativeCode | undefined {
    const machine = this.#machine;
    const { wasm, native, host } = machine;
    const { mem } = host.env;
    if (!this.wasm.trusted || !mem.littleEndian || mem.shared) return undefined;
    const { insns, options } = prepareCode(this.program, host, this.#how.linkHelper, {
      counted: false,
      probeReads: false,
      funcBase: this.wasm.functions?.start ?? 0,
    });
    const target = hostTarget();
    let program: LinearProgram;
    try {
      const { gateAddr, entriesAddr, extended } = native;
      const tailCalls = options.tailCalls && { ...options.tailCalls, entry: PROG_HANDLE.nativeEntry };
      const own = { extended, tailCalls, verifiedSlots: this.#taken ? 0 : this.program.insns.length };
      const key = JSON.stringify({
        ...options,
        ...own,
        gateAddr: gateAddr.toString(),
        entriesAddr: entriesAddr.toString(),
      });
      program = this.#how.nativeCache.get(insns, key, () =>
        target.compile(insns, { ...options, ...shapesIn(host), ...own, gateAddr, entriesAddr }),
      );
    } catch (error) {
      if (error instanceof JitError) return undefined;
      throw error;
    }
    const imports = new Gates(wasm, this.wasm, { checked: false }).imports({
      bytes: new Uint8Array(),
      functionSlots: [],
      calls: program.calls,
    });
    const firstGate = machine.addGates(program.gates.map(gate => this.#gate(gate, imports)));
    const placed = native.place(target.numbered(program, firstGate), this);
    const at = (off: number): bigint => placed.address + BigInt(off);
    const how = { gates: program.gates.length > 0 };
    const { run, repeat, packet, batch } = program.entries;
    return {
      program,
      placed,
      firstGate,
      run: native.entry(machine, at(run), how),
      repeat: native.entry(machine, at(repeat), how),
      packet: packet === undefined ? undefined : native.entry(machine, at(packet), how),
      batch: batch === undefined ? undefined : native.entry(machine, at(batch), { ...how, third: true }),
    };
  }

  #gate(gate: Gate, imports: Record<string, (...args: number[]) => unknown>): NativeGate {
    const { state } = this.#machine.wasm;
    switch (gate.kind) {
      case 'helper':
      case 'kfunc': {
        const call = imports[gate.kind === 'helper' ? helperImport(gate.id) : kfuncImport(gate.btfId, gate.fdIdx)];
        return slot => {
          call(slot);
          return 0;
        };
      }
      case 'packet':
        return () => imports.packet(state.get(RUN_STATE.regs + 8), state.get(RUN_STATE.regs + 16)) as number;
      case 'fault':
        return slot => imports.fault(state.get(RUN_STATE.regs + 8), slot) as number;
      case 'tail':
        return slot => this.#tail(slot, imports);
    }
  }

  /** 0: the program goes on; 1: the target's code takes its place; 2: the target has run. */
  #tail(slot: number, imports: Record<string, (...args: number[]) => unknown>): number {
    const machine = this.#machine;
    const { state } = machine.wasm;
    const map = state.get(RUN_STATE.regs + 16) >>> 0;
    const target = machine.host.tailCallTarget(map, state.get(RUN_STATE.regs + 24) >>> 0);
    if (target === undefined) return 0;
    // Other engines may run programs of the same machine.
    const own = target instanceof NativeLoaded && target.#machine === machine ? target : undefined;
    const code = own?.code();
    state.put(RUN_STATE.tailCalls, state.get(RUN_STATE.tailCalls) + 1);
    if (own !== undefined && code !== undefined) {
      own.prepare();
      const { placed, program } = code;
      const { handle } = own.program;
      // From now on tail calls find the code by themselves.
      if (handle !== 0) machine.native.setEntry(placed, program.entries.main, machine.host.env.mem, handle);
      machine.native.setTailTarget(placed.address + BigInt(program.entries.main));
      return 1;
    }
    const index = imports.tail(slot) as number;
    // What is verified behind it finds targets in the memory alone.
    machine.wasm.publishAll(this.program.type);
    for (let n = 2; n <= 5; n++) state.put64(RUN_STATE.regs + 8 * n, 0, 0);
    machine.wasm.call(index);
    return 2;
  }

  /** Makes what the program may call reachable. */
  prepare(): void {
    if (this.#ready && !this.wasm.hasTailCalls) return;
    const { wasm } = this.#machine;
    const { functions } = this.wasm;
    const code = this.#code;
    if (functions !== undefined && code !== undefined) {
      this.wasm.publish();
      const { i32 } = wasm.host.env.mem;
      code.program.functionSlots.forEach((slot, i) => {
        const at = functions.start + 8 * slot;
        const index = at < functions.end ? i32[at >> 2] : 0;
        if (index > 0) this.#machine.functions.set(index, code.placed.address + BigInt(code.program.functionOffs[i]));
      });
    }
    this.#ready = true;
  }

  run(ctx: bigint, options: RunOptions = {}): RunResult {
    const counted = options.insnBudget !== undefined || options.countInsns === true;
    const code = this.code();
    if (counted || code === undefined) return this.wasm.run(ctx, options);
    const machine = this.#machine;
    const { wasm, native } = machine;
    const r2 = options.r2 ?? 0n;
    return wasm.during({ counted: false, probeReads: options.probeReads ?? false }, DEFAULT_INSN_BUDGET, () => {
      this.prepare();
      return this.wasm.outcome(DEFAULT_INSN_BUDGET, false, () => {
        if ((ctx | r2) >> 32n === 0n) {
          code.run(lo32(ctx), lo32(r2));
          return;
        }
        wasm.state.put(RUN_STATE.tailCalls, 0);
        const halves = new Int32Array(10);
        halves.set([lo32(ctx), hi32(ctx), lo32(r2), hi32(r2)]);
        const [lo, hi] = native.callFunction(machine, code.placed.address + BigInt(code.program.entries.main), halves);
        wasm.state.put64(RUN_STATE.regs, hi, lo);
      });
    });
  }

  open(options: RunnerOptions): ProgramRunner | undefined {
    const code = this.code();
    if (code === undefined || options.insnBudget !== undefined || options.countInsns === true) {
      return this.wasm.open(options);
    }
    const machine = this.#machine;
    const close = machine.wasm.begin({ counted: false, probeReads: options.probeReads ?? false });
    this.prepare();
    const { helpers, kfuncs } = code.program.calls;
    return new NativeRunner({
      machine: machine.wasm,
      loaded: this.wasm,
      code,
      ctxAddr: options.ctxAddr,
      packets: helpers.length + kfuncs.length === 0 && !this.wasm.hasTailCalls,
      close,
    });
  }

  free(): void {
    this.wasm.free();
    const machine = this.#machine;
    const { native, wasm, functions } = machine;
    wasm.fronts.delete(this);
    const code = this.#code;
    this.#code = undefined;
    if (code === undefined) return;
    const { address, sizeBytes } = code.placed;
    for (const [index, at] of functions) {
      if (at >= address && at < address + BigInt(sizeBytes)) functions.delete(index);
    }
    machine.dropGates(code.firstGate, code.program.gates.length);
    native.remove(code.placed);
  }
}
