import {
  MEM_ALLOC,
  PTR_TO_ARENA,
  PTR_TO_BTF_ID,
  PTR_TO_CTX,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
  PTR_TO_TCP_SOCK,
  PTR_TO_XDP_SOCK,
  PTR_UNTRUSTED,
} from '../../helpers/index.ts';
import {
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_DW,
  BPF_H,
  BPF_LDX,
  BPF_MEM,
  BPF_MEMSX,
  BPF_PROBE_ATOMIC,
  BPF_PROBE_MEM,
  BPF_PROBE_MEM32,
  BPF_PROBE_MEMSX,
  BPF_ST,
  BPF_STX,
  BPF_W,
  BPF_X,
  type Insn,
  MODE_MASK,
  makeInsn,
  NOSPEC,
} from '../../isa/index.ts';
import { type ConvertAccess, type KernelOffsets, socketConversion } from '../../progtypes/index.ts';
import type { InsnAux } from '../insn-aux.ts';
import { aluImm, OP } from './insns.ts';
import type { Patch } from './patch.ts';
import type { FixupProgram } from './program.ts';

const PROBED: ReadonlySet<number> = new Set([
  PTR_TO_BTF_ID,
  PTR_TO_BTF_ID | PTR_UNTRUSTED,
  // Freed memory, unlike that of a reference still held, may be gone.
  PTR_TO_BTF_ID | MEM_ALLOC | PTR_UNTRUSTED,
]);
const SOCKETS: ReadonlySet<number> = new Set([PTR_TO_SOCKET, PTR_TO_SOCK_COMMON, PTR_TO_TCP_SOCK, PTR_TO_XDP_SOCK]);
const BYTES = [4, 2, 1, 8] as const;

/**
 * Accesses of contexts and sockets become accesses of the kernel's structs; loads through kernel pointers may fault and give 0;
 * accesses of the arena are relative to it. Functions that write packets get their prologue.
 *
 * Source: `kernel/bpf/verifier.c: convert_ctx_accesses`.
 */
export function convertCtxAccesses(program: FixupProgram, offsets: KernelOffsets): void {
  const { env, insns, aux } = program;
  const { contract, prog } = env;
  const prologues = new Map<number, readonly Insn[]>();
  if (contract.prologue !== undefined) {
    const prologue = contract.prologue(env.seenDirectWrite, prog, offsets);
    if (prologue.length > 0) prologues.set(0, prologue);
  } else if (env.seenDirectWrite) env.refuse('fixupMisconfigured');
  const patches = new Map<number, Patch>();
  for (let idx = 0; idx < insns.length; idx++) {
    const insn = insns[idx];
    const { ptrType } = aux[idx];
    const kind = accessKind(insn);
    if (kind === NONE) continue;
    if (kind === ATOMIC) {
      if (ptrType === PTR_TO_ARENA) insns[idx] = withMode(insn, BPF_PROBE_ATOMIC);
    } else if (kind === WRITE && aux[idx].detail.sanitizeStackSpill) {
      patches.set(idx, { insns: [insn, makeInsn(NOSPEC, 0, 0, 0, 0)] });
    } else if (PROBED.has(ptrType)) {
      if (kind === READ) insns[idx] = withMode(insn, modeOf(insn) === BPF_MEM ? BPF_PROBE_MEM : BPF_PROBE_MEMSX);
    } else if (ptrType === PTR_TO_ARENA) {
      if (modeOf(insn) === BPF_MEMSX) env.refuse('arenaSignedLoad');
      insns[idx] = withMode(insn, BPF_PROBE_MEM32);
    } else {
      const convert =
        ptrType === PTR_TO_CTX ? contract.convertAccess : SOCKETS.has(ptrType) ? socketConversion(ptrType) : undefined;
      if (convert !== undefined)
        patches.set(idx, { insns: converted(program, insn, kind, aux[idx], convert, offsets) });
    }
  }
  program.apply(patches, prologues);
}

const NONE = 0;
const READ = 1;
const WRITE = 2;
const ATOMIC = 3;

const modeOf = (insn: Insn): number => insn.code & MODE_MASK;
const withMode = (insn: Insn, mode: number): Insn => ({ ...insn, code: (insn.code & ~MODE_MASK) | mode });

function accessKind(insn: Insn): typeof NONE | typeof READ | typeof WRITE | typeof ATOMIC {
  const mode = modeOf(insn);
  const size = insn.code & 0x18;
  switch (insn.code & 7) {
    case BPF_LDX:
      return mode === BPF_MEM || (mode === BPF_MEMSX && size !== BPF_DW) ? READ : NONE;
    case BPF_STX:
      if (mode === BPF_ATOMIC) return size === BPF_W || size === BPF_DW ? ATOMIC : NONE;
      return mode === BPF_MEM ? WRITE : NONE;
    case BPF_ST:
      return mode === BPF_MEM ? WRITE : NONE;
    default:
      return NONE;
  }
}

/** The access, of the whole field where it is of a part, and what cuts the part out. */
function converted(
  { env }: FixupProgram,
  insn: Insn,
  kind: typeof READ | typeof WRITE,
  { detail: { ctxFieldSize } }: InsnAux,
  convert: ConvertAccess,
  offsets: KernelOffsets,
): Insn[] {
  const size = BYTES[(insn.code >> 3) & 3];
  const { dst, off } = insn;
  const isNarrow = size < ctxFieldSize;
  const unit = ctxFieldSize > 8 && ctxFieldSize % 8 === 0 ? 8 : ctxFieldSize;
  let access = insn;
  if (isNarrow) {
    if (kind === WRITE) env.refuse('fixupMisconfigured');
    const sizeCode = ctxFieldSize === 4 ? BPF_W : ctxFieldSize === 8 ? BPF_DW : BPF_H;
    access = { ...insn, code: BPF_LDX | BPF_MEM | sizeCode, off: off & ~(unit - 1) };
  }
  const { insns, targetSizeBytes } = convert(kind === WRITE, access, env.prog, offsets);
  if (insns.length === 0 || (ctxFieldSize !== 0 && targetSizeBytes === 0)) env.refuse('fixupMisconfigured');
  const out = [...insns];
  if (isNarrow && size < targetSizeBytes) {
    const at = off & (unit - 1);
    const shift = (env.kernel.image.order === 'little' ? at : unit - (at + size)) * 8;
    if (shift !== 0) out.push(aluImm(ctxFieldSize > 4, OP.rsh, dst, shift));
    out.push(aluImm(false, OP.and, dst, size === 4 ? -1 : (1 << (size * 8)) - 1));
  }
  if (modeOf(insn) === BPF_MEMSX) out.push(makeInsn(BPF_ALU64 | OP.mov | BPF_X, dst, dst, size * 8, 0));
  return out;
}
