import type { CodeBuffer } from '../../code-buffer.ts';
import type { EntryInit, LinearEntries } from '../../linear/index.ts';
import { RUN_STATE } from '../../wasm/abi.ts';
import { ADD, aluImm, CC, cmp, JCC8, lea, mov, movImm, pop, push, ret, rm, W } from '../encode.ts';
import { R12, R13, R14, RAX, RBX, RDI, RDX, RSI } from '../registers.ts';
import { LOAD_OP, STORE_OP } from './emission.ts';
import { MEMORY } from './registers.ts';

class EntryWriter {
  readonly #c: CodeBuffer;
  readonly #base: number;
  readonly #init: EntryInit;

  constructor(c: CodeBuffer, base: number, init: EntryInit) {
    this.#c = c;
    this.#base = base;
    this.#init = init;
  }

  #state(w: number, op: number, register: number, offBytes: number): void {
    rm(this.#c, w, op, register, MEMORY, this.#init.stateAddr + offBytes);
  }
  #call(off: number): void {
    const c = this.#c;
    c.u8(0xe8);
    c.u32(off - (this.#base + c.length + 4));
  }
  /** @param ctx puts R1 into rdi */
  #main(ctx: () => void): void {
    const c = this.#c;
    if (this.#init.tailCalls) {
      movImm(c, RAX, 0, 0);
      this.#state(0, STORE_OP, RAX, RUN_STATE.tailCalls);
    }
    ctx();
    this.#call(this.#init.main);
  }
  /** Writes the context of the packet at rsi, rdx bytes. */
  #context(func: number): void {
    this.#state(0, STORE_OP, RSI, RUN_STATE.packet);
    this.#state(0, LOAD_OP, RDI, RUN_STATE.ctx);
    this.#call(func);
  }
  #ownContext = (): void => this.#state(0, LOAD_OP, RDI, RUN_STATE.ctx);

  run(): number {
    const c = this.#c;
    const start = c.length;
    this.#main(() => {});
    this.#state(W, STORE_OP, RAX, RUN_STATE.regs);
    ret(c);
    return this.#base + start;
  }

  /** `do { body } while (++done < count)`; rbx counts, r12 is where it ends. */
  #loop(body: () => void): void {
    const c = this.#c;
    movImm(c, RBX, 0, 0);
    const again = c.length;
    this.#state(0, STORE_OP, RBX, RUN_STATE.done);
    body();
    aluImm(c, 0, ADD, RBX, 1);
    cmp(c, 0, RBX, R12);
    const distance = again - (c.length + 2);
    if (distance >= -128) {
      c.u8(JCC8 | CC.b);
      c.u8(distance & 0xff);
    } else {
      c.u8(0x0f);
      c.u8(0x80 | CC.b);
      c.u32(again - (c.length + 4));
    }
    this.#state(0, STORE_OP, RBX, RUN_STATE.done);
  }

  repeat(): number {
    const c = this.#c;
    const start = c.length;
    for (const register of [RBX, R12, R13]) push(c, register);
    mov(c, 0, R13, RDI);
    mov(c, 0, R12, RSI);
    this.#loop(() => this.#main(() => mov(c, 0, RDI, R13)));
    this.#state(W, STORE_OP, RAX, RUN_STATE.regs);
    for (const register of [R13, R12, RBX]) pop(c, register);
    ret(c);
    return this.#base + start;
  }

  packet(func: number): number {
    const c = this.#c;
    const start = c.length;
    mov(c, 0, RDX, RSI);
    mov(c, 0, RSI, RDI);
    this.#context(func);
    this.#main(this.#ownContext);
    this.#state(W, STORE_OP, RAX, RUN_STATE.regs);
    ret(c);
    return this.#base + start;
  }

  batch(func: number): number {
    const c = this.#c;
    const start = c.length;
    const kept = [RBX, R12, R13, R14];
    for (const register of kept) push(c, register);
    lea(c, W, R13, MEMORY, 0, RDI);
    mov(c, 0, R12, RSI);
    lea(c, W, R14, MEMORY, 0, RDX);
    this.#loop(() => {
      rm(c, 0, LOAD_OP, RSI, R13, 0);
      rm(c, 0, LOAD_OP, RDX, R13, 4);
      this.#context(func);
      this.#main(this.#ownContext);
      rm(c, 0, STORE_OP, RAX, R14, 0);
      aluImm(c, W, ADD, R13, 8);
      aluImm(c, W, ADD, R14, 4);
    });
    for (const register of kept.reverse()) pop(c, register);
    ret(c);
    return this.#base + start;
  }
}

/** @param base where the code that is written begins in the program's */
export function writeEntries(c: CodeBuffer, base: number, init: EntryInit): LinearEntries {
  const writer = new EntryWriter(c, base, init);
  const { context } = init;
  return {
    main: init.main,
    run: writer.run(),
    repeat: writer.repeat(),
    packet: context === undefined ? undefined : writer.packet(context),
    batch: context === undefined ? undefined : writer.batch(context),
  };
}
