import { EXIT, type Insn, isPseudoFunc, makeInsn, sameInsn } from '../../isa/index.ts';
import { ENTRY_ARGS, type EntryName, withEntries } from '../entry-functions.ts';
import { SMALL_ROWS } from '../opt/index.ts';
import { type FunctionStarts, findFunctions } from '../wasm/function-split.ts';
import type { LinearEmission } from './emission.ts';
import type { WrittenFunction } from './function.ts';
import { type UnitHow, writeFunctions } from './functions.ts';

/** As many are kept: those used last. */
const MOST_KEPT = 16;

/** All that the code of ways into a program depends on, where the program is not put into them. */
export interface EntryKind {
  readonly target: object;
  /** The function that makes contexts of packets, if anything does: the program's last. */
  readonly context: readonly Insn[] | undefined;
  readonly contextFrameBytes: number;
  readonly contextVerified: boolean;
  readonly tailCalls: boolean;
  readonly stateAddr: number;
  readonly extended: boolean;
  /** The program always returns a number of 32 bits. */
  readonly returnsZero: boolean;
}

/** What makes contexts, if anything does, and ways in. Callees are 0, the program, and 1, what makes contexts. */
type EntryCode = readonly WrittenFunction[];

/** Pure: what is kept is what would be made again. */
const KEPT: { readonly kind: EntryKind; readonly code: EntryCode }[] = [];

function sameKind(a: EntryKind, b: EntryKind): boolean {
  if (a.target !== b.target || a.stateAddr !== b.stateAddr || a.tailCalls !== b.tailCalls) return false;
  if (a.extended !== b.extended || a.returnsZero !== b.returnsZero) return false;
  if (a.contextFrameBytes !== b.contextFrameBytes || a.contextVerified !== b.contextVerified) return false;
  const [x, y] = [a.context, b.context];
  if (x === undefined || y === undefined) return x === y;
  return x.length === y.length && x.every((insn, n) => sameInsn(insn, y[n]));
}

/**
 * Whether ways into a program are compiled on their own: it is too large to be put into any of them, and what makes contexts and the
 * program know nothing of each other.
 */
export function entersFromApart(
  { insns, starts, functionAt, callSlots, lastNamed }: FunctionStarts,
  contextSlot?: number,
): boolean {
  if (starts[1] <= SMALL_ROWS) return false;
  if (contextSlot === undefined) return true;
  if (lastNamed >= contextSlot || starts[functionAt[contextSlot] + 1] !== insns.length) return false;
  if (callSlots.length > 0 && callSlots[callSlots.length - 1] >= contextSlot) return false;
  for (let slot = contextSlot; slot < insns.length; slot++) if (isPseudoFunc(insns[slot])) return false;
  return true;
}

function make<E extends LinearEmission>(
  names: readonly EntryName[],
  kind: EntryKind,
  firstSlot: number,
  how: UnitHow<E>,
): EntryCode {
  // The program is an instruction in here.
  const contextSlot = kind.context === undefined ? undefined : 1;
  const called = [makeInsn(EXIT, 0, 0, 0, 0), ...(kind.context ?? [])];
  const { tailCalls, stateAddr } = kind;
  const { insns, slots } = withEntries(called, names, { contextSlot, tailCalls, stateAddr });
  const named = contextSlot === undefined ? [] : [contextSlot];
  const { written } = writeFunctions(
    {
      program: findFunctions(insns, [...named, ...slots.values()]),
      frameOf: func => ({ sizeBytes: func === 1 && contextSlot !== undefined ? kind.contextFrameBytes : 0 }),
      named,
      entered: new Map([...slots].map(([name, slot]) => [slot, ENTRY_ARGS[name]])),
      mainElsewhere: { returnsZero: kind.returnsZero },
      addedSlots: firstSlot - 1,
    },
    how,
  );
  return written.slice(1) as WrittenFunction[];
}

/**
 * What makes contexts for a program that {@link entersFromApart}, if anything does, and ways into it: made once for all programs that
 * are entered alike.
 *
 * @param firstSlot of the program that what makes contexts begins at, or its end
 */
export function entryCode<E extends LinearEmission>(
  names: readonly EntryName[],
  kind: EntryKind,
  firstSlot: number,
  how: UnitHow<E>,
): EntryCode {
  const at = KEPT.findIndex(kept => sameKind(kept.kind, kind));
  if (at >= 0) {
    const found = KEPT[at];
    // The first is the one used last.
    if (at > 0) {
      KEPT.splice(at, 1);
      KEPT.unshift(found);
    }
    return found.code;
  }
  const code = make(names, kind, firstSlot, how);
  // The numbers of gates are the program's.
  if (code.some(({ gateOffs }) => gateOffs.length > 0)) return code;
  const kept = code.map(written => ({ ...written, bytes: written.bytes.slice() }));
  KEPT.unshift({ kind: { ...kind, context: kind.context?.slice() }, code: kept });
  if (KEPT.length > MOST_KEPT) KEPT.pop();
  return kept;
}
