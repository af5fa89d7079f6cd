import type { Insn } from '../../isa/index.ts';
import { aluReg, exit, OP } from './insns.ts';

/**
 * What `bpf_throw` ends in when the program names nothing: a function, hidden from users, that returns the cookie.
 *
 * Source: `kernel/bpf/verifier.c: do_misc_fixups, add_hidden_subprog`.
 */
export function hiddenExceptionCallback(): readonly Insn[] {
  return [aluReg(true, OP.mov, 0, 1), exit()];
}
