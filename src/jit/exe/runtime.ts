import {
  CALL,
  makeInsn,
  ProgramBuilder,
  R0,
  R1,
  R2,
  R3,
  R4,
  R5,
  R6,
  R7,
  R8,
  R9,
  R10,
  type Reg,
} from '../../isa/index.ts';
import { EVENT } from './replay-log.ts';
import { findFunctions, type RuntimeFunc } from './runtime-split.ts';
import { EXE_EXIT, EXE_STATE, EXE_STATE_BYTES, type ExeGlue, type ExeSyscalls } from './types.ts';

/**
 * The part of an executable that no architecture needs to know: BPF, compiled by the target itself. It moves code to
 * its place, runs the entries, answers calls of the kernel's functions from the log, and prints. What BPF cannot do
 * (enter a function on another stack, ask the system) is the architecture's glue, called as helpers are.
 */
export interface RuntimeInit {
  readonly glue: ExeGlue;
  readonly syscalls: ExeSyscalls;
  /** `__bpf_call_base`: helpers are called by their distance from it. */
  readonly callBase: bigint;
  readonly state: bigint;
  /** Zero-terminated lists: see ENTRY and the functions that read them. */
  readonly maps: bigint;
  readonly copies: bigint;
  readonly entries: bigint;
  readonly entryCount: number;
  /** Addresses of names, by gate. */
  readonly gateNames: bigint;
  readonly handlerStack: bigint;
  readonly handlerStackBytes: number;
  readonly memoryStart: number;
  readonly memoryEnd: number;
  readonly lines: boolean;
  readonly limitSeconds: number;
  /** Bytes between the stack of a gate's caller and that of functions the gate calls back. */
  readonly callbackGapBytes: number;
  /** Address of a text and its NUL. */
  text(text: string): bigint;
}

/** Offsets of doublewords in an entry. */
export const ENTRY = {
  func: 0,
  sp: 8,
  args: 16,
  log: 56,
  /** Of write events, ended by `end`. */
  patches: 64,
  /** Pairs of address and size, ended by a size of 0. */
  digest: 72,
  flags: 80,
  bytes: 88,
} as const;
export const ENTRY_CLEAR = 1;
export const ENTRY_DUMP = 2;

/** Why an entry ended early. */
const STATUS = { mismatch: 1, signal: 3, noFrame: 4 } as const;

const SIGNALS = [4, 5, 7, 8, 11, 14] as const;
const SA_SIGINFO = 4;
const SA_RESTORER = 0x04000000;
const SA_ONSTACK = 0x08000000;
const SA_NODEFER = 0x40000000;
const PROT_ALL = 7;
/** MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS */
const MAP_FLAGS = 0x32;

const FNV_BASIS = 0xcbf29ce484222325n;
const FNV_PRIME = 0x100000001b3n;

/** The program, function by function; `main` is the first, `gate` is named. */
export function buildRuntime(init: RuntimeInit): { readonly funcs: readonly RuntimeFunc[]; readonly gate: number } {
  return new Runtime(init).build();
}

class Runtime {
  readonly #b = new ProgramBuilder();
  readonly #init: RuntimeInit;
  readonly #starts: string[] = [];
  readonly #startSlots: number[] = [];
  #labels = 0;

  constructor(init: RuntimeInit) {
    this.#init = init;
  }

  build(): { funcs: readonly RuntimeFunc[]; gate: number } {
    this.#main();
    this.#place();
    this.#handlers();
    this.#entry();
    this.#report();
    this.#gate();
    this.#fail();
    this.#apply();
    this.#copy();
    this.#zero();
    this.#digest();
    this.#dump();
    this.#puts();
    this.#putHex();
    this.#putDec();
    this.#putc();
    this.#flush();
    return { funcs: findFunctions(this.#b.build(), this.#startSlots), gate: this.#starts.indexOf('gate') };
  }

  // ---- writing

  #func(name: string): void {
    this.#starts.push(name);
    this.#startSlots.push(this.#b.here);
    this.#b.label(name);
  }
  #fresh(name: string): string {
    return `${name} ${this.#labels++}`;
  }
  #glue(name: 'sys' | 'invoke' | 'leave' | 'syncCode' | 'resume'): void {
    const distance = BigInt.asIntN(64, this.#init.glue[name] - this.#init.callBase);
    this.#b.raw(makeInsn(CALL, 0, 0, 0, Number(distance)));
  }
  /** reg = address in the state block. */
  #state(reg: Reg, off: number): void {
    this.#b.imm64(reg, this.#init.state + BigInt(off));
  }
  #getState(reg: Reg, off: number): void {
    this.#state(reg, off);
    this.#b.load('dw', reg, reg);
  }
  /** Through `via`, which holds the address afterwards. */
  #setState(off: number, value: Reg | number, via: Reg): void {
    this.#state(via, off);
    this.#b.store('dw', via, 0, value);
  }
  /** A system call; arguments may be R6 to R9. R0 is the result. */
  #sys(number: number, ...args: readonly (Reg | number | bigint)[]): void {
    const b = this.#b;
    this.#state(R1, EXE_STATE.sys);
    b.store('dw', R1, 0, number);
    args.forEach((arg, i) => {
      if (typeof arg === 'bigint') b.imm64(R2, arg).store('dw', R1, 8 + 8 * i, R2);
      else b.store('dw', R1, 8 + 8 * i, arg);
    });
    this.#glue('sys');
  }
  #say(text: string): void {
    this.#b.imm64(R1, this.#init.text(text)).call('puts');
  }
  #sayHex(value: Reg): void {
    this.#b.mov(R1, value).call('putHex');
  }
  /** value += the gate's argument `base` says, 1 to 5; 0 is none. R7 points to the arguments. */
  #addBase(value: Reg, base: Reg, done: string): void {
    const b = this.#b;
    b.jumpIf('jeq', base, 0, done).alu64('add', base, -1).alu64('lsh', base, 3).alu64('add', base, R7);
    b.load('dw', base, base).alu64('add', value, base).label(done);
  }
  #exitCode(code: number): void {
    this.#state(R2, EXE_STATE.exitCode);
    this.#b.mov(R1, code).store('dw', R2, 0, R1);
  }

  // ---- functions

  #main(): void {
    const { entries, entryCount, syscalls } = this.#init;
    this.#func('main');
    const b = this.#b;
    b.call('place').call('handlers').imm64(R6, entries).mov(R7, 0);
    b.label('next entry').imm64(R1, BigInt(entryCount)).jumpIf('jge', R7, R1, 'all done');
    b.mov(R1, R6).mov(R2, R7).call('entry').alu64('add', R6, ENTRY.bytes).alu64('add', R7, 1).jump('next entry');
    b.label('all done');
    this.#getState(R6, EXE_STATE.exitCode);
    this.#sys(syscalls.exitGroup, R6);
    b.mov(R0, 0).exit();
  }

  /** Makes room where the file's segments do not reach, and moves code to where it belongs. */
  #place(): void {
    const { maps, copies, syscalls } = this.#init;
    this.#func('place');
    const b = this.#b;
    b.imm64(R6, maps).label('next map').load('dw', R7, R6, 8).jumpIf('jeq', R7, 0, 'mapped').load('dw', R8, R6, 0);
    this.#sys(syscalls.mmap, R8, R7, PROT_ALL, MAP_FLAGS, -1, 0);
    b.alu64('add', R6, 16).jumpIf('jeq', R0, R8, 'next map');
    this.#sys(syscalls.exitGroup, EXE_EXIT.broken);
    b.label('mapped').imm64(R6, copies).label('next copy').load('dw', R7, R6, 16).jumpIf('jeq', R7, 0, 'placed');
    b.load('dw', R1, R6, 0).load('dw', R2, R6, 8).mov(R3, R7).call('copy').load('dw', R1, R6, 0).mov(R2, R7);
    this.#glue('syncCode');
    b.alu64('add', R6, 24).jump('next copy').label('placed').mov(R0, 0).exit();
  }

  #handlers(): void {
    const { glue, syscalls, handlerStack, handlerStackBytes } = this.#init;
    this.#func('handlers');
    const b = this.#b;
    // struct sigaltstack, then struct sigaction with handler, flags, restorer, mask.
    b.imm64(R1, handlerStack).store('dw', R10, -24, R1).store('dw', R10, -16, 0).mov(R1, handlerStackBytes);
    b.store('dw', R10, -8, R1).mov(R6, R10).alu64('add', R6, -24);
    this.#sys(syscalls.sigaltstack, R6, 0);
    b.imm64(R1, glue.onSignal)
      .store('dw', R10, -56, R1)
      .imm64(R1, BigInt(SA_SIGINFO | SA_ONSTACK | SA_NODEFER | (glue.restorer === undefined ? 0 : SA_RESTORER)));
    b.store('dw', R10, -48, R1)
      .imm64(R1, glue.restorer ?? 0n)
      .store('dw', R10, -40, R1)
      .store('dw', R10, -32, 0)
      .alu64('add', R6, -32);
    for (const signal of SIGNALS) this.#sys(syscalls.rtSigaction, signal, R6, 0, 8);
    b.mov(R0, 0).exit();
  }

  /** `(entry, index)` */
  #entry(): void {
    const { memoryStart, memoryEnd, limitSeconds, syscalls } = this.#init;
    this.#func('entry');
    const b = this.#b;
    b.mov(R6, R1).mov(R7, R2).load('dw', R1, R6, ENTRY.flags).jumpIf('jset', R1, ENTRY_CLEAR, 'clear').jump('patch');
    b.label('clear')
      .mov(R1, memoryStart)
      .imm64(R2, BigInt(memoryEnd - memoryStart))
      .call('zero')
      .label('patch');
    b.load('dw', R1, R6, ENTRY.patches).call('apply');
    this.#setState(EXE_STATE.entry, R6, R1);
    b.load('dw', R2, R6, ENTRY.log);
    this.#setState(EXE_STATE.cursor, R2, R1);
    for (const cell of [EXE_STATE.status, EXE_STATE.clobbered, EXE_STATE.callCount]) this.#setState(cell, 0, R1);
    if (limitSeconds > 0) this.#sys(syscalls.alarm, limitSeconds);
    b.load('dw', R1, R6, ENTRY.func).mov(R2, R6).alu64('add', R2, ENTRY.args).load('dw', R3, R6, ENTRY.sp);
    this.#glue('invoke');
    b.mov(R8, R0);
    if (limitSeconds > 0) this.#sys(syscalls.alarm, 0);
    b.mov(R1, R6).mov(R2, R7).mov(R3, R8).call('report').mov(R0, 0).exit();
  }

  /** `(entry, index, r0)`: the line of an entry. */
  #report(): void {
    const { lines } = this.#init;
    this.#func('report');
    const b = this.#b;
    // At R10 - 8: where the line goes.
    b.mov(R6, R1)
      .mov(R7, R2)
      .mov(R8, R3)
      .store('dw', R10, -8, lines ? 1 : 2);
    this.#getState(R9, EXE_STATE.status);
    // A mismatch has been printed already.
    b.jumpIf('jeq', R9, STATUS.mismatch, 'end line');
    if (lines) {
      b.mov(R1, R7).call('putDec');
      this.#say(' ');
    }
    b.jumpIf('jeq', R9, STATUS.signal, 'signal').jumpIf('jeq', R9, STATUS.noFrame, 'no frame');
    this.#getState(R1, EXE_STATE.clobbered);
    b.jumpIf('jne', R1, 0, 'clobbered');
    this.#getState(R1, EXE_STATE.cursor);
    b.jumpIf('jeq', R1, 0, 'value').load('dw', R2, R1).jumpIf('jne', R2, EVENT.end, 'left over').label('value');
    b.store('dw', R10, -8, 1);
    this.#sayHex(R8);
    if (lines) {
      b.load('dw', R9, R6, ENTRY.digest).jumpIf('jeq', R9, 0, 'end line');
      this.#say(' ');
      b.mov(R1, R9).call('digest');
      this.#sayHex(R0);
      b.load('dw', R1, R6, ENTRY.flags).jumpIf('jset', R1, ENTRY_DUMP, 'with dump').jump('end line').label('with dump');
      this.#say(' ');
      b.mov(R1, R9).call('dump');
    }
    b.label('end line');
    this.#say('\n');
    b.load('dw', R1, R10, -8).call('flush').mov(R0, 0).exit();

    b.label('signal');
    this.#say('signal ');
    this.#getState(R1, EXE_STATE.signal);
    b.call('putDec');
    this.#say(' at ');
    this.#getState(R1, EXE_STATE.faultPc);
    b.call('putHex');
    this.#say(', address ');
    this.#getState(R1, EXE_STATE.faultAddr);
    b.call('putHex');
    this.#exitCode(EXE_EXIT.fault);
    b.jump('end line');
    const mismatch = (label: string, text: string): void => {
      b.label(label);
      this.#say(text);
      this.#exitCode(EXE_EXIT.mismatch);
      b.jump('end line');
    };
    mismatch('no frame', 'no call holds the frame an exception ends in');
    mismatch('clobbered', 'a register was not restored');
    mismatch('left over', 'replay mismatch: recorded calls were not made');
  }

  /** `(index, args)`: a function of the kernel is called. R6 event, R7 args, R8 index. */
  #gate(): void {
    const { callbackGapBytes } = this.#init;
    this.#func('gate');
    const b = this.#b;
    b.mov(R7, R2).mov(R8, R1);
    this.#state(R2, EXE_STATE.callCount);
    b.load('dw', R1, R2).alu64('add', R1, 1).store('dw', R2, 0, R1);
    this.#getState(R6, EXE_STATE.cursor);
    b.jumpIf('jeq', R6, 0, 'unexpected').load('dw', R1, R6).jumpIf('jne', R1, EVENT.call, 'unexpected');
    b.load('dw', R1, R6, 8).jumpIf('jne', R1, R8, 'unexpected').load('dw', R9, R6, 16);
    for (let i = 0; i < 5; i++) {
      const next = this.#fresh('argument');
      b.mov(R1, R9)
        .alu64('and', R1, 1 << i)
        .jumpIf('jeq', R1, 0, next)
        .mov(R3, i + 1);
      b.load('dw', R1, R7, 8 * i)
        .load('dw', R2, R6, 24 + 8 * i)
        .jumpIf('jne', R1, R2, 'other argument')
        .label(next);
    }
    b.alu64('add', R6, 64).label('event').load('dw', R1, R6);
    b.jumpIf('jeq', R1, EVENT.return, 'give').jumpIf('jeq', R1, EVENT.callback, 'call back');
    b.jumpIf('jeq', R1, EVENT.resume, 'resume').jumpIf('jeq', R1, EVENT.writeAt, 'write at');
    b.mov(R1, R6).call('change').mov(R6, R0).jump('event');

    b.label('give').load('dw', R0, R6, 8).load('dw', R2, R6, 16);
    this.#addBase(R0, R2, 'given');
    b.alu64('add', R6, 24);
    this.#setState(EXE_STATE.cursor, R6, R1);
    b.exit();

    b.label('write at').load('dw', R2, R6, 8).alu64('lsh', R2, 3).alu64('add', R2, R7).load('dw', R1, R2);
    b.load('dw', R2, R6, 16).alu64('add', R1, R2).load('dw', R3, R6, 24).mov(R2, R6).alu64('add', R2, 32).mov(R9, R3);
    b.call('copy').alu64('add', R9, 7).alu64('and', R9, -8).alu64('add', R6, 32).alu64('add', R6, R9).jump('event');

    // Its arguments are made at R10 - 56.
    b.label('call back').load('dw', R9, R6, 16);
    for (let i = 0; i < 5; i++) {
      b.load('dw', R0, R6, 24 + 8 * i)
        .mov(R2, R9)
        .alu64('rsh', R2, 4 * i)
        .alu64('and', R2, 15);
      this.#addBase(R0, R2, this.#fresh('based'));
      b.store('dw', R10, -56 + 8 * i, R0);
    }
    b.load('dw', R1, R6, 8).mov(R2, R10).alu64('add', R2, -56).mov(R3, R6).alu64('add', R3, 64);
    this.#setState(EXE_STATE.cursor, R3, R4);
    b.load('dw', R3, R7, 40).alu64('add', R3, -callbackGapBytes);
    this.#glue('invoke');
    this.#getState(R6, EXE_STATE.cursor);
    b.load('dw', R1, R6).mov(R3, 6).jumpIf('jne', R1, EVENT.result, 'unexpected').load('dw', R2, R6, 8).mov(R1, R0);
    b.mov(R4, R1).alu64('xor', R4, R2).load('dw', R5, R6, 16).alu64('and', R4, R5);
    b.jumpIf('jne', R4, 0, 'other argument').alu64('add', R6, 24).jump('event');

    b.label('resume').load('dw', R1, R6, 8).mov(R2, R6).alu64('add', R2, 32).load('dw', R3, R6, 16);
    b.jumpIf('jne', R3, 0, 'at sp').load('dw', R3, R7, 40).alu64('add', R3, -callbackGapBytes).label('at sp');
    b.load('dw', R4, R6, 24).alu64('add', R6, 72);
    this.#setState(EXE_STATE.cursor, R6, R0);
    this.#glue('resume');
    b.mov(R0, 0).exit();

    b.label('unexpected').mov(R1, R8).mov(R2, R6).mov(R3, R7).mov(R4, 0).call('fail').mov(R0, 0).exit();
    b.label('other argument').store('dw', R10, -8, R1).store('dw', R10, -16, R2).mov(R4, R3).mov(R1, R8).mov(R2, R6);
    b.mov(R3, R10).alu64('add', R3, -16).call('fail').mov(R0, 0).exit();
  }

  /**
   * `(gate, event, values, which)`: says what differs from the log and ends the entry. which 1 to 5: an argument, recorded
   * and found at `values`; 6: what a callback returned; 0: another call.
   */
  #fail(): void {
    const { gateNames } = this.#init;
    this.#func('fail');
    const b = this.#b;
    const name = (index: Reg): void => {
      b.alu64('lsh', index, 3).imm64(R1, gateNames).alu64('add', R1, index).load('dw', R1, R1).call('puts');
    };
    b.mov(R6, R1).mov(R7, R2).mov(R8, R3).mov(R9, R4);
    if (this.#init.lines) {
      this.#getState(R1, EXE_STATE.entry);
      b.imm64(R2, this.#init.entries).alu64('sub', R1, R2).alu64('div', R1, ENTRY.bytes).call('putDec');
      this.#say(' ');
    }
    this.#say('replay mismatch: call ');
    this.#getState(R1, EXE_STATE.callCount);
    b.call('putDec');
    this.#say(' is ');
    name(R6);
    b.jumpIf('jeq', R9, 0, 'recorded call').jumpIf('jeq', R9, 6, 'recorded result');
    this.#say(', argument ');
    b.mov(R1, R9).call('putDec');
    b.jump('values').label('recorded result');
    this.#say(', the callback returned');
    b.label('values');
    this.#say(' ');
    b.load('dw', R1, R8, 8).call('putHex');
    this.#say(', recorded ');
    b.load('dw', R1, R8, 0).call('putHex').jump('said').label('recorded call');
    this.#say(', recorded ');
    b.jumpIf('jeq', R7, 0, 'no call').load('dw', R1, R7).jumpIf('jne', R1, EVENT.call, 'no call');
    b.load('dw', R9, R7, 8);
    name(R9);
    b.jump('said').label('no call');
    this.#say('none');
    b.label('said');
    this.#exitCode(EXE_EXIT.mismatch);
    this.#setState(EXE_STATE.status, STATUS.mismatch, R1);
    b.mov(R1, 0);
    this.#glue('leave');
    b.mov(R0, 0).exit();
  }

  /** `(events)`: write and fill events up to `end`; 0 for none. And one of them: `change(event)` returns the next. */
  #apply(): void {
    this.#func('apply');
    const b = this.#b;
    b.mov(R6, R1).jumpIf('jeq', R6, 0, 'applied').label('apply next').load('dw', R1, R6);
    b.jumpIf('jeq', R1, EVENT.end, 'applied').mov(R1, R6).call('change').mov(R6, R0).jump('apply next');
    b.label('applied').mov(R0, 0).exit();

    this.#func('change');
    b.mov(R6, R1).load('dw', R2, R6).load('dw', R1, R6, 8).load('dw', R7, R6, 16).jumpIf('jeq', R2, EVENT.fill, 'fill');
    b.mov(R2, R6).alu64('add', R2, 24).mov(R3, R7).call('copy').alu64('add', R7, 7).alu64('and', R7, -8);
    b.mov(R0, R6).alu64('add', R0, 24).alu64('add', R0, R7).exit();
    b.label('fill').mov(R2, R7).call('zero').mov(R0, R6).alu64('add', R0, 24).exit();
  }

  /** `(to, from, sizeBytes)` */
  #copy(): void {
    this.#func('copy');
    const b = this.#b;
    b.label('copy 8').jumpIf('jlt', R3, 8, 'copy 1').load('dw', R0, R2).store('dw', R1, 0, R0);
    for (const [reg, by] of [
      [R1, 8],
      [R2, 8],
      [R3, -8],
    ] as const)
      b.alu64('add', reg, by);
    b.jump('copy 8').label('copy 1').jumpIf('jeq', R3, 0, 'copied').load('b', R0, R2).store('b', R1, 0, R0);
    for (const [reg, by] of [
      [R1, 1],
      [R2, 1],
      [R3, -1],
    ] as const)
      b.alu64('add', reg, by);
    b.jump('copy 1').label('copied').mov(R0, 0).exit();
  }

  /** `(addr, sizeBytes)` */
  #zero(): void {
    this.#func('zero');
    const b = this.#b;
    b.mov(R0, 0).label('zero 64').jumpIf('jlt', R2, 64, 'zero 1');
    for (let off = 0; off < 64; off += 8) b.store('dw', R1, off, R0);
    b.alu64('add', R1, 64).alu64('add', R2, -64).jump('zero 64').label('zero 1').jumpIf('jeq', R2, 0, 'zeroed');
    b.store('b', R1, 0, R0).alu64('add', R1, 1).alu64('add', R2, -1).jump('zero 1').label('zeroed').exit();
  }

  /** `(ranges)`: FNV-1a of their bytes. */
  #digest(): void {
    this.#func('digest');
    const b = this.#b;
    b.imm64(R0, FNV_BASIS).imm64(R5, FNV_PRIME).label('digest range').load('dw', R2, R1).load('dw', R3, R1, 8);
    b.alu64('add', R1, 16).jumpIf('jeq', R3, 0, 'digested').label('digest byte').load('b', R4, R2);
    b.alu64('xor', R0, R4).alu64('mul', R0, R5).alu64('add', R2, 1).alu64('add', R3, -1);
    b.jumpIf('jne', R3, 0, 'digest byte').jump('digest range').label('digested').exit();
  }

  /** `(ranges)`: their bytes in hex. */
  #dump(): void {
    this.#func('dump');
    const b = this.#b;
    const digit = (): void => {
      const letter = this.#fresh('letter');
      b.alu64('add', R1, 48).jumpIf('jle', R1, 57, letter).alu64('add', R1, 39).label(letter).call('putc');
    };
    b.mov(R6, R1).label('dump range').load('dw', R7, R6).load('dw', R8, R6, 8).alu64('add', R6, 16);
    b.jumpIf('jeq', R8, 0, 'dumped').label('dump byte').load('b', R1, R7).alu64('rsh', R1, 4);
    digit();
    b.load('b', R1, R7).alu64('and', R1, 15);
    digit();
    b.alu64('add', R7, 1).alu64('add', R8, -1).jumpIf('jne', R8, 0, 'dump byte').jump('dump range');
    b.label('dumped').mov(R0, 0).exit();
  }

  /** `(address of text and NUL)` */
  #puts(): void {
    this.#func('puts');
    const b = this.#b;
    b.mov(R6, R1).label('puts next').load('b', R1, R6).jumpIf('jeq', R1, 0, 'puts done').call('putc');
    b.alu64('add', R6, 1).jump('puts next').label('puts done').mov(R0, 0).exit();
  }

  /** `(value)`: 0x and digits without leading zeros. */
  #putHex(): void {
    this.#func('putHex');
    const b = this.#b;
    b.mov(R6, R1);
    this.#say('0x');
    b.mov(R7, 60).label('hex zeros').jumpIf('jeq', R7, 0, 'hex next').mov(R1, R6).alu64('rsh', R1, R7);
    b.alu64('and', R1, 15).jumpIf('jne', R1, 0, 'hex next').alu64('add', R7, -4).jump('hex zeros');
    b.label('hex next').mov(R1, R6).alu64('rsh', R1, R7).alu64('and', R1, 15).alu64('add', R1, 48);
    b.jumpIf('jle', R1, 57, 'hex digit').alu64('add', R1, 39).label('hex digit').call('putc');
    b.alu64('add', R7, -4).jumpIf('jsge', R7, 0, 'hex next').mov(R0, 0).exit();
  }

  /** `(value)` */
  #putDec(): void {
    this.#func('putDec');
    const b = this.#b;
    b.store('b', R10, -1, 0).mov(R2, R10).alu64('add', R2, -1).label('dec next').mov(R3, R1).alu64('mod', R3, 10);
    b.alu64('add', R3, 48).alu64('add', R2, -1).store('b', R2, 0, R3).alu64('div', R1, 10);
    b.jumpIf('jne', R1, 0, 'dec next').mov(R1, R2).call('puts').mov(R0, 0).exit();
  }

  /** `(character)` */
  #putc(): void {
    this.#func('putc');
    const b = this.#b;
    const room = EXE_STATE_BYTES - EXE_STATE.out;
    b.mov(R6, R1);
    this.#getState(R1, EXE_STATE.outLength);
    b.jumpIf('jlt', R1, room, 'putc fits').mov(R1, 1).call('flush').label('putc fits');
    this.#state(R2, EXE_STATE.outLength);
    b.load('dw', R1, R2).mov(R3, R1).alu64('add', R3, 1).store('dw', R2, 0, R3);
    this.#state(R2, EXE_STATE.out);
    b.alu64('add', R2, R1).store('b', R2, 0, R6).mov(R0, 0).exit();
  }

  /** `(file descriptor)`: writes what was put, as often as it takes. */
  #flush(): void {
    this.#func('flush');
    const b = this.#b;
    b.mov(R8, R1);
    this.#state(R6, EXE_STATE.out);
    this.#getState(R7, EXE_STATE.outLength);
    b.label('flush next').jumpIf('jeq', R7, 0, 'flushed');
    this.#sys(this.#init.syscalls.write, R8, R6, R7);
    b.jumpIf('jsle', R0, 0, 'flushed').alu64('add', R6, R0).alu64('sub', R7, R0).jump('flush next').label('flushed');
    this.#setState(EXE_STATE.outLength, 0, R1);
    b.mov(R0, 0).exit();
  }
}
