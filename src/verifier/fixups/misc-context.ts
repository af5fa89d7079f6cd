import type { Insn } from '../../isa/index.ts';
import type { InsnAux } from '../insn-aux.ts';
import type { FixupContext } from './context.ts';
import type { KernelAddresses } from './kernel-addresses.ts';
import type { LookupContext } from './map-lookup.ts';
import type { Patch } from './patch.ts';
import type { FixupProgram } from './program.ts';

/** What the last fixups of a verified program share. */
export interface MiscContext {
  readonly program: FixupProgram;
  readonly fixups: FixupContext;
  readonly lookups: LookupContext;
  readonly addresses: KernelAddresses;
  /** Tail calls so far that know their entry (`prog->aux->size_poke_tab`). */
  directTailCalls: number;
  /** The kernel function a call names, by its slot as loaded. */
  kfuncName(origIdx: number): string | undefined;
  /** What a call of a kernel function becomes: its distance, or its id where distances are too short. */
  kfuncCall(insn: Insn, name: string): Insn;
}

/** What becomes of one instruction of which the walk learnt `aux`; undefined: nothing. */
export type MiscFixup = (insn: Insn, aux: InsnAux, ctx: MiscContext) => Patch | undefined;
