import { CALL, type Insn } from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { alignUp, InternalError } from '../../util/index.ts';
import { DESK } from '../desk.ts';
import { ENTRY_ARGS, type EnteredProgram, type EntryName, withEntries } from '../entry-functions.ts';
import type { OptPass } from '../opt/index.ts';
import type { Room } from '../room.ts';
import { JitError } from '../types.ts';
import { MAIN_STATE } from '../wasm/abi.ts';
import { type FunctionStarts, findFunctions } from '../wasm/function-split.ts';
import type { CallShape, TailCallLayout } from '../wasm/index.ts';
import { KNOWN, PROVEN_ROOMS, proveProgram } from '../wasm/proven.ts';
import type { AnalyzedFunction } from '../wasm/row-function.ts';
import { callsOf, frameBytesFor } from '../wasm/translate.ts';
import type { Gate, LinearEmission, ProgramEmission } from './emission.ts';
import type { LinearEntries } from './entries.ts';
import { type WrittenFunction, writeLinearFunction } from './function.ts';
import type { LinearTarget } from './target.ts';

export interface LinearOptions {
  /** Slots at which functions begin that no instruction names. */
  readonly entries?: readonly number[];
  /** Where the function begins that makes contexts of packets, one of `entries`. */
  readonly contextSlot?: number;
  readonly funcBase?: number;
  readonly stackDepths?: readonly number[];
  readonly stateAddr?: number;
  readonly without?: ReadonlySet<OptPass>;
  /** The CPU has BMI2; default not. */
  readonly extended?: boolean;
  /** Instructions in slots below this were verified: what they take for pointers are some. Default 0. */
  readonly verifiedSlots?: number;
  /** Address of the code that calls gates; see `NodeAddon`. */
  readonly gateAddr: bigint;
  /** Address of the `NATIVE_ENTRIES`, and where targets of tail calls are found; without both they are the gate's. */
  readonly entriesAddr?: bigint;
  readonly tailCalls?: TailCallLayout;
  helperShape?(id: number): CallShape;
  kfuncShape?(btfId: number, fdIdx: number): CallShape;
}

/** A verified program as code over the linear memory, at no address in particular. */
export interface LinearProgram {
  readonly bytes: Uint8Array;
  /** First slots of the functions that may be called from outside, and where they begin. */
  readonly functionSlots: readonly number[];
  readonly functionOffs: readonly number[];
  /** Where code enters that is called from outside; the registers are in `LinearEntries`. */
  readonly entries: LinearEntries;
  /** What it calls outside, by number, and where those numbers are in the code. */
  readonly gates: readonly Gate[];
  readonly gateOffs: readonly number[];
  readonly tailCalls: boolean;
  readonly calls: ReturnType<typeof callsOf>['calls'];
}

const ENTRIES: readonly EntryName[] = ['run', 'repeat', 'packet', 'batch'];
const ANY_SHAPE: CallShape = { args: 5, returns: true };

class GateList {
  readonly gates: Gate[] = [];
  readonly #numbers = new Map<string | number, number>();

  number(gate: Gate): number {
    const key = gate.kind === 'helper' ? gate.id : gate.kind === 'kfunc' ? `${gate.btfId} ${gate.fdIdx}` : gate.kind;
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.gates.push(gate) - 1;
      this.#numbers.set(key, number);
    }
    return number;
  }
}

function order(functions: readonly (AnalyzedFunction | undefined)[], pinned: Uint8Array): number[] {
  const indexes = [...functions.keys()].filter(index => functions[index] !== undefined);
  return [...indexes.filter(index => pinned[index] !== 0), ...indexes.filter(index => pinned[index] === 0)];
}

/** A program's functions and, behind them, its ways in, which call none but those. */
function enteredFunctions(
  { starts, functionAt, callSlots }: FunctionStarts,
  { insns, slots }: EnteredProgram,
): FunctionStarts {
  const ownCount = starts.length - 1;
  const all = new Int32Array(ownCount + slots.size + 1);
  all.set(starts);
  const at = new Int32Array(insns.length).fill(-1);
  at.set(functionAt);
  let count = ownCount;
  for (const slot of slots.values()) {
    at[slot] = count;
    all[count++] = slot;
  }
  all[count] = insns.length;
  const calls = [...callSlots];
  for (let slot = functionAt.length; slot < insns.length; slot++) if (insns[slot].code === CALL) calls.push(slot);
  return { insns, starts: all, functionAt: at, callSlots: calls };
}

/**
 * A program that was verified to code of a CPU. The linear memory's address is in one register in all of it; BPF functions are called
 * and return as `LinearTarget.registers` says.
 *
 * Throws JitError: ENOTSUPP for what has no translation, EINVAL for jumps out of a function.
 */
export function compileLinear<E extends LinearEmission>(
  insns: readonly Insn[],
  options: LinearOptions,
  target: LinearTarget<E>,
): LinearProgram {
  const room = DESK.lend(PROVEN_ROOMS * insns.length);
  try {
    return compileIn(insns, options, target, room);
  } finally {
    DESK.giveBack(room);
  }
}

function compileIn<E extends LinearEmission>(
  insns: readonly Insn[],
  options: LinearOptions,
  target: LinearTarget<E>,
  room: Room,
): LinearProgram {
  const named = options.entries ?? [];
  const { contextSlot } = options;
  const stateAddr = options.stateAddr ?? MAIN_STATE;
  const without = new Set(options.without ?? []);
  if (target.registers.extra === undefined) without.add('unroll');
  const own = findFunctions(insns, named);
  const ownCount = own.starts.length - 1;
  const { calls, tailCalls } = callsOf(own);
  const entered = withEntries(insns, ENTRIES, { contextSlot, tailCalls, stateAddr });
  const program = enteredFunctions(own, entered);
  const count = program.starts.length - 1;
  if (contextSlot !== undefined && !(program.functionAt[contextSlot] > 0)) {
    throw new InternalError(`no function begins at slot ${contextSlot}`);
  }
  const known = frameBytesFor(options.stackDepths, ownCount);
  const helperShape = (id: number): CallShape => options.helperShape?.(id) ?? ANY_SHAPE;
  const kfuncShape = (id: number, idx: number): CallShape => options.kfuncShape?.(id, idx) ?? ANY_SHAPE;
  const {
    functions,
    halves,
    pinned,
    order: calleesFirst,
  } = proveProgram(
    program,
    { helperShape, kfuncShape },
    func => (func < ownCount ? known(func) : 0),
    named,
    new Map([...entered.slots].map(([name, slot]) => [slot, ENTRY_ARGS[name]])),
    without,
    room,
  );
  const gates = new GateList();
  const half = (address: bigint, shift: bigint): number => Number(BigInt.asIntN(32, address >> shift));
  const { gateAddr, entriesAddr, tailCalls: layout } = options;
  const emission: ProgramEmission = {
    gate: (gate: Gate) => gates.number(gate),
    gateHi: half(gateAddr, 32n),
    gateLo: half(gateAddr, 0n),
    stateAddr,
    funcBase: options.funcBase ?? 0,
    starts: program.starts,
    extended: options.extended ?? false,
    verifiedSlots: options.verifiedSlots ?? 0,
    tailCalls:
      layout === undefined || entriesAddr === undefined
        ? undefined
        : { layout, entriesHi: half(entriesAddr, 32n), entriesLo: half(entriesAddr, 0n) },
  };
  const written: (WrittenFunction | undefined)[] = functions.map(() => undefined);
  const returnsZero = (func: number): boolean => written[func]?.returnsZero ?? false;
  for (const index of calleesFirst) {
    const func = functions[index];
    if (func === undefined) continue;
    const how = { program: emission, helperShape, kfuncShape, returnsZero, room };
    written[index] = writeLinearFunction(func, halves[index], how, target);
  }
  const indexes = order(functions, pinned);
  const offs = new Int32Array(count).fill(-1);
  let end = 0;
  for (const index of indexes) {
    offs[index] = end;
    end += alignUp((written[index] as WrittenFunction).bytes.length, target.alignBytes);
  }
  const bytes = new Uint8Array(end).fill(target.fill);
  for (const index of indexes) bytes.set((written[index] as WrittenFunction).bytes, offs[index]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const index of indexes) {
    for (const { offBytes, callee } of (written[index] as WrittenFunction).calls) {
      if (offs[callee] < 0) throw new InternalError(`a call of function ${callee}, which was left out`);
      const from = offs[index] + offBytes;
      target.patchCall(view, from, offs[callee] - from);
    }
  }
  const gateOffs = indexes.flatMap(index => (written[index] as WrittenFunction).gateOffs.map(off => offs[index] + off));
  if (bytes.length > target.mostBytes) throw new JitError(ERRNO.ENOMEM, 'the code is too long');
  const inTable = indexes.filter(index => pinned[index] === KNOWN);
  const entry = (name: EntryName): number | undefined => {
    const slot = entered.slots.get(name);
    return slot === undefined ? undefined : offs[program.functionAt[slot]];
  };
  return {
    bytes,
    functionSlots: inTable.map(index => program.starts[index]),
    functionOffs: inTable.map(index => offs[index]),
    entries: {
      main: offs[0],
      run: entry('run') ?? 0,
      repeat: entry('repeat') ?? 0,
      packet: entry('packet'),
      batch: entry('batch'),
    },
    gates: gates.gates,
    gateOffs,
    tailCalls,
    calls,
  };
}

/** A program's code with its gates numbered from `first` on. */
export function numberGates<E extends LinearEmission>(
  { bytes, gateOffs }: LinearProgram,
  first: number,
  target: LinearTarget<E>,
): Uint8Array<ArrayBuffer> {
  const code = new Uint8Array(bytes);
  const view = new DataView(code.buffer);
  for (const off of gateOffs) target.patchGate(view, off, first);
  return code;
}
