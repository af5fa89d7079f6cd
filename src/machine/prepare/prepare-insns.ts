import type { Btf } from '../../btf/index.ts';
import type { Insn } from '../../isa/index.ts';
import type { VerifierMap, VerifyInput } from '../../verifier/index.ts';
import { errorText, type LoadProblem, problem } from './problem.ts';
import { checkProgLoad, GPL_LICENSES, type LoadCaps, usableAttachType } from './prog-load.ts';

/** Instructions without an object, and what is to be done with them. */
export interface RawProgram {
  readonly name: string;
  /** `BPF_PROG_TYPE_*` */
  readonly type: number;
  /** Default: the first that programs of that type may have. */
  readonly attachType?: number;
  /** `BPF_F_*` of `BPF_PROG_LOAD`. */
  readonly flags?: number;
  /** Default `GPL`. */
  readonly license?: string;
  /** Maps are named by their place in `maps`. */
  readonly insns: readonly Insn[];
  readonly maps?: readonly VerifierMap[];
}

/** Raw instructions as `bpf(BPF_PROG_LOAD)` gets them, or why the kernel would not look at them. */
export function prepareInsns(
  raw: RawProgram,
  caps: LoadCaps,
  kernelBtf?: Btf,
  release?: number,
): VerifyInput | LoadProblem {
  const { name, type, flags = 0, insns, maps = [], license = 'GPL' } = raw;
  const attachType = raw.attachType ?? usableAttachType(type, 0);
  const target = { attachBtfId: 0, attachesToProg: false, kernelBtf, release };
  const errno = checkProgLoad({ type, attachType, flags, insnCount: insns.length, ...target }, caps);
  if (errno !== 0) return problem(errno, `prog '${name}': BPF program load failed: ${errorText(errno)}`);
  return { name, type, attachType, flags, gplCompatible: GPL_LICENSES.includes(license), insns, maps };
}
