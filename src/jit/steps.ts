import { JitError } from './types.ts';

/**
 * Asked before every step that may fail, with its name; answers with the errno (positive) to fail it with, or 0.
 *
 * Names, in order: `find_subprog@SLOT`, `alloc func`, then for each function `alloc prog[i]`, `calc_tag[i]`,
 * `alloc jit_data[i]`, `compile[i]`, `alloc image[i]`; then `compile[i] extra round R` for each round and function,
 * `write image[i]`, `lock_ro[i]`, `alloc jited_linfo[i]`, `kallsyms_add[i]`. A program of one function has the same steps with i = 0 and no
 * `find_subprog` or `alloc func`.
 */
export type FaultInjector = (site: string) => number;

/** Runs the steps of one load and remembers which one failed. */
export class Steps {
  readonly #inject: FaultInjector | undefined;
  site = '';

  constructor(inject: FaultInjector | undefined) {
    this.#inject = inject;
  }

  /** Throws JitError when the step is made to fail. */
  enter(site: string): void {
    this.site = site;
    const errno = this.#inject?.(site) ?? 0;
    if (errno !== 0) throw new JitError(errno, `made to fail: ${site}`);
  }
}
