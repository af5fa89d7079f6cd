import type { OptPass } from '../opt/index.ts';
import type { Room } from '../room.ts';
import type { FunctionStarts } from '../wasm/function-split.ts';
import { type CallShapes, type Frame, type ProvenProgram, proveProgram } from '../wasm/proven.ts';
import type { LinearEmission, ProgramEmission } from './emission.ts';
import { type WrittenFunction, writeLinearFunction } from './function.ts';
import type { LinearTarget } from './target.ts';

/** Functions that are optimised and written together. */
export interface FunctionUnit {
  readonly program: FunctionStarts;
  /** Of each function. */
  readonly frameOf: (func: number) => Frame;
  /** Slots of functions that no instruction names. */
  readonly named: readonly number[];
  /** Functions that outsiders call: the arguments of each by its slot, numbers of 32 bits. */
  readonly entered: ReadonlyMap<number, number>;
  /** The first function is written elsewhere, and whether it always returns a number of 32 bits. */
  readonly mainElsewhere?: { readonly returnsZero: boolean };
  /** What is added to slots for those of the program. */
  readonly addedSlots?: number;
}

/** How all functions of a program are optimised and written. */
export interface UnitHow<E extends LinearEmission> {
  readonly shapes: CallShapes;
  readonly emission: ProgramEmission;
  readonly without: ReadonlySet<OptPass>;
  readonly target: LinearTarget<E>;
  /** Where the code lives. */
  readonly room: Room;
}

/** Functions of a unit by number; undefined for those that nothing calls any more, and those that are elsewhere. */
export interface WrittenUnit {
  readonly written: readonly (WrittenFunction | undefined)[];
  readonly pinned: ProvenProgram['pinned'];
}

/** Optimises and writes functions, callees before their callers where they do not call each other in a circle. */
export function writeFunctions<E extends LinearEmission>(unit: FunctionUnit, how: UnitHow<E>): WrittenUnit {
  const { program, mainElsewhere, addedSlots = 0 } = unit;
  const { shapes, emission, target, room } = how;
  const { functions, halves, pinned, order } = proveProgram(
    program,
    shapes,
    unit.frameOf,
    unit.named,
    unit.entered,
    how.without,
    room,
    mainElsewhere !== undefined,
  );
  const written: (WrittenFunction | undefined)[] = new Array(functions.length).fill(undefined);
  const returnsZero = (func: number): boolean =>
    func === 0 && mainElsewhere !== undefined ? mainElsewhere.returnsZero : (written[func]?.returnsZero ?? false);
  const { helperShape, kfuncShape } = shapes;
  const each = { program: emission, helperShape, kfuncShape, returnsZero, room };
  for (const index of order) {
    const func = functions[index];
    if (func === undefined) continue;
    if (addedSlots !== 0) for (let i = 0; i < func.slots.length; i++) func.slots[i] += addedSlots;
    written[index] = writeLinearFunction(func, halves[index], each, target);
  }
  return { written, pinned };
}
