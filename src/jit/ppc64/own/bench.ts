import { hi32, lo32 } from '../../../util/index.ts';
import type { TargetEnv } from '../../types.ts';
import type { EnvFacts } from './unit.ts';

function factsOf({ space, userLimit, cpu, pcrel, objectToc }: TargetEnv): EnvFacts {
  const toc = objectToc ?? space.kernelToc;
  return {
    prefixed: cpu === 'power10',
    power9: cpu !== 'power8',
    hasToc: objectToc !== undefined || !pcrel,
    tocHi: hi32(toc),
    tocLo: lo32(toc),
    signTest: userLimit === space.layout.userLimit && space.layout.linearMap.start >= 1n << 63n,
    userHi: hi32(userLimit),
    userLo: lo32(userLimit),
    plans: new Map(),
  };
}

/** What emissions of this CPU find on their side of the desk: memory whose content none leaves to the next. */
export class Bench {
  /** Constants known to be in registers, as halves; which ones are valid the emission knows. */
  readonly knownHi = new Int32Array(32);
  readonly knownLo = new Int32Array(32);
  /** What is missing from an address in a register, for accesses to add. */
  readonly rest = new Int32Array(256);
  /** Words of stubs, by key. */
  readonly stubLengths = new Map<string, number>();

  readonly #facts = new WeakMap<TargetEnv, EnvFacts>();

  /** What a program's functions are told of the machine, found once for all of them. */
  factsOf(env: TargetEnv): EnvFacts {
    let facts = this.#facts.get(env);
    if (facts === undefined) {
      facts = factsOf(env);
      this.#facts.set(env, facts);
    }
    return facts;
  }
}
