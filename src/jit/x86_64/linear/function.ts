import { BPF_FLAGS, ERRNO } from '../../../uapi/index.ts';
import { CodeBuffer } from '../../code-buffer.ts';
import { unsetWords } from '../../opt/index.ts';
import type { Room } from '../../room.ts';
import {
  ALU_K,
  ALU_X,
  ATOMIC,
  BARRIER,
  BSWAP,
  CALL_HELPER,
  CALL_KFUNC,
  CALL_SUB,
  CAST_USER,
  CMPXCHG,
  CONST,
  FUNC,
  JA,
  JCC_K,
  JCC_X,
  LEAVE,
  LOAD,
  LOAD_ACQ,
  MASK,
  MAY_GOTO,
  MOV,
  NOP,
  PACKET,
  SEXT,
  STORE,
  STORE_K,
  STORE_REL,
  TAIL,
  ZERO_FRAME,
} from '../../rows/ir.ts';
import { JitError } from '../../types.ts';
import { RUN_STATE, WASM_FAULTS } from '../../wasm/abi.ts';
import type { CallShape } from '../../wasm/index.ts';
import { lowOnly } from '../../wasm/row-emission.ts';
import type { AnalyzedFunction } from '../../wasm/row-function.ts';
import { ADD, alu, aluImm, mov, movImm, pop, push, rm, SUB, W } from '../encode.ts';
import { RAX, RCX, RDI, RSP } from '../registers.ts';
import {
  emitConstant,
  emitFunctionAddress,
  emitMask,
  emitMove,
  emitOperation,
  emitSignExtension,
  emitSwap,
} from './alu-rows.ts';
import {
  addToSp,
  emitCondition,
  emitFault,
  emitFunctionCall,
  emitLeave,
  emitOutside,
  emitPacketLoad,
  emitTailCall,
  jump,
} from './control-rows.ts';
import { LinearEmission, LOAD_OP, type ProgramEmission } from './emission.ts';
import { type FunctionFrame, planFunction } from './frame.ts';
import { alignLoop, CHOICE, emitChoice, loopHeads, PLAIN as PLAIN_END, planEnds } from './layout.ts';
import { emitAtomic, emitLoad, emitStore } from './memory-rows.ts';
import { ADDRESS, FRAME_END, HOME, MEMORY, SCRATCH } from './registers.ts';
import { unsetLocals } from './unset-locals.ts';
import { knownBehind, zeroExtendedAt } from './zero-extended.ts';

/** As many words of a frame are zeroed one by one. */
const MOST_STORED_WORDS = 64;
/** movups [m], xmm0 and xorps xmm0, xmm0 */
const STORE_16 = 0x0f11;
const LEFT_PROGRAM = WASM_FAULTS.indexOf('left-program');

/** A function's code, but for the distances of its calls. */
export interface WrittenFunction {
  readonly bytes: Uint8Array;
  readonly calls: LinearEmission['calls'];
  /** It always returns a number of 32 bits. */
  readonly returnsZero: boolean;
}

/** What a function is written with beside its rows. */
export interface FunctionHow {
  readonly program: ProgramEmission;
  readonly helperShape: (id: number) => CallShape;
  readonly kfuncShape: (btfId: number, fdIdx: number) => CallShape;
  readonly returnsZero: (func: number) => boolean;
  readonly room: Room;
}

type EmitRow = (e: LinearEmission, i: number) => void;

/** What writes a row that knows nothing of the function around it, by its kind. */
const PLAIN: Readonly<Record<number, EmitRow>> = {
  [NOP]: () => {},
  [BARRIER]: () => {},
  [MOV]: emitMove,
  [CAST_USER]: emitMove,
  [CONST]: emitConstant,
  [FUNC]: emitFunctionAddress,
  [MASK]: emitMask,
  [SEXT]: emitSignExtension,
  [BSWAP]: emitSwap,
  [ALU_K]: emitOperation,
  [ALU_X]: emitOperation,
  [LOAD]: emitLoad,
  [LOAD_ACQ]: emitLoad,
  [STORE]: emitStore,
  [STORE_K]: emitStore,
  [STORE_REL]: emitStore,
  [ATOMIC]: emitAtomic,
  [CMPXCHG]: emitAtomic,
  [CALL_SUB]: emitFunctionCall,
};

class FunctionWriter {
  readonly #func: AnalyzedFunction;
  readonly #how: FunctionHow;
  readonly #frame: FunctionFrame;
  readonly #knownAt: Int32Array;
  readonly #extended: number;
  readonly #short: Uint8Array;
  readonly #unset: Uint8Array;
  /** How each block ends, and which begin loops. */
  readonly #ends: Uint8Array;
  readonly #heads: Uint8Array;
  returnsZero = true;

  constructor(func: AnalyzedFunction, halves: number, how: FunctionHow) {
    this.#func = func;
    this.#how = how;
    const { rows, blocks, frame, frameBytes, inMemory, live } = func;
    this.#frame = planFunction(rows, blocks, frame.locals, frameBytes, inMemory);
    this.#short = new Uint8Array(rows.n);
    this.#ends = planEnds(rows, blocks);
    this.#heads = loopHeads(blocks);
    this.#unset = unsetLocals(rows, blocks, frame.locals);
    // Arguments of which only the lower half is read are made numbers of 32 bits at the start.
    this.#extended = lowOnly(live[0]) & 0b111110 & halves;
    this.#knownAt = zeroExtendedAt(rows, blocks, this.#extended | (halves & ~0xffff), how.returnsZero, how.room);
  }

  write(): WrittenFunction {
    this.#emit(true);
    const { c, calls } = this.#emit(false);
    return { bytes: c.finish(), calls, returnsZero: this.returnsZero };
  }

  /** @param trial finds out which jumps are short: code only shrinks from it */
  #emit(trial: boolean): LinearEmission {
    const { rows, blocks, slots, frameBytes } = this.#func;
    const { count, start, taken, next } = blocks;
    const { kind } = rows;
    const c = new CodeBuffer('little', count, 6 * rows.n + 64);
    const e = new LinearEmission({
      c,
      rows,
      slots,
      program: this.#how.program,
      locals: this.#frame.locals,
      frameBytes,
      short: this.#short,
    });
    const jumps: { readonly row: number; readonly end: number; readonly to: number }[] = [];
    this.#prologue(e);
    for (let at = 0; at < count; at++) {
      if (this.#heads[at] !== 0) alignLoop(e, trial);
      c.bind(at);
      e.known = this.#knownAt[at];
      const end = start[at + 1];
      for (let i = start[at]; i < end; i++) {
        if (i === end - 1 && this.#ends[at] !== PLAIN_END) this.#end(e, i, at);
        else this.#row(e, i, taken[at], next[at], at);
        e.known = knownBehind(rows, i, e.known, this.#how.returnsZero);
      }
      const last = end - 1;
      const form = this.#ends[at];
      if (form === PLAIN_END && taken[at] >= 0) jumps.push({ row: last, end: c.length, to: taken[at] });
      if (form !== PLAIN_END) {
        // The block behind is done.
        at++;
        c.bind(at);
        if (form === CHOICE && taken[at] >= 0 && taken[at] !== at + 1) jump(e, last, taken[at]);
        if (taken[at] >= 0) jumps.push({ row: last, end: c.length, to: taken[at] });
        continue;
      }
      if (taken[at] < 0 && next[at] < 0 && kind[last] !== LEAVE) emitFault(e, LEFT_PROGRAM, slots[last]);
    }
    if (trial) {
      for (const { row, end, to } of jumps) {
        const distance = c.offsetOf(to) - end;
        if (distance >= -120 && distance <= 120) this.#short[row] = 1;
      }
    }
    c.resolve((code, size, off, distance) => {
      if (size === 4) code.patchU32(off, distance - 4);
      else code.patchU8(off, distance - 1);
    });
    return e;
  }

  /** A conditional jump that takes the block behind it in. */
  #end(e: LinearEmission, i: number, at: number): void {
    const { blocks } = this.#func;
    if (this.#ends[at] === CHOICE) emitChoice(e, i, blocks, at + 1);
    else emitCondition(e, i, blocks.taken[at + 1], this.#frame.mayGotoOff, true);
  }

  #row(e: LinearEmission, i: number, taken: number, next: number, at: number): void {
    const { rows } = e;
    const frame = this.#frame;
    const kind = rows.kind[i];
    const write = PLAIN[kind];
    if (write !== undefined) {
      write(e, i);
      return;
    }
    switch (kind) {
      case JA:
        if (taken !== at + 1) jump(e, i, taken);
        break;
      case JCC_K:
      case JCC_X:
      case MAY_GOTO:
        // One that goes where it would go anyway; the budget counts all the same.
        if (taken !== next || kind === MAY_GOTO) emitCondition(e, i, taken, frame.mayGotoOff);
        break;
      case CALL_HELPER:
        emitOutside(e, i, { kind: 'helper', id: rows.imm[i] }, this.#how.helperShape(rows.imm[i]));
        break;
      case CALL_KFUNC: {
        const [btfId, fdIdx] = [rows.imm[i], rows.aux[i]];
        emitOutside(e, i, { kind: 'kfunc', btfId, fdIdx }, this.#how.kfuncShape(btfId, fdIdx));
        break;
      }
      case TAIL:
        this.returnsZero = false;
        emitTailCall(e, i, frame);
        break;
      case PACKET:
        emitPacketLoad(e, i, frame);
        break;
      case LEAVE:
        if (!e.isZero(0)) this.returnsZero = false;
        emitLeave(e, frame);
        break;
      case ZERO_FRAME:
        this.#zeroInner(e, i);
        break;
      default:
        throw new JitError(ERRNO.ENOTSUPP, `slot ${e.slots[i]}: nothing of this kind has a translation`);
    }
  }

  /** Nothing is in a local of the optimiser's. */
  #clearLocal(e: LinearEmission, local: number): void {
    const { c } = e;
    const home = this.#frame.locals[local];
    if (home.register >= 0) movImm(c, home.register, 0, 0);
    else if (home.offBytes >= 0) {
      rm(c, W, 0xc7, 0, RSP, home.offBytes);
      c.u32(0);
    }
  }

  #prologue(e: LinearEmission): void {
    const { c, program } = e;
    const { saved, localBytes, inMemory, movesSp, frameBytes, mayGotoOff } = this.#frame;
    for (const register of saved) push(c, register);
    if (localBytes > 0) aluImm(c, W, SUB, RSP, localBytes);
    if (inMemory) {
      rm(c, 0, LOAD_OP, FRAME_END, MEMORY, program.stateAddr + RUN_STATE.sp);
      alu(c, W, ADD, FRAME_END, MEMORY);
      if (movesSp) addToSp(e, -frameBytes);
      this.#zeroFrame(e, 0, 0, frameBytes);
    }
    this.#unset.forEach((unset, local) => {
      if (unset === 1) this.#clearLocal(e, local);
    });
    if (mayGotoOff >= 0) {
      rm(c, 0, 0xc7, 0, RSP, mayGotoOff);
      c.u32(BPF_FLAGS.BPF_MAX_LOOPS);
    }
    for (let r = 1; r <= 5; r++) if ((this.#extended & (1 << r)) !== 0) mov(c, 0, HOME[r], HOME[r]);
  }

  /**
   * Frames begin as zeros: what a program does not set is the same in every run. What is set before it can be read needs none.
   *
   * @param row the row the function begins at
   * @param top bytes from the frame's end to the first that is not the function's any more; it has those from `bottom` on
   */
  #zeroFrame(e: LinearEmission, row: number, bottom: number, top: number): void {
    const { c } = e;
    const { rows, blocks, frame, frameBytes } = this.#func;
    const words = unsetWords(rows, blocks, frame.touched, frameBytes, row, bottom, top);
    if (words.length === 0) return;
    if (words.length > MOST_STORED_WORDS) {
      const first = words[0];
      const count = (words[words.length - 1] + 8 - first) / 8;
      // Where a function was put in, R0 may still be what it was before.
      push(c, RAX);
      mov(c, W, SCRATCH, RDI);
      mov(c, W, ADDRESS, RCX);
      rm(c, W, 0x8d, RDI, FRAME_END, first - frameBytes);
      movImm(c, RCX, 0, count);
      movImm(c, RAX, 0, 0);
      // rep stosq
      for (const byte of [0xf3, 0x48, 0xab]) c.u8(byte);
      mov(c, W, RDI, SCRATCH);
      mov(c, W, RCX, ADDRESS);
      pop(c, RAX);
      return;
    }
    let cleared = false;
    for (let k = 0; k < words.length; k++) {
      const at = words[k] - frameBytes;
      if (words[k + 1] === words[k] + 8) {
        // xorps xmm0, xmm0
        if (!cleared) for (const byte of [0x0f, 0x57, 0xc0]) c.u8(byte);
        cleared = true;
        rm(c, 0, STORE_16, 0, FRAME_END, at);
        k++;
      } else {
        rm(c, W, 0xc7, 0, FRAME_END, at);
        c.u32(0);
      }
    }
  }

  /** The frame of a function that was put in here: it may have been through it before. */
  #zeroInner(e: LinearEmission, i: number): void {
    const { rows, frame, frameBytes, firstPlace, inMemory } = this.#func;
    const top = frameBytes - rows.imm[i];
    const bottom = top - rows.aux[i];
    frame.places.forEach((off, k) => {
      const at = frameBytes + off;
      if (at < bottom || at >= top) return;
      this.#clearLocal(e, firstPlace + k);
    });
    if (inMemory) this.#zeroFrame(e, i, bottom, top);
  }
}

/** Writes a function. @param halves of its arguments it is passed */
export function writeLinearFunction(func: AnalyzedFunction, halves: number, how: FunctionHow): WrittenFunction {
  return new FunctionWriter(func, halves, how).write();
}
