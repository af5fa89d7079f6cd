import { BPF_FLAGS, ERRNO } from '../../uapi/index.ts';
import { InternalError } from '../../util/index.ts';
import { DESK } from '../desk.ts';
import { unsetWords } from '../opt/index.ts';
import type { Room } from '../room.ts';
import { loopHeads } from '../rows/index.ts';
import {
  BARRIER,
  CALL_HELPER,
  CALL_KFUNC,
  JA,
  JCC_K,
  JCC_X,
  LEAVE,
  MAY_GOTO,
  NOP,
  PACKET,
  TAIL,
  TARGET,
  ZERO_FRAME,
} from '../rows/ir.ts';
import { JitError } from '../types.ts';
import { WASM_FAULTS } from '../wasm/abi.ts';
import type { CallShape } from '../wasm/index.ts';
import { lowOnly } from '../wasm/row-emission.ts';
import type { AnalyzedFunction } from '../wasm/row-function.ts';
import type { LinearEmission, ProgramEmission } from './emission.ts';
import { type FunctionFrame, planFunction } from './frame.ts';
import { CHOICE, onlyRow, PLAIN, planEnds } from './layout.ts';
import type { LinearTarget } from './target.ts';
import { unsetLocals } from './unset-locals.ts';
import { knownBefore } from './zero-extended.ts';

const LEFT_PROGRAM = WASM_FAULTS.indexOf('left-program');

/** A function's code, in `FunctionHow.room`, but for the distances of its calls. */
export interface WrittenFunction {
  readonly bytes: Uint8Array;
  readonly calls: LinearEmission['calls'];
  readonly gateOffs: readonly number[];
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

class FunctionWriter<E extends LinearEmission> {
  readonly #target: LinearTarget<E>;
  readonly #func: AnalyzedFunction;
  readonly #how: FunctionHow;
  readonly #frame: FunctionFrame;
  /** What is known in front of each row. */
  readonly #known: Int32Array;
  readonly #extended: number;
  readonly #unset: Uint8Array;
  /** How each block ends, and which begin loops. */
  readonly #ends: Uint8Array;
  readonly #heads: Uint8Array;
  #tooFar = false;
  returnsZero = true;

  constructor(func: AnalyzedFunction, halves: number, how: FunctionHow, target: LinearTarget<E>) {
    this.#target = target;
    this.#func = func;
    this.#how = how;
    const { rows, blocks, frame, frameBytes, inMemory, live } = func;
    this.#frame = planFunction(rows, blocks, frame.locals, frameBytes, inMemory, target.registers, how.room);
    this.#ends = planEnds(rows, blocks, how.room);
    this.#heads = loopHeads(blocks, how.room);
    this.#unset = unsetLocals(rows, blocks, this.#heads, frame.locals, how.room);
    // Arguments of which only the lower half is read are made numbers of 32 bits at the start.
    this.#extended = lowOnly(live[0]) & 0b111110 & halves;
    this.#known = knownBefore(rows, blocks, this.#extended | (halves & ~0xffff), how.returnsZero, how.room);
  }

  write(): WrittenFunction {
    // Short jumps are tried where there is hope, otherwise it is found out which are: code only shrinks from long ones.
    let e: E | undefined;
    if (this.#func.rows.n <= this.#target.shortRows) {
      e = this.#emit(true);
      this.#resolve(e);
    }
    if (e === undefined || this.#tooFar) {
      e = this.#emit(false);
      this.#target.shorten(e);
      this.#resolve(e);
      if (this.#tooFar) throw new InternalError('a jump is further than it was found to be');
    }
    return { bytes: e.c.finishIn(this.#how.room), calls: e.calls, gateOffs: e.gateOffs, returnsZero: this.returnsZero };
  }

  #resolve(e: E): void {
    const target = this.#target;
    this.#tooFar = false;
    e.c.resolve((code, kind, off, distance) => {
      if (!target.patch(code, kind, off, distance)) this.#tooFar = true;
    });
  }

  /** @param short with short jumps only; otherwise the code is as long as it may ever be */
  #emit(short: boolean): E {
    const { rows, blocks, slots } = this.#func;
    const { count, start, taken, next } = blocks;
    const { kind, flags } = rows;
    const known = this.#known;
    const target = this.#target;
    const c = DESK.buffer('little');
    c.reset(count);
    const e = target.emission({ c, rows, slots, program: this.#how.program, frame: this.#frame, short });
    const writers = target.rows;
    const hasDone = target.done !== undefined;
    this.#prologue(e);
    for (let at = 0; at < count; at++) {
      const joins = at === 0 || (flags[start[at]] & TARGET) !== 0;
      target.block(e, joins, this.#heads[at] !== 0);
      c.bind(at);
      const end = start[at + 1];
      for (let i = start[at]; i < end; i++) {
        e.known = known[i];
        if (i === end - 1 && this.#ends[at] !== PLAIN) this.#end(e, i, at);
        else {
          const write = writers[kind[i]];
          if (write !== undefined) write(e, i);
          else this.#row(e, i, taken[at], next[at], at);
        }
        if (hasDone) target.done?.(e, i);
      }
      const last = end - 1;
      const form = this.#ends[at];
      if (form !== PLAIN) {
        // The block behind is done.
        at++;
        c.bind(at);
        if (form === CHOICE && taken[at] >= 0 && taken[at] !== at + 1) target.jump(e, taken[at]);
        continue;
      }
      if (taken[at] < 0 && next[at] < 0 && kind[last] !== LEAVE) target.fault(e, LEFT_PROGRAM, slots[last]);
    }
    return e;
  }

  /** A conditional jump that takes the block behind it in. */
  #end(e: E, i: number, at: number): void {
    const { rows, blocks } = this.#func;
    if (this.#ends[at] === CHOICE) this.#target.choice(e, i, onlyRow(rows, blocks, at + 1));
    else this.#target.condition(e, i, blocks.taken[at + 1], true);
  }

  /** A row that has to do with the function around it. */
  #row(e: E, i: number, taken: number, next: number, at: number): void {
    const { rows } = e;
    const target = this.#target;
    const kind = rows.kind[i];
    switch (kind) {
      case NOP:
      case BARRIER:
        break;
      case JA:
        if (taken !== at + 1) target.jump(e, taken);
        break;
      case JCC_K:
      case JCC_X:
      case MAY_GOTO:
        // One that goes where it would go anyway; the budget counts all the same.
        if (taken !== next || kind === MAY_GOTO) target.condition(e, i, taken, false);
        break;
      case CALL_HELPER:
        target.outside(e, i, { kind: 'helper', id: rows.imm[i] }, this.#how.helperShape(rows.imm[i]));
        break;
      case CALL_KFUNC: {
        const [btfId, fdIdx] = [rows.imm[i], rows.aux[i]];
        target.outside(e, i, { kind: 'kfunc', btfId, fdIdx }, this.#how.kfuncShape(btfId, fdIdx));
        break;
      }
      case TAIL:
        this.returnsZero = false;
        target.tail(e, i);
        break;
      case PACKET:
        target.packet(e, i);
        break;
      case LEAVE:
        if (!e.isZero(0)) this.returnsZero = false;
        target.leave(e);
        break;
      case ZERO_FRAME:
        this.#zeroInner(e, i);
        break;
      default:
        throw new JitError(ERRNO.ENOTSUPP, `slot ${e.slots[i]}: nothing of this kind has a translation`);
    }
  }

  /** Nothing is in a local of the optimiser's. */
  #clearLocal(e: E, local: number): void {
    const home = this.#frame.locals[local];
    if (home.register >= 0 || home.offBytes >= 0) this.#target.clearLocal(e, home);
  }

  #prologue(e: E): void {
    const target = this.#target;
    const { inMemory, frameBytes, mayGotoOff } = this.#frame;
    target.enter(e);
    if (inMemory) this.#zeroFrame(e, 0, 0, frameBytes);
    this.#unset.forEach((unset, local) => {
      if (unset === 1) this.#clearLocal(e, local);
    });
    if (mayGotoOff >= 0) target.setBudget(e, mayGotoOff, BPF_FLAGS.BPF_MAX_LOOPS);
    for (let r = 1; r <= 5; r++) if ((this.#extended & (1 << r)) !== 0) target.extend(e, r);
  }

  /**
   * Frames begin as zeros: what a program does not set is the same in every run. What is set before it can be read needs none.
   *
   * @param row the row the function begins at
   * @param top bytes from the frame's end to the first that is not the function's any more; it has those from `bottom` on
   */
  #zeroFrame(e: E, row: number, bottom: number, top: number): void {
    const { rows, blocks, frame, frameBytes } = this.#func;
    const words = unsetWords(rows, blocks, frame.touched, frameBytes, row, bottom, top, this.#how.room);
    if (words.length === 0) return;
    this.#target.clearWords(
      e,
      words.map(at => at - frameBytes),
    );
  }

  /** The frame of a function that was put in here: it may have been through it before. */
  #zeroInner(e: E, i: number): void {
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
export function writeLinearFunction<E extends LinearEmission>(
  func: AnalyzedFunction,
  halves: number,
  how: FunctionHow,
  target: LinearTarget<E>,
): WrittenFunction {
  return new FunctionWriter(func, halves, how, target).write();
}
