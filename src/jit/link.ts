import type { ImageSlot } from '../kernels/index.ts';
import { InternalError } from '../util/index.ts';
import type { Steps } from './steps.ts';
import type { Callee, CompiledFunc, FuncCompiler, FuncInput } from './types.ts';

/** A function between its first and its last pass. */
export interface Part {
  readonly input: FuncInput;
  readonly compiler: FuncCompiler;
  readonly slot: ImageSlot;
  readonly first: CompiledFunc;
}

/** What the last pass made. */
export interface Linked {
  readonly images: readonly CompiledFunc[];
  /** The shared `aux->func` table. */
  readonly callees: readonly Callee[];
  /** Emissions of the whole program, the one that changed nothing included. */
  readonly rounds: number;
}

/** Most offsets are 0, and numbers of 64 bits are objects. */
export const offsetFrom = (addr: bigint, offBytes: number): bigint => (offBytes === 0 ? addr : addr + BigInt(offBytes));

const calleeOf = (addr: bigint, image: CompiledFunc): Callee => ({
  bpfFunc: addr,
  entry: offsetFrom(addr, image.entryOff),
  localEntry: offsetFrom(addr, image.localEntryOff),
});

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * The last pass: emits every function with its address and its callees' known, and again until a whole round leaves each
 * byte and each entry as it was. Within one compiler forms only grow, so rounds are bounded by the number of calls and
 * branches; running past that bound is a bug, never a hang. A function is what it was while no entry has changed since it
 * was emitted: same inputs, same bytes.
 *
 * @param fixed what comes behind the functions in the table and never moves
 */
export function link(steps: Steps, parts: readonly Part[], fixed: readonly Callee[] = []): Linked {
  // One table, filled before the pass: compilers hold on to it, so its elements are replaced, never the table.
  const callees: Callee[] = [...parts.map(part => calleeOf(part.slot.addr, part.first)), ...fixed];
  let images = parts.map(part => part.first);
  const slotCount = parts.reduce((sum, part) => sum + part.input.insns.length, 0);
  const limit = 16 + 4 * slotCount;
  // How many entries had changed when each was emitted.
  let changes = 0;
  const emittedAt = new Array<number>(parts.length).fill(-1);
  for (let rounds = 1; rounds <= limit; rounds++) {
    let changed = false;
    const next: CompiledFunc[] = [];
    for (let i = 0; i < parts.length; i++) {
      steps.enter('compile[', i, '] extra round ', rounds);
      if (emittedAt[i] === changes) {
        next.push(images[i]);
        continue;
      }
      emittedAt[i] = changes;
      const image = parts[i].compiler.emit(parts[i].slot.addr, callees);
      if (image.entryOff !== images[i].entryOff || image.localEntryOff !== images[i].localEntryOff) {
        callees[i] = calleeOf(parts[i].slot.addr, image);
        changed = true;
        changes++;
      }
      if (!sameBytes(image.bytes, images[i].bytes)) changed = true;
      next.push(image);
    }
    images = next;
    if (!changed) return { images, callees, rounds };
  }
  throw new InternalError(`${parts.length} functions did not settle in ${limit} rounds`);
}
