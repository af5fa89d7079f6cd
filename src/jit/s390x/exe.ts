import { hi32, InternalError, lo32 } from '../../util/index.ts';
import { CodeBuffer } from '../code-buffer.ts';
import { EXE_STATE, type ExeArch, type ExeGlue } from '../exe/types.ts';
import {
  aghi,
  basr,
  bcr,
  brc,
  brcl,
  clgr,
  iilf,
  la,
  lay,
  lengthOf,
  lg,
  lgfi,
  lghi,
  lgr,
  llihf,
  lmg,
  ltgr,
  mvghi,
  ogr,
  stg,
  stmg,
  svc,
  xgr,
} from './encode.ts';

const SP = 15;
const LINK = 14;
/** Names the gate on the way to the code all gates share. */
const GATE_INDEX = 0;
const MMAP = 90;

/*
 * Frames on the runtime's stack, behind the 160 bytes every frame begins with.
 *
 *   invoke:  160 previous runtimeSp | 168 program's r15 | 176 program's r6 | 184 … 192
 *   gate:    160 R1 … R5 | 200 r15 | 208 r14 | 216 … 224
 */
const PREVIOUS = 160;
const PROGRAM_SP = 168;
const PROGRAM_R6 = 176;
const INVOKE_BYTES = 192;
const GATE_ARGS = 160;
const GATE_SP = 200;
const GATE_LINK = 208;
const GATE_BYTES = 224;
/** In its caller's frame a function saves register p at 8 · p. */
const SAVED_R6 = 48;

/** r6 is an argument, too. */
const FIRST_CANARY = 7;
const LAST_CANARY = 13;
const canaryHigh = (reg: number) => 0x5a5a0000 + reg;
const canaryLow = (reg: number) => 0x25a50000 + 3 * reg;

/** Instructions, and branches between them. */
class Code {
  readonly buffer = new CodeBuffer('big', 0, 2048);
  readonly #labels = new Map<string, number>();

  emit(...insns: readonly number[]): this {
    for (const insn of insns) put(this.buffer, insn);
    return this;
  }
  #labelOf(name: string): number {
    let label = this.#labels.get(name);
    if (label === undefined) this.#labels.set(name, (label = this.buffer.label()));
    return label;
  }
  label(name: string): this {
    this.buffer.bind(this.#labelOf(name));
    return this;
  }
  branch(label: string, mask = 15): this {
    this.buffer.fixup(this.#labelOf(label), 0);
    return this.emit(brc(mask, 0));
  }
  imm64(reg: number, hi: number, lo: number): this {
    return this.emit(llihf(reg, hi), iilf(reg, lo));
  }
  offsetOf(name: string): number {
    const off = this.buffer.offsetOf(this.#labelOf(name));
    if (off < 0) throw new InternalError(`no label ${name}`);
    return off;
  }
  finish(): Uint8Array {
    this.buffer.resolve((buffer, _, off, distance) => {
      buffer.patchU32(off, (buffer.peekU32(off) & 0xffff0000) | ((distance >> 1) & 0xffff));
    });
    return this.buffer.finish();
  }
}

function put(buffer: CodeBuffer, insn: number): void {
  const bytes = lengthOf(insn);
  if (bytes !== 4) buffer.u16(bytes === 2 ? insn : Math.floor(insn / 0x100000000));
  if (bytes !== 2) buffer.u32(insn | 0);
}

const EQUAL = 8;
const HIGH = 2;
const UNEQUAL = 6;

function emitStart(code: Code, loadState: (reg: number) => void): void {
  code.label('start');
  loadState(1);
  code.emit(lg(SP, EXE_STATE.stackTop, 0, 1), lg(1, EXE_STATE.mainFunc, 0, 1), basr(LINK, 1), lghi(2, 4));
  // main does not return.
  code.label('exit').emit(lghi(1, 248), svc(0)).branch('exit');
}

/** Number and six arguments in memory; mmap takes its arguments there. */
function emitSys(code: Code): void {
  code.label('sys').emit(stmg(6, 7, SAVED_R6, SP), lgr(5, 2), lg(1, 0, 0, 5), lghi(0, MMAP), clgr(1, 0));
  code
    .branch('sys mmap', EQUAL)
    .emit(lmg(2, 7, 8, 5))
    .branch('sys call');
  code
    .label('sys mmap')
    .emit(la(2, 8, 0, 5))
    .label('sys call')
    .emit(svc(0), lmg(6, 7, SAVED_R6, SP), bcr(15, LINK));
}

function emitInvoke(code: Code, loadState: (reg: number) => void): void {
  code.label('invoke').emit(stmg(6, SP, SAVED_R6, SP), lgr(1, SP), aghi(SP, -INVOKE_BYTES), stg(1, 0, 0, SP));
  loadState(5);
  code.emit(stg(4, PROGRAM_SP, 0, SP), lg(0, 32, 0, 3), stg(0, PROGRAM_R6, 0, SP));
  code.emit(lg(0, EXE_STATE.runtimeSp, 0, 5), stg(0, PREVIOUS, 0, SP), stg(SP, EXE_STATE.runtimeSp, 0, 5));
  code
    .emit(ltgr(0, 0))
    .branch('nested', UNEQUAL)
    .emit(stg(SP, EXE_STATE.outerSp, 0, 5))
    .label('nested');
  // The frame the program returns to ends the chain of frames.
  code.emit(lgr(1, 2), lgr(SP, 4), mvghi(0, SP, 0));
  for (let reg = FIRST_CANARY; reg <= LAST_CANARY; reg++) code.imm64(reg, canaryHigh(reg), canaryLow(reg));
  code.emit(lmg(2, 6, 0, 3), lgfi(0, -0x21524111), basr(LINK, 1));

  // Whatever differs in what a callee has to leave alone is collected in r3.
  loadState(5);
  code.emit(lg(4, EXE_STATE.runtimeSp, 0, 5), lg(3, PROGRAM_SP, 0, 4), xgr(3, SP));
  code.emit(lg(1, PROGRAM_R6, 0, 4), xgr(1, 6), ogr(3, 1));
  for (let reg = FIRST_CANARY; reg <= LAST_CANARY; reg++) {
    code.imm64(1, canaryHigh(reg), canaryLow(reg)).emit(xgr(1, reg), ogr(3, 1));
  }
  code.emit(lg(1, EXE_STATE.clobbered, 0, 5), ogr(1, 3), stg(1, EXE_STATE.clobbered, 0, 5), lgr(SP, 4));
  code.label('return').emit(lg(0, PREVIOUS, 0, SP), stg(0, EXE_STATE.runtimeSp, 0, 5));
  code.emit(lmg(6, SP, INVOKE_BYTES + SAVED_R6, SP), bcr(15, LINK));
}

function emitLeave(code: Code, loadState: (reg: number) => void): void {
  code.label('leave');
  loadState(5);
  code.emit(lg(SP, EXE_STATE.outerSp, 0, 5)).branch('return');
}

function emitGate(code: Code, loadState: (reg: number) => void): void {
  code.label('gate');
  // The caller's frame begins with room that is the callee's.
  code.emit(stmg(0, SP, 16, SP), stmg(0, 1, 144, SP));
  loadState(1);
  code.emit(lg(1, EXE_STATE.runtimeSp, 0, 1), aghi(1, -GATE_BYTES), stmg(2, 6, GATE_ARGS, 1));
  code.emit(stg(SP, GATE_SP, 0, 1), stg(LINK, GATE_LINK, 0, 1), lay(LINK, GATE_BYTES, 0, 1), stg(LINK, 0, 0, 1));
  code.emit(lgr(SP, 1), lgr(2, GATE_INDEX), la(3, GATE_ARGS, 0, SP));
  loadState(1);
  code.emit(lg(1, EXE_STATE.gateFunc, 0, 1), basr(LINK, 1));
  code.emit(lg(LINK, GATE_LINK, 0, SP), lg(SP, GATE_SP, 0, SP));
  // Nothing a callee may change keeps its value.
  for (const reg of [0, 1, 3, 4, 5]) code.imm64(reg, 0xbad00000 + reg, 0xbad00000 + reg);
  code.emit(bcr(15, LINK));
}

/** A load that may fault goes on at its fixup. Otherwise the entry ends; signals stay unmasked (SA_NODEFER). */
function emitOnSignal(code: Code, loadState: (reg: number) => void): void {
  // (number, siginfo, ucontext): si_addr at 16; the PSW's address at 48.
  const pc = 48;
  code.label('onSignal');
  loadState(5);
  code
    .emit(lg(1, pc, 0, 4), lg(6, EXE_STATE.extable, 0, 5))
    .label('next fixup')
    .emit(lg(7, 0, 0, 6), ltgr(7, 7));
  code
    .branch('no fixup', EQUAL)
    .emit(lg(8, 8, 0, 6), la(6, 16, 0, 6), clgr(7, 1))
    .branch('next fixup', UNEQUAL);
  code.emit(stg(8, pc, 0, 4), bcr(15, LINK)).label('no fixup');
  code.emit(stg(1, EXE_STATE.faultPc, 0, 5), lg(0, 16, 0, 3), stg(0, EXE_STATE.faultAddr, 0, 5));
  code.emit(stg(2, EXE_STATE.signal, 0, 5), mvghi(EXE_STATE.status, 5, 3));
  // A fault of the runtime itself: nobody to return to.
  code.emit(lg(0, EXE_STATE.runtimeSp, 0, 5), lghi(2, 4), ltgr(0, 0)).branch('exit', EQUAL);
  code.emit(lghi(2, 0)).branch('leave');
}

/**
 * `(func, args, sp, frameSp)`: leaves the calls that begin further in than `frameSp` and enters a function on the stack of
 * the one around it. Registers a callee would have to restore hold what nobody put there.
 */
function emitResume(code: Code, loadState: (reg: number) => void): void {
  code.label('resume');
  loadState(1);
  code
    .emit(lg(LINK, EXE_STATE.runtimeSp, 0, 1))
    .label('next call')
    .emit(lg(0, PROGRAM_SP, 0, LINK), clgr(0, 5));
  code
    .branch('found call', HIGH)
    .emit(lg(LINK, PREVIOUS, 0, LINK), ltgr(LINK, LINK))
    .branch('next call', UNEQUAL);
  code.emit(mvghi(EXE_STATE.status, 1, 4), lghi(2, 0)).branch('leave');
  code.label('found call').emit(stg(LINK, EXE_STATE.runtimeSp, 0, 1), lgr(1, 2), lgr(SP, 4), lmg(2, 6, 0, 3));
  for (let reg = FIRST_CANARY; reg <= LINK; reg++) code.emit(lgfi(reg, 0x0dead000 + reg));
  code.emit(bcr(15, 1));
}

function glue({ at, state }: { at: bigint; state: bigint }): ExeGlue {
  const code = new Code();
  const loadState = (reg: number): void => void code.imm64(reg, hi32(state), lo32(state));
  emitStart(code, loadState);
  emitSys(code);
  emitInvoke(code, loadState);
  emitLeave(code, loadState);
  emitGate(code, loadState);
  emitOnSignal(code, loadState);
  // Stores to code are seen by the next branch.
  code.label('syncCode').emit(lghi(2, 0), bcr(15, LINK));
  emitResume(code, loadState);
  const address = (label: string): bigint => at + BigInt(code.offsetOf(label));
  return {
    bytes: code.finish(),
    start: address('start'),
    onSignal: address('onSignal'),
    gate: address('gate'),
    sys: address('sys'),
    invoke: address('invoke'),
    leave: address('leave'),
    syncCode: address('syncCode'),
    resume: address('resume'),
  };
}

function gateStub({ at, index, common }: { at: bigint; index: number; common: bigint }): Uint8Array {
  const buffer = new CodeBuffer('big', 0, 32);
  put(buffer, index < 0x8000 ? lghi(GATE_INDEX, index) : lgfi(GATE_INDEX, index));
  const distance = common - (at + BigInt(buffer.length));
  if (BigInt.asIntN(33, distance) === distance) put(buffer, brcl(15, Number(distance >> 1n)));
  else {
    put(buffer, llihf(1, hi32(common)));
    put(buffer, iilf(1, lo32(common)));
    put(buffer, bcr(15, 1));
  }
  return buffer.finish();
}

/** Executables of 64-bit z/Architecture. */
export const s390xExe: ExeArch = {
  arch: 's390x',
  runtimeMode: 'own',
  syscalls: { write: 4, exitGroup: 248, mmap: MMAP, rtSigaction: 174, sigaltstack: 186, alarm: 27 },
  // The smallest frame of a kernel function, and its locals.
  callbackGapBytes: () => 160 + 64,
  glueBytes: 2048,
  glue,
  state() {},
  gateStub,
};
