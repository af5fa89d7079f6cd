import { EXIT, type Insn, isPseudoFunc, makeInsn, sameInsn } from '../../isa/index.ts';
import { ENTRY_ARGS, type EntryName, withEntries } from '../entry-functions.ts';
import { SMALL_ROWS } from '../opt/index.ts';
import { Recent } from '../recent.ts';
import { type FunctionStarts, findFunctions } from '../wasm/function-split.ts';
import type { LinearEmission } from './emission.ts';
import type { WrittenFunction } from './function.ts';
import { type UnitHow, writeFunctions } from './functions.ts';

/** The function that makes contexts of packets: a program's last, if it has one. */
export interface EntryContext {
  readonly insns: readonly Insn[];
  readonly frameBytes: number;
  readonly verified: boolean;
}

/** All that the code of ways into a program depends on, where the program is not put into them. */
export interface EntryKind {
  readonly target: object;
  readonly context: EntryContext | undefined;
  readonly tailCalls: boolean;
  readonly stateAddr: number;
  readonly extended: boolean;
  /** The program always returns a number of 32 bits. */
  readonly returnsZero: boolean;
}

/** What makes contexts, if anything does, and ways in. Callees are 0, the program, and 1, what makes contexts. */
type EntryCode = readonly WrittenFunction[];

function sameContext(a: EntryContext | undefined, b: EntryContext | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.frameBytes !== b.frameBytes || a.verified !== b.verified || a.insns.length !== b.insns.length) return false;
  return a.insns.every((insn, n) => sameInsn(insn, b.insns[n]));
}

function sameKind(a: EntryKind, b: EntryKind): boolean {
  if (a.target !== b.target || a.stateAddr !== b.stateAddr || a.tailCalls !== b.tailCalls) return false;
  return a.extended === b.extended && a.returnsZero === b.returnsZero && sameContext(a.context, b.context);
}

const KEPT = new Recent<EntryKind, EntryCode>(16, sameKind);

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
  const { context, tailCalls, stateAddr } = kind;
  const contextSlot = context === undefined ? undefined : 1;
  const called = [makeInsn(EXIT, 0, 0, 0, 0), ...(context?.insns ?? [])];
  const { insns, slots } = withEntries(called, names, { contextSlot, tailCalls, stateAddr });
  const named = contextSlot === undefined ? [] : [contextSlot];
  const { written } = writeFunctions(
    {
      program: findFunctions(insns, [...named, ...slots.values()]),
      frameOf: func => ({ sizeBytes: func === 1 ? (context?.frameBytes ?? 0) : 0 }),
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
  const found = KEPT.find(kind);
  if (found !== undefined) return found;
  const code = make(names, kind, firstSlot, how);
  // The numbers of gates are the program's.
  if (code.some(({ gateOffs }) => gateOffs.length > 0)) return code;
  return KEPT.keep(
    kind,
    code.map(written => ({ ...written, bytes: written.bytes.slice() })),
  );
}
