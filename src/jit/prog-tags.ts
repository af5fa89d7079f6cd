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

/** The tags of one program: none has a part in its code, so each is made when somebody asks. */
export class ProgTags {
  readonly #xlated: XlatedProgram;
  readonly #hash: TagHash | undefined;
  readonly #modulesStart: bigint;
  #own: string | undefined;

  /**
   * @param hash default what the kernel's version does
   * @param modulesStart as {@link funcTag} has it
   */
  constructor(xlated: XlatedProgram, hash: TagHash | undefined, modulesStart: bigint) {
    this.#xlated = xlated;
    this.#hash = hash;
    this.#modulesStart = modulesStart;
  }

  /** Of the program as it was loaded, before the verifier changed it (`resolve_pseudo_ldimm64`). */
  get own(): string {
    return (this.#own ??= progTag(this.#xlated.original, this.#hashUsed, this.#xlated.kernel.order));
  }

  /** Of one function, as {@link funcTag} has it. */
  ofFunc(marked: Marked, subprog: Subprog, insns: readonly Insn[]): string {
    return funcTag(this.#xlated, marked, subprog, this.#hashUsed, this.#modulesStart, insns);
  }

  get #hashUsed(): TagHash {
    return this.#hash ?? tagHashOf(this.#xlated.kernel.version);
  }
}
