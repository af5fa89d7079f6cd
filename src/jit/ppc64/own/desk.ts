import { hi32, lo32 } from '../../../util/index.ts';
import { CodeBuffer } from '../../code-buffer.ts';
import { Room } from '../../room.ts';
import type { TargetEnv } from '../../types.ts';
import type { EnvFacts } from './unit.ts';

/** What is lent at least, and what is worth keeping. */
const SPARE_BYTES = 1 << 11;
const MOST_SPARE_BYTES = 1 << 16;
const MOST_SPARE = 8;

function factsOf({ space, userLimit, cpu, pcrel }: TargetEnv): EnvFacts {
  return {
    prefixed: cpu === 'power10',
    power9: cpu !== 'power8',
    hasToc: !pcrel,
    tocHi: hi32(space.kernelToc),
    tocLo: lo32(space.kernelToc),
    signTest: userLimit === space.layout.userLimit && space.layout.linearMap.start >= 1n << 63n,
    userHi: hi32(userLimit),
    userLo: lo32(userLimit),
    plans: new Map(),
  };
}

/**
 * What functions are compiled on, one after the other: memory whose content no pass and no emission leaves to the next.
 */
export class Desk {
  readonly room = new Room();
  readonly buffer: CodeBuffer;
  /** Constants known to be in registers, as halves; which ones are valid the emission knows. */
  readonly knownHi = new Int32Array(32);
  readonly knownLo = new Int32Array(32);
  /** What is missing from an address in a register, for accesses to add. */
  readonly rest = new Int32Array(256);
  /** Words of stubs, by key. */
  readonly stubLengths = new Map<string, number>();

  /** Memory given back, the last on top. */
  readonly #spare: ArrayBuffer[] = [];
  #facts: { readonly env: TargetEnv; readonly facts: EnvFacts } | undefined;

  constructor(order: 'little' | 'big') {
    this.buffer = new CodeBuffer(order);
  }

  /** At least `sizeBytes` zeroes for somebody to keep until {@link giveBack}, or for good. */
  lend(sizeBytes: number): ArrayBuffer {
    const spare = this.#spare.pop();
    if (spare === undefined || spare.byteLength < sizeBytes) return new ArrayBuffer(Math.max(SPARE_BYTES, sizeBytes));
    new Uint8Array(spare, 0, sizeBytes).fill(0);
    return spare;
  }

  /** What a program's functions are told of the machine, found once for all of them. */
  factsOf(env: TargetEnv): EnvFacts {
    if (this.#facts?.env !== env) this.#facts = { env, facts: factsOf(env) };
    return this.#facts.facts;
  }

  /** Takes back what was lent, and forgets the program it was lent for. */
  giveBack(buffer: ArrayBuffer): void {
    this.#facts = undefined;
    if (this.#spare.length < MOST_SPARE && buffer.byteLength <= MOST_SPARE_BYTES) this.#spare.push(buffer);
  }
}
