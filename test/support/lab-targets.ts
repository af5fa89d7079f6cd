import { BPF_JMP, BPF_JMP32, EXIT, type Insn } from '../../src/isa/index.ts';
import { createKernelSpace, findLayout, type KernelSpace, kernelImage, withTextBase } from '../../src/kernels/index.ts';

/** A constant's load in an image. */
export interface ReadConstant {
  readonly value: bigint;
  readonly bytes: number;
}

/** A slot of a function as it was compiled here, and what is known of the image it is laid beside. */
export interface CompiledSlot {
  readonly insn: Insn;
  readonly bytes: number;
  /** Bytes from its end to what it jumps to; 0 for others. */
  readonly distance: number;
}

/** What a kernel lab's machine compiles for, and how to read from its images what dumps hide. */
export interface LabTarget {
  /** As `ask` has it behind the version: `amd64`. */
  readonly arch: string;
  readonly target: string;
  readonly kernel: string;
  readonly layout: string;
  /** What the lab's QEMU is, as the target names it. */
  readonly cpu: string;
  /** Where its user space ends, if not where the layout says. */
  readonly userLimit?: bigint;
  /** A map address nobody has, in the longest form. */
  readonly guess: bigint;
  /** Reads a constant's load back from where slot's code begins; `next` is the slot behind it. */
  readConstant(image: Uint8Array, at: number, dst: number, next?: Insn): ReadConstant | undefined;
  /** The arena's base as a function's first instructions load it; absent: its JIT has no arenas. */
  arenaBase?(image: Uint8Array): bigint | undefined;
  /** Upper half of the arena's user address, from the code of a cast there. */
  userHigh?(image: Uint8Array, at: number, insn: Insn): number | undefined;
  /** Bytes of a jump or exit there, whose length depends on all others; absent: it does not. */
  jumpBytes?(image: Uint8Array, at: number, slot: CompiledSlot): number;
}

const word = (image: Uint8Array, at: number): number =>
  at + 4 > image.length ? 0 : (image[at] | (image[at + 1] << 8) | (image[at + 2] << 16) | (image[at + 3] << 24)) >>> 0;

const startsWith = (image: Uint8Array, at: number, bytes: readonly number[]): boolean =>
  bytes.every((byte, i) => image[at + i] === byte);

const wide = (image: Uint8Array, at: number): bigint => BigInt(word(image, at)) | (BigInt(word(image, at + 4)) << 32n);

/** What `read` first finds in the first `bytes`, looking every `step`. */
function firstOf(
  image: Uint8Array,
  bytes: number,
  step: number,
  read: (at: number) => bigint | undefined,
): bigint | undefined {
  for (let at = 0; at < Math.min(bytes, image.length); at += step) {
    const found = read(at);
    if (found !== undefined) return found;
  }
  return undefined;
}

export const isJump = ({ code }: Insn): boolean => {
  const cls = code & 7;
  return code === EXIT || ((cls === BPF_JMP || cls === BPF_JMP32) && (code & 0xf0) !== 0x80 && (code & 0xf0) !== 0xf0);
};

// ---- ppc64le

const PPC_REGS = [8, 3, 4, 5, 6, 7, 27, 28, 29, 30, 31, 12];

/** `li` or `lis`, `ori`, `sldi`, `oris`, `ori`, each but the first optional. */
function readPpc(image: Uint8Array, at: number, dst: number): ReadConstant | undefined {
  const reg = PPC_REGS[dst];
  const first = word(image, at);
  if (((first >>> 21) & 31) !== reg || ((first >>> 16) & 31) !== 0) return undefined;
  let value = BigInt((first << 16) >> 16);
  if (first >>> 26 === 15) value <<= 16n;
  else if (first >>> 26 !== 14) return undefined;
  let count = 1;
  const logical = (op: number) => {
    const next = word(image, at + 4 * count);
    if (next >>> 26 !== op || ((next >>> 21) & 31) !== reg || ((next >>> 16) & 31) !== reg) return;
    value |= BigInt(next & 0xffff) << (op === 25 ? 16n : 0n);
    count++;
  };
  const before = count;
  logical(24);
  if (word(image, at + 4 * count) === (0x780007c6 | (reg << 21) | (reg << 16)) >>> 0) {
    count++;
    value <<= 32n;
    logical(25);
    logical(24);
  } else if (first >>> 26 === 14) {
    // A number of 16 bits ends here; an `ori` behind it is the next instruction's.
    count = before;
    value = BigInt((first << 16) >> 16);
  }
  return { value: BigInt.asUintN(64, value), bytes: 4 * count };
}

const PPC64LE: LabTarget = {
  arch: 'ppc64el',
  target: 'ppc64le',
  kernel: '6.12-ppc64el',
  layout: 'ppc64-radix',
  cpu: 'power9',
  guess: 0x1111222211112222n,
  readConstant: readPpc,
};

// ---- x86-64

const X86_REGS = [0, 7, 6, 2, 1, 8, 3, 13, 14, 15, 5, 10];

/** `mov` of 64 bits, of 32 with or without sign, or `xor`. */
function readX86(image: Uint8Array, at: number, dst: number): ReadConstant | undefined {
  const reg = X86_REGS[dst];
  const [low, high] = [reg & 7, reg >> 3];
  if (startsWith(image, at, [0x48 | high, 0xb8 | low])) {
    const value = BigInt(word(image, at + 2)) | (BigInt(word(image, at + 6)) << 32n);
    return { value, bytes: 10 };
  }
  if (startsWith(image, at, [0x48 | high, 0xc7, 0xc0 | low])) {
    return { value: BigInt.asUintN(64, BigInt(word(image, at + 3) | 0)), bytes: 7 };
  }
  const prefix = high === 0 ? [] : [0x41];
  if (startsWith(image, at, [...prefix, 0xb8 | low])) {
    return { value: BigInt(word(image, at + prefix.length + 1)), bytes: prefix.length + 5 };
  }
  return undefined;
}

const X86_64: LabTarget = {
  arch: 'amd64',
  target: 'x86_64',
  kernel: '6.12-amd64',
  layout: 'x86_64-kaslr',
  cpu: 'x86-64-v3',
  // QEMU's `max` has page tables of five levels.
  userLimit: 1n << 56n,
  guess: 0x1111222211112222n,
  readConstant: readX86,
  // mov r12,imm64
  arenaBase: image =>
    firstOf(image, 80, 1, at => (startsWith(image, at, [0x49, 0xbc]) ? wide(image, at + 2) : undefined)),
  // mov d,s; shl d,32; or d,imm32
  userHigh(image, at, { dst, src }) {
    const move = dst === src ? 0 : X86_REGS[dst] > 7 || X86_REGS[src] > 7 ? 3 : 2;
    return word(image, at + move + 4 + (dst === 0 ? 2 : 3)) | 0;
  },
  jumpBytes(image, at, { insn, bytes, distance }) {
    if (bytes === 0) return 0;
    if (insn.code === EXIT || insn.code === BPF_JMP || insn.code === BPF_JMP32) {
      return image[at] === 0xeb ? 2 : image[at] === 0xe9 ? 5 : bytes;
    }
    const compare = bytes - (distance <= 123 && distance >= -128 ? 2 : 6);
    return compare + (image[at + compare] === 0x0f ? 6 : 2);
  },
};

// ---- arm64

const ARM_REGS = [7, 0, 1, 2, 3, 4, 19, 20, 21, 22, 25, 9, 28];
/** x28, as if it were a register of BPF; so s7 below. */
const ARM_ARENA = 12;

/** `movz` or `movn`, then any number of `movk` of lower quarters. */
function readArm(image: Uint8Array, at: number, dst: number): ReadConstant | undefined {
  const reg = ARM_REGS[dst];
  const first = word(image, at);
  const kind = (first >>> 23) & 0xff;
  if ((first & 31) !== reg || (kind !== 0xa5 && kind !== 0x25)) return undefined;
  const [wide, op] = [first >>> 31 !== 0, (first >>> 29) & 3];
  const quarter = (w: number): bigint => BigInt((w >>> 5) & 0xffff) << BigInt(16 * ((w >>> 21) & 3));
  const width = wide ? 64 : 32;
  let value = op === 0 ? BigInt.asUintN(width, ~quarter(first)) : quarter(first);
  let [bytes, shift] = [4, (first >>> 21) & 3];
  for (; shift > 0; bytes += 4) {
    const next = word(image, at + bytes);
    if (next >>> 23 !== (wide ? 0x1e5 : 0xe5) >>> 0 || (next & 31) !== reg) break;
    const at16 = (next >>> 21) & 3;
    if (at16 >= shift) break;
    shift = at16;
    value = (value & ~(0xffffn << BigInt(16 * shift))) | quarter(next);
  }
  return { value, bytes };
}

const ARM64: LabTarget = {
  arch: 'arm64',
  target: 'arm64',
  kernel: '6.12-arm64',
  layout: 'arm64-kaslr',
  cpu: 'armv8.1-a',
  guess: 0x1111222233334444n,
  readConstant: readArm,
  arenaBase: image => firstOf(image, 120, 4, at => readArm(image, at, ARM_ARENA)?.value),
  // mov w10,s; movz d,lo; movk d,hi
  userHigh(image, at) {
    const [low, high] = [word(image, at + 4), word(image, at + 8)];
    const half16 = (code: number): number => (code >>> 5) & 0xffff;
    return half16(low) | (high >>> 23 === 0xe5 && ((high >>> 21) & 3) === 1 ? half16(high) << 16 : 0);
  },
};

// ---- riscv64

const RISCV_REGS = [15, 10, 11, 12, 13, 14, 9, 18, 19, 20, 21, 5, 23];
const RISCV_ARENA = 12;
/** `dst += imm` */
const ADD_IMM = 0x07;
const isS12 = (value: number): boolean => value >= -2048 && value < 2048;
/** Field of a branch by operation bits of a code. */
const RISCV_BRANCHES = [-1, 0, 6, 7, 1, 1, 4, 5, -1, -1, 6, 7, 4, 5];
const half = (image: Uint8Array, at: number): number => image[at] | (image[at + 1] << 8);

/** A step of a constant's load: `li` or `lui`, `addi`, `addiw`, `slli`, short or not. */
interface Step {
  readonly kind: 'set' | 'add' | 'addw' | 'shift';
  readonly imm: bigint;
  readonly bytes: number;
}

function riscvStep(image: Uint8Array, at: number, reg: number): Step | undefined {
  const first = half(image, at);
  if ((first & 3) !== 3) {
    if (((first >> 7) & 31) !== reg) return undefined;
    const imm = BigInt((((first << 19) >> 31) << 5) | ((first >> 2) & 31));
    const form = ((first >> 11) & 0x1c) | (first & 3);
    if (form === 9) return { kind: 'set', imm, bytes: 2 };
    if (form === 13) return { kind: 'set', imm: imm << 12n, bytes: 2 };
    if (form === 1) return { kind: 'add', imm, bytes: 2 };
    if (form === 5) return { kind: 'addw', imm, bytes: 2 };
    return form === 2 ? { kind: 'shift', imm: imm & 63n, bytes: 2 } : undefined;
  }
  const code = word(image, at);
  if (((code >>> 7) & 31) !== reg) return undefined;
  const [op, f3, from] = [code & 0x7f, (code >>> 12) & 7, (code >>> 15) & 31];
  if (op === 0x37) return { kind: 'set', imm: BigInt(code & ~0xfff), bytes: 4 };
  const imm = BigInt((code | 0) >> 20);
  if (op === 0x13 && f3 === 0 && from === 0) return { kind: 'set', imm, bytes: 4 };
  if (from !== reg) return undefined;
  if (op === 0x13 && f3 === 0) return { kind: 'add', imm, bytes: 4 };
  if (op === 0x1b && f3 === 0) return { kind: 'addw', imm, bytes: 4 };
  return op === 0x13 && f3 === 1 ? { kind: 'shift', imm: imm & 63n, bytes: 4 } : undefined;
}

/** With tables of five levels kernel objects lie here; what their load makes on the way does not. */
const isObject = (value: bigint): boolean => value >= 0xff00000000000000n && value < 0xff80000000000000n;

function readRiscv(image: Uint8Array, at: number, dst: number, next?: Insn): ReadConstant | undefined {
  const reg = RISCV_REGS[dst];
  let [value, bytes] = [0n, 0];
  for (;;) {
    const step = riscvStep(image, at + bytes, reg);
    if (step === undefined || (step.kind === 'set') !== (bytes === 0)) return undefined;
    if (step.kind === 'set') value = step.imm;
    else if (step.kind === 'add') value = BigInt.asIntN(64, value + step.imm);
    else if (step.kind === 'addw') value = BigInt.asIntN(32, value + step.imm);
    else value = BigInt.asIntN(64, value << step.imm);
    bytes += step.bytes;
    if (!isObject(BigInt.asUintN(64, value))) continue;
    // The low bits come last, where they are not 0; else a sum behind the load is the next slot's.
    const last = riscvStep(image, at + bytes, reg);
    const adds = next?.code === ADD_IMM && next.dst === dst && isS12(next.imm);
    const again = last === undefined ? undefined : riscvStep(image, at + bytes + last.bytes, reg);
    const isNext = adds && !(again?.kind === 'add' && again.imm === BigInt(next.imm));
    if (step.kind === 'shift' && last?.kind === 'add' && !isNext) {
      return { value: BigInt.asUintN(64, value + last.imm), bytes: bytes + last.bytes };
    }
    return { value: BigInt.asUintN(64, value), bytes };
  }
}

const RISCV64: LabTarget = {
  arch: 'riscv64',
  target: 'riscv64',
  kernel: '6.12-riscv64',
  layout: 'riscv64',
  cpu: 'rv64gc_zba_zbb',
  guess: 0x1234567890abcdefn,
  readConstant: readRiscv,
  arenaBase: image => firstOf(image, 80, 2, at => readRiscv(image, at, RISCV_ARENA)?.value),
  // mv t1,s; add.uw t1,t1,zero; the upper half, 32 bits up
  userHigh(image, at, { dst }) {
    let value = 0n;
    for (let off = at + 6; ; ) {
      const step = riscvStep(image, off, RISCV_REGS[dst]);
      if (step === undefined) return Number(BigInt.asIntN(32, value >> 32n));
      if (step.kind === 'set') value = step.imm;
      else if (step.kind === 'shift') value <<= step.imm;
      else value += step.imm;
      off += step.bytes;
    }
  },
  jumpBytes(image, at, { insn, bytes, distance }) {
    if (bytes === 0) return 0;
    const isJal = (off: number): boolean => (image[at + off] & 0x7f) === 0x6f;
    if (insn.code === EXIT || insn.code === BPF_JMP || insn.code === BPF_JMP32) return isJal(0) ? 4 : 8;
    // What stands before the branch is as long as here.
    let before = bytes;
    for (const tail of [4, 8, 12]) if (tailFits(tail, bytes, distance)) before = bytes - tail;
    // A branch out of reach is the opposite one, over a jump.
    const plain = ((word(image, at + before) >>> 12) & 7) === RISCV_BRANCHES[insn.code >> 4];
    return before + (plain ? 4 : isJal(before + 4) ? 8 : 12);
  },
};

/** Whether a branch whose slot takes `bytes` and which reaches `distance` from their end takes `tail` of them. */
function tailFits(tail: number, bytes: number, distance: number): boolean {
  const off = distance + tail;
  const needed = off >= -0x1000 && off < 0x1000 ? 4 : off - 4 >= -0x100000 && off - 4 < 0x100000 ? 8 : 12;
  return tail === needed && tail <= bytes;
}

/** The lab's machines whose images can be compared. */
export const LAB_TARGETS: readonly LabTarget[] = [PPC64LE, X86_64, ARM64, RISCV64];

/** By `ask`'s name of the machine: `amd64`. */
export function labTarget(arch: string): LabTarget {
  const found = LAB_TARGETS.find(row => row.arch === arch);
  if (found !== undefined) return found;
  throw new Error(`no lab machine ${arch}; there are ${LAB_TARGETS.map(row => row.arch).join(', ')}`);
}

/** The kernel's address space, with its text where it lay when the lab was asked. */
export function labSpace(lab: LabTarget, textBase?: bigint): KernelSpace {
  const found = findLayout(lab.layout);
  const layout = textBase === undefined ? found : withTextBase(found, textBase);
  return createKernelSpace({ ...layout, userLimit: lab.userLimit ?? layout.userLimit }, kernelImage(lab.kernel), {
    keepOut: [],
  });
}
