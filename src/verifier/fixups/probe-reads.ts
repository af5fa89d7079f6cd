import {
  BPF_LDX,
  BPF_MEM,
  BPF_MEMSX,
  BPF_PROBE_MEM,
  BPF_PROBE_MEMSX,
  BPF_REG_AX,
  BPF_REG_FP,
  type Insn,
} from '../../isa/index.ts';
import { aluImm, aluReg, jump, jumpImm, OP } from './insns.ts';
import type { Patch } from './patch.ts';

/** A load that gives 0 where nothing can be read; loads from the own frame cannot fail and stay. */
export function fixProbeRead(insn: Insn, userLimitHigh: number): Patch | undefined {
  if ((insn.code & 7) !== BPF_LDX || insn.src === BPF_REG_FP) return undefined;
  const mode = insn.code & 0xe0;
  if (mode !== BPF_MEM && mode !== BPF_MEMSX) return undefined;
  const probe = { ...insn, code: (insn.code & ~0xe0) | (mode === BPF_MEM ? BPF_PROBE_MEM : BPF_PROBE_MEMSX) };
  return { insns: userLimitHigh === 0 ? [probe] : guardUserSpace(probe, userLimitHigh) };
}

/**
 * A probe load only where the address is above user space's, else 0: `bpf_arch_uaddress_limit` of arm64 and riscv64.
 *
 * Source: `kernel/bpf/verifier.c: do_misc_fixups`.
 *
 * @param userLimitHigh high half of the last user space address
 */
export function guardUserSpace(probe: Insn, userLimitHigh: number): Insn[] {
  return [
    aluReg(true, OP.mov, BPF_REG_AX, probe.src),
    ...(probe.off === 0 ? [] : [aluImm(true, OP.add, BPF_REG_AX, probe.off)]),
    aluImm(true, OP.rsh, BPF_REG_AX, 32),
    jumpImm(true, OP.jle, BPF_REG_AX, userLimitHigh, 2),
    probe,
    jump(1),
    aluImm(true, OP.mov, probe.dst, 0),
  ];
}
