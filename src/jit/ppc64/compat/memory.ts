import {
  BPF_B,
  BPF_DW,
  BPF_H,
  BPF_LDX,
  BPF_MEM,
  BPF_MEMSX,
  BPF_PROBE_MEM,
  BPF_PROBE_MEMSX,
  BPF_ST,
  BPF_STX,
  BPF_W,
  type Insn,
  LD_IMM64,
  NOSPEC,
} from '../../../isa/index.ts';
import {
  addi,
  b,
  bc,
  bctrl,
  cmpld,
  eieio,
  extsb,
  lbz,
  ld,
  ldx,
  lha,
  lhz,
  li,
  lwa,
  lwz,
  mtctr,
  specBarrier,
  stb,
  std,
  stdx,
  sth,
  stw,
  sync,
} from '../encode.ts';
import { CONDITIONS, type Emission, type LoweringRow } from './emission.ts';
import { AX, PACA, REGISTERS, T1, T2 } from './registers.ts';

const MEM_CLASS = 0x07;
const SIZE = 0x18;
const MODE = 0xe0;

const STORES: ReadonlyMap<number, (rs: number, off: number, ra: number) => number> = new Map([
  [BPF_B, stb],
  [BPF_H, sth],
  [BPF_W, stw],
]);

function lowerStore(e: Emission, insn: Insn): void {
  const size = insn.code & SIZE;
  const base = REGISTERS[insn.dst];
  let value = REGISTERS[insn.src];
  if ((insn.code & MEM_CLASS) === BPF_ST) {
    value = T1;
    // Of a byte or halfword only the low bits count.
    if (size === BPF_B || size === BPF_H) e.emit(li(T1, insn.imm));
    else e.constant32(T1, insn.imm);
  }
  const store = STORES.get(size);
  if (store !== undefined) {
    e.emit(store(value, insn.off, base));
  } else if (insn.off % 4 === 0) {
    e.emit(std(value, insn.off, base));
  } else {
    // DS offsets are multiples of 4.
    e.emit(li(T2, insn.off));
    e.emit(stdx(value, base, T2));
  }
}

const LOADS: ReadonlyMap<number, (rt: number, off: number, ra: number) => number> = new Map([
  [BPF_B, lbz],
  [BPF_H, lhz],
  [BPF_W, lwz],
]);

/** Sign-extending loads of a word have a DS offset: the two low bits of `off` are lost, as in the kernel. */
const SIGNED_LOADS: ReadonlyMap<number, (rt: number, off: number, ra: number) => number> = new Map([
  [BPF_B, lbz],
  [BPF_H, lha],
  [BPF_W, lwa],
]);

/** A load only from addresses above user space; from others the result is 0. */
function emitGuard(e: Emission, insn: Insn, signed: boolean): void {
  const size = insn.code & SIZE;
  e.emit(addi(T1, REGISTERS[insn.src], insn.off));
  e.address(T2, e.unit.env.userLimit);
  e.emit(cmpld(0, T1, T2));
  e.emit(bc(CONDITIONS.gt.bo, CONDITIONS.gt.bi, 12));
  e.emit(li(REGISTERS[insn.dst], 0));
  // The kernel counts two instructions for a signed byte only where its offset is not a multiple of 4; at others the
  // jump ends at the `extsb`, which leaves 0 as it is.
  const two = (size === BPF_DW || (size === BPF_B && signed)) && (insn.off & 3) !== 0;
  e.emit(b(two ? 12 : 8));
}

function lowerLoad(e: Emission, insn: Insn): void {
  const size = insn.code & SIZE;
  const mode = insn.code & MODE;
  const signed = mode === BPF_MEMSX || mode === BPF_PROBE_MEMSX;
  const reg = REGISTERS[insn.dst];
  const base = REGISTERS[insn.src];
  if (mode === BPF_PROBE_MEM || mode === BPF_PROBE_MEMSX) emitGuard(e, insn, signed);
  const load = (signed ? SIGNED_LOADS : LOADS).get(size);
  if (load !== undefined) {
    e.emit(load(reg, insn.off, base));
    if (signed && size === BPF_B) e.emit(extsb(reg, reg));
  } else if (insn.off % 4 === 0) {
    e.emit(ld(reg, insn.off, base));
  } else {
    e.emit(li(T1, insn.off));
    e.emit(ldx(reg, base, T1));
  }
  if (size !== BPF_DW) e.absorbZext();
  // Signed probe loads have room in the table but no entry.
  if (mode === BPF_PROBE_MEM) {
    e.extable.push({ insnOff: e.here - 4, fixupOff: 0 });
    e.fixupRegs.push(reg);
  }
}

function lowerLdImm64(e: Emission, insn: Insn): void {
  const first = e.idx;
  const reg = REGISTERS[insn.dst];
  const subprog = e.unit.func.funcRefs.get(e.slot);
  if (subprog === undefined) {
    e.constant64(reg, insn.imm, e.next?.imm ?? 0);
  } else {
    // Before addresses are known: the start of where images go, which is near enough for the length.
    e.address(reg, e.callees?.[subprog]?.bpfFunc ?? e.unit.env.space.layout.modules.start);
  }
  // Any 64-bit number has to fit later.
  if (e.scouting) e.nops(5 - (e.idx - first));
  e.absorbNext();
}

/** CPUs by how they keep loads from passing earlier stores (`setup_stf_barrier`). */
const BARRIERS = {
  eieio: ['power9', 'power10', 'power11'],
  sync: ['power8', 'power8e', 'power8nvl'],
  none: ['ppc64', '970', 'ppc970', 'power4', 'power5', 'power5+', 'power6', 'cell'],
} as const satisfies Record<string, readonly string[]>;

function lowerNoSpec(e: Emission): void {
  const cpu: string = e.unit.env.cpu;
  const has = (list: readonly string[]) => list.includes(cpu);
  if (has(BARRIERS.none)) return;
  if (has(BARRIERS.eieio)) {
    // A hint bit that only these CPUs read.
    e.emit(eieio() | 0x02000000);
  } else if (has(BARRIERS.sync)) {
    e.emit(sync());
    e.emit(ld(T1, 0, PACA));
    e.emit(specBarrier());
  } else {
    e.seen.call = true;
    e.address(AX, e.unit.env.space.symbolAddr('bpf_stf_barrier'));
    e.emit(mtctr(AX));
    e.emit(bctrl());
  }
}

const SIZES = [BPF_B, BPF_H, BPF_W, BPF_DW] as const;
const NARROW_SIZES = [BPF_B, BPF_H, BPF_W] as const;

export const MEMORY_ROWS: readonly LoweringRow[] = [
  ...SIZES.flatMap((size): LoweringRow[] => [
    [BPF_STX | BPF_MEM | size, lowerStore],
    [BPF_ST | BPF_MEM | size, lowerStore],
    [BPF_LDX | BPF_MEM | size, lowerLoad],
    [BPF_LDX | BPF_PROBE_MEM | size, lowerLoad],
  ]),
  ...NARROW_SIZES.flatMap((size): LoweringRow[] => [
    [BPF_LDX | BPF_MEMSX | size, lowerLoad],
    [BPF_LDX | BPF_PROBE_MEMSX | size, lowerLoad],
  ]),
  [LD_IMM64, lowerLdImm64],
  [NOSPEC, lowerNoSpec],
];
