import { CALL, type Insn } from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { InternalError } from '../../util/index.ts';
import { DESK } from '../desk.ts';
import { ENTRY_ARGS, type EnteredProgram, type EntryName, withEntries } from '../entry-functions.ts';
import type { OptPass } from '../opt/index.ts';
import type { Room } from '../room.ts';
import { JitError } from '../types.ts';
import { MAIN_STATE } from '../wasm/abi.ts';
import { type FunctionStarts, findFunctions } from '../wasm/function-split.ts';
import type { CallShape, TailCallLayout, WasmOptions } from '../wasm/index.ts';
import { type CallShapes, KNOWN, PROVEN_ROOMS } from '../wasm/proven.ts';
import { callsOf, framesFor } from '../wasm/translate.ts';
import type { Gate, LinearEmission, ProgramEmission } from './emission.ts';
import type { LinearEntries } from './entries.ts';
import type { WrittenFunction } from './function.ts';
import { type WrittenUnit, writeFunctions } from './functions.ts';
import { type EntryKind, entersFromApart, entryCode } from './kept-entries.ts';
import { placeCode } from './place.ts';
import type { LinearTarget } from './target.ts';

export interface LinearOptions {
  /** Slots at which functions begin that no instruction names. */
  readonly entries?: readonly number[];
  /** Where the function begins that makes contexts of packets, one of `entries`. */
  readonly contextSlot?: number;
  readonly funcBase?: number;
  readonly stackDepths?: readonly number[];
  readonly stackReach?: WasmOptions['stackReach'];
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
const NO_PASSES: ReadonlySet<OptPass> = new Set();
const NO_ENTRIES: ReadonlyMap<number, number> = new Map();
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

/** A program's functions and, behind them, its ways in, which call none but those. */
function enteredFunctions(
  { starts, functionAt, callSlots, lastNamed }: FunctionStarts,
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
  return { insns, starts: all, functionAt: at, callSlots: calls, lastNamed };
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

function emissionOf(options: LinearOptions, starts: ArrayLike<number>, gates: GateList): ProgramEmission {
  const { gateAddr, entriesAddr, tailCalls: layout } = options;
  const half = (address: bigint, shift: bigint): number => Number(BigInt.asIntN(32, address >> shift));
  return {
    gate: (gate: Gate) => gates.number(gate),
    gateHi: half(gateAddr, 32n),
    gateLo: half(gateAddr, 0n),
    stateAddr: options.stateAddr ?? MAIN_STATE,
    funcBase: options.funcBase ?? 0,
    starts,
    extended: options.extended ?? false,
    verifiedSlots: options.verifiedSlots ?? 0,
    tailCalls:
      layout === undefined || entriesAddr === undefined
        ? undefined
        : { layout, entriesHi: half(entriesAddr, 32n), entriesLo: half(entriesAddr, 0n) },
  };
}

function compileIn<E extends LinearEmission>(
  insns: readonly Insn[],
  options: LinearOptions,
  target: LinearTarget<E>,
  room: Room,
): LinearProgram {
  const named = options.entries ?? [];
  const { contextSlot } = options;
  const passes = options.without ?? NO_PASSES;
  const without = target.registers.extra === undefined ? new Set<OptPass>([...passes, 'unroll']) : passes;
  const own = findFunctions(insns, named, room);
  const ownCount = own.starts.length - 1;
  const context = contextSlot === undefined ? -1 : own.functionAt[contextSlot];
  if (contextSlot !== undefined && !(context > 0)) {
    throw new InternalError(`no function begins at slot ${contextSlot}`);
  }
  const { calls, tailCalls } = callsOf(own);
  const gates = new GateList();
  const emission = emissionOf(options, own.starts, gates);
  const shapes: CallShapes = {
    helperShape: id => options.helperShape?.(id) ?? ANY_SHAPE,
    kfuncShape: (id, idx) => options.kfuncShape?.(id, idx) ?? ANY_SHAPE,
  };
  const frameOf = framesFor(options, ownCount);
  const how = { shapes, emission, without, target, room };
  const { stateAddr, extended, verifiedSlots } = emission;
  let unit: WrittenUnit;
  let apart: readonly WrittenFunction[] = [];
  if (passes.size === 0 && entersFromApart(own, contextSlot)) {
    const contextAt = contextSlot ?? insns.length;
    unit = writeFunctions(
      {
        program: contextSlot === undefined ? own : { ...own, starts: own.starts.subarray(0, ownCount) },
        frameOf,
        named: named.filter(slot => slot !== contextSlot),
        entered: NO_ENTRIES,
      },
      how,
    );
    const kind: EntryKind = {
      target,
      context:
        contextSlot === undefined
          ? undefined
          : {
              insns: insns.slice(contextAt),
              frameBytes: frameOf(context).sizeBytes,
              verified: contextAt < verifiedSlots,
            },
      tailCalls,
      stateAddr,
      extended,
      returnsZero: unit.written[0]?.returnsZero ?? false,
    };
    apart = entryCode(ENTRIES, kind, contextAt, how);
  } else {
    const entered = withEntries(insns, ENTRIES, { contextSlot, tailCalls, stateAddr });
    unit = writeFunctions(
      {
        program: enteredFunctions(own, entered),
        frameOf,
        named,
        entered: new Map([...entered.slots].map(([name, slot]) => [slot, ENTRY_ARGS[name]])),
      },
      how,
    );
  }
  const { bytes, offs, gateOffs } = placeCode(unit, apart, target);
  if (bytes.length > target.mostBytes) throw new JitError(ERRNO.ENOMEM, 'the code is too long');
  const functionSlots: number[] = [];
  const functionOffs: number[] = [];
  for (let index = 0; index < ownCount; index++) {
    if (index < unit.pinned.length && unit.pinned[index] !== KNOWN) continue;
    functionSlots.push(own.starts[index]);
    functionOffs.push(offs[index]);
  }
  // Ways in are behind the program's own functions, in their order.
  const way = (n: number): number | undefined => (ownCount + n < offs.length ? offs[ownCount + n] : undefined);
  return {
    bytes,
    functionSlots,
    functionOffs,
    entries: { main: offs[0], run: offs[ownCount], repeat: offs[ownCount + 1], packet: way(2), batch: way(3) },
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
