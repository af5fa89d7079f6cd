import type { CodeBuffer } from '../../code-buffer.ts';
import { addi, addis, bctr, mtctr, nop } from '../encode.ts';
import { putWay, type Way, wayTo } from './address.ts';
import { SCRATCH2 as T2 } from './allocate.ts';
import type { Emission, StubTable } from './emission.ts';
import { ha, isHaLo } from './numbers.ts';
import { subprogTarget, type Target } from './targets.ts';

/**
 * Stubs behind the function's code: calls of one kernel function, or of several in one 64 KB of text, reach it by `bl`
 * to a stub that jumps on. The callee returns to the call.
 *
 * ```
 *   bl f      f: addi  r12,r2,lo(f)        g: addi r12,r2,lo(g)
 *                b     64k                 64k: addis r12,r12,ha          (where f and g share it)
 *                                          out: mtctr r12
 *                                               bctr
 * ```
 */
export class Stubs implements StubTable {
  /** In order of emission: stubs that share their high half stand together. */
  readonly #groups: readonly (readonly Target[])[];
  readonly #keys: ReadonlySet<string>;
  readonly #labels = new Map<string, number>();

  constructor(groups: readonly (readonly Target[])[]) {
    this.#groups = groups;
    this.#keys = new Set(groups.flat().map(target => target.key));
  }

  has(target: Target): boolean {
    return this.#keys.has(target.key);
  }

  labelOf(buffer: CodeBuffer, target: Target): number {
    let label = this.#labels.get(target.key);
    if (label === undefined) this.#labels.set(target.key, (label = buffer.label()));
    return label;
  }

  emit(e: Emission): void {
    if (this.#groups.length === 0) return;
    const out = e.buffer.label();
    this.#groups.forEach((group, at) => {
      const last = at === this.#groups.length - 1;
      if (group.length > 1) this.#emitGroup(e, group);
      else this.#emitOne(e, group[0]);
      if (!last) e.branch(out);
    });
    e.bind(out);
    e.w(mtctr(T2));
    e.w(bctr());
  }

  #emitGroup(e: Emission, group: readonly Target[]): void {
    const high = e.buffer.label();
    const { tocLo } = e.unit;
    group.forEach((target, at) => {
      e.bind(this.labelOf(e.buffer, target));
      e.w(addi(e.t2, 2, (target.lo - tocLo) | 0));
      if (at < group.length - 1) e.branch(high);
    });
    e.bind(high);
    e.w(addis(T2, T2, ha((group[0].lo - tocLo) | 0)));
  }

  #emitOne(e: Emission, chosen: Target): void {
    e.bind(this.labelOf(e.buffer, chosen));
    // Entries of subprogs may have moved since.
    const target =
      chosen.subprog >= 0 && e.callees !== undefined ? subprogTarget(e.callees, chosen.subprog, e.toc) : chosen;
    const start = e.buffer.length;
    const way: Way = wayTo(e, target.hi, target.lo);
    putWay(e, way, e.t2, target.hi, target.lo);
    const least = e.forms.stubWords.get(target.key) ?? 0;
    while (e.buffer.length - start < 4 * least) e.w(nop());
    e.stubLengths.set(target.key, (e.buffer.length - start) >> 2);
  }
}

/** How often each callee is called. */
export interface CalleeCount {
  readonly target: Target;
  readonly calls: number;
}

/** How calls are made: which callees get stubs, and the words of all calls and stubs together. */
export interface StubChoice {
  readonly groups: readonly (readonly Target[])[];
  readonly words: number;
}

/**
 * Chooses stubs. Without one a call is the address, `mtctr`, `bctrl`; a stub costs one word a call, its own words and one
 * to get to the shared end. Of callees whose distance from the TOC has one high half, each needs one word less.
 *
 * @param toc whether r2 is loaded
 */
export function chooseStubs(e: Emission, callees: readonly CalleeCount[], toc: boolean): StubChoice {
  const byHigh = new Map<number, CalleeCount[]>();
  const groups: (readonly Target[])[] = [];
  let direct = 0;
  // The shared end is two words, of which the last group saves its branch to it.
  let gain = -1;
  for (const callee of callees) {
    const { target, calls } = callee;
    const { words, form } = wayTo(e, target.hi, target.lo, toc);
    direct += calls * (words + 2);
    const shares = form === 'toc' && words === 2 && target.subprog < 0;
    const high = shares ? tocHigh(e, target) : undefined;
    if (high !== undefined) {
      const group = byHigh.get(high);
      if (group === undefined) byHigh.set(high, [callee]);
      else group.push(callee);
      continue;
    }
    const own = calls * (words + 2) - (calls + words + 1);
    if (own > 0) {
      groups.push([target]);
      gain += own;
    }
  }
  for (const group of byHigh.values()) {
    const alone = group.length === 1;
    let own = alone ? 0 : -1;
    for (const { calls } of group) own += calls * 4 - (calls + (alone ? 3 : 2));
    if (own > 0) {
      groups.push(group.map(({ target }) => target));
      gain += own;
    }
  }
  return gain > 0 ? { groups, words: direct - gain } : { groups: [], words: direct };
}

/** High half of the distance from the TOC, where `addi` and `addis` in this order make it. */
function tocHigh(e: Emission, target: Target): number | undefined {
  const { unit } = e;
  const deltaLo = (target.lo - unit.tocLo) | 0;
  const deltaHi = (target.hi - unit.tocHi - (target.lo >>> 0 < unit.tocLo >>> 0 ? 1 : 0)) | 0;
  return isHaLo(deltaHi, deltaLo) ? ha(deltaLo) : undefined;
}
