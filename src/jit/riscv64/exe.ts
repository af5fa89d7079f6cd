import { hi32, lo32 } from '../../util/index.ts';
import { EXE_STATE, type ExeArch, type ExeGlue } from '../exe/types.ts';
import { WordCode, wordBytes } from '../word-code.ts';
import { add, addi, branch, EQ, ecall, fenceI, jal, jalr, LT, ld, NE, or, RA, SP, sd, xor, ZERO } from './encode.ts';
import { Constants, stepWords } from './own/index.ts';

/** tp: the state block, where the kernel has its task. */
const STATE = 4;
const [T0, T1, T2, A0, A1, A2, A3, A7, T3, T5, T6] = [5, 6, 7, 10, 11, 12, 13, 17, 28, 30, 31];
/** Names the gate on the way to the code all gates share. */
const GATE_INDEX = T6;
/** s0 to s11. */
const KEPT = [8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27];
/** t0 to t6 and a1 to a7. */
const SCRATCH = [5, 6, 7, 11, 12, 13, 14, 15, 16, 17, 28, 29, 30, 31];

/** In the state block, of the architecture: page of the kernel's table of per-CPU offsets. */
const PER_CPU_PAGE = 0x40;
/** Pages are of 64 KiB as everywhere in executables. */
const PAGE = 0x10000n;

/*
 * Frames on the runtime's stack.
 *
 *   invoke:  0 ra, s0 … s11 | 104 previous runtimeSp | 112 program's sp | 128
 *   gate:    0 ra | 8 R1 … R5 | 48 sp | 64
 */
const PREVIOUS = 104;
const PROGRAM_SP = 112;
const INVOKE_BYTES = 128;
const GATE_ARGS = 8;
const GATE_SP = 48;
const GATE_BYTES = 64;

/** There is no alarm: the number stands for setitimer. */
const ALARM = 37;
const SETITIMER = 103;
const EXIT_GROUP = 94;
const MMAP = 222;
const PROT_READ_WRITE = 3n;
/** MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED: what the file has there besides is mapped afterwards. */
const MAP_FLAGS = 0x32n;

/** In what a signal handler is given: `si_addr`; pc in the context. */
const SI_ADDR = 16;
const CONTEXT_PC = 176;

const canary = (register: number): bigint => 0xa5005a0000000000n + BigInt(register) * 0x101n;

const constants = new Constants(false, false);
function imm64(register: number, value: bigint): number[] {
  const words: number[] = [];
  stepWords(constants.plan(hi32(value), lo32(value)).steps, register, word => void words.push(word));
  return words;
}

/** Instructions of 4 bytes, and branches between them. */
class Code extends WordCode {
  imm(register: number, value: bigint | number): this {
    return this.emit(...imm64(register, BigInt(value)));
  }
  jump(label: string): this {
    return this.branch(label, off => jal(ZERO, off));
  }
  when(f3: number, a: number, b: number, label: string): this {
    return this.branch(label, off => branch(f3, a, b, off));
  }
}

const mv = (to: number, from: number): number => addi(to, from, 0);
const call = (register: number): number => jalr(RA, 0, register);
const ret = (): number => jalr(ZERO, 0, RA);
const li = (register: number, value: number): number => addi(register, ZERO, value);

function emitStart(code: Code, state: bigint): void {
  code
    .label('start')
    .imm(STATE, state)
    .emit(ld(SP, EXE_STATE.stackTop, STATE));
  // Code reads this CPU's per-CPU offset from a table of the kernel's: there are zeros.
  code
    .emit(ld(A0, PER_CPU_PAGE, STATE))
    .imm(A1, PAGE)
    .imm(A2, PROT_READ_WRITE)
    .imm(A3, MAP_FLAGS);
  code.emit(li(14, -1), li(15, 0), li(A7, MMAP), ecall());
  code.emit(ld(T0, EXE_STATE.mainFunc, STATE), call(T0));
  // main does not return.
  code.emit(li(A0, 4)).label('exit').emit(li(A7, EXIT_GROUP), ecall()).jump('exit');
}

function emitSys(code: Code): void {
  code.label('sys').emit(mv(T0, A0), ld(A7, 0, T0));
  for (let i = 0; i < 6; i++) code.emit(ld(A0 + i, 8 + 8 * i, T0));
  code.emit(li(T0, ALARM)).when(EQ, A7, T0, 'alarm').emit(ecall(), ret());
  // setitimer(ITIMER_REAL, {interval 0, value a0 seconds}, NULL)
  code.label('alarm').emit(addi(SP, SP, -32), sd(ZERO, 0, SP), sd(ZERO, 8, SP), sd(A0, 16, SP), sd(ZERO, 24, SP));
  code.emit(li(A0, 0), mv(A1, SP), li(A2, 0), li(A7, SETITIMER), ecall(), addi(SP, SP, 32), ret());
}

function emitInvoke(code: Code): void {
  code.label('invoke').emit(addi(SP, SP, -INVOKE_BYTES), sd(RA, 0, SP));
  KEPT.forEach((register, k) => void code.emit(sd(register, 8 + 8 * k, SP)));
  code.emit(ld(T0, EXE_STATE.runtimeSp, STATE), sd(T0, PREVIOUS, SP), sd(A2, PROGRAM_SP, SP));
  code
    .emit(sd(SP, EXE_STATE.runtimeSp, STATE))
    .when(NE, T0, ZERO, 'inner')
    .emit(sd(SP, EXE_STATE.outerSp, STATE));
  code.label('inner').emit(mv(T0, A0), mv(T1, A1), mv(SP, A2));
  for (const register of KEPT) code.imm(register, canary(register));
  for (let i = 0; i < 5; i++) code.emit(ld(A0 + i, 8 * i, T1));
  for (const register of SCRATCH.filter(each => each !== T0 && (each < A0 || each > A0 + 4))) {
    code.imm(register, 0xdead000000000000n);
  }
  code.emit(call(T0));

  // Whatever differs in what a callee has to leave alone is collected in t1.
  code.emit(ld(T0, EXE_STATE.runtimeSp, STATE), ld(T1, PROGRAM_SP, T0), xor(T1, T1, SP));
  for (const register of KEPT) code.imm(T2, canary(register)).emit(xor(T2, T2, register), or(T1, T1, T2));
  code.emit(ld(T2, EXE_STATE.clobbered, STATE), or(T2, T2, T1), sd(T2, EXE_STATE.clobbered, STATE), mv(SP, T0));

  code.label('return').emit(ld(T0, PREVIOUS, SP), sd(T0, EXE_STATE.runtimeSp, STATE), ld(RA, 0, SP));
  KEPT.forEach((register, k) => void code.emit(ld(register, 8 + 8 * k, SP)));
  code.emit(addi(SP, SP, INVOKE_BYTES), ret());
}

function emitLeave(code: Code): void {
  code
    .label('leave')
    .emit(ld(SP, EXE_STATE.outerSp, STATE))
    .jump('return');
}

function emitGate(code: Code): void {
  code.label('gate').emit(ld(T0, EXE_STATE.runtimeSp, STATE), addi(T0, T0, -GATE_BYTES));
  for (let i = 0; i < 5; i++) code.emit(sd(A0 + i, GATE_ARGS + 8 * i, T0));
  code.emit(sd(SP, GATE_SP, T0), sd(RA, 0, T0), mv(SP, T0), mv(A0, GATE_INDEX), addi(A1, SP, GATE_ARGS));
  code.emit(ld(T0, EXE_STATE.gateFunc, STATE), call(T0), ld(RA, 0, SP), ld(SP, GATE_SP, SP));
  // Nothing a callee may change keeps its value.
  for (const register of SCRATCH) code.imm(register, 0xbad0000000000000n);
  code.emit(ret());
}

/**
 * A load that may fault goes on at its fixup. Otherwise the entry ends: the frame the kernel made is left where it is,
 * and signals stay unmasked (SA_NODEFER).
 */
function emitOnSignal(code: Code, state: bigint): void {
  code
    .label('onSignal')
    .imm(STATE, state)
    .emit(ld(T0, CONTEXT_PC, A2), ld(T1, EXE_STATE.extable, STATE));
  code
    .label('next fixup')
    .emit(ld(T2, 0, T1))
    .when(EQ, T2, ZERO, 'no fixup');
  code
    .emit(ld(T3, 8, T1), addi(T1, T1, 16))
    .when(NE, T2, T0, 'next fixup')
    .emit(sd(T3, CONTEXT_PC, A2), ret());
  code.label('no fixup').emit(sd(T0, EXE_STATE.faultPc, STATE), ld(T0, SI_ADDR, A1));
  code.emit(sd(T0, EXE_STATE.faultAddr, STATE), sd(A0, EXE_STATE.signal, STATE), li(T0, 3));
  code.emit(sd(T0, EXE_STATE.status, STATE));
  // A fault of the runtime itself: nobody to return to.
  code
    .emit(ld(T0, EXE_STATE.runtimeSp, STATE), li(A0, 4))
    .when(EQ, T0, ZERO, 'exit')
    .emit(li(A0, 0))
    .jump('leave');
}

/**
 * `(func, args, sp, frameSp)`: leaves the calls that begin further in than `frameSp` and enters a function on the stack of
 * the one around it. Registers a callee would have to restore hold what nobody put there.
 */
function emitResume(code: Code): void {
  code
    .label('resume')
    .emit(ld(T0, EXE_STATE.runtimeSp, STATE))
    .label('next call')
    .emit(ld(T1, PROGRAM_SP, T0));
  code
    .when(LT, A3, T1, 'found call')
    .emit(ld(T0, PREVIOUS, T0))
    .when(NE, T0, ZERO, 'next call');
  code.emit(li(T0, 4), sd(T0, EXE_STATE.status, STATE), li(A0, 0)).jump('leave');
  code.label('found call').emit(sd(T0, EXE_STATE.runtimeSp, STATE), mv(T0, A0), mv(T1, A1), mv(SP, A2));
  for (let i = 0; i < 5; i++) code.emit(ld(A0 + i, 8 * i, T1));
  for (const register of KEPT) code.imm(register, 0xdead000000000000n);
  code.emit(jalr(ZERO, 0, T0));
}

function glue({ at, state }: { at: bigint; state: bigint }): ExeGlue {
  const code = new Code();
  emitStart(code, state);
  emitSys(code);
  emitInvoke(code);
  emitLeave(code);
  emitGate(code);
  emitOnSignal(code, state);
  code.label('syncCode').emit(fenceI(), li(A0, 0), ret());
  emitResume(code);
  code.emit(add(ZERO, ZERO, ZERO));
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
  const words = imm64(GATE_INDEX, BigInt(index));
  const distance = common - (at + BigInt(4 * words.length));
  if (BigInt.asIntN(21, distance) === distance) words.push(jal(ZERO, Number(distance)));
  else words.push(...imm64(T5, common), jalr(ZERO, 0, T5));
  return wordBytes(words);
}

/** Executables of 64-bit RISC-V. */
export const riscv64Exe: ExeArch = {
  arch: 'riscv64',
  syscalls: { write: 64, exitGroup: EXIT_GROUP, mmap: MMAP, rtSigaction: 134, sigaltstack: 132, alarm: ALARM },
  runtimeMode: 'own',
  callbackGapBytes: () => 64,
  glueBytes: 2048,
  glue,
  state({ view, space }) {
    view.setBigUint64(PER_CPU_PAGE, (space.symbolAddr('__per_cpu_offset') / PAGE) * PAGE, true);
  },
  gateStub,
};
