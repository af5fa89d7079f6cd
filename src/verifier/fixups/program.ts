import type { Insn } from '../../isa/index.ts';
import { insnHasDef32 } from '../check/liveness.ts';
import type { VerifierEnv } from '../env.ts';
import { InsnAux } from '../insn-aux.ts';
import type { LineTable } from '../line-table.ts';
import { newSubprog, type SubprogInfo } from '../subprogs.ts';
import { applyPatches, type Patch } from './patch.ts';
import { RELATIVE, relativeOf, relativeTarget } from './relative.ts';

/** No instruction of the program as loaded: a fixup made it. */
export const MADE = -1;

/**
 * An accepted program while the fixups change it: slots, what the walk learnt of each, where functions and lines begin.
 * Functions are those of the environment, changed in place.
 */
export class FixupProgram {
  readonly env: VerifierEnv;
  insns: Insn[];
  aux: InsnAux[];
  readonly lines: LineTable;

  constructor(env: VerifierEnv, lines: LineTable) {
    this.env = env;
    this.insns = env.insns.slice();
    this.aux = env.insnAux.slice();
    this.lines = lines;
  }

  get subprogs(): readonly SubprogInfo[] {
    return this.env.subprogs.list;
  }

  /**
   * Puts patches in their instructions' places, and prologues before functions. What was known of a patched instruction is
   * known of the last of its patch; refuses if a jump gets too long.
   *
   * Source: `kernel/bpf/verifier.c: bpf_patch_insn_data, adjust_insn_aux_data, adjust_subprog_starts`.
   */
  apply(patches: ReadonlyMap<number, Patch>, prologues?: ReadonlyMap<number, readonly Insn[]>): void {
    if (patches.size === 0 && (prologues?.size ?? 0) === 0) return;
    const { env, aux } = this;
    const tooFar = (slot: number): never => env.refuse('patchTooFar', aux[slot].origIdx);
    const { insns, entryOf } = applyPatches(this.insns, {
      patches,
      tooFar,
      ...(prologues === undefined ? {} : { prologues }),
    });
    const out: InsnAux[] = new Array(insns.length);
    for (let slot = 0; slot < aux.length; slot++) {
      const last = entryOf[slot + 1] - 1;
      const old = aux[slot];
      const patched = patches.has(slot) || prologues?.has(slot) === true;
      for (let at = entryOf[slot]; at < last; at++) {
        const made = new InsnAux(MADE);
        made.seen = old.seen;
        made.zextDst = insnHasDef32(env, insns[at]);
        out[at] = made;
      }
      if (patched) old.zextDst = insnHasDef32(env, insns[last]);
      out[last] = old;
    }
    this.#move(insns as Insn[], out, slot => entryOf[slot]);
  }

  /**
   * Takes slots away. Jumps to them go to what follows; functions of which nothing is left go too, and lines are
   * inherited by what follows them.
   *
   * Source: `kernel/bpf/verifier.c: verifier_remove_insns`.
   */
  remove(gone: Uint8Array): void {
    const { insns, aux } = this;
    const count = insns.length;
    const place = new Int32Array(count + 1);
    let kept = 0;
    for (let slot = 0; slot < count; slot++) {
      place[slot] = kept;
      if (gone[slot] === 0) kept++;
    }
    place[count] = kept;
    if (kept === count) return;
    this.lines.remove(gone);
    const { list } = this.env.subprogs;
    const left = list.filter(subprog => place[subprog.start] !== place[subprog.end]);
    list.length = 0;
    list.push(...left);
    const outInsns: Insn[] = [];
    const outAux: InsnAux[] = [];
    for (let slot = 0; slot < count; slot++) {
      if (gone[slot] !== 0) continue;
      outInsns.push(retarget(insns[slot], slot, place));
      outAux.push(aux[slot]);
    }
    this.#move(outInsns, outAux, slot => place[slot]);
  }

  /** Adds a function behind the last, which its users do not know of. Source: `add_hidden_subprog`. */
  addHidden(insns: readonly Insn[]): SubprogInfo {
    const { subprogs } = this.env;
    const start = this.insns.length;
    for (const insn of insns) {
      this.insns.push(insn);
      const made = new InsnAux(MADE);
      made.seen = this.aux[start - 1].seen;
      made.zextDst = insnHasDef32(this.env, insn);
      this.aux.push(made);
    }
    const subprog = newSubprog(start);
    subprog.end = this.insns.length;
    subprogs.list.push(subprog);
    return subprog;
  }

  #move(insns: Insn[], aux: InsnAux[], place: (slot: number) => number): void {
    this.insns = insns;
    this.aux = aux;
    for (const subprog of this.subprogs) {
      subprog.start = place(subprog.start);
      subprog.end = place(subprog.end);
    }
    this.lines.move(place);
  }
}

function retarget(insn: Insn, slot: number, place: Int32Array): Insn {
  const relative = relativeOf(insn);
  if (relative === RELATIVE.none) return insn;
  const target = relativeTarget(insn, slot, relative);
  // A function nobody calls may be gone whose address is still taken by a call that was never made.
  const distance = place[Math.min(Math.max(target, 0), place.length - 1)] - place[slot] - 1;
  return relative === RELATIVE.jumpOff ? { ...insn, off: distance } : { ...insn, imm: distance };
}
