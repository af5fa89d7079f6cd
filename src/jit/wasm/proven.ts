import { BPF_JMP, BPF_PSEUDO_FUNC, BPF_X, CALL, findInsnDef, type Insn, LD_IMM64 } from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import type { ReachedSlots } from '../../verifier/index.ts';
import { DESK } from '../desk.ts';
import {
  APART,
  calleesFirst,
  callSites,
  foldBounds,
  foldRows,
  frameReach,
  Inlining,
  type OptFunction,
  type OptPass,
  orderReaders,
  planFrame,
  removeDead,
  shareValues,
  unrollLoops,
} from '../opt/index.ts';
import type { Room } from '../room.ts';
import { BOTH, decodeUnfixed, findBlocks, LOW } from '../rows/index.ts';
import {
  ARGS_KNOWN,
  CALL_HELPER,
  CALL_KFUNC,
  CALL_SUB,
  FP,
  FUNC,
  HIGH,
  type Ir,
  JA,
  JCC_X,
  MAY_GOTO,
  NONE,
  NOP,
  TAIL,
} from '../rows/ir.ts';
import { JitError } from '../types.ts';
import type { EmissionOptions } from './emission.ts';
import type { FunctionStarts } from './function-split.ts';
import type { ModuleWriter } from './module-writer.ts';
import { I32, I64 } from './opcodes.ts';
import type { Signature } from './row-emission.ts';
import { type AnalyzedFunction, type ProgramParts, writeRowFunction } from './row-function.ts';

const TAIL_CALL_HELPER = 12;
const GOTOX = BPF_JMP | BPF_X;
const CALLX = CALL | BPF_X;
const ALL_ARGS = BOTH * 0b111110;
/** Of a function as code generators keep one, in memory, what an optimised one takes. */
export const PROVEN_ROOMS = 4;
const anyMask = (): boolean => true;
const NO_ADDRESSES: ReadonlyMap<number, number> = new Map();

/** Whoever has its address may call a function, with all five arguments; it is in the table. */
export const KNOWN = 1;
/** Outsiders call a function, with the arguments it is known to have. */
export const ENTERED = 2;

/** A program's functions, optimised, in a room. */
export interface ProvenProgram {
  /** By BPF function; undefined for those that are nowhere called any more. */
  readonly functions: readonly (AnalyzedFunction | undefined)[];
  /** By BPF function: halves of R1..R5 that are passed to it. */
  readonly halves: Int32Array;
  /** By BPF function: {@link KNOWN} where its address is known, {@link ENTERED} where it is entered from outside, `APART`, or 0. */
  readonly pinned: Uint8Array;
  /** All functions, callees before their callers where they do not call each other in a circle. */
  readonly order: readonly number[];
}

/** A function's frame: a multiple of 16 bytes, and what the verifier knows of it; see `VerifierStats.stackReach`. */
export interface Frame {
  readonly sizeBytes: number;
  readonly reached?: ReachedSlots | undefined;
}

/** How calls out of the program are made. */
export type CallShapes = Pick<EmissionOptions, 'helperShape' | 'kfuncShape'>;

/** What calls read, by what is known of who is called. */
function nameArguments({ kind, imm, aux, off, flags, d }: Ir, i: number, how: CallShapes): void {
  if (kind[i] === CALL_HELPER && imm[i] === TAIL_CALL_HELPER) {
    // R0 is what it was when there was nothing to go to.
    kind[i] = TAIL;
    d[i] = NONE;
    off[i] = BOTH * 0b1111;
  } else {
    const shape = kind[i] === CALL_HELPER ? how.helperShape(imm[i]) : how.kfuncShape(imm[i], aux[i]);
    off[i] = BOTH * ((2 << shape.args) - 2);
    if (!shape.returns) d[i] = NONE;
  }
  flags[i] |= ARGS_KNOWN;
}

/** Functions whose addresses the program takes, by slot. */
function functionAddresses(
  { functionAt }: FunctionStarts,
  own: readonly Insn[],
  start: number,
): ReadonlyMap<number, number> {
  let funcRefs: Map<number, number> | undefined;
  for (let i = 0; i < own.length; i++) {
    const { code } = own[i];
    if (code !== LD_IMM64 && code !== GOTOX && code !== CALLX) continue;
    const { src, imm } = own[i];
    if (code === LD_IMM64 && src === BPF_PSEUDO_FUNC) {
      funcRefs ??= new Map();
      funcRefs.set(i, functionAt[start + i + 1 + imm]);
    } else if (code !== LD_IMM64 || src !== 0) {
      const opcode = code.toString(16).padStart(2, '0');
      const name = findInsnDef(own[i])?.name ?? 'unknown';
      throw new JitError(ERRNO.ENOTSUPP, `eBPF filter opcode ${opcode} (@${start + i}) unsupported: ${name}`);
    }
    if (code === LD_IMM64) i++;
  }
  return funcRefs ?? NO_ADDRESSES;
}

function decodeFunction(
  program: FunctionStarts,
  index: number,
  how: CallShapes,
  { sizeBytes, reached }: Frame,
  room: Room,
): OptFunction {
  const { insns, starts, functionAt } = program;
  const start = starts[index];
  const end = starts[index + 1];
  const own = start === 0 && end === insns.length ? insns : insns.slice(start, end);
  const funcRefs = functionAddresses(program, own, start);
  const rows = decodeUnfixed({ insns: own, funcRefs, verifierZext: false }, 'little', anyMask, room);
  rows.narrowAddresses = true;
  const { n, kind, aux, imm } = rows;
  const slots = room.ints(n);
  for (let i = 0; i < n; i++) {
    slots[i] = start + i;
    const k = kind[i];
    if (k < JA || k > MAY_GOTO) continue;
    if (k <= JCC_X || k === MAY_GOTO) checkTarget(own, rows, start, i);
    else if (k === CALL_SUB) aux[i] = functionAt[start + i + 1 + imm[i]];
    else if (k === CALL_HELPER || k === CALL_KFUNC) nameArguments(rows, i, how);
  }
  const frameBytes = usesFrame(rows) ? sizeBytes : 0;
  return { rows, slots, frameBytes, locals: 0, reach: reached && frameReach(reached, frameBytes) };
}

/** Jumps go to instructions, and the last one does not leave the function by not jumping. */
function checkTarget(own: readonly Insn[], { kind, aux, n }: Ir, start: number, i: number): void {
  if (own[aux[i]].code === 0) {
    throw new JitError(ERRNO.EINVAL, `jump out of range from insn ${start + i} to ${start + aux[i]}`);
  }
  if (i === n - 1 && kind[i] !== JA) throw new JitError(ERRNO.EINVAL, `insn ${start + i}: control leaves the function`);
}

const usesFrame = ({ kind, a, b, n }: Ir): boolean => {
  for (let i = 0; i < n; i++) if (kind[i] !== NOP && (a[i] === FP || b[i] === FP)) return true;
  return false;
};

function analyze(whole: OptFunction, room: Room, without: ReadonlySet<OptPass>): AnalyzedFunction {
  let func = whole;
  let blocks = findBlocks(func.rows, room);
  foldRows(func.rows, blocks, room, without);
  let live = removeDead(func.rows, blocks, room);
  if (!without.has('values') && shareValues(func.rows, blocks, room)) {
    foldRows(func.rows, blocks, room, without);
    live = removeDead(func.rows, blocks, room);
  }
  if (!without.has('unroll')) func = unrollLoops(func, blocks, live, room);
  if (func !== whole) {
    blocks = findBlocks(func.rows, room);
    // What nobody reads any more is in nobody's way.
    removeDead(func.rows, blocks, room);
    foldRows(func.rows, blocks, room, without);
    live = removeDead(func.rows, blocks, room);
  }
  if (!without.has('branches')) foldBounds(func.rows, blocks, live);
  if (!without.has('order')) orderReaders(func.rows, func.slots, blocks, live);
  const { rows, slots } = func;
  const promote = !without.has('slots');
  const frame = planFrame(rows, blocks, live, func.frameBytes, func.locals, promote, func.reach, room);
  if (without.has('narrow')) {
    for (let at = 0; at < blocks.count; at++) live[at] |= (live[at] & 0xffff) << 16;
    for (let i = 0; i < rows.n; i++) if (rows.d[i] !== NONE) rows.flags[i] |= HIGH;
  }
  const { frameBytes, locals } = func;
  return { rows, slots, blocks, live, frameBytes, inMemory: frame.inMemory, frame, firstPlace: locals };
}

/** Functions reached from those that are pinned, put together by the way. */
function putTogether(
  functions: OptFunction[],
  sites: (readonly number[])[],
  inlining: Inlining | undefined,
  pinned: Uint8Array,
  room: Room,
): Uint8Array {
  const reached = room.bytes(pinned.length);
  reached.set(pinned);
  const left: number[] = [];
  for (let index = 0; index < pinned.length; index++) if (pinned[index] !== 0) left.push(index);
  for (let index = left.pop(); index !== undefined; index = left.pop()) {
    if (inlining !== undefined) ({ func: functions[index], sites: sites[index] } = inlining.merged(index, room));
    const { kind, aux, imm } = functions[index].rows;
    for (const i of sites[index]) {
      const to = kind[i] === CALL_SUB ? aux[i] : imm[i];
      if (reached[to] !== 0) continue;
      reached[to] = 1;
      left.push(to);
    }
  }
  return reached;
}

/**
 * Optimises a program that was verified.
 *
 * @param frameOf the frame of each BPF function
 * @param entries slots of functions that no instruction names
 * @param entered functions that outsiders call: the arguments of each by its slot, numbers of 32 bits
 * @param room where the functions live
 * @param mainApart the first function only stands for one that is elsewhere, and is none of those in the answer
 */
export function proveProgram(
  program: FunctionStarts,
  how: CallShapes,
  frameOf: (func: number) => Frame,
  entries: readonly number[],
  entered: ReadonlyMap<number, number>,
  without: ReadonlySet<OptPass>,
  room: Room,
  mainApart = false,
): ProvenProgram {
  const count = program.starts.length - 1;
  const pinned = room.bytes(count);
  pinned[0] = mainApart ? APART : KNOWN;
  for (const slot of entries) pinned[program.functionAt[slot]] = KNOWN;
  for (const slot of entered.keys()) pinned[program.functionAt[slot]] = ENTERED;
  const functions: OptFunction[] = [];
  for (let index = 0; index < count; index++) {
    functions.push(decodeFunction(program, index, how, frameOf(index), room));
  }
  const sites = functions.map(callSites);
  functions.forEach(({ rows: { kind, imm } }, index) => {
    for (const i of sites[index]) if (kind[i] === FUNC) pinned[imm[i]] = KNOWN;
  });
  const order = calleesFirst(functions, sites);
  const inlines = !without.has('inline') && count > 1;
  const inlining = inlines ? new Inlining(functions, order, pinned, sites) : undefined;
  const reached = putTogether(functions, sites, inlining, pinned, room);
  const place = room.ints(count);
  order.forEach((index, at) => {
    place[index] = at;
  });
  // Those that call each other in a circle, and those that are called by strangers, take everything.
  const halves = room.ints(count, -1);
  for (let index = 0; index < count; index++) {
    if (pinned[index] === KNOWN || pinned[index] === APART) halves[index] = ALL_ARGS;
    const { kind, aux } = functions[index].rows;
    for (const i of sites[index]) {
      if (kind[i] === CALL_SUB && place[aux[i]] >= place[index]) halves[aux[i]] = ALL_ARGS;
    }
  }
  for (const [slot, args] of entered) halves[program.functionAt[slot]] = LOW * ((2 << args) - 2);
  const analyzed: (AnalyzedFunction | undefined)[] = new Array(count).fill(undefined);
  for (const index of order) {
    if (reached[index] === 0 || pinned[index] === APART) continue;
    const func = functions[index];
    const { kind, aux, off, flags } = func.rows;
    for (const i of sites[index]) {
      if (kind[i] !== CALL_SUB) continue;
      off[i] = halves[aux[i]];
      flags[i] |= ARGS_KNOWN;
    }
    const done = analyze(func, room, without);
    analyzed[index] = done;
    if (halves[index] === -1) halves[index] = done.live[0] & ALL_ARGS;
  }
  return { functions: analyzed, halves, pinned, order };
}

/** Types of the parameters that stand for these halves: i64 where the high one is among them. */
function parameterTypes(halves: number, i64: number, i32: number): number[] {
  const types: number[] = [];
  for (let r = 1; r <= 5; r++) {
    if ((halves & ((BOTH ^ LOW) << r)) !== 0) types.push(i64);
    else if ((halves & (LOW << r)) !== 0) types.push(i32);
  }
  return types;
}

/** Functions of a module, as entries and the table need them. */
export interface WrittenFunctions {
  /** BPF functions in the table, in the order of their functions in the module, which are next to each other. */
  readonly inTable: readonly number[];
  /** Index of the function of the first of those. */
  readonly first: number;
  /** Functions that outsiders call, by slot: their functions in the module, of i32 only. */
  readonly entered?: ReadonlyMap<number, number>;
}

/** Optimises and writes all functions of a verified program. Those that strangers call have the type of the table. */
export function writeProven(
  module: ModuleWriter,
  program: FunctionStarts,
  parts: Omit<ProgramParts, 'signatures' | 'starts'>,
  frameOf: (func: number) => Frame,
  entries: readonly number[],
  entered: ReadonlyMap<number, number>,
  without: ReadonlySet<OptPass>,
): WrittenFunctions {
  const room = DESK.lend(PROVEN_ROOMS * program.insns.length);
  try {
    const proven = proveProgram(program, parts.how, frameOf, entries, entered, without, room);
    return writeFunctions(module, program, parts, proven, entered);
  } finally {
    DESK.giveBack(room);
  }
}

function writeFunctions(
  module: ModuleWriter,
  program: FunctionStarts,
  parts: Omit<ProgramParts, 'signatures' | 'starts'>,
  { functions, halves, pinned }: ProvenProgram,
  entered: ReadonlyMap<number, number>,
): WrittenFunctions {
  const signatures: (Signature | undefined)[] = functions.map(() => undefined);
  const inTable: number[] = [];
  const others: number[] = [];
  functions.forEach((func, index) => {
    if (func !== undefined) (pinned[index] === KNOWN ? inTable : others).push(index);
  });
  for (const index of [...inTable, ...others]) {
    const type =
      pinned[index] === KNOWN
        ? parts.imports.funcType
        : module.type(parameterTypes(halves[index], I64, I32), [pinned[index] === ENTERED ? I32 : I64]);
    signatures[index] = { halves: halves[index], func: module.func(type) };
  }
  const all: ProgramParts = { ...parts, signatures, starts: program.starts };
  for (const index of [...inTable, ...others]) {
    writeRowFunction(module, all, functions[index] as AnalyzedFunction, halves[index], pinned[index] === ENTERED);
    module.endBody();
  }
  const funcOf = (index: number): number => (signatures[index] as Signature).func;
  return {
    inTable,
    first: funcOf(inTable[0]),
    entered: new Map([...entered.keys()].map(slot => [slot, funcOf(program.functionAt[slot])])),
  };
}
