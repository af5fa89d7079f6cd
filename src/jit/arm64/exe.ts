import { EXE_STATE, type ExeArch, type ExeGlue } from '../exe/types.ts';
import { wordBytes } from '../word-code.ts';
import { Code, fromSp, imm64, nonzero, toSp, when, zero } from './assembler.ts';
import {
  add,
  addImm,
  addUxtw,
  b,
  blr,
  br,
  cb,
  cmp,
  cmpImm,
  dcCvau,
  dsbIsh,
  EQ,
  eor,
  FP,
  HI,
  icIvau,
  isb,
  LR,
  ldp,
  ldr,
  mov,
  movk,
  movz,
  mrsTpidrEl1,
  NE,
  nop,
  orr,
  ret,
  SP,
  stp,
  str,
  subImm,
  svc,
  W,
  X,
  ZR,
} from './encode.ts';

const ldrWord = (rt: number, rn: number) => 0xb9400000 | (rn << 5) | rt;

/** The state block: the register compiled code leaves alone. */
const STATE = 18;
/** Names the gate on the way to the code all gates share. */
const GATE_INDEX = 17;
const TARGET = 16;

/*
 * Frames on the runtime's stack.
 *
 *   invoke:  0 x29 | 8 x30 | 16 x19 … x28 | 96 previous runtimeSp | 104 program's sp | 112
 *   gate:    0 x30 | 8 | 16 R1 … R5 | 56 sp | 64
 */
const SAVED = 16;
const PREVIOUS = 96;
const PROGRAM_SP = 104;
const INVOKE_BYTES = 112;
const GATE_ARGS = 16;
const GATE_SP = 56;
const GATE_BYTES = 64;

/** Registers a callee keeps: x19 to x28. */
const KEPT = [19, 20, 21, 22, 23, 24, 25, 26, 27, 28];
const canary = (reg: number) => 0x5a00 + 3 * reg;
const canaryHigh = (reg: number) => 0xa500 + reg;

/** There is no alarm: the number stands for setitimer. */
const ALARM = 37;
const SETITIMER = 103;
const EXIT_GROUP = 94;

/** In what a signal handler is given: `si_addr`; x0 and pc in the context. */
const SI_ADDR = 16;
const CONTEXT_X0 = 184;
const CONTEXT_PC = 440;
const SIGILL = 4;

function emitStart(code: Code, state: bigint): void {
  code.label('start').emit(...imm64(STATE, state), ldr(9, STATE, EXE_STATE.stackTop), toSp(9));
  code.emit(ldr(TARGET, STATE, EXE_STATE.mainFunc), blr(TARGET));
  // main does not return.
  code
    .emit(movz(X, 0, 4))
    .label('exit')
    .emit(movz(X, 8, EXIT_GROUP), svc())
    .branch('exit');
}

function emitSys(code: Code): void {
  code.label('sys').emit(mov(X, 9, 0), ldr(8, 9, 0));
  for (let i = 0; i < 6; i++) code.emit(ldr(i, 9, 8 + 8 * i));
  code
    .emit(cmpImm(X, 8, ALARM))
    .branch('alarm', when(EQ))
    .emit(svc(), ret());
  // setitimer(ITIMER_REAL, {interval 0, value x0 seconds}, NULL)
  code.label('alarm').emit(subImm(X, SP, SP, 32), stp(ZR, ZR, SP, 0), stp(0, ZR, SP, 16), movz(X, 0, 0), fromSp(1));
  code.emit(movz(X, 2, 0), movz(X, 8, SETITIMER), svc(), addImm(X, SP, SP, 32), ret());
}

function saveKept(code: Code, op: typeof stp): void {
  for (let k = 0; k < KEPT.length; k += 2) code.emit(op(KEPT[k], KEPT[k + 1], SP, SAVED + 8 * k));
}

function emitInvoke(code: Code): void {
  code.label('invoke').emit(subImm(X, SP, SP, INVOKE_BYTES), stp(FP, LR, SP, 0));
  saveKept(code, stp);
  code.emit(ldr(9, STATE, EXE_STATE.runtimeSp), stp(9, 2, SP, PREVIOUS), fromSp(10));
  code.emit(str(10, STATE, EXE_STATE.runtimeSp), cb(X, 1, 9, 8), str(10, STATE, EXE_STATE.outerSp));
  code.emit(mov(X, TARGET, 0), mov(X, 11, 1), toSp(2));
  for (const reg of KEPT) code.emit(movz(X, reg, canary(reg)), movk(X, reg, canaryHigh(reg), 3));
  // Ends the chain of frames.
  code.emit(movz(X, FP, 0));
  for (let i = 0; i < 5; i++) code.emit(ldr(i, 11, 8 * i));
  for (const reg of [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17]) code.emit(movz(X, reg, 0xdead, 3));
  code.emit(blr(TARGET));

  // Whatever differs in what a callee has to leave alone is collected in x10.
  code.emit(ldr(9, STATE, EXE_STATE.runtimeSp), ldr(10, 9, PROGRAM_SP), fromSp(11), eor(X, 10, 10, 11));
  for (const reg of KEPT) {
    code.emit(movz(X, 12, canary(reg)), movk(X, 12, canaryHigh(reg), 3), eor(X, 12, 12, reg), orr(X, 10, 10, 12));
  }
  code.emit(orr(X, 10, 10, FP), ldr(12, STATE, EXE_STATE.clobbered), orr(X, 12, 12, 10));
  code.emit(str(12, STATE, EXE_STATE.clobbered), toSp(9));

  code.label('return').emit(ldr(9, SP, PREVIOUS), str(9, STATE, EXE_STATE.runtimeSp));
  saveKept(code, ldp);
  code.emit(ldp(FP, LR, SP, 0), addImm(X, SP, SP, INVOKE_BYTES), ret());
}

function emitLeave(code: Code): void {
  code
    .label('leave')
    .emit(ldr(9, STATE, EXE_STATE.outerSp), toSp(9))
    .branch('return');
}

function emitGate(code: Code): void {
  code.label('gate').emit(ldr(9, STATE, EXE_STATE.runtimeSp), subImm(X, 10, 9, GATE_BYTES), fromSp(11));
  for (let i = 0; i < 5; i++) code.emit(str(i, 10, GATE_ARGS + 8 * i));
  code.emit(str(11, 10, GATE_SP), str(LR, 10, 0), toSp(10), mov(X, 0, GATE_INDEX), addImm(X, 1, SP, GATE_ARGS));
  code.emit(ldr(TARGET, STATE, EXE_STATE.gateFunc), blr(TARGET));
  code.emit(ldr(LR, SP, 0), ldr(9, SP, GATE_SP), toSp(9));
  // Nothing a callee may change keeps its value.
  for (let reg = 1; reg <= 17; reg++) code.emit(movz(X, reg, 0xbad0 + reg, 3));
  code.emit(cmp(X, 1, 2), ret());
}

/**
 * A load that may fault goes on at its fixup, and this CPU's per-CPU offset, which only kernels read, is 0. Otherwise the
 * entry ends: the frame the kernel made is left where it is, and signals stay unmasked (SA_NODEFER).
 */
function emitOnSignal(code: Code, state: bigint): void {
  code.label('onSignal').emit(...imm64(STATE, state), ldr(9, 2, CONTEXT_PC), ldr(10, STATE, EXE_STATE.extable));
  code
    .label('next fixup')
    .emit(ldr(11, 10, 0))
    .branch('no fixup', zero(11));
  code.emit(ldr(12, 10, 8), addImm(X, 10, 10, 16), cmp(X, 11, 9)).branch('next fixup', when(NE));
  code.emit(str(12, 2, CONTEXT_PC), ret());
  const mrs = mrsTpidrEl1(0);
  code
    .label('no fixup')
    .emit(cmpImm(X, 0, SIGILL))
    .branch('fault', when(NE));
  code.emit(ldrWord(10, 9), movz(W, 11, mrs), movk(W, 11, mrs >>> 16, 1), eor(W, 10, 10, 11), cmpImm(W, 10, 31));
  code.branch('fault', when(HI)).emit(addUxtw(11, 2, 10, 3), str(ZR, 11, CONTEXT_X0));
  code.emit(addImm(X, 9, 9, 4), str(9, 2, CONTEXT_PC), ret());

  code.label('fault').emit(str(9, STATE, EXE_STATE.faultPc), ldr(9, 1, SI_ADDR), str(9, STATE, EXE_STATE.faultAddr));
  code.emit(str(0, STATE, EXE_STATE.signal), movz(X, 9, 3), str(9, STATE, EXE_STATE.status));
  // A fault of the runtime itself: nobody to return to.
  code.emit(ldr(9, STATE, EXE_STATE.runtimeSp), movz(X, 0, 4)).branch('exit', zero(9));
  code.emit(movz(X, 0, 0)).branch('leave');
}

/** Stores reach memory, then the instruction cache forgets the lines. */
function emitSyncCode(code: Code): void {
  code.label('syncCode').emit(add(X, 1, 0, 1));
  for (const [name, each] of [
    ['data', dcCvau],
    ['code', icIvau],
  ] as const) {
    code
      .emit(mov(X, 9, 0))
      .label(name)
      .emit(each(9), addImm(X, 9, 9, 16), cmp(X, 1, 9));
    code.branch(name, when(HI)).emit(dsbIsh());
  }
  code.emit(isb(), movz(X, 0, 0), ret());
}

/**
 * `(func, args, sp, frameSp)`: leaves the calls that begin further in than `frameSp` and enters a function on the stack of
 * the one around it. Registers a callee would have to restore hold what nobody put there.
 */
function emitResume(code: Code): void {
  code
    .label('resume')
    .emit(ldr(9, STATE, EXE_STATE.runtimeSp))
    .label('next call')
    .emit(ldr(10, 9, PROGRAM_SP));
  code
    .emit(cmp(X, 10, 3))
    .branch('found call', when(HI))
    .emit(ldr(9, 9, PREVIOUS))
    .branch('next call', nonzero(9));
  code.emit(movz(X, 9, 4), str(9, STATE, EXE_STATE.status), movz(X, 0, 0)).branch('leave');
  code.label('found call').emit(str(9, STATE, EXE_STATE.runtimeSp), mov(X, TARGET, 0), mov(X, 11, 1), toSp(2));
  for (let i = 0; i < 5; i++) code.emit(ldr(i, 11, 8 * i));
  for (const reg of [...KEPT, FP]) code.emit(movz(X, reg, 0xdead, 3));
  code.emit(br(TARGET));
}

function glue({ at, state }: { at: bigint; state: bigint }): ExeGlue {
  const code = new Code();
  emitStart(code, state);
  emitSys(code);
  emitInvoke(code);
  emitLeave(code);
  emitGate(code);
  emitOnSignal(code, state);
  emitSyncCode(code);
  emitResume(code);
  code.emit(nop());
  const address = (label: string): bigint => at + BigInt(code.offsetOf(label));
  return {
    bytes: code.bytes(),
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
  const words = [movz(X, GATE_INDEX, index)];
  if (index > 0xffff) words.push(movk(X, GATE_INDEX, index >>> 16, 1));
  const distance = common - (at + BigInt(4 * words.length));
  if (BigInt.asIntN(28, distance) === distance) words.push(b(Number(distance)));
  else words.push(...imm64(TARGET, common), br(TARGET));
  return wordBytes(words);
}

/** Executables of 64-bit Arm. */
export const arm64Exe: ExeArch = {
  arch: 'arm64',
  syscalls: { write: 64, exitGroup: EXIT_GROUP, mmap: 222, rtSigaction: 134, sigaltstack: 132, alarm: ALARM },
  runtimeMode: 'own',
  callbackGapBytes: () => 64,
  glueBytes: 2048,
  glue,
  state: () => {},
  gateStub,
};
