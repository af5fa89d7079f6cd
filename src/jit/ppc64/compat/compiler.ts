import { BPF_LDX, BPF_PROBE_MEM, BPF_PROBE_MEMSX, type Insn } from '../../../isa/index.ts';
import { alignUp } from '../../../util/index.ts';
import { loweringTable } from '../../lowering-table.ts';
import {
  type Callee,
  type CompiledFunc,
  type FuncCompiler,
  type FuncInput,
  JitError,
  type TargetEnv,
} from '../../types.ts';
import { b, li, trap } from '../encode.ts';
import { type CompatAbi, descriptorBytes } from './abi.ts';
import { ALU_ROWS } from './alu.ts';
import { ATOMIC_ROWS } from './atomic.ts';
import { BYTE_SWAP_ROWS } from './byte-swap.ts';
import { CALL_ROWS } from './call.ts';
import { Emission, type Lowering, type Seen, type Unit } from './emission.ts';
import { emitEpilogue, emitPrologue, loadsToc, tailEntryBytes } from './frame.ts';
import { JUMP_ROWS } from './jump.ts';
import { MEMORY_ROWS } from './memory.ts';
import { REGISTERS } from './registers.ts';

const LOWERINGS = loweringTable<Lowering>(ALU_ROWS, BYTE_SWAP_ROWS, MEMORY_ROWS, ATOMIC_ROWS, JUMP_ROWS, CALL_ROWS);

/** A fixup is `li dst,0; b behind`. */
const FIXUP_BYTES = 8;
/** An entry is two distances: from itself to the instruction, from its second half to the fixup. */
const TABLE_ENTRY_BYTES = 8;

function emitBody(e: Emission): void {
  const { insns } = e.unit.func;
  const { addrs } = e;
  for (e.slot = 0; e.slot < insns.length; e.slot++) {
    const insn = insns[e.slot];
    addrs[e.slot] = e.here;
    // Whether the instruction reads them or not, as long as the fields say so.
    e.use(REGISTERS[insn.dst]);
    e.use(REGISTERS[insn.src]);
    const lower = LOWERINGS[insn.code];
    if (lower === undefined) {
      const code = insn.code.toString(16).padStart(4, '0');
      throw new JitError(524, `eBPF filter opcode ${code} (@${e.slot}) unsupported`);
    }
    lower(e, insn);
  }
  addrs[insns.length] = e.here;
}

/** What scouting found out. */
interface Plan {
  readonly seen: Seen;
  readonly addrs: Int32Array;
  /** Words of code; later passes need as many or fewer. */
  readonly words: number;
}

/**
 * The length of everything and which registers to keep. A tail call's own copy of the epilogue, and exits out of reach
 * of the epilogue, are right only when that is known: then the body is counted twice.
 */
function scout(unit: Unit): Plan {
  const seen: Seen = { call: false, tailCall: false, kept: 0 };
  const addrs = new Int32Array(unit.func.insns.length + 1);
  const pass = () => {
    const e = new Emission(unit, seen, addrs, undefined, 0n, undefined);
    emitBody(e);
    return e;
  };
  let e = pass();
  if (seen.tailCall || e.here > 0x1fffffc) {
    const { innerEpilogue } = e;
    e = new Emission(unit, seen, addrs, undefined, 0n, undefined);
    e.innerEpilogue = innerEpilogue;
    emitBody(e);
  }
  emitPrologue(e);
  addrs[unit.func.insns.length] = e.here;
  emitEpilogue(e);
  return { seen, addrs, words: e.idx };
}

/** Loads that get room in the exception table: all that may fault, though signed ones never fill it. */
function countProbes(insns: readonly Insn[]): number {
  let count = 0;
  for (const { code } of insns) {
    const mode = code & 0xe0;
    if ((code & 0x07) === BPF_LDX && (mode === BPF_PROBE_MEM || mode === BPF_PROBE_MEMSX)) count++;
  }
  return count;
}

/**
 * The kernel's compiler: what `bpf_int_jit_compile` of Linux 6.12 on ppc64 leaves in an image, instruction by
 * instruction. `emit` without callees is its first run, with them its extra pass. The image's length is what scouting
 * counted with the longest forms; what later passes leave free holds traps, or the end of the first run.
 *
 * ```
 *   bytes:  descriptor (ELFv1) │ code │ rest │ fixups │ exception table
 *           └────────── jitedLen ────────────┘
 * ```
 *
 * Source: arch/powerpc/net/bpf_jit_comp.c, bpf_jit_comp64.c. Errors: JitError with the errno those return.
 */
export function compatCompiler(func: FuncInput, env: TargetEnv, abi: CompatAbi): FuncCompiler {
  const unit: Unit = {
    func,
    env,
    abi,
    stackBytes: alignUp(func.stackDepthBytes, 16),
    // The verifier's promise lies in `prog->aux`, which jit_subprogs does not copy: functions clear once more.
    zeroExtended: func.verifierZext && !func.isFunc,
  };
  const probes = countProbes(func.insns);
  let plan: Plan | undefined;

  /** Two passes over `out`; the first finds the places of what lies ahead. */
  const generate = (
    seen: Seen,
    out: Int32Array,
    addrs: Int32Array,
    at: bigint | undefined,
    callees: readonly Callee[] | undefined,
  ): Emission => {
    const codeBase = (at ?? 0n) + BigInt(descriptorBytes(abi));
    const pass = () => {
      const e = new Emission(unit, seen, addrs, out, codeBase, callees);
      emitPrologue(e);
      emitBody(e);
      emitEpilogue(e);
      return e;
    };
    pass();
    return pass();
  };

  return {
    emit(at: bigint | undefined, callees: readonly Callee[] | undefined): CompiledFunc {
      plan ??= scout(unit);
      const out = new Int32Array(plan.words).fill(trap());
      const addrs = plan.addrs.slice();
      const seen = { ...plan.seen };
      // The extra pass writes over what the first run left: where it is shorter, that run's end shows.
      if (func.isFunc && callees !== undefined) generate(seen, out, addrs, at, undefined);
      return image(unit, generate(seen, out, addrs, at, callees), out, probes);
    },
  };
}

/** Puts descriptor, code, fixups and exception table together. */
function image(unit: Unit, e: Emission, code: Int32Array, probes: number): CompiledFunc {
  const { abi } = unit;
  const entryOff = descriptorBytes(abi);
  const jitedLen = entryOff + code.length * 4;
  const tableOff = jitedLen + probes * FIXUP_BYTES;
  const bytes = new Uint8Array(tableOff + probes * TABLE_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  const little = abi.order === 'little';
  const word = (off: number, value: number) => view.setInt32(off, value, little);

  for (let off = 0; off < bytes.length; off += 4) word(off, trap());
  if (abi.elf === 1) {
    view.setBigUint64(0, BigInt.asUintN(64, e.codeBase), little);
    view.setBigUint64(8, BigInt.asUintN(64, unit.env.space.kernelToc), little);
  }
  for (let i = 0; i < code.length; i++) word(entryOff + i * 4, code[i]);
  const extable = e.extable.map(({ insnOff }, i) => {
    const at = entryOff + insnOff;
    const fixup = jitedLen + i * FIXUP_BYTES;
    const entry = tableOff + i * TABLE_ENTRY_BYTES;
    word(fixup, li(e.fixupRegs[i], 0));
    word(fixup + 4, b(at + 4 - (fixup + 4)));
    word(entry, at - entry);
    word(entry + 4, fixup - (entry + 4));
    return { insnOff: at, fixupOff: fixup };
  });

  const slotOffs = e.addrs.map(addr => addr + entryOff);
  // Line records name the slot before theirs, and no descriptor (`bpf_prog_fill_jited_linfo` with unshifted addrs).
  const lineOffs = new Int32Array(slotOffs.length);
  for (let i = 1; i < lineOffs.length; i++) lineOffs[i] = e.addrs[i - 1];
  return {
    bytes,
    jitedLen,
    entryOff,
    localEntryOff: entryOff + (loadsToc(unit) ? 4 : 0),
    tailEntryOff: entryOff + tailEntryBytes(unit),
    slotOffs,
    lineOffs,
    sites: e.sites,
    extable,
  };
}
