import type { Btf } from './btf.ts';
import { K } from './kind.ts';

/** Longest name libbpf makes when it adds a suffix. */
const MAX_SUFFIXED_NAME = 255;

function count(uses: Map<string, number>, name: string): number {
  const dups = (uses.get(name) ?? 0) + 1;
  uses.set(name, dups);
  return dups;
}

/**
 * The names types get in C. Where two types or identifiers share a name, the second becomes `name___2` and so on, in
 * the order in which they are asked for. Tags (struct, union, enum) and identifiers (typedefs, enumerators) have a
 * name space each. Source: `tools/lib/bpf/btf_dump.c: btf_dump_resolve_name`.
 */
export class CNames {
  readonly #btf: Btf;
  readonly #tags = new Map<string, number>();
  readonly #idents = new Map<string, number>();
  readonly #resolved = new Map<number, string>();

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  #resolve(id: number, uses: Map<string, number>): string {
    const known = this.#resolved.get(id);
    if (known !== undefined) return known;
    const { types } = this.#btf;
    const name = this.#btf.nameOf(id);
    if (types.nameOff(id) === 0) return '';
    const kind = types.kind(id);
    let unique = name;
    // A forward declaration means the type of that name, whichever it becomes.
    if (kind !== K.FWD && !(kind === K.ENUM && types.vlen(id) === 0)) {
      const dups = count(uses, name);
      if (dups > 1) unique = `${name}___${dups}`.slice(0, MAX_SUFFIXED_NAME);
    }
    this.#resolved.set(id, unique);
    return unique;
  }

  /** Name of a struct, union or enum; empty for anonymous ones. */
  tag(id: number): string {
    return this.#resolve(id, this.#tags);
  }

  /** Name of a typedef. */
  ident(id: number): string {
    return this.#resolve(id, this.#idents);
  }

  /** Name of an enumerator about to be written. */
  enumerator(name: string): string {
    const dups = count(this.#idents, name);
    return dups > 1 ? `${name}___${dups}` : name;
  }
}
