import type { Output } from './output.ts';

/** What takes less than this shows no progress. */
const QUIET_MS = 2000;
const REFRESH_MS = 200;

/** A line on the terminal for work that takes over two seconds: `running 1200/50000`. */
export class Progress {
  readonly #out: Output;
  readonly #what: string;
  readonly #total: number;
  readonly #shown: boolean;
  #nextMs: number;

  constructor(out: Output, what: string, total: number) {
    this.#out = out;
    this.#what = what;
    this.#total = total;
    this.#shown = out.showsProgress;
    this.#nextMs = out.now() + QUIET_MS;
  }

  update(done: number): void {
    if (!this.#shown) return;
    const now = this.#out.now();
    if (now < this.#nextMs) return;
    this.#nextMs = now + REFRESH_MS;
    this.#out.status(`${this.#what} ${done}/${this.#total}`);
  }

  end(): void {
    if (this.#shown) this.#out.status('');
  }
}
