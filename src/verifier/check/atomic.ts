import { PTR_TO_ARENA } from '../../helpers/index.ts';
import {
  BPF_ADD,
  BPF_AND,
  BPF_CMPXCHG,
  BPF_DW,
  BPF_FETCH,
  BPF_LOAD_ACQ,
  BPF_OR,
  BPF_STORE_REL,
  BPF_W,
  BPF_XCHG,
  BPF_XOR,
  type Insn,
} from '../../isa/index.ts';
import type { KernelArch } from '../../kernels/index.ts';
import type { VerifierEnv } from '../env.ts';
import { regTypeStr } from '../print/reg-type-text.ts';
import { checkRegArg, DST_OP, DST_OP_NO_MARK, SRC_OP } from './liveness.ts';
import { checkMemAccess, saveAuxPtrType } from './mem-access.ts';
import {
  BPF_READ,
  BPF_WRITE,
  isArenaReg,
  isCtxReg,
  isFlowKeyReg,
  isPktReg,
  isPointerValue,
  isSkReg,
} from './pointer-kinds.ts';

const R0 = 0;
const LOOPED = [BPF_AND | BPF_FETCH, BPF_OR | BPF_FETCH, BPF_XOR | BPF_FETCH];
const OPCODES: ReadonlySet<number> = new Set([
  BPF_ADD,
  BPF_ADD | BPF_FETCH,
  BPF_AND,
  BPF_OR,
  BPF_XOR,
  ...LOOPED,
  BPF_XCHG,
  BPF_CMPXCHG,
]);

/**
 * Atomics in arenas that a JIT has no code for, as a fault inside of them could not be recovered from; 'all': it has
 * none at all. Source: `arch/<arch>/net/bpf_jit_comp*.c: bpf_jit_supports_insn` of 6.12.
 */
const ARENA_UNSUPPORTED: Readonly<Record<KernelArch, 'all' | readonly number[]>> = {
  x86_64: LOOPED,
  arm64: [],
  s390x: [],
  ppc64: 'all',
  riscv64: 'all',
};

function jitSupportsInArena(env: VerifierEnv, insn: Insn): boolean {
  const unsupported = ARENA_UNSUPPORTED[env.kernel.arch];
  return unsupported !== 'all' && !unsupported.includes(insn.imm);
}

/** What an atomic may not work on. Source: `atomic_ptr_type_ok`. */
function refuseTarget(env: VerifierEnv, regno: number, insn: Insn, does = 'stores into'): void {
  if (
    isCtxReg(env, regno) ||
    isPktReg(env, regno) ||
    isFlowKeyReg(env, regno) ||
    isSkReg(env, regno) ||
    (isArenaReg(env, regno) && !jitSupportsInArena(env, insn))
  ) {
    env.refuse('atomicTarget', regno, regTypeStr(env.regs[regno].type), does);
  }
}

/** A load or store that orders others. Source: `check_atomic_load, check_atomic_store` of 6.15 and later. */
function checkAcquireRelease(env: VerifierEnv, insnIdx: number, insn: Insn): void {
  const { code, imm, src, dst, off } = insn;
  const size = code & 0x18;
  const load = imm === BPF_LOAD_ACQ;
  const pointer = load ? src : dst;
  checkRegArg(env, src, SRC_OP);
  checkRegArg(env, dst, load ? DST_OP_NO_MARK : SRC_OP);
  refuseTarget(env, pointer, insn, load ? 'loads from' : 'stores into');
  const { type } = env.regs[pointer];
  checkMemAccess(env, insnIdx, pointer, off, size, load ? BPF_READ : BPF_WRITE, load ? dst : src, true, false);
  saveAuxPtrType(env, type, load);
}

/**
 * Checks an atomic instruction: operands, what it may work on, then a load and a store there.
 *
 * Source: `kernel/bpf/verifier.c: check_atomic`.
 */
export function checkAtomic(env: VerifierEnv, insnIdx: number, insn: Insn): void {
  const { code, imm, src, dst, off } = insn;
  const size = code & 0x18;
  if (env.rules.acquireRelease && (imm === BPF_LOAD_ACQ || imm === BPF_STORE_REL)) {
    checkAcquireRelease(env, insnIdx, insn);
    return;
  }
  if (!OPCODES.has(imm)) env.refuse('atomicOpcode', (imm >>> 0).toString(16).padStart(2, '0'));
  if (size !== BPF_W && size !== BPF_DW) env.refuse('atomicSize');
  checkRegArg(env, src, SRC_OP);
  checkRegArg(env, dst, SRC_OP);
  if (imm === BPF_CMPXCHG) {
    checkRegArg(env, R0, SRC_OP);
    if (isPointerValue(env, R0)) env.refuse('leaksAddr', R0, 'mem');
  }
  if (isPointerValue(env, src)) env.refuse('leaksAddr', src, 'mem');
  refuseTarget(env, dst, insn);
  let loadReg = -1;
  if ((imm & BPF_FETCH) !== 0) {
    loadReg = imm === BPF_CMPXCHG ? R0 : src;
    checkRegArg(env, loadReg, DST_OP);
  }
  checkMemAccess(env, insnIdx, dst, off, size, BPF_READ, -1, true, false);
  if (loadReg >= 0) checkMemAccess(env, insnIdx, dst, off, size, BPF_READ, loadReg, true, false);
  if (isArenaReg(env, dst)) saveAuxPtrType(env, PTR_TO_ARENA, false);
  checkMemAccess(env, insnIdx, dst, off, size, BPF_WRITE, -1, true, false);
}
