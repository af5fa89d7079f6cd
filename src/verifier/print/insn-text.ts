import { printInsn } from '../../asm/index.ts';
import { BPF_PSEUDO_BTF_ID, BPF_PSEUDO_FUNC, BPF_PSEUDO_KFUNC_CALL, type Insn, LD_IMM64 } from '../../isa/index.ts';
import { bpf_map_type, helperName } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';

/** Where maps and their values lie in logs: nowhere in particular, but always at the same place. */
const MAP_BASE = 0xffff888100000000n;
const VALUE_BASE = 0xffffc90000000000n;
const ARENA_BASE = 0x7f0000000000n;
/** Where variables and functions of the kernel lie in logs, by their ids. */
const KSYM_BASE = 0xffffffff81000000n;
const MAP_STRIDE = 0x10000n;
const VALUE_STRIDE = 0x100000000n;

/** What a `ld_imm64` holds once maps are resolved. */
function resolvedImm(env: VerifierEnv, insn: Insn, imm64: bigint, idx: number): bigint {
  const { mapIndex, mapOff } = env.insnAux[idx].detail;
  if (insn.src === BPF_PSEUDO_BTF_ID) return KSYM_BASE + BigInt(insn.imm >>> 0) * 16n;
  if (insn.src === 0 || insn.src === BPF_PSEUDO_FUNC || mapIndex < 0) return imm64;
  // Sources 1 and 5 name the map, 2 and 6 its value.
  if ((insn.src & 1) === 1) return MAP_BASE + BigInt(mapIndex) * MAP_STRIDE;
  const map = env.maps[mapIndex];
  // What is in an arena is named by the address user space has it at.
  if (map?.type === bpf_map_type.BPF_MAP_TYPE_ARENA) return (map.mapExtra || ARENA_BASE) + BigInt(mapOff >>> 0);
  return VALUE_BASE + BigInt(mapIndex) * VALUE_STRIDE + BigInt(mapOff >>> 0);
}

/** The name of a called kernel function; that of id 0, which weak functions that are not there have, is empty. */
const kfuncName = (env: VerifierEnv, { imm, off }: Insn, idx: number): string | undefined =>
  env.kfuncs.nameAt(idx) ?? (imm === 0 && off === 0 ? '' : undefined);

/** The text of an instruction in the log: `(bf) r2 = r10`. Source: `kernel/bpf/disasm.c: print_bpf_insn`. */
export function insnText(env: VerifierEnv, idx: number): string {
  if (env.insnTexts.length === 0) env.insnTexts = new Array(env.insns.length);
  return (env.insnTexts[idx] ??= makeText(env, idx));
}

function makeText(env: VerifierEnv, idx: number): string {
  const insn = env.insns[idx];
  return printInsn(env.insns, idx, {
    dialect: 'kernel',
    linux: env.kernel.version,
    allowPtrLeaks: env.allowPtrLeaks,
    helperName,
    cbCall: callee => (callee.src === BPF_PSEUDO_KFUNC_CALL ? kfuncName(env, callee, idx) : undefined),
    ...(insn.code === LD_IMM64
      ? { cbImm: (wide: Insn, imm64: bigint) => `0x${resolvedImm(env, wide, imm64, idx).toString(16)}` }
      : {}),
  });
}
