import { hi32, lo32 } from '../../util/index.ts';
import { CodeBuffer } from '../code-buffer.ts';
import { EXE_STATE, type ExeArch, type ExeGlue } from '../exe/types.ts';
import {
  alu,
  CC,
  callReg,
  cmp,
  JCC32,
  JMP32,
  jmpReg,
  lea,
  mov,
  movImm,
  movImm64,
  OR,
  pop,
  push,
  ret,
  rm,
  test,
  W,
  XOR,
} from './encode.ts';
import { THIS_CPU_OFF } from './own/alu-rows.ts';
import { R8, R9, R10, R11, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP } from './registers.ts';

/*
 * Frames on the runtime's stack:
 *
 *   invoke:  0 previous runtimeSp | 8 program's rsp | 16 r15, r14, r13, r12, rbp, rbx | 64 return address
 *   gate:    0 R1 … R5 | 40 program's rsp | 48 the invoke around it
 */
const PREVIOUS = 0;
const PROGRAM_SP = 8;
const GATE_SP = 40;

const ARGS = [RDI, RSI, RDX, RCX, R8] as const;
const KEPT = [RBX, RBP, R12, R13, R14, R15] as const;
/** Names the gate on the way to the code all gates share. */
const GATE_INDEX = R11;

/** What a kept register holds while a program runs: no pointer, and each another. */
const canary = (reg: number): readonly [hi: number, lo: number] => [0xa5000000 | reg, 0x5a5a0000 + 3 * reg];
const POISON_HI = 0xbad0bad0 | 0;
const POISON_LO = 0xdead0000 | 0;

/** `this_cpu_off` is read where the state block holds 0. */
const PER_CPU_ZERO = 0x40;

const SYS_ARCH_PRCTL = 158;
const ARCH_SET_GS = 0x1001;
const SYS_EXIT_GROUP = 231;
const SYS_RT_SIGRETURN = 15;
/** Offset of rip in a ucontext, and of the address in a siginfo. */
const UC_RIP = 40 + 16 * 8;
const SI_ADDR = 16;

const LOAD = 0x8b;
const STORE = 0x89;

/** Instructions, and jumps between them by name. */
class Code {
  readonly c = new CodeBuffer('little', 0, 1024);
  readonly #labels = new Map<string, number>();
  readonly #state: bigint;

  constructor(state: bigint) {
    this.#state = state;
  }

  #labelOf(name: string): number {
    let label = this.#labels.get(name);
    if (label === undefined) this.#labels.set(name, (label = this.c.label()));
    return label;
  }
  label(name: string): void {
    this.c.bind(this.#labelOf(name));
  }
  offsetOf(name: string): number {
    return this.c.offsetOf(this.#labelOf(name));
  }
  jump(name: string): void {
    this.c.u8(JMP32);
    this.#distance(name);
  }
  jumpIf(condition: number, name: string): void {
    this.c.u8(JCC32 >> 8);
    this.c.u8((JCC32 & 0xff) | condition);
    this.#distance(name);
  }
  #distance(name: string): void {
    this.c.fixup(this.#labelOf(name), 0);
    this.c.u32(0);
  }
  load(to: number, base: number, off: number): void {
    rm(this.c, W, LOAD, to, base, off);
  }
  store(from: number, base: number, off: number): void {
    rm(this.c, W, STORE, from, base, off);
  }
  imm(to: number, value: bigint): void {
    movImm(this.c, to, hi32(value), lo32(value));
  }
  /** Through `to` itself. */
  getState(to: number, off: number): void {
    this.imm(to, this.#state + BigInt(off));
    this.load(to, to, 0);
  }
  setState(off: number, from: number, via: number): void {
    this.imm(via, this.#state + BigInt(off));
    this.store(from, via, 0);
  }
  syscall(): void {
    this.c.u8(0x0f);
    this.c.u8(0x05);
  }
  bytes(): Uint8Array {
    this.c.resolve((c, _, off, distance) => c.patchU32(off, distance - 4));
    return this.c.finish();
  }
}

/** rax = the function, arguments from where r11 points. */
function loadArgs(code: Code): void {
  ARGS.forEach((register, i) => void code.load(register, R11, 8 * i));
}

function emitStart(code: Code, state: bigint): void {
  const { c } = code;
  code.label('start');
  code.imm(RDI, BigInt(ARCH_SET_GS));
  code.imm(RSI, state + BigInt(PER_CPU_ZERO - THIS_CPU_OFF));
  code.imm(RAX, BigInt(SYS_ARCH_PRCTL));
  code.syscall();
  code.getState(RSP, EXE_STATE.stackTop);
  code.getState(RAX, EXE_STATE.mainFunc);
  callReg(c, RAX);
  // main does not return.
  code.imm(RDI, 4n);
  code.label('exit');
  code.imm(RAX, BigInt(SYS_EXIT_GROUP));
  code.syscall();
  code.jump('exit');
}

function emitSys(code: Code): void {
  const { c } = code;
  code.label('sys');
  mov(c, W, RCX, RDI);
  [RAX, RDI, RSI, RDX, R10, R8, R9].forEach((register, i) => void code.load(register, RCX, 8 * i));
  code.syscall();
  ret(c);
}

function emitInvoke(code: Code): void {
  const { c } = code;
  code.label('invoke');
  for (const register of KEPT) push(c, register);
  push(c, RDX);
  code.getState(RAX, EXE_STATE.runtimeSp);
  push(c, RAX);
  code.setState(EXE_STATE.runtimeSp, RSP, R11);
  test(c, W, RAX, RAX);
  code.jumpIf(CC.ne, 'nested');
  code.setState(EXE_STATE.outerSp, RSP, R11);
  code.label('nested');
  mov(c, W, RAX, RDI);
  mov(c, W, R11, RSI);
  mov(c, W, RSP, RDX);
  for (const register of KEPT) movImm64(c, register, ...canary(register));
  loadArgs(code);
  movImm64(c, R11, POISON_HI, POISON_LO);
  mov(c, W, R9, R11);
  mov(c, W, R10, R11);
  callReg(c, RAX);

  // Whatever differs in what a callee has to leave alone is collected in r10.
  code.getState(RCX, EXE_STATE.runtimeSp);
  code.load(R10, RCX, PROGRAM_SP);
  alu(c, W, XOR, R10, RSP);
  for (const register of KEPT) {
    movImm64(c, RDX, ...canary(register));
    alu(c, W, XOR, RDX, register);
    alu(c, W, OR, R10, RDX);
  }
  code.getState(RDX, EXE_STATE.clobbered);
  alu(c, W, OR, R10, RDX);
  code.setState(EXE_STATE.clobbered, R10, RDX);
  mov(c, W, RSP, RCX);

  code.label('return');
  pop(c, RCX);
  code.setState(EXE_STATE.runtimeSp, RCX, RDX);
  pop(c, RCX);
  for (let i = KEPT.length - 1; i >= 0; i--) pop(c, KEPT[i]);
  ret(c);
}

function emitLeave(code: Code): void {
  code.label('leave');
  code.getState(RSP, EXE_STATE.outerSp);
  mov(code.c, W, RAX, RDI);
  code.jump('return');
}

function emitGate(code: Code): void {
  const { c } = code;
  code.label('gate');
  mov(c, W, R9, RSP);
  code.getState(RSP, EXE_STATE.runtimeSp);
  push(c, R9);
  for (let i = ARGS.length - 1; i >= 0; i--) push(c, ARGS[i]);
  mov(c, 0, RDI, GATE_INDEX);
  mov(c, W, RSI, RSP);
  code.getState(RAX, EXE_STATE.gateFunc);
  callReg(c, RAX);
  code.load(RSP, RSP, GATE_SP);
  // Nothing a callee may change keeps its value.
  movImm64(c, RDI, POISON_HI, POISON_LO);
  for (const register of [RSI, RDX, RCX, R8, R9, R10, R11]) mov(c, W, register, RDI);
  ret(c);
}

/**
 * A load that may fault goes on at its fixup. Otherwise the entry ends: the frame the kernel made is left where it is,
 * and signals stay unmasked (SA_NODEFER).
 */
function emitOnSignal(code: Code): void {
  const { c } = code;
  // (number, siginfo, ucontext)
  code.label('onSignal');
  code.load(R9, RDX, UC_RIP);
  code.getState(R10, EXE_STATE.extable);
  code.label('next fixup');
  code.load(R11, R10, 0);
  test(c, W, R11, R11);
  code.jumpIf(CC.e, 'no fixup');
  cmp(c, W, R11, R9);
  code.load(R11, R10, 8);
  lea(c, W, R10, R10, 16);
  code.jumpIf(CC.ne, 'next fixup');
  code.store(R11, RDX, UC_RIP);
  ret(c);
  code.label('no fixup');
  code.setState(EXE_STATE.faultPc, R9, R11);
  code.load(R9, RSI, SI_ADDR);
  code.setState(EXE_STATE.faultAddr, R9, R11);
  code.setState(EXE_STATE.signal, RDI, R11);
  code.imm(R9, 3n);
  code.setState(EXE_STATE.status, R9, R11);
  // A fault of the runtime itself: nobody to return to.
  code.getState(R9, EXE_STATE.runtimeSp);
  code.imm(RDI, 4n);
  test(c, W, R9, R9);
  code.jumpIf(CC.e, 'exit');
  code.imm(RDI, 0n);
  code.jump('leave');
  code.label('restorer');
  code.imm(RAX, BigInt(SYS_RT_SIGRETURN));
  code.syscall();
}

/**
 * `(func, args, sp, frameSp)`: leaves the calls that begin further in than `frameSp` and enters a function on the stack of
 * the one around it. Registers a callee would have to restore hold what nobody put there.
 */
function emitResume(code: Code): void {
  const { c } = code;
  code.label('resume');
  code.getState(R9, EXE_STATE.runtimeSp);
  code.label('next call');
  code.load(R10, R9, PROGRAM_SP);
  cmp(c, W, R10, RCX);
  code.jumpIf(CC.a, 'found call');
  code.load(R9, R9, PREVIOUS);
  test(c, W, R9, R9);
  code.jumpIf(CC.ne, 'next call');
  code.imm(R9, 4n);
  code.setState(EXE_STATE.status, R9, R11);
  code.imm(RDI, 0n);
  code.jump('leave');
  code.label('found call');
  code.setState(EXE_STATE.runtimeSp, R9, R11);
  mov(c, W, RAX, RDI);
  mov(c, W, R11, RSI);
  mov(c, W, RSP, RDX);
  movImm64(c, RBX, POISON_HI, POISON_LO);
  for (const register of KEPT) if (register !== RBX) mov(c, W, register, RBX);
  loadArgs(code);
  jmpReg(c, RAX);
}

function glue({ at, state }: { readonly at: bigint; readonly state: bigint }): ExeGlue {
  const code = new Code(state);
  emitStart(code, state);
  emitSys(code);
  emitInvoke(code);
  emitLeave(code);
  emitGate(code);
  emitOnSignal(code);
  emitResume(code);
  // Stores are seen by instruction fetches.
  code.label('syncCode');
  code.imm(RAX, 0n);
  ret(code.c);
  const address = (label: string): bigint => at + BigInt(code.offsetOf(label));
  return {
    bytes: code.bytes(),
    start: address('start'),
    onSignal: address('onSignal'),
    restorer: address('restorer'),
    gate: address('gate'),
    sys: address('sys'),
    invoke: address('invoke'),
    leave: address('leave'),
    syncCode: address('syncCode'),
    resume: address('resume'),
  };
}

function gateStub({ at, index, common }: { at: bigint; index: number; common: bigint }): Uint8Array {
  const c = new CodeBuffer('little');
  movImm(c, GATE_INDEX, 0, index);
  const distance = common - (at + BigInt(c.length + 5));
  if (BigInt.asIntN(32, distance) === distance) {
    c.u8(JMP32);
    c.u32(Number(distance));
  } else {
    movImm64(c, RAX, hi32(common), lo32(common));
    jmpReg(c, RAX);
  }
  return c.finish();
}

/** Executables of x86-64. */
export const x86Exe: ExeArch = {
  arch: 'x86_64',
  runtimeMode: 'own',
  syscalls: { write: 1, exitGroup: SYS_EXIT_GROUP, mmap: 9, rtSigaction: 13, sigaltstack: 131, alarm: 37 },
  // A frame of a kernel function, and its locals.
  callbackGapBytes: () => 96,
  glueBytes: 2048,
  glue,
  state() {
    // The per-CPU offset is 0, as all of the block.
  },
  gateStub,
};
