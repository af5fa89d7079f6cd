import type { Token } from './lexer.ts';

/** Where names stand: each label's slot, and the local labels `1:` that may be placed again and again. */
export class Labels {
  readonly #named = new Map<string, number>();
  readonly #local = new Map<string, number[]>();

  /** Places a name at a slot; false when it has a place already. */
  place(name: string, slot: number): boolean {
    if (this.#named.has(name)) return false;
    this.#named.set(name, slot);
    return true;
  }

  placeLocal(digits: string, slot: number): void {
    const number = String(Number(digits));
    const places = this.#local.get(number);
    if (places === undefined) this.#local.set(number, [slot]);
    else places.push(slot);
  }

  /** The slot a reference at slot `from` means: a name, or `1b` and `1f` for the nearest local label. */
  find({ kind, text }: Token, from: number): number | undefined {
    if (kind === 'word') return this.#named.get(text);
    const places = this.#local.get(String(Number(text.slice(0, -1)))) ?? [];
    // Places ascend, so the first one behind `from` splits them.
    let low = 0;
    let high = places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (places[middle] > from) high = middle;
      else low = middle + 1;
    }
    return text.endsWith('b') ? places[low - 1] : places[low];
  }

  entries(): ReadonlyMap<string, number> {
    return this.#named;
  }
}
