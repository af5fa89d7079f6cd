import type { InsnDef, InsnKind } from '../../isa/index.ts';
import { BPF_FLAGS } from '../../uapi/index.ts';
import { RUN_STATE } from './abi.ts';
import { type Emission, type Emit, fault } from './emission.ts';
import { emitAlu, emitCast, emitEnd, emitImm64, emitMovsx, emitNeg } from './emit-alu.ts';
import { emitCall, emitCallx, emitCondition, emitExit, emitPacketLoad, emitUnsupported } from './emit-control.ts';
import { emitAtomic, emitLoad, emitStore } from './emit-memory.ts';
import type { FunctionGraph } from './function-graph.ts';
import * as w from './opcodes.ts';
import { FRAME, LABEL, LEVEL, MAY_GOTO, OLD, R10_LOCAL, WORD } from './registers.ts';
import { writeStructured } from './structure.ts';

/** Longer frames are zeroed by one instruction, which is a call of the engine's. */
const MOST_STORED_BYTES = 256;

/** Jumps: the structure writes them, a condition first. */
const nothing: Emit = () => {};

/** What writes an instruction that is no jump. */
export const EMIT: Readonly<Record<InsnKind, Emit>> = {
  alu: emitAlu,
  neg: emitNeg,
  movsx: emitMovsx,
  end: emitEnd,
  addr_space_cast: emitCast,
  ldx: emitLoad,
  ldxs: emitLoad,
  load_acq: emitLoad,
  st: emitStore,
  stx: emitStore,
  store_rel: emitStore,
  atomic: emitAtomic,
  ld_abs: emitPacketLoad,
  ld_ind: emitPacketLoad,
  // Map references were resolved to addresses before; one left here has none.
  ld_imm64: (e, insn, def, slot) =>
    (def.imm2 === 'hi' || def.imm === 'subprog' ? emitImm64 : emitUnsupported)(e, insn, def, slot),
  ja: nothing,
  jcond: nothing,
  may_goto: nothing,
  gotox: emitUnsupported,
  call: emitCall,
  callx: emitCallx,
  exit: emitExit,
};

/** What a function needs of its frame. */
export interface FrameFacts {
  readonly usesFrame: boolean;
  readonly usesMayGoto: boolean;
  readonly calls: boolean;
}

const CALLING: ReadonlySet<InsnKind> = new Set(['call', 'callx', 'ld_abs', 'ld_ind']);

export function frameFacts(
  defs: readonly (InsnDef | undefined)[],
  insns: Emission['program']['insns'],
  start: number,
  end: number,
): FrameFacts {
  let usesFrame = false;
  let usesMayGoto = false;
  let calls = false;
  for (let slot = start; slot < end; slot++) {
    const def = defs[slot];
    if (def === undefined) continue;
    const { dst, src } = insns[slot];
    if ((dst === 10 && typeof def.dst === 'string') || (src === 10 && typeof def.src === 'string')) usesFrame = true;
    if (def.kind === 'may_goto') usesMayGoto = true;
    if (CALLING.has(def.kind)) calls = true;
  }
  return { usesFrame, usesMayGoto, calls };
}

/** Takes a block's instructions off what is left, or ends the run. @param slot the block's first */
function burn(e: Emission, count: number, slot: number): void {
  const { code, state } = e;
  state.get64(RUN_STATE.fuel);
  code.i64(0, count);
  code.op(w.I64_SUB);
  code.tee(OLD);
  code.i64(0, 0);
  code.op(w.I64_LT_S);
  code.open(w.IF);
  // What is left says how far into the block the run would have come.
  fault(e, 'step-budget', slot);
  code.op(w.END);
  state.put64(RUN_STATE.fuel, () => code.get(OLD));
}

/** One call deeper; callers saw to the limit. */
function countLevel({ code, state }: Emission): void {
  state.get32(RUN_STATE.level);
  code.i32(1);
  code.op(w.I32_ADD);
  code.set(LEVEL);
  state.put32(RUN_STATE.level, () => code.get(LEVEL));
}

/** Frames begin as zeros: what a program does not set is the same in every run. */
function zeroFrame(e: Emission): void {
  const { code, frameBytes } = e;
  if (frameBytes > MOST_STORED_BYTES) {
    code.get(FRAME);
    code.i32(0);
    code.i32(frameBytes);
    code.memoryFill();
    return;
  }
  for (let at = 0; at < frameBytes; at += 8) {
    code.get(FRAME);
    code.i64(0, 0);
    code.access(w.I64_STORE, at);
  }
}

/** What comes before the first instruction. */
export function writePrologue(e: Emission, facts: FrameFacts): void {
  const { code, state, frameBytes } = e;
  if (e.how.unproven) countLevel(e);
  // A program may look at R10 without having a frame.
  if (facts.usesFrame || frameBytes > 0) {
    state.get32(RUN_STATE.sp);
    code.tee(WORD);
    code.op(w.I64_EXTEND_I32_U);
    code.set(R10_LOCAL);
  }
  if (frameBytes > 0) {
    code.get(WORD);
    code.i32(frameBytes);
    code.op(w.I32_SUB);
    code.set(FRAME);
    zeroFrame(e);
    if (e.movesSp) state.put32(RUN_STATE.sp, () => code.get(FRAME));
  }
  if (facts.usesMayGoto) {
    code.i32(BPF_FLAGS.BPF_MAX_LOOPS);
    code.set(MAY_GOTO);
  }
}

/** After these a program may go on elsewhere, in the middle of a block, or has counted in the meantime. */
const INTERRUPTS: ReadonlySet<InsnKind> = new Set(['call', 'callx', 'ld_abs', 'ld_ind']);

/** The body of one function. @param counted instructions are counted, block by block */
export function writeFunction(e: Emission, graph: FunctionGraph, facts: FrameFacts, counted: boolean): void {
  const { code, program } = e;
  const { insns, defs } = program;
  const { slots, first } = graph;
  /** Counts what runs together: up to the end of a block, or an instruction that interrupts it. Returns where that ends. */
  const burnUntilLeft = (start: number, end: number): number => {
    let count = 0;
    let slot = start;
    for (; slot < end; slot++) {
      const def = defs[slot];
      if (def !== undefined) count++;
      if (def !== undefined && INTERRUPTS.has(def.kind)) break;
    }
    burn(e, count, start);
    return slot + 1;
  };
  const lastOf = (node: number): number => slots[node + 1] - (defs[slots[node + 1] - 1] === undefined ? 2 : 1);
  writeStructured(
    graph,
    code,
    {
      node(node) {
        if (node === 0) {
          writePrologue(e, facts);
          return;
        }
        let burnt = slots[node];
        for (let slot = slots[node]; slot < slots[node + 1]; slot++) {
          if (counted && slot === burnt) burnt = burnUntilLeft(slot, slots[node + 1]);
          const def = defs[slot];
          if (def !== undefined) EMIT[def.kind](e, insns[slot], def, slot);
        }
        if (first[node] === first[node + 1] && defs[lastOf(node)]?.kind !== 'exit') {
          fault(e, 'left-program', lastOf(node));
        }
      },
      condition(node) {
        const slot = lastOf(node);
        emitCondition(e, insns[slot], defs[slot] as InsnDef);
      },
    },
    LABEL,
  );
  // Every way out was a return; the type of the body asks for a value here.
  code.op(w.UNREACHABLE);
}
