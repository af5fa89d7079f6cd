import type { Insn } from '../../isa/index.ts';
import type { KernelImage } from '../../kernels/index.ts';
import type { Patch } from './patch.ts';

/** What fixups of one program share. */
export interface FixupContext {
  readonly kernel: KernelImage;
  /** `BPF_PROG_TYPE_*` */
  readonly progType: number;
  readonly sleepable: boolean;
  /** Id of a called helper → distance of its function. */
  readonly distances: Map<number, number>;
  /** The same the other way round. Where two ids share a function, the first that was called. */
  readonly helpers: Map<number, number>;
  /** Distance of a function that fixups call themselves → its name. */
  readonly internalCalls: Map<number, string>;
  /** Deepest byte of stack used by the function a slot lies in, fixups not counted. */
  stackDepthAt(idx: number): number;
}

/** What becomes of one instruction: something else in its place, or undefined to leave it alone. */
export type Fixup = (insn: Insn, idx: number, ctx: FixupContext) => Patch | undefined;
