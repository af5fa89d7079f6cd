import { BPF_PSEUDO_CALL, BPF_PSEUDO_KFUNC_CALL, CALL, type Insn, TAIL_CALL } from '../../../isa/index.ts';
import { type CallSite, JitError } from '../../types.ts';
import {
  add,
  addi,
  addis,
  bctr,
  bctrl,
  cmpldi,
  cmplw,
  cmplwi,
  extsb,
  extsh,
  extsw,
  ld,
  lwz,
  mr,
  mtctr,
  mulli,
  paddi,
  pla,
  rldicl,
  rlwinm,
  std,
} from '../encode.ts';
import { descriptorBytes, PACA_KERNEL_TOC, PACA_KERNELBASE_PCREL } from './abi.ts';
import { CONDITIONS, type Emission, type LoweringRow } from './emission.ts';
import { emitTeardown, tailCountOff, tailEntryBytes } from './frame.ts';
import { ARG0, AX, PACA, REGISTERS, RESULT, SP, T1, T2, TOC } from './registers.ts';

const MAX_TAIL_CALL_CNT = 33;
const GIB8 = 8n << 30n;

/** What is called, before it is known how. */
interface Target {
  readonly kind: 'subprog' | 'helper' | 'kfunc';
  /** What a function pointer holds. */
  readonly pointer: bigint;
  /** Where a caller with the kernel's TOC enters (`ppc_function_entry`). */
  readonly entry: bigint;
  readonly subprog: number;
}

/** Whether an address is the kernel's own text, reached from its TOC. */
function inKernelText(e: Emission, addr: bigint): boolean {
  const { space } = e.unit.env;
  const distance = Number(BigInt.asIntN(64, addr - space.callBase));
  return (
    distance >= space.kernel.textOffset &&
    distance < Math.max(space.kernel.etextOffset, space.kernel.syntheticEndOffset)
  );
}

/** A function of the kernel; on ELFv2 past the instructions that set r2 up, where it has them. */
function kernelTarget(e: Emission, kind: 'helper' | 'kfunc', pointer: bigint): Target {
  const { space, pcrel } = e.unit.env;
  let entry = pointer;
  if (e.unit.abi.elf === 2 && !pcrel) {
    const name = space.kernel.symbolAt(Number(BigInt.asIntN(64, pointer - space.callBase)));
    if (name !== undefined) entry += BigInt(space.kernel.localEntryBytes(name));
  }
  return { kind, pointer, entry, subprog: -1 };
}

/** What a call goes to (`bpf_jit_get_func_addr`); undefined while a function of the program has no address. */
function resolve(e: Emission, insn: Insn): Target | undefined {
  const { func, env } = e.unit;
  if (insn.src === BPF_PSEUDO_CALL) {
    if (e.callees === undefined) return undefined;
    const callee = e.callees[insn.off];
    if (callee === undefined) throw new JitError(22, `call of function ${insn.off}, which is not there (@${e.slot})`);
    return { kind: 'subprog', pointer: callee.bpfFunc, entry: callee.entry, subprog: insn.off };
  }
  if (insn.src === BPF_PSEUDO_KFUNC_CALL) {
    const addr = func.kfuncAddr(insn.imm, insn.off);
    if (addr === undefined) throw new JitError(22, `kfunc ${insn.imm} has no address (@${e.slot})`);
    return kernelTarget(e, 'kfunc', addr);
  }
  return kernelTarget(e, 'helper', BigInt.asUintN(64, env.space.callBase + BigInt(insn.imm)));
}

/** Widths an argument narrower than a register is extended from: unsigned by bits cleared, signed by instruction. */
const EXTENSIONS: ReadonlyMap<number, { signed: (ra: number, rs: number) => number; cleared: number }> = new Map([
  [1, { signed: extsb, cleared: 56 }],
  [2, { signed: extsh, cleared: 48 }],
  [4, { signed: extsw, cleared: 32 }],
]);

/** The C ABI wants arguments extended to registers by their type; BPF leaves the upper bits as they are. */
function extendArguments(e: Emission, insn: Insn): void {
  const args = e.unit.func.kfuncArgs?.(insn.imm, insn.off) ?? [];
  for (const [i, { sizeBytes, signed }] of args.slice(0, 5).entries()) {
    const extension = EXTENSIONS.get(sizeBytes);
    if (extension === undefined) {
      if (sizeBytes !== 8) throw new JitError(1, `kfunc argument ${i} of ${sizeBytes} bytes (@${e.slot})`);
      continue;
    }
    const reg = REGISTERS[1 + i];
    e.emit(signed ? extension.signed(reg, reg) : rldicl(reg, reg, 0, extension.cleared));
  }
}

/** Through r12 and CTR. */
function enterByAx(e: Emission): void {
  e.emit(mtctr(AX));
  e.emit(bctrl());
}

/** An address as the kernel's TOC plus 32 bits. */
function callFromToc(e: Emission, target: Target): void {
  const distance = BigInt.asIntN(64, target.entry - e.unit.env.space.kernelToc);
  if (distance > 0x7fffffffn || distance < -0x80000000n) {
    const name = e.unit.env.space.symbolize(target.pointer)?.name ?? `0x${target.pointer.toString(16)}`;
    throw new JitError(34, `eBPF: address of ${name} out of range of kernel_toc.`);
  }
  const low = Number(distance);
  e.emit(addis(AX, TOC, (low + 0x8000) >> 16));
  e.emit(addi(AX, AX, low));
  enterByAx(e);
}

function callThroughDescriptor(e: Emission, target: Target, module: boolean): void {
  e.address(T2, target.pointer);
  e.emit(ld(T1, 0, T2));
  e.emit(mtctr(T1));
  if (module) e.emit(ld(TOC, 8, T2));
  e.emit(bctrl());
}

/** Without a TOC: 34 bits from the kernel's base, else from here, else all 64 bits. Returns the form. */
function callPcrel(e: Emission, target: Target): string {
  const { layout } = e.unit.env.space;
  const near = (distance: bigint) => distance < GIB8 && distance >= -GIB8;
  const prefixed = ([prefix, suffix]: [number, number]) => {
    e.emit(prefix);
    e.emit(suffix);
  };
  // A prefixed instruction on an 8-byte boundary never crosses a 64-byte one. Scouting does not know the address: the
  // kernel then takes it for aligned, and may come out short; here the length always suffices.
  const misaligned = () => e.scouting || (e.codeBase + BigInt(e.here)) % 8n !== 0n;
  const fromBase = BigInt.asIntN(64, target.entry - layout.linearMap.start);
  if (near(fromBase)) {
    e.emit(ld(AX, PACA_KERNELBASE_PCREL, PACA));
    if (misaligned()) e.nops(1);
    prefixed(paddi(AX, AX, Number(fromBase), 0));
    enterByAx(e);
    return 'kernelbase';
  }
  const pad = misaligned();
  const pc = e.codeBase + BigInt(e.here + (pad ? 4 : 0));
  const fromHere = BigInt.asIntN(64, target.entry - pc);
  const form = near(fromHere) ? 'pla' : 'imm64';
  if (form === 'pla') {
    if (pad) e.nops(1);
    prefixed(pla(AX, Number(fromHere)));
  } else {
    e.address(AX, target.pointer);
  }
  enterByAx(e);
  return form;
}

/** The call itself, without what moves its result (`bpf_jit_emit_func_call_rel`). Returns the form. */
function emitCall(e: Emission, target: Target | undefined): string {
  const { abi, env } = e.unit;
  if (target === undefined) {
    // As many instructions as any address takes; ELFv1 reads the entry out of the descriptor.
    e.nops(abi.elf === 1 ? 6 : 5);
    enterByAx(e);
    return 'placeholder';
  }
  if (env.pcrel) return callPcrel(e, target);
  if (target.kind !== 'subprog' && inKernelText(e, target.entry)) {
    callFromToc(e, target);
    return 'toc';
  }
  // Images are no module text: they run with the kernel's TOC.
  const module = target.kind !== 'subprog';
  if (abi.elf === 1) {
    callThroughDescriptor(e, target, module);
  } else {
    e.address(AX, target.pointer);
    enterByAx(e);
  }
  if (module) e.emit(ld(TOC, PACA_KERNEL_TOC, PACA));
  return abi.elf === 1 ? 'descriptor' : 'imm64';
}

function site(e: Emission, kind: CallSite['kind'], start: number, target: bigint, subprog: number, form: string): void {
  const base = descriptorBytes(e.unit.abi);
  e.sites.push({
    insnIdx: e.slot,
    kind,
    offBytes: base + start,
    endBytes: base + e.here,
    target,
    subprog,
    form,
  });
}

function lowerCall(e: Emission, insn: Insn): void {
  e.seen.call = true;
  const start = e.here;
  const target = resolve(e, insn);
  if (insn.src === BPF_PSEUDO_KFUNC_CALL) extendArguments(e, insn);
  const form = emitCall(e, target);
  e.emit(mr(RESULT, ARG0));
  const subprog = insn.src === BPF_PSEUDO_CALL ? insn.off : -1;
  site(e, target?.kind ?? 'subprog', start, target?.entry ?? 0n, subprog, form);
}

/** Context, prog array and index are in R1..R3. Whatever is missing continues behind. */
function lowerTailCall(e: Emission, _insn: Insn): void {
  e.seen.tailCall = true;
  const start = e.here;
  const { structs } = e.unit.env.space.kernel;
  const array = REGISTERS[2];
  const index = REGISTERS[3];
  const out = e.addrs[e.slot + 1];

  e.emit(lwz(T1, structs.arrayMaxEntries, array));
  e.emit(rlwinm(index, index, 0, 0, 31));
  e.emit(cmplw(0, index, T1));
  e.branchShort(CONDITIONS.ge, out);

  e.emit(ld(T1, tailCountOff(e), SP));
  e.emit(cmplwi(0, T1, MAX_TAIL_CALL_CNT));
  e.branchShort(CONDITIONS.ge, out);
  e.emit(addi(T1, T1, 1));

  e.emit(mulli(T2, index, 8));
  e.emit(add(T2, T2, array));
  e.emit(ld(T2, structs.arrayPtrs, T2));
  e.emit(cmpldi(0, T2, 0));
  e.branchShort(CONDITIONS.eq, out);

  // The code, not the function pointer: a descriptor lies in front of it on ELFv1.
  e.emit(ld(T2, structs.progBpfFunc, T2));
  e.emit(addi(T2, T2, descriptorBytes(e.unit.abi) + tailEntryBytes(e.unit)));
  e.emit(mtctr(T2));
  // Only a tail call that happens counts.
  e.emit(std(T1, tailCountOff(e), SP));
  emitTeardown(e);
  e.emit(bctr());
  site(e, 'tail_call', start, 0n, -1, 'tail_call');
}

export const CALL_ROWS: readonly LoweringRow[] = [
  [CALL, lowerCall],
  [TAIL_CALL, lowerTailCall],
];
