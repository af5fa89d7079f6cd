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
  // A name is put together when somebody asks for it: a short program is compiled in hardly more time than all of them take.
  #before = '';
  #number = -1;
  #behind = '';
  #round = -1;

  constructor(inject: FaultInjector | undefined) {
    this.#inject = inject;
  }

  /** Name of the step entered last. */
  get site(): string {
    const numbered = this.#number < 0 ? this.#before : this.#before + this.#number;
    return numbered + this.#behind + (this.#round < 0 ? '' : this.#round);
  }

  /** Throws JitError when the step is made to fail. Its name is what is given, one behind the other. */
  enter(before: string, number = -1, behind = '', round = -1): void {
    this.#before = before;
    this.#number = number;
    this.#behind = behind;
    this.#round = round;
    if (this.#inject === undefined) return;
    const { site } = this;
    const errno = this.#inject(site);
    if (errno !== 0) throw new JitError(errno, `made to fail: ${site}`);
  }
}
