import { InternalError } from '../util/index.ts';
import { RangeSet } from './ranges.ts';
import type { AddressRange, Ksym } from './types.ts';

class Entry implements AddressRange {
  readonly ksym: Ksym;
  constructor(ksym: Ksym) {
    this.ksym = ksym;
  }
  get start(): bigint {
    return this.ksym.addr;
  }
  get end(): bigint {
    return this.ksym.addr + BigInt(Math.max(1, this.ksym.sizeBytes));
  }
}

/** Published symbols, by address. */
export class KsymTable {
  readonly #entries = new RangeSet<Entry>();
  #list: readonly Ksym[] | undefined;

  add(ksym: Ksym): void {
    const other = this.#entries.addIfFree(new Entry(ksym));
    if (other !== undefined) throw new InternalError(`symbols ${other.ksym.name} and ${ksym.name} overlap`);
    this.#list = undefined;
  }

  remove(addr: bigint): void {
    if (!this.#entries.remove(addr)) throw new InternalError(`no symbol at 0x${addr.toString(16)}`);
    this.#list = undefined;
  }

  at(addr: bigint): Ksym | undefined {
    return this.#entries.at(addr)?.ksym;
  }

  /** Ascending; names that were not made yet are made. */
  list(): readonly Ksym[] {
    return (this.#list ??= this.#entries.values().map(({ ksym: { addr, sizeBytes, kind, name, module } }) => {
      return { addr, sizeBytes, kind, name, module };
    }));
  }
}
