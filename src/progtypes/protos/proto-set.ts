import { type HelperProto, KERNEL_PROTOS } from '../../helpers/index.ts';
import { InternalError } from '../../util/index.ts';
import type { ProgFacts } from '../contract.ts';

/** Which contract of a helper holds for a program; undefined for none. */
export type ProtoChoice = (prog: ProgFacts) => HelperProto | undefined;

/** A contract by its name in Linux, or one of several as the program is. */
export type ProtoEntry = string | readonly [helper: string, choose: (prog: ProgFacts) => string | undefined];

/**
 * Helpers programs of a type may call: what the set has itself, then what the sets behind it have. The first set that
 * knows the helper answers, even if its answer is that this program may not (`*_func_proto()` functions of Linux).
 */
export type ProtoSet = ReadonlyMap<number, ProtoChoice>;

function row(name: string) {
  const found = KERNEL_PROTOS.get(name);
  if (found === undefined) throw new InternalError(`no contract is called ${name}`);
  return found;
}

function choice(entry: ProtoEntry): readonly [helperId: number, choice: ProtoChoice] {
  if (typeof entry === 'string') {
    const { helperId, proto } = row(entry);
    return [helperId, () => proto];
  }
  const [helper, choose] = entry;
  const { helperId } = row(helper);
  return [
    helperId,
    prog => {
      const name = choose(prog);
      return name === undefined ? undefined : row(name).proto;
    },
  ];
}

export function protoSet(entries: readonly ProtoEntry[], ...behind: readonly ProtoSet[]): ProtoSet {
  const set = new Map<number, ProtoChoice>();
  for (const entry of entries) {
    const [id, choose] = choice(entry);
    set.set(id, choose);
  }
  for (const other of behind) for (const [id, choose] of other) if (!set.has(id)) set.set(id, choose);
  return set;
}

/** The same helpers, for programs of which `allowed` is true. */
export function onlyIf(allowed: (prog: ProgFacts) => boolean, entries: readonly ProtoEntry[]): ProtoSet {
  return new Map(
    entries.map(entry => {
      const [id, choose] = choice(entry);
      return [id, prog => (allowed(prog) ? choose(prog) : undefined)];
    }),
  );
}
