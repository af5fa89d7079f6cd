import { type Insn, LD_IMM64 } from '../isa/index.ts';
import type { Subprog, XlatedProgram } from '../verifier/index.ts';
import { pseudoMapInsn } from './dump-form.ts';
import { progTag } from './tag.ts';
import type { TagHash } from './types.ts';

/** What a kernel of that version computes tags with. */
export function tagHashOf(version: string): TagHash {
  const [major, minor] = version.split('.').map(Number);
  return major > 6 || (major === 6 && minor >= 18) ? 'sha256' : 'sha1';
}

/** Tag of a program as it was loaded, before the verifier changed it (`resolve_pseudo_ldimm64`). */
export function xlatedTag({ original, kernel }: XlatedProgram, hash: TagHash): string {
  return progTag(original, hash, kernel.order);
}

/**
 * Tag of one function: of its slots after the marking pass, callee numbers in place of distances, map references as
 * references, so that no address counts.
 *
 * @param marked all slots of the program
 */
export function funcTag(xlated: XlatedProgram, marked: readonly Insn[], subprog: Subprog, hash: TagHash): string {
  const insns = marked.slice(subprog.start, subprog.end);
  for (let slot = 0; slot + 1 < insns.length; slot++) {
    if (insns[slot].code !== LD_IMM64) continue;
    const pair = pseudoMapInsn(xlated.maps, insns[slot], insns[slot + 1]);
    if (pair !== undefined) [insns[slot], insns[slot + 1]] = pair;
    slot++;
  }
  return progTag(insns, hash, xlated.kernel.order);
}
