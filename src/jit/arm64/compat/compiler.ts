import { ERRNO } from '../../../uapi/index.ts';
import { alignUp, InternalError } from '../../../util/index.ts';
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
import { Emission, type Lowering, type Unit } from './emission.ts';
import { emitEpilogue, emitPlt, emitPrologue, TAIL_ENTRY_WORDS } from './frame.ts';
import { JUMP_ROWS } from './jump.ts';
import { MEMORY_ROWS } from './memory.ts';
import { ARENA, BPF_FRAME_POINTER, FIRST_KEPT, LAST_KEPT, REGISTERS } from './registers.ts';

const LOWERINGS = loweringTable<Lowering>(ALU_ROWS, BYTE_SWAP_ROWS, MEMORY_ROWS, ATOMIC_ROWS, JUMP_ROWS, CALL_ROWS);

/** The address behind the last two instructions. */
const PLT_TARGET_BYTES = 8;
/** `struct exception_table_entry`: distances to instruction and fixup, and what to do. */
const TABLE_ENTRY_BYTES = 12;
const EX_TYPE_BPF = 1;
/** A register that no fault clears: none of BPF's. */
const CLEARS_NOTHING = 5;
const FIXUP_REG_SHIFT = 27;
/** `AARCH64_BREAK_FAULT` */
const BREAK = 0xd4202000 | 0;

function unitOf(func: FuncInput, env: TargetEnv): Unit {
  let named = 0;
  for (const { dst, src } of func.insns) named |= (1 << dst) | (1 << src);
  const kept: number[] = [];
  for (let reg = FIRST_KEPT; reg <= LAST_KEPT; reg++) if ((named >> reg) & 1) kept.push(REGISTERS[reg]);
  if (func.arena !== undefined) kept.push(ARENA);
  return {
    func,
    env,
    stackBytes: alignUp(func.stackDepthBytes, 16),
    kept,
    usesFrame: ((named >> BPF_FRAME_POINTER) & 1) === 1,
    lse: env.cpu !== 'armv8-a',
  };
}

function emitBody(e: Emission): void {
  const { insns } = e.unit.func;
  for (e.slot = 0; e.slot < insns.length; e.slot++) {
    const insn = insns[e.slot];
    e.offsets[e.slot] = e.idx;
    const lower = LOWERINGS[insn.code];
    if (lower === undefined) {
      throw new JitError(ERRNO.EINVAL, `unknown opcode ${insn.code.toString(16).padStart(2, '0')}`);
    }
    lower(e, insn);
  }
  e.offsets[insns.length] = e.idx;
}

/** The first pass: every call in its longest form. */
function estimate(unit: Unit): number {
  const e = new Emission(unit, new Int32Array(unit.func.insns.length + 1), undefined, undefined, undefined);
  emitPrologue(e);
  // Jumps have no places yet; those of a function too long for them fail in the next pass.
  emitBody(e);
  emitEpilogue(e);
  emitPlt(e);
  return e.idx;
}

/** Two passes with an image: one finds where everything is, the other writes it. */
function write(unit: Unit, offsets: Int32Array, out: Int32Array, at: bigint, callees: readonly Callee[] | undefined) {
  const place = new Emission(unit, offsets, undefined, at, callees);
  emitPrologue(place);
  emitBody(place);
  const e = new Emission(unit, offsets, out, at, callees);
  e.epilogue = place.idx;
  emitPrologue(e);
  emitBody(e);
  if (e.idx !== place.idx) throw new InternalError('arm64: passes differ');
  emitEpilogue(e);
  emitPlt(e);
  return e;
}

/**
 * The kernel's compiler: what `bpf_int_jit_compile` of Linux 6.12 on arm64 leaves in an image, instruction by instruction. `emit`
 * without callees is its first run, with them its extra pass. The image has room for every call in its longest form; what
 * later passes leave free holds the end of the first run.
 *
 * ```
 *   bytes:  code │ ldr, br │ address │ rest │ exception table
 *           └── jitedLen ──┘
 * ```
 *
 * Source: arch/arm64/net/bpf_jit_comp.c, bpf_jit.h. Errors: JitError with the errno those return.
 */
export function compatCompiler(func: FuncInput, env: TargetEnv): FuncCompiler {
  const unit = unitOf(func, env);
  let words = 0;
  return {
    emit: onceFor((at: bigint | undefined, callees: readonly Callee[] | undefined): CompiledFunc => {
      words ||= estimate(unit);
      const base = at ?? env.space.layout.images.start;
      const out = new Int32Array(words + PLT_TARGET_BYTES / 4).fill(BREAK);
      const offsets = new Int32Array(func.insns.length + 1);
      const target = env.space.symbolAddr('dummy_tramp');
      const run = (known: readonly Callee[] | undefined): Emission => {
        const e = write(unit, offsets, out, base, known);
        out[e.idx] = Number(BigInt.asIntN(32, target));
        out[e.idx + 1] = Number(BigInt.asIntN(32, target >> 32n));
        return e;
      };
      // The extra pass writes over what the first run left.
      if (func.isFunc && callees !== undefined) run(undefined);
      return image(run(callees), out, offsets);
    }),
  };
}

/** Code, and behind it the exception table. */
function image(e: Emission, code: Int32Array, offsets: Int32Array): CompiledFunc {
  const tableOff = code.length * 4;
  const bytes = new Uint8Array(tableOff + e.faults.length * TABLE_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < code.length; i++) view.setInt32(i * 4, code[i], true);
  for (const [i, { insnOff, fixupOff }] of e.faults.entries()) {
    const entry = tableOff + i * TABLE_ENTRY_BYTES;
    view.setInt32(entry, insnOff - entry, true);
    view.setInt32(entry + 4, (entry + 4 - fixupOff) | ((e.faultClears[i] ?? CLEARS_NOTHING) << FIXUP_REG_SHIFT), true);
    view.setInt32(entry + 8, EX_TYPE_BPF, true);
  }
  return {
    bytes,
    jitedLen: e.idx * 4,
    entryOff: 0,
    localEntryOff: 0,
    tailEntryOff: 4 * TAIL_ENTRY_WORDS,
    slotOffs: offsets.map(offset => offset * 4),
    sites: e.sites,
    extable: e.faults,
  };
}
