import { type HelperEnv, ProgramFault, ProgramThrow } from '../../helpers/index.ts';
import {
  classifyInsn,
  type Insn,
  type InsnDef,
  type InsnProblem,
  isInsnProblem,
  LD_IMM64,
  ProgramBuilder,
} from '../../isa/index.ts';
import type { Region } from '../../mem/index.ts';
import { FarcallError, hi32, lo32, u64Of } from '../../util/index.ts';
import type { Engine, EngineHost, EngineProgram, Fault, LoadedProgram, RunOptions, RunResult } from '../types.ts';
import { HANDLERS } from './handlers.ts';
import type { Exec, InterpProgram, Op } from './program.ts';
import { Vm } from './vm.ts';

/** Instructions a run may take unless told otherwise: some ten seconds' worth. */
export const DEFAULT_INSN_BUDGET = 1_000_000_000;

const badSlot: Exec = (_, op) => {
  throw new ProgramFault('bad-instruction', op.problem ?? 'no instruction');
};

function targetOf(idx: number, distance: number, count: number): number {
  const target = idx + 1 + distance;
  return target >= 0 && target < count ? target : count;
}

function makeOps(insns: readonly Insn[], functionBase: number): Op[] {
  const count = insns.length;
  const ops: Op[] = new Array(count + 1);
  let secondSlot = false;
  for (let idx = 0; idx < count; idx++) {
    const insn = insns[idx];
    const row: InsnDef | InsnProblem | undefined = secondSlot ? undefined : classifyInsn(insns, idx);
    const problem =
      row === undefined
        ? 'this is the second slot of a ld_imm64'
        : isInsnProblem(row)
          ? `${row.message}: expected ${row.expected}, found ${row.found}`
          : undefined;
    const def: InsnDef | undefined = row === undefined || isInsnProblem(row) ? undefined : row;
    secondSlot = def?.slots === 2;
    const isFunc = def?.name === 'lddw_func';
    ops[idx] = {
      exec: def === undefined ? badSlot : HANDLERS[def.id],
      idx,
      dst: 2 * Math.min(insn.dst, 10),
      src: 2 * Math.min(insn.src, 10),
      off: insn.off,
      imm: isFunc ? functionBase + 8 * targetOf(idx, insn.imm, count) : insn.imm,
      immHi: secondSlot && !isFunc ? insns[idx + 1].imm : 0,
      target: targetOf(idx, def?.off === 'jump' ? insn.off : insn.imm, count),
      region: undefined,
      problem,
    };
  }
  const outside = `control left the program, which has ${count} slots`;
  ops[count] = { ...blankOp, idx: count, exec: badSlot, problem: outside };
  return ops;
}

const blankOp = {
  dst: 0,
  src: 0,
  off: 0,
  imm: 0,
  immHi: 0,
  target: 0,
  region: undefined,
};

/** One Vm a machine. */
const vms = new WeakMap<EngineHost, Vm>();

function vmOf(host: EngineHost): Vm {
  let vm = vms.get(host);
  if (vm === undefined) {
    vm = new Vm(host);
    vms.set(host, vm);
  }
  return vm;
}

/** An instruction about to be executed. Valid during the call only. */
export interface InterpStep {
  readonly program: EngineProgram;
  readonly insnIdx: number;
  /** R0..R10: low halves at 2n, high halves at 2n + 1. */
  readonly regs: Int32Array;
  /** Open frames, 1 in main. */
  readonly depth: number;
}
export type OnStep = (step: InterpStep) => void;

/** The same operations, each telling somebody first. */
function traced(ops: readonly Op[], program: EngineProgram, onStep: OnStep): Op[] {
  return ops.map(op => ({
    ...op,
    exec: (vm, self) => {
      onStep({ program, insnIdx: op.idx, regs: vm.r, depth: vm.depth });
      op.exec(vm, self);
    },
  }));
}

class InterpLoaded implements LoadedProgram {
  readonly program: EngineProgram;
  readonly interp: InterpProgram;
  readonly #vm: Vm;

  constructor(program: EngineProgram, vm: Vm, onStep?: OnStep) {
    this.program = program;
    this.#vm = vm;
    const { mem } = vm.host.env;
    let functions: Region | undefined;
    if (program.insns.some(insn => insn.code === LD_IMM64 && insn.src === 4)) {
      const sizeBytes = 8 * (program.insns.length + 1);
      functions = mem.addRegion({
        kind: 'func',
        name: program.name,
        start: mem.alloc(sizeBytes),
        sizeBytes,
        readable: false,
        writable: false,
      });
    }
    const ops = makeOps(program.insns, functions?.start ?? 0);
    this.interp = { source: program, ops: onStep === undefined ? ops : traced(ops, program, onStep), functions };
    if (functions !== undefined) vm.functions.set(functions, this.interp);
    vm.loaded.set(this, this.interp);
  }

  run(ctx: bigint, options: RunOptions = {}): RunResult {
    const vm = this.#vm;
    if (vm.depth > 0)
      throw new FarcallError({ code: 'run.reentrant', message: 'a program of this machine is already running' });
    vm.insnCount = 0;
    vm.insnBudget = options.insnBudget ?? DEFAULT_INSN_BUDGET;
    vm.tailCalls = 0;
    vm.probeReads = options.probeReads ?? false;
    vm.probedReads = 0;
    vm.faultReg = undefined;
    vm.baseDepth = 0;
    vm.r.fill(0);
    setReg(vm, 1, ctx);
    setReg(vm, 2, options.r2 ?? 0n);
    const previous = vm.host.setCallFunc((addr, ...args) => callBack(vm, addr, args));
    try {
      vm.enter(this.interp, 0);
      try {
        execute(vm);
      } catch (error) {
        if (!(error instanceof ProgramThrow)) throw error;
        endInException(vm, error.cookie);
      }
      return { ok: true, r0: u64Of(vm.r[1], vm.r[0]), insnCount: vm.insnCount, probedReads: vm.probedReads };
    } catch (error) {
      if (!(error instanceof ProgramFault)) throw error;
      return { ok: false, fault: describeFault(vm, error), insnCount: vm.insnCount, probedReads: vm.probedReads };
    } finally {
      vm.unwind(0);
      vm.host.setCallFunc(previous);
    }
  }

  free(): void {
    const { functions } = this.interp;
    if (functions === undefined) return;
    const { mem } = this.#vm.host.env;
    const { start } = functions;
    this.#vm.functions.delete(functions);
    mem.removeRegion(functions);
    mem.free(start);
  }
}

function setReg(vm: Vm, reg: number, value: bigint): void {
  vm.r[2 * reg] = lo32(value);
  vm.r[2 * reg + 1] = hi32(value);
}

/** Runs until the frame at `vm.baseDepth + 1` exits. */
function execute(vm: Vm): void {
  vm.running = true;
  while (vm.running) {
    const op = vm.ops[vm.pc];
    if (vm.insnCount++ >= vm.insnBudget) {
      vm.at = vm.pc;
      throw new ProgramFault('step-budget', `the budget of ${vm.insnBudget} instructions is spent`);
    }
    vm.at = vm.pc++;
    op.exec(vm, op);
  }
}

/** Drops every frame and runs the exception callback of the program in the outermost one. */
function endInException(vm: Vm, cookie: bigint): void {
  const { program } = vm.frames[0];
  const callback = program.source.exceptionCallback;
  vm.unwind(0);
  vm.baseDepth = 0;
  if (callback === undefined) {
    setReg(vm, 0, cookie);
    return;
  }
  setReg(vm, 1, cookie);
  vm.enter(program, callback);
  execute(vm);
}

/** A helper calls a function of a program: a nested run on the same stack, after which the registers are as before. */
function callBack(vm: Vm, funcAddr: number, args: readonly (number | bigint)[]): ReturnType<HelperEnv['callFunc']> {
  const callee = vm.functionAt(funcAddr);
  if (callee === undefined) {
    throw new ProgramFault('bad-call', `callback 0x${funcAddr.toString(16)} is not a function`, BigInt(funcAddr));
  }
  const saved = vm.r.slice();
  const { program: caller, pc, at, baseDepth } = vm;
  vm.baseDepth = vm.depth;
  try {
    for (let i = 0; i < 5; i++) setReg(vm, i + 1, BigInt(args[i] ?? 0));
    vm.enter(callee.program, callee.slot);
    execute(vm);
    return vm.r[0];
  } finally {
    // A fault keeps its place for the report; the outer run unwinds the frames.
    if (vm.depth === vm.baseDepth) {
      vm.r.set(saved);
      vm.switchTo(caller, pc);
      vm.at = at;
      vm.running = true;
    }
    vm.baseDepth = baseDepth;
  }
}

function describeFault(vm: Vm, error: ProgramFault): Fault {
  const frames = [vm.at];
  for (let d = vm.depth - 2; d >= 0; d--) frames.push(Math.max(0, vm.frames[d].returnTo - 1));
  return {
    kind: error.kind,
    prog: vm.program.source.name,
    insnIdx: vm.at,
    message: error.message,
    addr: error.addr,
    sizeBytes: error.sizeBytes,
    reg: vm.faultReg,
    regs: Array.from({ length: 11 }, (_, i) => u64Of(vm.r[2 * i + 1], vm.r[2 * i])),
    frames,
  };
}

/**
 * The reference engine: one handler an instruction, every access checked. Any program, verified or not, ends in a
 * result or a fault.
 */
export const interpEngine: Engine = interpreter();

/** {@link interpEngine}, telling of every instruction before it is executed; slower. */
export const tracingInterpEngine = (onStep: OnStep): Engine => interpreter(onStep);

function interpreter(onStep?: OnStep): Engine {
  return {
    name: 'interp',
    load: (program, host) => new InterpLoaded(program, vmOf(host), onStep),
    callFunction: (host, funcAddr, args) => {
      // A program of that one call, so that the callback has a frame to return to.
      const builder = new ProgramBuilder();
      args.slice(0, 4).forEach((value, i) => {
        builder.imm64({ reg: i + 1 }, value);
      });
      const insns = builder.imm64({ reg: 9 }, BigInt(funcAddr)).emit('callx', { dst: 9 }).exit().build();
      const loaded = new InterpLoaded({ name: 'callback', type: 0, id: 0, handle: 0, insns }, vmOf(host));
      const result = loaded.run(0n);
      loaded.free();
      return result;
    },
  };
}
