import {
  BPF_LDX,
  BPF_MEM,
  BPF_MEMSX,
  BPF_PSEUDO_BTF_ID,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_IDX,
  BPF_PSEUDO_MAP_IDX_VALUE,
  BPF_PSEUDO_MAP_VALUE,
  type Insn,
  LD_IMM64,
} from '../isa/index.ts';
import { DEFAULT_RULES, type KernelRules } from './kernel-rules.ts';
import type { Rejection } from './types.ts';
import type { VerifierLog } from './verifier-log.ts';

/** Maps one program may use (`include/linux/bpf_verifier.h: MAX_USED_MAPS`). */
export const MAX_USED_MAPS = 64;

/** Finds out what a `ld_imm64` names that is no plain number, and may refuse it. */
export type ResolveImm = (insn: Insn, second: Insn, idx: number) => Rejection | undefined;

/**
 * Checks every `ld_imm64`'s second slot and kind, the unused fields of loads, and that every code is an instruction. What
 * the maps, functions and kernel variables are that a `ld_imm64` names is asked of `resolve`.
 *
 * Source: `kernel/bpf/verifier.c: resolve_pseudo_ldimm64`.
 */
export function checkPseudoImms(
  insns: readonly Insn[],
  log: VerifierLog,
  resolve: ResolveImm,
  rules: KernelRules = DEFAULT_RULES,
): Rejection | undefined {
  const { knownCodes, cpuV4 } = rules;
  for (let idx = 0; idx < insns.length; idx++) {
    const insn = insns[idx];
    if ((insn.code & 0x07) === BPF_LDX) {
      const mode = insn.code & 0xe0;
      if ((mode !== BPF_MEM && (mode !== BPF_MEMSX || !cpuV4)) || insn.imm !== 0)
        return log.reject('ldxReserved', [], idx);
    }
    if (insn.code === LD_IMM64) {
      const second = insns[idx + 1];
      if (second === undefined || second.code !== 0 || second.dst !== 0 || second.src !== 0 || second.off !== 0) {
        return log.reject('ldImm64Slot', [], idx);
      }
      if (insn.src !== 0) {
        if (!isKnownKind(insn, second)) return log.reject('ldImm64Kind', [], idx);
        const refused = resolve(insn, second, idx);
        if (refused !== undefined) return refused;
      }
      idx++;
      continue;
    }
    if (knownCodes[insn.code] === 0) return log.reject('unknownOpcode', [insn.code], idx);
  }
  return undefined;
}

/** Only how many maps there are is asked: those that `names` names by slot. */
export function countUsedMaps(names: ReadonlyMap<number, string> | undefined, log: VerifierLog): ResolveImm {
  const used = new Set<string>();
  return (_insn, _second, idx) => {
    const map = names?.get(idx);
    if (map === undefined || used.has(map)) return undefined;
    if (used.size >= MAX_USED_MAPS) return log.reject('tooManyMaps', [], idx);
    used.add(map);
    return undefined;
  };
}

function isKnownKind(insn: Insn, second: Insn): boolean {
  switch (insn.src) {
    case BPF_PSEUDO_BTF_ID:
    case BPF_PSEUDO_FUNC:
    case BPF_PSEUDO_MAP_VALUE:
    case BPF_PSEUDO_MAP_IDX_VALUE:
      return true;
    case BPF_PSEUDO_MAP_FD:
    case BPF_PSEUDO_MAP_IDX:
      return second.imm === 0;
    default:
      return false;
  }
}
