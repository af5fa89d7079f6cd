import { BPF_JMP, CALL, EXIT, type Insn, TAIL_CALL } from '../../../isa/index.ts';
import { ERRNO } from '../../../uapi/index.ts';
import { alignUp } from '../../../util/index.ts';
import { loweringTable } from '../../lowering-table.ts';
import { onceFor } from '../../once.ts';
import {
  type Callee,
  type CompiledFunc,
  type FuncCompiler,
  type FuncInput,
  JitError,
  type TargetEnv,
} from '../../types.ts';
import { ALU_ROWS } from './alu.ts';
import { ATOMIC_ROWS } from './atomic.ts';
import { BYTE_SWAP_ROWS } from './byte-swap.ts';
import { CALL_ROWS } from './call.ts';
import { type Context, Emission, type Lowering, type Target, type Unit } from './emission.ts';
import { emitPrologue, leave, TAIL_ENTRY_BYTES } from './frame.ts';
import { JUMP_ROWS } from './jump.ts';
import { MEMORY_ROWS } from './memory.ts';
import { KEPT, REGISTERS } from './registers.ts';

const LOWERINGS = loweringTable<Lowering>(ALU_ROWS, BYTE_SWAP_ROWS, MEMORY_ROWS, ATOMIC_ROWS, JUMP_ROWS, CALL_ROWS);

/** `NR_JIT_ITERATIONS` */
const MAX_PASSES = 32;
/** What a slot takes before anything is known. */
const GUESSED_SLOT_BYTES = 64;
/** `struct exception_table_entry`: distances to instruction and fixup, and what to do. */
const TABLE_ENTRY_BYTES = 12;
const EX_TYPE_BPF = 2;
const FIXUP_REG_SHIFT = 27;

/** Codes whose fields name no registers. */
const NAMELESS: ReadonlySet<number> = new Set([BPF_JMP, CALL, EXIT, TAIL_CALL]);
const KEPT_MASK = KEPT.reduce((mask, reg) => mask | (1 << reg), 0);

/** Registers an instruction's fields name, whether it reads them or not. */
function noteNamed(ctx: Context, { code, dst, src }: Insn): void {
  if (NAMELESS.has(code)) return;
  ctx.seen |= ((1 << REGISTERS[dst]) | (1 << REGISTERS[src])) & KEPT_MASK;
}

/** @param ends whether the ends of slots are written down */
function emitBody(e: Emission, ends: boolean): void {
  const { insns } = e.unit.func;
  for (e.slot = 0; e.slot < insns.length; e.slot++) {
    const insn = insns[e.slot];
    const lower = LOWERINGS[insn.code];
    noteNamed(e.ctx, insn);
    if (lower === undefined) {
      throw new JitError(ERRNO.EINVAL, `bpf-jit: unknown opcode ${insn.code.toString(16).padStart(2, '0')}`);
    }
    lower(e, insn);
    // The second slot of two that are one gets the end; the first keeps what was guessed.
    if (ends) e.ctx.ends[e.slot] = e.here;
  }
}

function runPass(unit: Unit, ctx: Context, target: Target, ends: boolean): Emission {
  const e = new Emission(unit, ctx, target);
  emitPrologue(e);
  if (ends) ctx.prologueEnd = e.here;
  emitBody(e, ends);
  if (ends) ctx.epilogue = e.here;
  leave(e, false);
  return e;
}

/** What the passes before there is an image found. */
interface Plan {
  readonly ctx: Context;
  /** The image's; later passes need as many or fewer. */
  readonly bytes: number;
  readonly passes: number;
}

const WITHOUT_IMAGE: Target = { image: undefined, at: 0n, callees: undefined };

const diverges = (): JitError =>
  new JitError(ERRNO.ENOTSUPP, `bpf-jit: image did not converge in <${MAX_PASSES} passes!`);

function plan(unit: Unit): Plan {
  const count = unit.func.insns.length;
  const ctx: Context = { ends: new Int32Array(count), seen: 0, tailCall: false, prologueEnd: 0, epilogue: 0 };
  emitBody(new Emission(unit, ctx, WITHOUT_IMAGE), false);
  for (let i = 0; i < count; i++) ctx.ends[i] = GUESSED_SLOT_BYTES * (i + 1);
  let before = GUESSED_SLOT_BYTES * count;
  for (let pass = 1; pass <= MAX_PASSES; pass++) {
    const { here } = runPass(unit, ctx, WITHOUT_IMAGE, true);
    if (here === before) return { ctx, bytes: here, passes: pass };
    before = here;
  }
  throw diverges();
}

/** With an image calls have distances and may be shorter: again until nothing shrinks, then once more. */
function firstRun(unit: Unit, { ctx, bytes, passes }: Plan, image: Uint16Array, at: bigint): Emission {
  const target: Target = { image, at, callees: undefined };
  let before = bytes;
  for (let pass = passes + 1; pass <= MAX_PASSES; pass++) {
    const { here } = runPass(unit, ctx, target, true);
    if (here === before) return runPass(unit, ctx, target, false);
    before = here;
  }
  throw diverges();
}

/**
 * The kernel's compiler: what `bpf_int_jit_compile` of Linux 6.12 on riscv64 leaves in an image, instruction by instruction. `emit`
 * without callees is its first run, with them its extra pass. The image's length is that before calls had distances; what
 * later passes leave free holds what passes before them left, and zeros.
 *
 * Source: arch/riscv/net/bpf_jit_core.c, bpf_jit_comp64.c, bpf_jit.h. Errors: JitError with the errno those return.
 */
export function compatCompiler(func: FuncInput, env: TargetEnv): FuncCompiler {
  const zbs = env.cpu !== 'rv64gc';
  const unit: Unit = {
    func,
    env,
    stackBytes: alignUp(func.stackDepthBytes, 16),
    // The verifier's promise lies in `prog->aux`, which jit_subprogs does not copy: functions clear once more.
    zeroExtended: func.verifierZext && !func.isFunc,
    zba: zbs,
    zbb: zbs,
  };
  let planned: Plan | undefined;
  return {
    emit: onceFor((at: bigint | undefined, callees: readonly Callee[] | undefined): CompiledFunc => {
      planned ??= plan(unit);
      const own: Plan = { ...planned, ctx: { ...planned.ctx, ends: planned.ctx.ends.slice() } };
      const image = new Uint16Array(planned.bytes / 2);
      const base = at ?? env.space.layout.images.start;
      let e = firstRun(unit, own, image, base);
      if (func.isFunc && callees !== undefined) e = runPass(unit, own.ctx, { image, at: base, callees }, false);
      return finish(e, image);
    }),
  };
}

/** Code, and behind it the exception table. */
function finish(e: Emission, image: Uint16Array): CompiledFunc {
  const { func } = e.unit;
  const tableOff = image.length * 2;
  const bytes = new Uint8Array(tableOff + e.faults.length * TABLE_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < image.length; i++) view.setUint16(i * 2, image[i], true);
  for (const [i, { insnOff, fixupOff }] of e.faults.entries()) {
    const entry = tableOff + i * TABLE_ENTRY_BYTES;
    view.setInt32(entry, insnOff - entry, true);
    view.setInt32(entry + 4, (entry + 4 - fixupOff) | (e.faultClears[i] << FIXUP_REG_SHIFT), true);
    view.setInt32(entry + 8, EX_TYPE_BPF, true);
  }
  const { ends, prologueEnd } = e.ctx;
  const slotOffs = new Int32Array(func.insns.length + 1);
  slotOffs[0] = prologueEnd;
  for (let slot = 0; slot < func.insns.length; slot++) {
    // A slot that is part of the one before it has no end of its own before that one's.
    const joined = slot + 1 < ends.length && ends[slot] > ends[slot + 1];
    slotOffs[slot + 1] = joined ? ends[slot + 1] : ends[slot];
  }
  return {
    bytes,
    jitedLen: tableOff,
    entryOff: 0,
    localEntryOff: 0,
    tailEntryOff: TAIL_ENTRY_BYTES,
    slotOffs,
    sites: e.sites,
    extable: e.faults,
  };
}
