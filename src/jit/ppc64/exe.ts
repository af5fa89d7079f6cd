import { type ByteOrder, hi32, lo32 } from '../../util/index.ts';
import { EXE_STATE, type ExeArch, type ExeGlue } from '../exe/types.ts';
import { WordCode, wordBytes } from '../word-code.ts';
import {
  addi,
  b,
  bc,
  bctr,
  bctrl,
  blr,
  cmpdi,
  cmpld,
  isync,
  ld,
  li,
  lis,
  mfcr,
  mflr,
  mr,
  mtctr,
  mtlr,
  neg,
  nop,
  or,
  ori,
  oris,
  rlwinm,
  sldi,
  std,
  stdu,
  sync,
  xor,
  xori,
  xoris,
} from './encode.ts';

// What only executables need.
const sc = () => 0x44000002;
const mtcrf = (mask: number, rs: number) => (31 << 26) | (rs << 21) | (mask << 12) | (144 << 1);
const mtxer = (rs: number) => (31 << 26) | (rs << 21) | (1 << 16) | (467 << 1);
const dcbst = (ra: number, rb: number) => (31 << 26) | (ra << 16) | (rb << 11) | (54 << 1);
const icbi = (ra: number, rb: number) => (31 << 26) | (ra << 16) | (rb << 11) | (982 << 1);

const SP = 1;
const TOC = 2;
/** The state block: where the kernel has its paca. */
const STATE = 13;
/** Names the gate on the way to the code all gates share. */
const GATE_INDEX = 11;

/** Members of the paca that compiled code reads. */
const PACA_INDEX = 8;
const PACA_KERNEL_TOC = 16;

/*
 * Frames on the runtime's stack. Both begin as any frame does; 112 bytes are the larger of the ABIs' headers.
 *
 *   invoke:  0 header | 112 previous runtimeSp | 120 program's r1 | 128 r14 … r31 | 272 cr | 288
 *   gate:    0 header | 112 R1 … R5 | 152 r1 | 160 r2 | 168 r12 | 176 lr | 184 | 192
 */
const PREVIOUS = 112;
const PROGRAM_SP = 120;
const SAVED = 128;
const SAVED_CR = SAVED + 18 * 8;
const INVOKE_BYTES = 288;
const GATE_ARGS = 112;
const GATE_SP = 152;
const GATE_LR = 176;
const GATE_BYTES = 192;
const LR_SAVE = 16;

/** Non-volatile registers, r13 apart. */
const FIRST_KEPT = 14;
/** CR2, CR3 and CR4, as a mask of fields for mtcrf; in a register they are bits 8 to 19. */
const KEPT_CR = 0x38;
const KEPT_CR_VALUE = 0x005a9000;

/** What a kept register holds while a program runs: no pointer, and each another. */
const canaryHigh = (reg: number) => 0xa500 + reg;
const canaryLow = (reg: number) => 0x5a00 + 3 * reg;

/** Instructions, and branches between them. */
class Code extends WordCode {
  override branch(label: string, encode: (off: number) => number = b): this {
    return super.branch(label, encode);
  }
  imm64(reg: number, value: bigint): this {
    return this.emit(...imm64(reg, value));
  }
  /** An entry for callers of helpers: they come in here or up to two instructions later, with the TOC set up. */
  helper(name: string): this {
    return this.label(name).emit(nop(), nop());
  }
}

function imm64(reg: number, value: bigint): number[] {
  const [hi, lo] = [hi32(value), lo32(value)];
  return [lis(reg, hi >>> 16), ori(reg, reg, hi), sldi(reg, reg, 32), oris(reg, reg, lo >>> 16), ori(reg, reg, lo)];
}

/** Enters the function whose pointer is in r12: a descriptor's address on ELFv1. */
function callR12(code: Code, order: ByteOrder): void {
  if (order === 'big') code.emit(ld(0, 0, 12), ld(TOC, 8, 12), mtctr(0), bctrl());
  else code.emit(mtctr(12), bctrl());
  code.emit(ld(TOC, PACA_KERNEL_TOC, STATE));
}

function emitStart(code: Code, order: ByteOrder, state: bigint): void {
  code
    .label('start')
    .imm64(STATE, state)
    .emit(ld(TOC, PACA_KERNEL_TOC, STATE), ld(SP, EXE_STATE.stackTop, STATE));
  code.emit(ld(12, EXE_STATE.mainFunc, STATE));
  callR12(code, order);
  // main does not return.
  code.emit(li(3, 4)).label('exit').emit(li(0, 234), sc()).branch('exit');
}

function emitSys(code: Code): void {
  code.helper('sys').emit(mr(9, 3), ld(0, 0, 9));
  for (let i = 0; i < 6; i++) code.emit(ld(3 + i, 8 + 8 * i, 9));
  // Errors are positive, and said to be errors by the summary overflow bit.
  code.emit(sc(), bc(4, 3, 8), neg(3, 3), blr());
}

function emitInvoke(code: Code, order: ByteOrder): void {
  code.helper('invoke').emit(mflr(0), std(0, LR_SAVE, SP), stdu(SP, -INVOKE_BYTES, SP));
  for (let reg = FIRST_KEPT; reg < 32; reg++) code.emit(std(reg, SAVED + 8 * (reg - FIRST_KEPT), SP));
  code.emit(mfcr(0), std(0, SAVED_CR, SP), std(5, PROGRAM_SP, SP));
  code.emit(ld(0, EXE_STATE.runtimeSp, STATE), std(0, PREVIOUS, SP), std(SP, EXE_STATE.runtimeSp, STATE));
  code.emit(cmpdi(0, 0, 0), bc(4, 2, 8), std(SP, EXE_STATE.outerSp, STATE));
  code.emit(mr(12, 3), mr(11, 4), mr(SP, 5));
  for (let reg = FIRST_KEPT; reg < 32; reg++) code.emit(lis(reg, canaryHigh(reg)), ori(reg, reg, canaryLow(reg)));
  code.emit(lis(0, KEPT_CR_VALUE >>> 16), ori(0, 0, KEPT_CR_VALUE), mtcrf(KEPT_CR, 0));
  // The frame the program returns to ends the chain of frames.
  code.emit(li(0, 0), std(0, 0, SP));
  for (let i = 0; i < 5; i++) code.emit(ld(3 + i, 8 * i, 11));
  for (const reg of [8, 9, 10, 11]) code.emit(lis(reg, 0xdead), ori(reg, reg, reg));
  callR12(code, order);

  // Whatever differs in what a callee has to leave alone is collected in r10.
  code.emit(ld(9, EXE_STATE.runtimeSp, STATE), ld(10, PROGRAM_SP, 9), xor(10, 10, SP));
  for (let reg = FIRST_KEPT; reg < 32; reg++) {
    code.emit(lis(8, canaryHigh(reg)), ori(8, 8, canaryLow(reg)), xor(8, 8, reg), or(10, 10, 8));
  }
  code.emit(
    mfcr(8),
    rlwinm(8, 8, 0, 8, 19),
    xoris(8, 8, KEPT_CR_VALUE >>> 16),
    xori(8, 8, KEPT_CR_VALUE),
    or(10, 10, 8),
  );
  code.emit(ld(8, EXE_STATE.clobbered, STATE), or(8, 8, 10), std(8, EXE_STATE.clobbered, STATE), mr(SP, 9));

  code.label('return').emit(ld(0, PREVIOUS, SP), std(0, EXE_STATE.runtimeSp, STATE));
  code.emit(ld(0, SAVED_CR, SP), mtcrf(0xff, 0));
  for (let reg = FIRST_KEPT; reg < 32; reg++) code.emit(ld(reg, SAVED + 8 * (reg - FIRST_KEPT), SP));
  code.emit(addi(SP, SP, INVOKE_BYTES), ld(0, LR_SAVE, SP), mtlr(0), blr());
}

function emitLeave(code: Code): void {
  code
    .helper('leave')
    .emit(ld(SP, EXE_STATE.outerSp, STATE))
    .branch('return');
}

function emitGate(code: Code, order: ByteOrder): void {
  code.label('gate').emit(ld(9, EXE_STATE.runtimeSp, STATE), addi(10, 9, -GATE_BYTES), std(9, 0, 10));
  for (let i = 0; i < 5; i++) code.emit(std(3 + i, GATE_ARGS + 8 * i, 10));
  code.emit(mflr(0), std(SP, GATE_SP, 10), std(TOC, GATE_SP + 8, 10), std(12, GATE_SP + 16, 10), std(0, GATE_LR, 10));
  code.emit(mr(SP, 10), mr(3, GATE_INDEX), addi(4, SP, GATE_ARGS), ld(12, EXE_STATE.gateFunc, STATE));
  callR12(code, order);
  code.emit(mr(9, SP), ld(0, GATE_LR, 9), mtlr(0), ld(SP, GATE_SP, 9));
  // Nothing a callee may change keeps its value.
  code.emit(lis(0, 0xbad0), mtctr(0), mtxer(0), mtcrf(0xff & ~KEPT_CR, 0));
  for (let reg = 4; reg <= 12; reg++) code.emit(lis(reg, 0xbad0), ori(reg, reg, reg));
  code.emit(blr());
}

/**
 * A load that may fault goes on at its fixup. Otherwise the entry ends: the frame the kernel made is left where it is,
 * and signals stay unmasked (SA_NODEFER).
 */
function emitOnSignal(code: Code, state: bigint): void {
  // (number, siginfo, ucontext): si_addr at 16; gp_regs at 232, of which [32] is nip.
  const nip = 232 + 32 * 8;
  code
    .label('onSignal')
    .imm64(STATE, state)
    .emit(ld(TOC, PACA_KERNEL_TOC, STATE), ld(9, nip, 5));
  code
    .emit(ld(10, EXE_STATE.extable, STATE))
    .label('next fixup')
    .emit(ld(11, 0, 10), cmpdi(0, 11, 0));
  code.branch('no fixup', off => bc(12, 2, off));
  code.emit(cmpld(0, 11, 9), ld(11, 8, 10), addi(10, 10, 16)).branch('next fixup', off => bc(4, 2, off));
  code.emit(std(11, nip, 5), blr()).label('no fixup');
  code.emit(std(9, EXE_STATE.faultPc, STATE), ld(9, 16, 4), std(9, EXE_STATE.faultAddr, STATE));
  code.emit(std(3, EXE_STATE.signal, STATE), li(9, 3), std(9, EXE_STATE.status, STATE));
  // A fault of the runtime itself: nobody to return to.
  code.emit(ld(9, EXE_STATE.runtimeSp, STATE), cmpdi(0, 9, 0), li(3, 4));
  code.branch('exit', off => bc(12, 2, off));
  code.emit(li(3, 0)).branch('leave');
}

/** Stores reach memory, then the instruction cache forgets the lines. */
function emitSyncCode(code: Code): void {
  code.helper('syncCode').emit(mr(5, 3), mr(6, 4));
  for (const each of [dcbst, icbi]) {
    code.emit(mr(3, 5), mr(4, 6)).label(`each ${each.name}`);
    code.emit(each(0, 3), addi(3, 3, 32), addi(4, 4, -32), cmpdi(0, 4, 0));
    code.branch(`each ${each.name}`, off => bc(12, 1, off)).emit(sync(), isync());
  }
  code.emit(li(3, 0), blr());
}

function glue({ at, state, order }: { at: bigint; state: bigint; order: ByteOrder }): ExeGlue {
  const code = new Code();
  emitStart(code, order, state);
  emitSys(code);
  emitInvoke(code, order);
  emitLeave(code);
  emitGate(code, order);
  emitOnSignal(code, state);
  emitSyncCode(code);
  emitResume(code, order);
  const address = (label: string): bigint => at + BigInt(code.offsetOf(label));
  // ELFv1: the file's entry and a handler are descriptors, put behind the code.
  while (code.here % 8 !== 0) code.emit(nop());
  const pointer = (label: string): bigint => {
    if (order === 'little') return address(label);
    const here = at + BigInt(code.here);
    const target = address(label);
    code.emit(hi32(target), lo32(target), 0, 0, 0, 0);
    return here;
  };
  const start = pointer('start');
  const onSignal = pointer('onSignal');
  const bytes = code.bytes(order);
  return {
    bytes,
    start,
    onSignal,
    gate: address('gate'),
    sys: address('sys'),
    invoke: address('invoke'),
    leave: address('leave'),
    syncCode: address('syncCode'),
    resume: address('resume'),
  };
}

/**
 * `(func, args, sp, frameSp)`: leaves the calls that begin further in than `frameSp` and enters a function on the stack of
 * the one around it. Registers a callee would have to restore hold what nobody put there.
 */
function emitResume(code: Code, order: ByteOrder): void {
  code
    .helper('resume')
    .emit(ld(9, EXE_STATE.runtimeSp, STATE))
    .label('next call')
    .emit(ld(10, PROGRAM_SP, 9));
  code.emit(cmpld(0, 10, 6)).branch('found call', off => bc(12, 1, off));
  code.emit(ld(9, PREVIOUS, 9), cmpdi(0, 9, 0)).branch('next call', off => bc(4, 2, off));
  code.emit(li(9, 4), std(9, EXE_STATE.status, STATE), li(3, 0)).branch('leave');
  code.label('found call').emit(std(9, EXE_STATE.runtimeSp, STATE), mr(12, 3), mr(11, 4), mr(SP, 5));
  for (let i = 0; i < 5; i++) code.emit(ld(3 + i, 8 * i, 11));
  for (let reg = FIRST_KEPT; reg < 32; reg++) code.emit(lis(reg, 0xdead), ori(reg, reg, reg));
  if (order === 'big') code.emit(ld(0, 0, 12), ld(TOC, 8, 12), mtctr(0), bctr());
  else code.emit(mtctr(12), bctr());
}

function gateStub(init: { at: bigint; index: number; common: bigint; order: ByteOrder }): Uint8Array {
  const { at, index, common, order } = init;
  // Callers enter at the start, or one or two instructions later, past what would set up the TOC.
  const words = [nop(), nop()];
  if (index < 0x8000) words.push(li(GATE_INDEX, index));
  else words.push(lis(GATE_INDEX, index >>> 16), ori(GATE_INDEX, GATE_INDEX, index));
  const distance = common - (at + BigInt(4 * words.length));
  if (BigInt.asIntN(26, distance) === distance) words.push(b(Number(distance)));
  else words.push(...imm64(0, common), mtctr(0), bctr());
  return wordBytes(words, order);
}

/** Executables of 64-bit PowerPC: ELFv2 little-endian, ELFv1 big-endian. */
export const ppc64Exe: ExeArch = {
  arch: 'ppc64',
  syscalls: { write: 4, exitGroup: 234, mmap: 90, rtSigaction: 173, sigaltstack: 185, alarm: 27 },
  // The smallest frame of a kernel function, and its locals.
  callbackGapBytes: order => (order === 'little' ? 32 : 112) + 64,
  glueBytes: 2048,
  glue,
  state({ view, order, space }) {
    const little = order === 'little';
    view.setUint16(PACA_INDEX, 0, little);
    view.setBigUint64(PACA_KERNEL_TOC, space.kernelToc, little);
  },
  gateStub,
};
