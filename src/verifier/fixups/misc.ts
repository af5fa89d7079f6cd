import {
  BPF_ADDR_SPACE_CAST,
  BPF_ALU,
  BPF_ALU64,
  BPF_DW,
  BPF_HELPER_CALL,
  BPF_LD,
  BPF_LDX,
  BPF_MOV,
  BPF_PROBE_MEM,
  BPF_PROBE_MEMSX,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_X,
  CALL,
  type Insn,
  LD_IMM64,
  MAX_BPF_STACK,
  MAY_GOTO,
  makeInsn,
  TAIL_CALL,
} from '../../isa/index.ts';
import { BPF_FLAGS, bpf_func_id } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { InsnAux } from '../insn-aux.ts';
import { fixPointerAlu } from './alu-sanitize.ts';
import { fixDivMod } from './div-mod.ts';
import { hiddenExceptionCallback } from './exception-callback.ts';
import { callHelper, storageGetFlags } from './helper-call.ts';
import { INLINES } from './helper-inline.ts';
import { aluImm, jumpImm, loadImm64, loadMem, OP } from './insns.ts';
import { halves } from './kernel-addresses.ts';
import { fixKfuncCall } from './kfunc-call.ts';
import { fixPacketLoad } from './ld-abs.ts';
import { genLookup, indexMask } from './map-lookup.ts';
import { isMapOperation, mapOperation } from './map-ops.ts';
import { fixMayGoto, MAY_GOTO_STACK_BYTES, mayGotoPrologue } from './may-goto.ts';
import type { MiscContext, MiscFixup } from './misc-context.ts';
import type { Patch } from './patch.ts';
import { guardUserSpace } from './probe-reads.ts';

const F = bpf_func_id;
const MOV64_REG = BPF_ALU64 | BPF_MOV | BPF_X;
const DIV_MOD: ReadonlySet<number> = new Set([0x30, 0x38, 0x90, 0x98].flatMap(op => [BPF_ALU | op, BPF_ALU64 | op]));
/**
 * High half of the last address of user space, where a probe load has to ask for it itself.
 * Source: `bpf_arch_uaddress_limit` of each architecture.
 */
const USER_LIMIT_HIGH: Readonly<Record<string, number>> = { arm64: 0xffff, riscv64: 0xff };

/**
 * The last fixups: everything a JIT does not take as it is. Returns how many functions it added.
 *
 * Differs from Linux: what a JIT inlines itself (arm64, riscv64) is called.
 *
 * Source: `kernel/bpf/verifier.c: do_misc_fixups`.
 */
export function doMiscFixups(ctx: MiscContext): number {
  const { program } = ctx;
  const { env } = program;
  const slots = program.insns.length;
  const needsCallback = env.seenException && !program.subprogs.some(subprog => subprog.isExceptionCallback);
  if (needsCallback) program.addHidden(hiddenExceptionCallback()).isExceptionCallback = true;
  const { insns, aux, subprogs } = program;
  const patches = new Map<number, Patch>();
  const prologues = new Map<number, readonly Insn[]>();
  for (const subprog of subprogs) {
    let countsLoops = false;
    for (let idx = subprog.start; idx < subprog.end && idx < slots; idx++) {
      countsLoops ||= insns[idx].code === MAY_GOTO;
      const patch = fixOne(idx, ctx);
      if (patch?.inPlace === true) insns[idx] = patch.insns[0];
      else if (patch !== undefined) patches.set(idx, patch);
      if (insns[idx].code === LD_IMM64) idx++;
    }
    if (!countsLoops) continue;
    subprog.stackDepthBytes += MAY_GOTO_STACK_BYTES;
    const depth = subprog.stackDepthBytes;
    if (depth > MAX_BPF_STACK && !env.jitRequested) env.refuse('extraStack', depth, MAY_GOTO_STACK_BYTES);
    prologues.set(subprog.start, mayGotoPrologue(depth));
  }
  program.apply(patches, prologues);
  return needsCallback ? 1 : 0;

  /** Changes the instruction in place where that is all, and gives the patch otherwise. */
  function fixOne(idx: number, { fixups }: MiscContext): Patch | undefined {
    const insn = insns[idx];
    const { code } = insn;
    if (code === MOV64_REG && insn.imm !== 0) {
      insns[idx] = withoutCast(insn);
      return undefined;
    }
    if (aux[idx].detail.needsZext) insns[idx] = { ...insn, code: (code & ~7) | BPF_ALU };
    const now = insns[idx];
    if (DIV_MOD.has(now.code)) return fixDivMod(now);
    switch (now.code & 7) {
      case BPF_LDX: {
        const mode = now.code & 0xe0;
        const limit = USER_LIMIT_HIGH[env.kernel.arch];
        if ((mode !== BPF_PROBE_MEM && mode !== BPF_PROBE_MEMSX) || limit === undefined) return undefined;
        return { insns: guardUserSpace(now, limit) };
      }
      case BPF_LD:
        return now.code === LD_IMM64 ? undefined : fixPacketLoad(now, idx, fixups);
      default:
    }
    if (now.code === MAY_GOTO) return fixMayGoto(now, idx, fixups);
    return now.code === CALL ? fixCall(now, aux[idx], ctx) : fixPointerAlu(now, aux[idx]);
  }

  /** Source: the first lines of the loop. A cast to user space is the JIT's, unless the arena does without. */
  function withoutCast(insn: Insn): Insn {
    const toKernel = insn.off === BPF_ADDR_SPACE_CAST && insn.imm === 1;
    const noUserConv = ((env.arena?.flags ?? 0) & BPF_FLAGS.BPF_F_NO_USER_CONV) !== 0;
    return toKernel || noUserConv ? makeInsn(BPF_ALU | BPF_MOV | BPF_X, insn.dst, insn.src, 0, 0) : insn;
  }
}

const fixCall: MiscFixup = (insn, aux, ctx) => {
  if (insn.src === BPF_PSEUDO_CALL) return undefined;
  if (insn.src === BPF_PSEUDO_KFUNC_CALL) return fixKfuncCall(insn, aux, ctx);
  if (insn.src !== BPF_HELPER_CALL) return undefined;
  if (insn.imm === F.BPF_FUNC_tail_call) return fixTailCall(aux, ctx);
  const call = helperCall(insn.imm, ctx);
  if (insn.imm === F.BPF_FUNC_timer_set_callback)
    return { insns: [...loadImm64(3, ...halves(ctx.addresses.objectAt('prog->aux'))), call] };
  const maySleep = ctx.program.env.prog.sleepable && !aux.detail.storageGetFuncAtomic;
  const flags = storageGetFlags(insn.imm, maySleep);
  if (flags !== undefined) return { insns: [flags, call] };
  if (aux.detail.callWithPercpuAllocPtr) return { insns: [loadMem(BPF_DW, 1, 1, 0), call] };
  if (ctx.program.env.jitRequested && isMapOperation(insn.imm)) return fixMapCall(insn.imm, aux, ctx) ?? inPlace(call);
  const inlined = INLINES.get(insn.imm)?.(ctx);
  return inlined === undefined ? inPlace(call) : { insns: inlined };
};

const inPlace = (insn: Insn): Patch => ({ insns: [insn], inPlace: true });

/** The call of the function behind a helper. */
function helperCall(helperId: number, { program, fixups }: MiscContext): Insn {
  const { prog, kernel } = program.env;
  const hook = prog.attachFuncName.startsWith('bpf_lsm_') ? prog.attachFuncName.slice('bpf_lsm_'.length) : undefined;
  const symbol = kernel.image.helperSymbol(helperId, prog.type, {
    attachType: prog.attachType,
    sleepable: prog.sleepable,
    ...(hook === undefined ? {} : { hook }),
  });
  return callHelper(fixups, helperId, symbol);
}

/** A call with one map on all paths goes to the function of the map's type, or becomes a look-up in place. */
function fixMapCall(helperId: number, aux: InsnAux, ctx: MiscContext): Patch | undefined {
  const map = aux.detail.mapPtr;
  if (aux.detail.mapPoison || map === undefined) return undefined;
  if (helperId === F.BPF_FUNC_map_lookup_elem) {
    const insns = genLookup(map, ctx.lookups);
    if (insns !== undefined) return { insns };
  }
  const name = mapOperation(helperId, map.type);
  return name === undefined ? undefined : inPlace(callHelper(ctx.fixups, helperId, name));
}

/**
 * Its own instruction. Where all paths name one entry of one array, `imm` is how many such calls there are up to it, for JITs
 * that make them direct jumps (`bpf_jit_add_poke_descriptor`). The index checked where a CPU might guess that it is in range.
 */
function fixTailCall(aux: InsnAux, ctx: MiscContext): Patch {
  const env: VerifierEnv = ctx.program.env;
  const tailCall = makeInsn(TAIL_CALL, 0, 0, 0, 0);
  const { mapUnpriv, mapPoison, mapKeyPoison, mapPtr: map } = aux.detail;
  const direct = env.bpfCapable && env.jitRequested && !mapKeyPoison && !mapPoison && map !== undefined && !mapUnpriv;
  if (direct) return inPlace({ ...tailCall, imm: ++ctx.directTailCalls });
  if (!mapUnpriv) return inPlace(tailCall);
  if (mapPoison || map === undefined) env.refuse('tailCallAbuse');
  return {
    insns: [
      jumpImm(true, OP.jge, 3, map.maxEntries | 0, 2),
      aluImm(false, OP.and, 3, indexMask(map.maxEntries)),
      tailCall,
    ],
  };
}
