import {
  BPF_ADDR_PERCPU,
  BPF_ADDR_SPACE_CAST,
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_CMPXCHG,
  BPF_FETCH,
  BPF_JMP,
  BPF_JMP32,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MEM,
  BPF_MEMSX,
  BPF_PROBE_ATOMIC,
  BPF_PROBE_MEM,
  BPF_PROBE_MEM32,
  BPF_PROBE_MEM32SX,
  BPF_PROBE_MEMSX,
  BPF_REG_AX,
  BPF_ST,
  BPF_STORE_REL,
  BPF_STX,
  BPF_XCHG,
  CALL,
  EXIT,
  type Insn,
  LD_IMM64,
  NOSPEC,
  TAIL_CALL,
} from '../../../isa/index.ts';
import { ERRNO } from '../../../uapi/index.ts';
import type { Room } from '../../room.ts';
import { type FuncInput, JitError } from '../../types.ts';

/** What a slot does, as emission and liveness ask it. */
export const K = {
  /** Second half of a ld_imm64, or folded into another slot. */
  nothing: 0,
  alu: 1,
  mov: 2,
  movK: 3,
  end: 4,
  neg: 5,
  constant: 6,
  func: 7,
  load: 8,
  store: 9,
  storeK: 10,
  atomic: 11,
  loadAcquire: 12,
  storeRelease: 13,
  jump: 14,
  branch: 15,
  call: 16,
  tailCall: 17,
  exit: 18,
  barrier: 19,
  percpu: 20,
  castUser: 21,
  /** A shift left, by `imm` of the slot before, and this one's right. */
  shifts: 22,
} as const;

export const OP_MUL = 2;
export const OP_DIV = 3;
export const OP_NEG = 8;
export const OP_MOD = 9;
const OP_MOV = 0xb;
const OP_END = 0xd;

/** What is known of a function before any address is. Columns by slot; registers are BPF's. */
export interface Scan {
  readonly n: number;
  readonly insns: readonly Insn[];
  readonly kind: Uint8Array;
  /** Set, read on the left, read on the right: 15 for none. */
  readonly d: Uint8Array;
  readonly a: Uint8Array;
  readonly b: Uint8Array;
  /** Slot a jump goes to. */
  readonly to: Int32Array;
  /** 1 where a jump goes. */
  readonly leader: Uint8Array;
  calls: boolean;
  tailCalls: boolean;
  arena: boolean;
}

export const NO = 15;

export function unsupported(insn: Insn, slot: number): JitError {
  const code = insn.code.toString(16).padStart(2, '0');
  return new JitError(ERRNO.ENOTSUPP, `eBPF filter opcode ${code} (@${slot}) unsupported`);
}

/**
 * Reads a function. Throws JitError for what no JIT takes: codes the verifier has replaced before, registers there are
 * not, jumps that leave the function.
 *
 * @param kept where the columns live
 */
export function scan(func: FuncInput, kept: Room): Scan {
  const { insns } = func;
  const n = insns.length;
  const found: Scan = {
    n,
    insns,
    kind: kept.bytes(n),
    d: kept.bytes(n, NO),
    a: kept.bytes(n, NO),
    b: kept.bytes(n, NO),
    to: kept.ints(n),
    leader: kept.bytes(n + 1),
    calls: false,
    tailCalls: false,
    arena: false,
  };
  found.leader[0] = 1;
  for (let i = 0; i < n; i++) {
    const insn = insns[i];
    if (insn.dst > BPF_REG_AX || (insn.src > BPF_REG_AX && insn.code !== CALL)) throw unsupported(insn, i);
    switch (insn.code & 7) {
      case BPF_ALU:
      case BPF_ALU64:
        scanAlu(found, i, insn);
        break;
      case BPF_JMP:
      case BPF_JMP32:
        scanJump(found, i, insn);
        break;
      case BPF_LDX:
        scanLoad(found, i, insn);
        break;
      case BPF_ST:
      case BPF_STX:
        scanStore(found, i, insn);
        break;
      default:
        if (insn.code !== LD_IMM64 || i + 1 >= n) throw unsupported(insn, i);
        found.kind[i] = func.funcRefs.has(i) ? K.func : K.constant;
        found.d[i] = insn.dst;
        i++;
    }
    if (insn.code !== LD_IMM64 && found.d[i] === 10) throw unsupported(insn, i);
  }
  for (let i = 0; i < n; i++) {
    const kind = found.kind[i];
    if (kind === K.jump || kind === K.branch) found.leader[found.to[i]] = 1;
  }
  return found;
}

function scanAlu(found: Scan, i: number, insn: Insn): void {
  const wide = (insn.code & 7) === BPF_ALU64;
  const register = (insn.code & 8) !== 0;
  const op = insn.code >> 4;
  const { kind, d, a, b } = found;
  d[i] = insn.dst;
  a[i] = insn.dst;
  if (op === OP_MOV) {
    if (!register) {
      kind[i] = K.movK;
      a[i] = NO;
      return;
    }
    a[i] = insn.src;
    kind[i] = K.mov;
    if (wide && insn.off === BPF_ADDR_PERCPU) kind[i] = K.percpu;
    else if (wide && insn.off === BPF_ADDR_SPACE_CAST) {
      if (insn.imm === 1 << 16) kind[i] = K.castUser;
    } else if (![0, 8, 16].includes(insn.off) && !(wide && insn.off === 32)) throw unsupported(insn, i);
  } else if (op === OP_END) {
    if (insn.imm !== 16 && insn.imm !== 32 && insn.imm !== 64) throw unsupported(insn, i);
    kind[i] = K.end;
  } else if (op === OP_NEG) kind[i] = K.neg;
  else if (op > OP_END) throw unsupported(insn, i);
  else {
    kind[i] = K.alu;
    if (register) b[i] = insn.src;
  }
}

/** Where a jump ends, through jumps it meets. */
function targetOf(insns: readonly Insn[], i: number, distance: number): number {
  let at = i + 1 + distance;
  for (let hops = 0; hops < 8; hops++) {
    const insn = insns[at];
    if (insn === undefined) break;
    if (insn.code === BPF_JMP) at += 1 + insn.off;
    else if (insn.code === BPF_JMP32) at += 1 + insn.imm;
    else break;
  }
  if (at < 0 || at >= insns.length) throw new JitError(ERRNO.EINVAL, `jump out of range from insn ${i} to ${at}`);
  return at;
}

function scanJump(found: Scan, i: number, insn: Insn): void {
  const narrow = (insn.code & 7) === BPF_JMP32;
  const register = (insn.code & 8) !== 0;
  const op = insn.code >> 4;
  const { kind, a, b, to, d } = found;
  if (insn.code === CALL) {
    kind[i] = K.call;
    d[i] = 0;
    found.calls = true;
  } else if (insn.code === EXIT) {
    kind[i] = K.exit;
    a[i] = 0;
  } else if (insn.code === TAIL_CALL) {
    kind[i] = K.tailCall;
    found.tailCalls = true;
  } else if (op === 0 && !register) {
    kind[i] = K.jump;
    to[i] = targetOf(found.insns, i, narrow ? insn.imm : insn.off);
  } else if (op === 0 || op === 8 || op === 9 || op > 0xd) throw unsupported(insn, i);
  else {
    kind[i] = K.branch;
    a[i] = insn.dst;
    if (register) b[i] = insn.src;
    to[i] = targetOf(found.insns, i, insn.off);
  }
}

const LOAD_MODES: readonly number[] = [
  BPF_MEM,
  BPF_MEMSX,
  BPF_PROBE_MEM,
  BPF_PROBE_MEMSX,
  BPF_PROBE_MEM32,
  BPF_PROBE_MEM32SX,
];

function scanLoad(found: Scan, i: number, insn: Insn): void {
  const mode = insn.code & 0xe0;
  if (!LOAD_MODES.includes(mode)) throw unsupported(insn, i);
  if (isArena(insn.code)) found.arena = true;
  found.kind[i] = K.load;
  found.d[i] = insn.dst;
  found.a[i] = insn.src;
}

/** Whether an access goes to the arena's base plus half a register. */
export function isArena(code: number): boolean {
  const mode = code & 0xe0;
  return mode === BPF_PROBE_MEM32 || mode === ((code & 7) === BPF_LDX ? BPF_PROBE_MEM32SX : BPF_PROBE_ATOMIC);
}

/** Operations of atomics, by imm without FETCH. */
const ATOMICS: readonly number[] = [0x00, 0x40, 0x50, 0xa0];

function scanStore(found: Scan, i: number, insn: Insn): void {
  const { kind, a, b, d } = found;
  if (insn.code === NOSPEC) {
    kind[i] = K.barrier;
    return;
  }
  const mode = insn.code & 0xe0;
  if (isArena(insn.code)) found.arena = true;
  a[i] = insn.dst;
  const fromRegister = (insn.code & 7) === BPF_STX;
  if (mode === BPF_MEM || mode === BPF_PROBE_MEM32) {
    kind[i] = fromRegister ? K.store : K.storeK;
    if (fromRegister) b[i] = insn.src;
    return;
  }
  if (!fromRegister || (mode !== BPF_ATOMIC && mode !== BPF_PROBE_ATOMIC)) throw unsupported(insn, i);
  const { imm } = insn;
  if (imm === BPF_LOAD_ACQ) {
    kind[i] = K.loadAcquire;
    a[i] = insn.src;
    d[i] = insn.dst;
    return;
  }
  b[i] = insn.src;
  if (imm === BPF_STORE_REL) {
    kind[i] = K.storeRelease;
    return;
  }
  kind[i] = K.atomic;
  if (((insn.code >> 3) & 1) !== 1 && (insn.code & 0x18) !== 0) throw unsupported(insn, i);
  if ((insn.code & 0x18) === 0x08) throw unsupported(insn, i);
  if (imm === BPF_CMPXCHG) d[i] = 0;
  else if (imm === BPF_XCHG || ATOMICS.includes(imm & ~BPF_FETCH)) {
    if ((imm & BPF_FETCH) !== 0) d[i] = insn.src;
  } else throw unsupported(insn, i);
}
