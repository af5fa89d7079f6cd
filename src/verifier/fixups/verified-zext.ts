import {
  BPF_ATOMIC,
  BPF_CMPXCHG,
  BPF_PROBE_ATOMIC,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_STX,
  CALL,
  type Insn,
} from '../../isa/index.ts';
import { insnDefRegno } from '../check/liveness.ts';
import { zextReg } from './insns.ts';
import type { Patch } from './patch.ts';
import type { FixupProgram } from './program.ts';

const isCmpxchg = ({ code, imm }: Insn): boolean =>
  (code & 7) === BPF_STX && ((code & 0xe0) === BPF_ATOMIC || (code & 0xe0) === BPF_PROBE_ATOMIC) && imm === BPF_CMPXCHG;

/**
 * A zero extension behind every 32-bit definition whose upper half is read, where the JIT asks for them; behind a compare and
 * exchange everywhere.
 *
 * Source: `kernel/bpf/verifier.c: opt_subreg_zext_lo32_rnd_hi32`. Differs from Linux: BPF_F_TEST_RND_HI32 does nothing.
 */
export function extendVerified(program: FixupProgram, needsZext: boolean): void {
  const { insns, aux, env } = program;
  const patches = new Map<number, Patch>();
  for (let idx = 0; idx < insns.length; idx++) {
    if (!aux[idx].zextDst) continue;
    const insn = insns[idx];
    if (!needsZext && !isCmpxchg(insn)) continue;
    // Whoever calls a kernel function extends its result.
    if (insn.code === CALL && insn.src === BPF_PSEUDO_KFUNC_CALL) continue;
    const reg = insnDefRegno(insn);
    if (reg === -1) env.bug('zextDst is set, but no register is defined');
    patches.set(idx, { insns: [insn, zextReg(reg)] });
  }
  program.apply(patches);
}
