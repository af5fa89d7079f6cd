import { type Insn, isWide, makeInsn } from '../../isa/index.ts';
import { InternalError } from '../../util/index.ts';
import { jump, jumpLong } from './insns.ts';
import { RELATIVE, relativeOf, relativeTarget } from './relative.ts';

/** What stands in an instruction's place. Jumps inside are relative to it as written. */
export interface Patch {
  readonly insns: readonly Insn[];
  /** The one jump that leaves the patch: which of `insns`, and the slot of the old program it goes to. */
  readonly exit?: { readonly at: number; readonly target: number };
  /** The instruction changes and is still what it was to the verifier; for patches of one instruction. */
  readonly inPlace?: boolean;
  /** The one local call inside: which of `insns`, and the first slot of the function it calls in the old program. */
  readonly call?: { readonly at: number; readonly target: number };
}

/** What to change in a program; slots are those of the old one. */
export interface PatchPlan {
  /** Instruction → what replaces it. Neither local calls nor `ld_imm64` can be replaced. */
  readonly patches: ReadonlyMap<number, Patch>;
  /** First slot of a function → what runs before it. Calls go to it, jumps inside the function behind it. */
  readonly prologues?: ReadonlyMap<number, readonly Insn[]>;
  /** Where a jump no longer fits: told the slot whose patch is the first to stretch one too far. Default: jumps become long. */
  readonly tooFar?: (slot: number) => never;
}

export interface PatchedProgram {
  readonly insns: readonly Insn[];
  /** Old slot → new slot, one entry more than there were slots: where calls, function and line records go. */
  readonly entryOf: Int32Array;
}

/** Every jump longer than this becomes a long one once any jump does not fit. */
const SHORT_ENOUGH = 8191;

/**
 * Applies all patches in one pass over the program, with `bpf_patch_insn_data`'s meaning: a jump to a patched
 * instruction goes to the beginning of its patch, and so do the records of its function and line.
 *
 * Differs from Linux: where a jump no longer fits 16 bits it becomes a `gotol` (a conditional one around a `gotol`)
 * instead of the program being refused, unless the plan says otherwise.
 *
 * Source: `kernel/bpf/core.c: bpf_adj_branches`, `kernel/bpf/verifier.c: adjust_subprog_starts, adjust_jmp_off`.
 */
export function applyPatches(insns: readonly Insn[], plan: PatchPlan): PatchedProgram {
  if (plan.patches.size === 0 && (plan.prologues?.size ?? 0) === 0) {
    return { insns, entryOf: Int32Array.from({ length: insns.length + 1 }, (_, slot) => slot) };
  }
  const place = placeSlots(insns, plan, undefined);
  if (allFit(insns, plan, place)) return emit(insns, plan, place);
  if (plan.tooFar !== undefined) plan.tooFar(firstTooFar(insns, plan));
  // A slot grows to three at most, so what was short enough still fits afterwards.
  const far = new Uint8Array(insns.length);
  forEachJump(insns, plan, place, (idx, distance) => {
    if (Math.abs(distance) > SHORT_ENOUGH) far[idx] = 1;
  });
  return emit(insns, plan, placeSlots(insns, plan, far));
}

interface Places {
  /** Old slot → where jumps to it go. */
  readonly startOf: Int32Array;
  readonly entryOf: Int32Array;
  readonly far: Uint8Array | undefined;
}

/** Slots more than usual that a far jump needs. */
const farExtra = (code: number): number => (code === 0x05 ? 0 : 2);

function placeSlots(insns: readonly Insn[], plan: PatchPlan, far: Uint8Array | undefined): Places {
  const startOf = new Int32Array(insns.length + 1);
  const entryOf = new Int32Array(insns.length + 1);
  let at = 0;
  for (let idx = 0; idx < insns.length; idx++) {
    entryOf[idx] = at;
    at += plan.prologues?.get(idx)?.length ?? 0;
    startOf[idx] = at;
    const patch = plan.patches.get(idx);
    at += patch === undefined ? 1 : patch.insns.length;
    if (far !== undefined && far[idx] !== 0) {
      at += farExtra(patch === undefined ? insns[idx].code : patch.insns[patch.exit!.at].code);
    }
  }
  startOf[insns.length] = at;
  entryOf[insns.length] = at;
  return { startOf, entryOf, far };
}

/** Calls `visit` with every jump that has its target in `off` and the distance it will have to go. */
function forEachJump(
  insns: readonly Insn[],
  plan: PatchPlan,
  { startOf }: Places,
  visit: (idx: number, distance: number) => void,
): void {
  for (let idx = 0; idx < insns.length; idx++) {
    const insn = insns[idx];
    const patch = plan.patches.get(idx);
    if (patch !== undefined) {
      if (patch.exit !== undefined) visit(idx, startOf[patch.exit.target] - startOf[idx] - patch.exit.at - 1);
    } else if (isWide(insn)) idx++;
    else if (relativeOf(insn) === RELATIVE.jumpOff) visit(idx, startOf[idx + 1 + insn.off] - startOf[idx] - 1);
  }
}

const fits16 = (distance: number): boolean => distance >= -0x8000 && distance <= 0x7fff;

function allFit(insns: readonly Insn[], plan: PatchPlan, places: Places): boolean {
  let fit = true;
  forEachJump(insns, plan, places, (_, distance) => {
    fit &&= fits16(distance);
  });
  return fit;
}

/**
 * The first patch, in the order of slots, after which some jump does not fit: where one patch after the other is applied, the
 * first to fail.
 */
function firstTooFar(insns: readonly Insn[], plan: PatchPlan): number {
  /** How much patches of all slots before this one add. */
  const added = new Int32Array(insns.length + 1);
  for (let slot = 0; slot < insns.length; slot++) {
    const patch = (plan.prologues?.get(slot)?.length ?? 0) + (plan.patches.get(slot)?.insns.length ?? 1) - 1;
    added[slot + 1] = added[slot] + patch;
  }
  let first = insns.length;
  for (let idx = 0; idx < insns.length; idx++) {
    const insn = insns[idx];
    if (isWide(insn)) idx++;
    else if (relativeOf(insn) === RELATIVE.jumpOff) {
      const forward = insn.off >= 0;
      const target = idx + 1 + insn.off;
      const room = forward ? 0x7fff - insn.off : insn.off + 0x8000;
      // Slots between the jump and its target; a patch of the target itself is jumped to, or over where it lies behind.
      let low = forward ? idx + 1 : target;
      const from = low;
      let high = forward ? target : idx;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (added[middle + 1] - added[from] > room) high = middle;
        else low = middle + 1;
      }
      if (low < (forward ? target : idx) && low < first) first = low;
    }
  }
  return first === insns.length ? 0 : first;
}

function emit(insns: readonly Insn[], plan: PatchPlan, { startOf, entryOf, far }: Places): PatchedProgram {
  const out: Insn[] = new Array(startOf[insns.length]);
  let at = 0;
  const pushJump = (insn: Insn, idx: number, target: number): void => {
    if (far === undefined || far[idx] === 0) {
      const off = startOf[target] - at - 1;
      if (!fits16(off)) throw new InternalError(`jump at slot ${idx} does not fit after patching`);
      out[at++] = off === insn.off ? insn : { ...insn, off };
      return;
    }
    if (farExtra(insn.code) > 0) {
      out[at++] = { ...insn, off: 1 };
      out[at++] = jump(1);
    }
    out[at] = jumpLong(startOf[target] - at - 1);
    at++;
  };
  for (let idx = 0; idx < insns.length; idx++) {
    const insn = insns[idx];
    for (const added of plan.prologues?.get(idx) ?? []) out[at++] = added;
    const patch = plan.patches.get(idx);
    if (patch !== undefined) {
      for (let i = 0; i < patch.insns.length; i++) {
        if (patch.exit?.at === i) pushJump(patch.insns[i], idx, patch.exit.target);
        else if (patch.call?.at === i) {
          out[at] = { ...patch.insns[i], imm: entryOf[patch.call.target] - at - 1 };
          at++;
        } else out[at++] = patch.insns[i];
      }
      continue;
    }
    const relative = relativeOf(insn);
    if (relative === RELATIVE.jumpOff) pushJump(insn, idx, idx + 1 + insn.off);
    else if (relative === RELATIVE.none) out[at++] = insn;
    else {
      const target = relativeTarget(insn, idx, relative);
      const imm = (relative === RELATIVE.jumpImm ? startOf[target] : entryOf[target]) - at - 1;
      out[at++] = imm === insn.imm ? insn : makeInsn(insn.code, insn.dst, insn.src, insn.off, imm);
    }
    if (isWide(insn)) {
      out[at++] = insns[++idx];
    }
  }
  if (at !== out.length) throw new InternalError(`patched program has ${at} slots, placed were ${out.length}`);
  return { insns: out, entryOf };
}
