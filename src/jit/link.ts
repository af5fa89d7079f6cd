import type { ImageSlot } from '../kernels/index.ts';
import { InternalError } from '../util/index.ts';
import type { Steps } from './steps.ts';
import type { Callee, CompiledFunc, FuncCompiler, FuncInput } from './types.ts';

/** A function from its first pass on. */
export class Part {
  readonly input: FuncInput;
  readonly compiler: FuncCompiler;
  readonly slot: ImageSlot;
  /** As it was emitted last. */
  image: CompiledFunc;
  /** How many entries had changed when it was; -1 before the last pass. */
  emittedAt = -1;

  /** @param first of the first pass, which reserved `slot` */
  constructor(input: FuncInput, compiler: FuncCompiler, slot: ImageSlot, first: CompiledFunc) {
    this.input = input;
    this.compiler = compiler;
    this.slot = slot;
    this.image = first;
  }
}

/** What the last pass made, besides the images. */
export interface Linked {
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
 * was emitted: same inputs, same bytes. One that asks for no address is settled before.
 *
 * Images are in `parts` then.
 *
 * @param fixed what comes behind the functions in the table and never moves
 */
export function link(steps: Steps, parts: readonly Part[], fixed: readonly Callee[] = []): Linked {
  const count = parts.length;
  // One table, filled before the pass: compilers hold on to it, so its elements are replaced, never the table.
  const callees = new Array<Callee>(count + fixed.length);
  let limit = 16;
  for (let i = 0; i < count; i++) {
    const { slot, image, input } = parts[i];
    callees[i] = calleeOf(slot.addr, image);
    limit += 4 * input.insns.length;
  }
  for (let i = 0; i < fixed.length; i++) callees[count + i] = fixed[i];
  let changes = 0;
  for (let rounds = 1; rounds <= limit; rounds++) {
    let changed = false;
    for (let i = 0; i < count; i++) {
      steps.enter('compile[', i, '] extra round ', rounds);
      const part = parts[i];
      const before = part.image;
      if (part.emittedAt === changes || before.settled === true) continue;
      part.emittedAt = changes;
      const image = part.compiler.emit(part.slot.addr, callees);
      part.image = image;
      if (image.entryOff !== before.entryOff || image.localEntryOff !== before.localEntryOff) {
        callees[i] = calleeOf(part.slot.addr, image);
        changed = true;
        changes++;
      } else if (!changed && !sameBytes(image.bytes, before.bytes)) changed = true;
    }
    if (!changed) return { callees, rounds };
  }
  throw new InternalError(`${count} functions did not settle in ${limit} rounds`);
}
