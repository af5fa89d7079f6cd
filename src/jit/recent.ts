/**
 * Results of a pure function for the arguments it was asked for last, so that what is kept is what would be made again.
 */
export class Recent<Key, Value> {
  /** The first is the one used last. */
  readonly #kept: { readonly key: Key; readonly value: Value }[] = [];
  readonly #most: number;
  readonly #same: (a: Key, b: Key) => boolean;

  /** @param most results to keep */
  constructor(most: number, same: (a: Key, b: Key) => boolean) {
    this.#most = most;
    this.#same = same;
  }

  find(key: Key): Value | undefined {
    const kept = this.#kept;
    const at = kept.findIndex(row => this.#same(row.key, key));
    if (at < 0) return undefined;
    const row = kept[at];
    if (at > 0) {
      kept.splice(at, 1);
      kept.unshift(row);
    }
    return row.value;
  }

  /** Keeps a result that was not found; returns it. */
  keep(key: Key, value: Value): Value {
    if (this.#kept.unshift({ key, value }) > this.#most) this.#kept.pop();
    return value;
  }
}
