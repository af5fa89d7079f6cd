import type { LinearMemory, Region } from '../mem/index.ts';

/**
 * Keys that `bpf_for_each_map_elem` shows to callbacks of maps that store none (arrays): one read-only cell for each
 * level of nested walks, made when first needed.
 */
export class KeyCells {
  readonly #mem: LinearMemory;
  readonly #name: string;
  readonly #cells: { readonly addr: number; readonly region: Region }[] = [];
  #depth = 0;

  constructor(mem: LinearMemory, name: string) {
    this.#mem = mem;
    this.#name = name;
  }

  /** The address of a 4-byte cell, until {@link leave}. */
  enter(): number {
    if (this.#depth === this.#cells.length) {
      const addr = this.#mem.alloc(4);
      const region = this.#mem.addRegion({ kind: 'map', name: this.#name, start: addr, sizeBytes: 4, writable: false });
      this.#cells.push({ addr, region });
    }
    return this.#cells[this.#depth++].addr;
  }
  leave(): void {
    this.#depth--;
  }

  free(): void {
    for (const { addr, region } of this.#cells) {
      this.#mem.removeRegion(region);
      this.#mem.free(addr);
    }
    this.#cells.length = 0;
  }
}
