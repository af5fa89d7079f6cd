import {
  BPF_ADD,
  BPF_ALU,
  BPF_ALU64,
  BPF_AND,
  BPF_B,
  BPF_DW,
  BPF_H,
  BPF_JEQ,
  BPF_JMP,
  BPF_LDX,
  BPF_LSH,
  BPF_MEM,
  BPF_MOV,
  BPF_REG_AX,
  BPF_STX,
  BPF_W,
  BPF_X,
  type Insn,
  makeInsn,
} from '../../isa/index.ts';
import type { ConvertAccess, KernelOffsets, ProgFacts } from '../contract.ts';

/** An access while it is converted. `targetSizeBytes` is for narrow loads to know by. */
export interface Access {
  readonly write: boolean;
  readonly insn: Insn;
  readonly prog: ProgFacts;
  readonly offsets: KernelOffsets;
  targetSizeBytes: number;
}

/** The instructions of an access of one field. `by` is how far into the field it begins. */
export type Conversion = (access: Access, by: number) => readonly Insn[];

/** Fields from byte `from` on, `bytes` long. */
export interface ConversionRow {
  readonly from: number;
  readonly bytes: number;
  readonly convert: Conversion;
}

/** A field of which only the first byte's offset is asked for. */
export const at = (from: number, convert: Conversion): ConversionRow => ({ from, bytes: 1, convert });
export const span = (from: number, bytes: number, convert: Conversion): ConversionRow => ({ from, bytes, convert });

/** By rows; what is in none of them goes to `otherwise`, and where that is not given nowhere. */
export function converter(rows: readonly ConversionRow[], otherwise?: ConvertAccess): ConvertAccess {
  return (write, insn, prog, offsets) => {
    const { off } = insn;
    const row = rows.find(({ from, bytes }) => off >= from && off < from + bytes);
    if (row === undefined) return otherwise?.(write, insn, prog, offsets) ?? { insns: [], targetSizeBytes: 0 };
    const access: Access = { write, insn, prog, offsets, targetSizeBytes: 0 };
    const insns = row.convert(access, off - row.from);
    return { insns, targetSizeBytes: access.targetSizeBytes };
  };
}

/** `BPF_B`, `BPF_H`, `BPF_W` or `BPF_DW`. */
export const sizeCode = (bytes: number): number =>
  bytes === 1 ? BPF_B : bytes === 2 ? BPF_H : bytes === 4 ? BPF_W : BPF_DW;
export const sizeOfAccess = (insn: Insn): number => insn.code & 0x18;

export const load = (size: number, dst: number, src: number, off: number): Insn =>
  makeInsn(BPF_LDX | BPF_MEM | size, dst, src, off, 0);
export const store = (size: number, dst: number, src: number, off: number): Insn =>
  makeInsn(BPF_STX | BPF_MEM | size, dst, src, off, 0);
/** The store the program makes, register or constant, elsewhere and of another size. */
export const storeAs = (insn: Insn, size: number, off: number, dst = insn.dst): Insn =>
  makeInsn((insn.code & 7) | size | BPF_MEM, dst, insn.src, off, insn.imm);
export const imm64 = (op: number, dst: number, imm: number): Insn => makeInsn(BPF_ALU64 | op, dst, 0, 0, imm);
export const imm32 = (op: number, dst: number, imm: number): Insn => makeInsn(BPF_ALU | op, dst, 0, 0, imm);
export const reg64 = (op: number, dst: number, src: number): Insn => makeInsn(BPF_ALU64 | op | BPF_X, dst, src, 0, 0);
export const jumpIf = (op: number, dst: number, imm: number, off: number): Insn =>
  makeInsn(BPF_JMP | op, dst, 0, off, imm);
export const skip = (off: number): Insn => makeInsn(BPF_JMP, 0, 0, off, 0);
export const setTo = (dst: number, imm: number): Insn => imm64(BPF_MOV, dst, imm);

/** A member of a kernel struct: `sock.sk_type`. */
export type Member = readonly [struct: string, member: string];

const offsetOf = ({ offsets }: Access, [struct, member]: Member): number => offsets.offsetOf(struct, member);
const codeOf = ({ offsets }: Access, [struct, member]: Member): number => sizeCode(offsets.sizeOf(struct, member));

/** Loads a member into `dst`, from what `src` points to. */
export const loadMember = (access: Access, member: Member, dst: number, src: number): Insn =>
  load(codeOf(access, member), dst, src, offsetOf(access, member));

/** A load of a member; narrow loads do without a mask of its own. */
export const read =
  (...member: Member): Conversion =>
  access => [loadMember(access, member, access.insn.dst, access.insn.src)];

/** A load of a member, whose size narrow loads are measured against. */
export const readSized =
  (...member: Member): Conversion =>
  access => {
    access.targetSizeBytes = access.offsets.sizeOf(...member);
    return read(...member)(access, 0);
  };

/** A load or store of a member of as many bytes as it has; `sized` as above. */
export const readWrite =
  (member: Member, sized: boolean): Conversion =>
  access => {
    const { insn, write } = access;
    if (sized) access.targetSizeBytes = access.offsets.sizeOf(...member);
    if (!write) return read(...member)(access, 0);
    return [storeAs(insn, codeOf(access, member), offsetOf(access, member))];
  };

/**
 * A load through pointers: the first member from the context, every next from where the one before points to.
 * `by` (an array's element) is added to the last offset.
 */
export const through =
  (members: readonly Member[], options: { readonly sized?: boolean; readonly sizeBytes?: number } = {}): Conversion =>
  (access, by) => {
    const { dst, src } = access.insn;
    const last = members[members.length - 1];
    const bytes = options.sizeBytes ?? access.offsets.sizeOf(...last);
    if (options.sized === true) access.targetSizeBytes = bytes;
    return members.map((member, i) =>
      member === last
        ? load(sizeCode(bytes), dst, i === 0 ? src : dst, offsetOf(access, member) + by)
        : loadMember(access, member, dst, i === 0 ? src : dst),
    );
  };

/** The port of a peer: network order, in the upper half on little-endian machines. */
export const remotePort =
  (holder: Member, sized: boolean): Conversion =>
  access => {
    const insns = through([holder, ['sock_common', 'skc_dport']], { sized })(access, 0);
    return isBigEndian(access.prog) ? insns : [...insns, imm32(BPF_LSH, access.insn.dst, 16)];
  };

const BIG_ENDIAN: ReadonlySet<string> = new Set(['s390x']);
export const isBigEndian = ({ arch }: ProgFacts): boolean => BIG_ENDIAN.has(arch);

/** Neither register of the instruction: R9, or the next below. */
export function spareReg({ dst, src }: Insn): number {
  let reg = 9;
  if (dst === reg || src === reg) reg--;
  if (dst === reg || src === reg) reg--;
  return reg;
}

/** The end of a packet's linear part, where the shared info begins, into `dst`. Source: `bpf_convert_shinfo_access`. */
export function sharedInfo(access: Access, dst: number, skb: number): readonly Insn[] {
  return [
    loadMember(access, ['sk_buff', 'end'], BPF_REG_AX, skb),
    loadMember(access, ['sk_buff', 'head'], dst, skb),
    reg64(BPF_ADD, dst, BPF_REG_AX),
  ];
}

/** `then` unless what was loaded into the destination is 0. */
export const unlessNull = (access: Access, then: readonly Insn[]): readonly Insn[] => [
  jumpIf(BPF_JEQ, access.insn.dst, 0, then.length),
  ...then,
];

export const maskTo = (dst: number, mask: number): Insn => imm32(BPF_AND, dst, mask);
