import { ERRNO } from '../../../uapi/index.ts';
import { alignUp, InternalError } from '../../../util/index.ts';
import { CodeBuffer } from '../../code-buffer.ts';
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
import { THIS_CPU_OFF } from '../own/alu-rows.ts';
import { ALU_ROWS } from './alu.ts';
import { ATOMIC_ROWS } from './atomic.ts';
import { BYTE_SWAP_ROWS } from './byte-swap.ts';
import { CALL_ROWS } from './call.ts';
import { Emission, type Labels, type Lowering, type Pass, type Unit } from './emission.ts';
import { emitPrologue, TAIL_ENTRY_BYTES } from './frame.ts';
import { JUMP_ROWS } from './jump.ts';
import { MEMORY_ROWS } from './memory.ts';
import { FIRST_KEPT, KEPT } from './registers.ts';

const LOWERINGS = loweringTable<Lowering>(ALU_ROWS, BYTE_SWAP_ROWS, MEMORY_ROWS, ATOMIC_ROWS, JUMP_ROWS, CALL_ROWS);

/** Passes that may shrink the image, and of them those behind which jumps are filled up instead. */
const MAX_PASSES = 20;
const PADDING_PASSES = 15;
/** What a slot takes before anything is known. */
const GUESSED_SLOT_BYTES = 64;
/** `struct exception_table_entry`: distances to instruction and fixup, and what to do. */
const TABLE_ENTRY_BYTES = 12;
const EX_TYPE_BPF = 7;
const INT3 = 0xcc;

/** R6 … R9, as far as any slot names them, whether it reads those fields or not (`detect_reg_usage`). */
function keptRegisters({ insns }: FuncInput): number {
  let mask = 0;
  for (const { dst, src } of insns) mask |= (1 << dst) | (1 << src);
  return (mask >> FIRST_KEPT) & ((1 << KEPT.length) - 1);
}

function runPass(c: CodeBuffer, unit: Unit, pass: Pass): Emission {
  c.reset(0);
  const e = new Emission(c, unit, pass);
  const { insns } = unit.func;
  const { addrs } = pass;
  emitPrologue(e);
  addrs[0] = c.length;
  for (e.slot = 0; e.slot < insns.length; e.slot++) {
    const first = e.slot;
    e.start = c.length;
    const insn = insns[first];
    const lower = LOWERINGS[insn.code];
    if (lower === undefined) {
      throw new JitError(ERRNO.ENOTSUPP, `bpf_jit: unknown opcode ${insn.code.toString(16)} (@${first})`);
    }
    lower(e, insn);
    if (pass.writing && c.length !== addrs[e.slot + 1]) {
      throw new JitError(ERRNO.ENOTSUPP, `bpf_jit: fatal error (@${first})`);
    }
    // The second slot of a ld_imm64 keeps what was guessed: nothing leads there.
    addrs[e.slot + 1] = c.length;
  }
  return e;
}

/** What the passes before the image found. */
interface Plan {
  readonly addrs: Int32Array;
  readonly labels: Labels;
  readonly lengthBytes: number;
  /** Whether the pass that writes the image fills jumps up. */
  readonly padding: boolean;
}

/** Passes until the image stops shrinking. */
function shrink(c: CodeBuffer, unit: Unit): Plan {
  const count = unit.func.insns.length;
  const addrs = new Int32Array(count + 1);
  for (let i = 0; i <= count; i++) addrs[i] = GUESSED_SLOT_BYTES * (i + 1);
  const labels: Labels = { cleanup: GUESSED_SLOT_BYTES * (count + 1), tailDirect: 0, tailIndirect: 0 };
  let lengthBytes = 0;
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const padding = pass >= PADDING_PASSES;
    const e = runPass(c, unit, { addrs, labels, padding, writing: false, at: 0n, callees: undefined });
    const shorter = e.c.length !== lengthBytes;
    lengthBytes = e.c.length;
    if (!shorter) return { addrs, labels, lengthBytes, padding: pass + 1 >= PADDING_PASSES };
  }
  throw new JitError(ERRNO.ENOTSUPP, `bpf_jit: no fixed length in ${MAX_PASSES} passes`);
}

/**
 * The kernel's compiler: what `bpf_int_jit_compile` of Linux 6.12 on x86-64 leaves in an image, byte by byte, with IBT and
 * without mitigations that CPUs ask for (retpolines, return thunks, call depth). `emit` without callees is its first run, with them its
 * extra pass, in which no length changes.
 *
 * Source: arch/x86/net/bpf_jit_comp.c. Errors: JitError; where that fails the program is the interpreter's.
 */
export function compatCompiler(func: FuncInput, env: TargetEnv): FuncCompiler {
  const unit: Unit = {
    func,
    env,
    stackBytes: alignUp(func.stackDepthBytes, 8),
    kept: keptRegisters(func),
    bmi2: env.cpu !== 'x86-64-v1',
    thisCpuOff: env.space.kernel.structs.thisCpuOff ?? THIS_CPU_OFF,
  };
  const c = new CodeBuffer('little', 0, 4096);
  let plan: Plan | undefined;
  return {
    emit: onceFor((at: bigint | undefined, callees: readonly Callee[] | undefined): CompiledFunc => {
      plan ??= shrink(c, unit);
      const addrs = plan.addrs.slice();
      const e = runPass(c, unit, {
        addrs,
        labels: { ...plan.labels },
        // The extra pass keeps every length.
        padding: plan.padding || func.isFunc,
        writing: true,
        at: at ?? env.space.layout.images.start,
        callees,
      });
      if (c.length !== plan.lengthBytes) throw new InternalError(`${c.length} bytes, then ${plan.lengthBytes}`);
      return image(unit, e, addrs);
    }),
  };
}

/** Code and, behind it, the exception table. */
function image({ func }: Unit, e: Emission, addrs: Int32Array): CompiledFunc {
  const code = e.c.finish();
  const jitedLen = code.length;
  const tableOff = alignUp(jitedLen, 4);
  const bytes = new Uint8Array(e.extable.length === 0 ? jitedLen : tableOff + e.extable.length * TABLE_ENTRY_BYTES);
  bytes.fill(INT3);
  bytes.set(code);
  const view = new DataView(bytes.buffer);
  for (const [i, { insnOff, fixupOff }] of e.extable.entries()) {
    const entry = tableOff + i * TABLE_ENTRY_BYTES;
    view.setInt32(entry, insnOff - entry, true);
    view.setInt32(entry + 4, (fixupOff - insnOff) | (e.extableClears[i] << 8), true);
    view.setInt32(entry + 8, EX_TYPE_BPF, true);
  }
  const { insns } = func;
  for (let slot = 0; slot < insns.length; slot++) if (insns[slot].code === 0x18) addrs[++slot] = addrs[slot + 1];
  return {
    bytes,
    jitedLen,
    entryOff: 0,
    localEntryOff: 0,
    tailEntryOff: TAIL_ENTRY_BYTES,
    slotOffs: addrs,
    sites: e.sites,
    extable: e.extable,
  };
}
