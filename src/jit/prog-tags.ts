import { type Insn, LD_IMM64, makeInsn } from '../isa/index.ts';
import type { Subprog, XlatedProgram } from '../verifier/index.ts';
import { isSince, pseudoMapInsn } from './dump-form.ts';
import { type Marked, markedInsns } from './split.ts';
import { progTag } from './tag.ts';
import type { TagHash } from './types.ts';

/** What a kernel of that version computes tags with. */
export function tagHashOf(version: string): TagHash {
  return isSince(version, 6, 18) ? 'sha256' : 'sha1';
}

/** Tag of a program as it was loaded, before the verifier changed it (`resolve_pseudo_ldimm64`). */
export function xlatedTag({ original, kernel }: XlatedProgram, hash: TagHash): string {
  return progTag(original, hash, kernel.order);
}

/**
 * Tag of one function: of its slots after the marking pass, callee numbers in place of distances, map references as
 * references, so that the address of no map counts. The address of a function is not known yet: the start of module space
 * stands for it, beside the function's number in `off`.
 *
 * @param modulesStart MODULES_VADDR, or VMALLOC_START where a CPU has no such
 * @param own its marked slots
 */
export function funcTag(
  xlated: XlatedProgram,
  marked: Marked,
  subprog: Subprog,
  hash: TagHash,
  modulesStart: bigint,
  own: readonly Insn[] = markedInsns(xlated, marked, subprog),
): string {
  let insns: Insn[] | undefined;
  for (let slot = 0; slot + 1 < own.length; slot++) {
    const insn = own[slot];
    if (insn.code !== LD_IMM64) continue;
    const callee = marked.funcRefs.get(subprog.start + slot);
    const pair =
      callee === undefined
        ? pseudoMapInsn(xlated.maps, insn, own[slot + 1])
        : [
            makeInsn(insn.code, insn.dst, insn.src, callee, Number(BigInt.asIntN(32, modulesStart))),
            makeInsn(0, 0, 0, 0, Number(BigInt.asIntN(32, modulesStart >> 32n))),
          ];
    if (pair !== undefined) {
      insns ??= own.slice();
      [insns[slot], insns[slot + 1]] = pair;
    }
    slot++;
  }
  return progTag(insns ?? own, hash, xlated.kernel.order);
}
