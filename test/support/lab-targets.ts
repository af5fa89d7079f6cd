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
  /** Reads a constant's load back from where slot's code begins. */
  readConstant(image: Uint8Array, at: number, dst: number): ReadConstant | undefined;
  /** Whether the guard of a load that may fault stands there; absent: probes look like other loads. */
  isProbe?(image: Uint8Array, at: number, insn: Insn): boolean;
  /** Whether the tail call there is one of a known entry; absent: they look alike. */
  isDirectTailCall?(image: Uint8Array, at: number): boolean;
  /** Bytes of a jump or exit there, whose length depends on all others; absent: it does not. */
  jumpBytes?(image: Uint8Array, at: number, slot: CompiledSlot): number;
}

const word = (image: Uint8Array, at: number): number =>
  at + 4 > image.length ? 0 : (image[at] | (image[at + 1] << 8) | (image[at + 2] << 16) | (image[at + 3] << 24)) >>> 0;

const startsWith = (image: Uint8Array, at: number, bytes: readonly number[]): boolean =>
  bytes.every((byte, i) => image[at + i] === byte);

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
  // addi r9,src,off; lis r10,0xc000; sldi r10,r10,32; cmpld r9,r10; bgt; li dst,0; b
  isProbe: (image, at, insn) =>
    word(image, at) === (0x39200000 | (PPC_REGS[insn.src] << 16) | (insn.off & 0xffff)) >>> 0 &&
    word(image, at + 4) === 0x3d40c000 &&
    word(image, at + 8) === 0x794a07c6,
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
  // mov r10, VSYSCALL_ADDR; no program names r10
  isProbe: (image, at) => startsWith(image, at, [0x49, 0xc7, 0xc2, 0x00, 0x00, 0x60, 0xff]),
  // Those of unknown entries begin with the index: mov edx, edx
  isDirectTailCall: (image, at) => !startsWith(image, at, [0x89, 0xd2]),
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

const ARM_REGS = [7, 0, 1, 2, 3, 4, 19, 20, 21, 22, 25, 9];

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
};

/** The lab's machines whose images can be compared. */
export const LAB_TARGETS: readonly LabTarget[] = [PPC64LE, X86_64, ARM64];

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
