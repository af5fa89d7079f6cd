import { EM_X86_64 } from '../../elf/index.ts';
import { CodeBuffer } from '../code-buffer.ts';
import {
  ADDON_DATA,
  ADDON_FUNCTIONS,
  ADDON_SIGNALS,
  AddonFile,
  type AddonFunction,
  type AddonImport,
  ENTER_ARGS,
  MAP_FIXED,
  MAP_PRIVATE_ANON_NORESERVE,
  NATIVE_BLOCK,
  PROT,
  SA_ONSTACK,
  SA_SIGINFO,
  SI_ADDR,
  SIGACTION,
  V8_CALL,
  V8_IMPORTS,
} from '../linear/index.ts';
import { ADD, AND, aluImm, CMP, lea, mov, movImm, pop, push, ret, rm, SUB, test, W } from './encode.ts';
import { R8, R9, R10, R12, R13, R14, R15, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP } from './registers.ts';

const R_X86_64_GLOB_DAT = 6;
/** Of `ucontext_t`. */
const UC_RIP = 168;

const SYS_MMAP = 9;
const SYS_MPROTECT = 10;

const LOAD = 0x8b;
const STORE = 0x89;
const REG_ARGS = [RDI, RSI, RDX, RCX, R8];
const KEPT = [RBP, RBX, R12, R13, R14, R15];

class AddonWriter {
  readonly #file = new AddonFile({ machine: EM_X86_64, importType: R_X86_64_GLOB_DAT, pageBytes: 4096 });
  readonly #object = this.#file.object;
  readonly #c = new CodeBuffer('little', 0, 2048);

  // ---- what refers to places

  /** Bytes to an address of the file from behind the next four bytes. */
  #distance(address: number): void {
    const c = this.#c;
    c.u32(address - (this.#object.textAddr + c.length + 4));
  }
  /** `op` with a register and the eight bytes at an address of the file. */
  #rip(op: number, register: number, address: number): void {
    const c = this.#c;
    c.u8(register > 7 ? 0x4c : 0x48);
    c.u8(op);
    c.u8(((register & 7) << 3) | 5);
    this.#distance(address);
  }
  #block(op: number, register: number): void {
    this.#rip(op, register, this.#object.dataAddr + ADDON_DATA.block);
  }
  #callImport(name: AddonImport): void {
    const c = this.#c;
    c.u8(0xff);
    c.u8(0x15);
    this.#distance(this.#object.wordOf(name));
  }
  #leaLabel(register: number, label: number): void {
    const c = this.#c;
    c.u8(register > 7 ? 0x4c : 0x48);
    c.u8(0x8d);
    c.u8(((register & 7) << 3) | 5);
    c.fixup(label, 4);
    c.u32(0);
  }
  #leaData(register: number, off: number): void {
    this.#rip(0x8d, register, this.#object.dataAddr + off);
  }
  #jump(label: number, condition = -1): void {
    const c = this.#c;
    if (condition < 0) c.u8(0xe9);
    else {
      c.u8(0x0f);
      c.u8(0x80 | condition);
    }
    c.fixup(label, 4);
    c.u32(0);
  }
  #load(register: number, base: number, off: number, w: number = W): void {
    rm(this.#c, w, LOAD, register, base, off);
  }
  #store(register: number, base: number, off: number, w: number = W): void {
    rm(this.#c, w, STORE, register, base, off);
  }
  #syscall(number: number): void {
    movImm(this.#c, RAX, 0, number);
    this.#c.u8(0x0f);
    this.#c.u8(0x05);
  }
  #undefined(): void {
    movImm(this.#c, RAX, 0, 0);
    ret(this.#c);
  }

  // ---- parts

  write(): Uint8Array {
    const c = this.#c;
    const functions = {} as Record<AddonFunction, number>;
    for (const name of ADDON_FUNCTIONS) functions[name] = c.label();
    const gate = c.label();
    const unwind = c.label();
    const handler = c.label();
    const ended = c.label();
    this.#calls(functions, unwind);
    this.#gate(gate, unwind);
    this.#handler(handler, unwind);
    this.#attach(functions.attach, gate, handler, ended);
    this.#ended(ended);
    this.#addressOf(functions.addressOf);
    this.#reserve(functions.reserve);
    this.#place(functions.place);
    this.#release(functions.release);
    this.#direct(functions);
    const start = c.length;
    this.#init(functions);
    c.resolve((code, _, off, distance) => code.patchU32(off, distance - 4));
    const text = c.finish();
    return this.#file.finish(text, start);
  }

  /** The block says what is called and with what; R0 goes back there. */
  #calls(functions: Readonly<Record<AddonFunction, number>>, unwind: number): void {
    const c = this.#c;
    const go = c.label();
    const exit = c.label();
    const begin = (label: number, count: number, w: number): void => {
      c.bind(label);
      for (const register of KEPT) push(c, register);
      this.#block(LOAD, RBX);
      rm(c, 0, 0xff, 6, RBX, NATIVE_BLOCK.unwind);
      this.#store(RSP, RBX, NATIVE_BLOCK.unwind);
      this.#load(R15, RBX, NATIVE_BLOCK.base);
      for (let n = 0; n < count; n++) this.#load(REG_ARGS[n], RBX, NATIVE_BLOCK.args + 8 * n, w);
    };
    // Loads are as wide as JavaScript's stores: wider ones would wait for the stores to reach memory.
    begin(functions.enter, ENTER_ARGS, 0);
    c.bind(go);
    rm(c, 0, 0xff, 2, RBX, NATIVE_BLOCK.entry);
    this.#store(RAX, RBX, NATIVE_BLOCK.r0);
    c.bind(exit);
    rm(c, 0, 0x8f, 0, RBX, NATIVE_BLOCK.unwind);
    for (let n = KEPT.length - 1; n >= 0; n--) pop(c, KEPT[n]);
    this.#undefined();
    begin(functions.call, REG_ARGS.length, W);
    this.#jump(go);
    // From anywhere below: what was pending in JavaScript is thrown there.
    c.bind(unwind);
    this.#block(LOAD, RBX);
    this.#load(RSP, RBX, NATIVE_BLOCK.unwind);
    this.#jump(exit);
  }

  /** Called by programs: eax the gate's number, edx the slot. Behind it eax is the answer and rdx the block. */
  #gate(label: number, unwind: number): void {
    const c = this.#c;
    const [scope, func, result, status] = [0, 8, 16, 24];
    c.bind(label);
    push(c, RBX);
    push(c, RBP);
    mov(c, W, RBP, RSP);
    this.#block(LOAD, RBX);
    this.#store(RAX, RBX, NATIVE_BLOCK.gate, 0);
    this.#store(RDX, RBX, NATIVE_BLOCK.slot, 0);
    aluImm(c, W, AND, RSP, -16);
    aluImm(c, W, SUB, RSP, 32);
    const env = (): void => this.#load(RDI, RBX, NATIVE_BLOCK.env);
    env();
    lea(c, W, RSI, RSP, scope);
    this.#callImport('napi_open_handle_scope');
    env();
    this.#load(RSI, RBX, NATIVE_BLOCK.gateRef);
    lea(c, W, RDX, RSP, func);
    this.#callImport('napi_get_reference_value');
    env();
    this.#load(RSI, RSP, func);
    mov(c, W, RDX, RSI);
    movImm(c, RCX, 0, 0);
    movImm(c, R8, 0, 0);
    lea(c, W, R9, RSP, result);
    this.#callImport('napi_call_function');
    this.#store(RAX, RSP, status, 0);
    // A scope has to be closed on every way out.
    env();
    this.#load(RSI, RSP, scope);
    this.#callImport('napi_close_handle_scope');
    rm(c, 0, 0x83, CMP, RSP, status);
    c.u8(0);
    this.#jump(unwind, 5);
    this.#load(RAX, RBX, NATIVE_BLOCK.result, 0);
    mov(c, W, RDX, RBX);
    mov(c, W, RSP, RBP);
    pop(c, RBP);
    pop(c, RBX);
    ret(c);
  }

  /** `(signal, info, context)`: a fault in a program's code ends the call; others are whoever's they were. */
  #handler(label: number, unwind: number): void {
    const c = this.#c;
    const chain = c.label();
    const plain = c.label();
    c.bind(label);
    this.#block(LOAD, RCX);
    test(c, W, RCX, RCX);
    this.#jump(chain, 4);
    this.#load(RAX, RDX, UC_RIP);
    rm(c, W, 0x3b, RAX, RCX, NATIVE_BLOCK.codeStart);
    this.#jump(chain, 2);
    rm(c, W, 0x3b, RAX, RCX, NATIVE_BLOCK.codeEnd);
    this.#jump(chain, 3);
    this.#store(RDI, RCX, NATIVE_BLOCK.signal, 0);
    this.#store(RAX, RCX, NATIVE_BLOCK.faultCode);
    this.#load(RAX, RSI, SI_ADDR);
    this.#store(RAX, RCX, NATIVE_BLOCK.faultAddr);
    this.#leaLabel(RAX, unwind);
    this.#store(RAX, RDX, UC_RIP);
    ret(c);
    c.bind(chain);
    ADDON_SIGNALS.forEach((signal, n) => {
      const other = c.label();
      aluImm(c, 0, CMP, RDI, signal);
      this.#jump(other, 5);
      this.#leaData(RAX, ADDON_DATA.old + n * SIGACTION.sizeBytes);
      c.bind(other);
    });
    rm(c, 0, 0xf7, 0, RAX, SIGACTION.flags);
    c.u32(SA_SIGINFO);
    this.#jump(plain, 4);
    rm(c, 0, 0xff, 4, RAX, SIGACTION.handler);
    // Nobody's: back to what it was, and the instruction faults again.
    c.bind(plain);
    aluImm(c, W, SUB, RSP, 8);
    mov(c, W, RSI, RAX);
    movImm(c, RDX, 0, 0);
    this.#callImport('sigaction');
    aluImm(c, W, ADD, RSP, 8);
    ret(c);
  }

  /** Arguments of a function for JavaScript, at rsp + 8 n from 8 on; rbx is the env. Behind it 64 bytes of the stack are taken. */
  #arguments(count: number): void {
    const c = this.#c;
    push(c, RBX);
    aluImm(c, W, SUB, RSP, 64);
    mov(c, W, RBX, RDI);
    movImm(c, RAX, 0, count);
    this.#store(RAX, RSP, 0);
    mov(c, W, RDX, RSP);
    lea(c, W, RCX, RSP, 8);
    movImm(c, R8, 0, 0);
    movImm(c, R9, 0, 0);
    this.#callImport('napi_get_cb_info');
  }
  #leave(): void {
    const c = this.#c;
    aluImm(c, W, ADD, RSP, 64);
    pop(c, RBX);
    this.#undefined();
  }
  /** The first argument's bytes: address at rsp + 32, length at rsp + 40. */
  #buffer(): void {
    const c = this.#c;
    movImm(c, RAX, 0, 0);
    this.#store(RAX, RSP, 32);
    mov(c, W, RDI, RBX);
    this.#load(RSI, RSP, 8);
    lea(c, W, RDX, RSP, 32);
    lea(c, W, RCX, RSP, 40);
    this.#callImport('napi_get_arraybuffer_info');
  }

  /** `attach(block, gate)` */
  #attach(label: number, gate: number, handler: number, ended: number): void {
    const c = this.#c;
    c.bind(label);
    this.#arguments(2);
    this.#buffer();
    this.#load(RAX, RSP, 32);
    this.#block(STORE, RAX);
    this.#store(RBX, RAX, NATIVE_BLOCK.env);
    this.#leaLabel(RCX, gate);
    this.#store(RCX, RAX, NATIVE_BLOCK.gateCode);
    mov(c, W, RDI, RBX);
    this.#load(RSI, RSP, 16);
    movImm(c, RDX, 0, 1);
    lea(c, W, RCX, RAX, NATIVE_BLOCK.gateRef);
    this.#callImport('napi_create_reference');
    this.#leaLabel(RAX, handler);
    this.#leaData(RSI, ADDON_DATA.action);
    this.#store(RAX, RSI, SIGACTION.handler);
    rm(c, 0, 0xc7, 0, RSI, SIGACTION.flags);
    c.u32(SA_SIGINFO | SA_ONSTACK);
    ADDON_SIGNALS.forEach((signal, n) => {
      movImm(c, RDI, 0, signal);
      this.#leaData(RSI, ADDON_DATA.action);
      this.#leaData(RDX, ADDON_DATA.old + n * SIGACTION.sizeBytes);
      this.#callImport('sigaction');
    });
    mov(c, W, RDI, RBX);
    this.#leaLabel(RSI, ended);
    movImm(c, RDX, 0, 0);
    this.#callImport('napi_add_env_cleanup_hook');
    this.#leave();
  }

  /** The thread of JavaScript has ended, and the block with it: signals are others'. */
  #ended(label: number): void {
    const c = this.#c;
    c.bind(label);
    movImm(c, RAX, 0, 0);
    this.#block(STORE, RAX);
    ret(c);
  }

  /** `addressOf(buffer)`: to `out` and `outBytes`; 0 for what is none. */
  #addressOf(label: number): void {
    this.#c.bind(label);
    this.#arguments(1);
    this.#buffer();
    this.#block(LOAD, RDX);
    this.#load(RAX, RSP, 32);
    this.#store(RAX, RDX, NATIVE_BLOCK.out);
    this.#load(RAX, RSP, 40);
    this.#store(RAX, RDX, NATIVE_BLOCK.outBytes);
    this.#leave();
  }

  /** `reserve()`: room for code, `args[0]` bytes, of which nothing can be touched yet; once. */
  #reserve(label: number): void {
    const c = this.#c;
    const failed = c.label();
    c.bind(label);
    push(c, RBX);
    this.#block(LOAD, RBX);
    movImm(c, RDI, 0, 0);
    this.#load(RSI, RBX, NATIVE_BLOCK.args);
    movImm(c, RDX, 0, PROT.none);
    movImm(c, R10, 0, MAP_PRIVATE_ANON_NORESERVE);
    movImm(c, R8, -1, -1);
    movImm(c, R9, 0, 0);
    this.#syscall(SYS_MMAP);
    this.#store(RAX, RBX, NATIVE_BLOCK.out);
    aluImm(c, W, CMP, RAX, -4096);
    this.#jump(failed, 7);
    this.#store(RAX, RBX, NATIVE_BLOCK.codeStart);
    rm(c, W, 0x03, RAX, RBX, NATIVE_BLOCK.args);
    this.#store(RAX, RBX, NATIVE_BLOCK.codeEnd);
    c.bind(failed);
    pop(c, RBX);
    this.#undefined();
  }

  /** `place(code)`: at the address `args[0]`, in pages that are writable first and executable then. `out` is 0 or −errno. */
  #place(label: number): void {
    const c = this.#c;
    const done = c.label();
    c.bind(label);
    this.#arguments(1);
    this.#buffer();
    this.#block(LOAD, RBX);
    const protect = (protection: number): void => {
      this.#load(RDI, RBX, NATIVE_BLOCK.args);
      this.#load(RSI, RSP, 40);
      movImm(c, RDX, 0, protection);
      this.#syscall(SYS_MPROTECT);
      this.#store(RAX, RBX, NATIVE_BLOCK.out);
      test(c, W, RAX, RAX);
    };
    protect(PROT.readWrite);
    this.#jump(done, 5);
    // rep movsb
    this.#load(RDI, RBX, NATIVE_BLOCK.args);
    this.#load(RSI, RSP, 32);
    this.#load(RCX, RSP, 40);
    c.u8(0xf3);
    c.u8(0xa4);
    protect(PROT.readExecute);
    c.bind(done);
    this.#leave();
  }

  /** `release()`: `args[1]` bytes at `args[0]` are code no more: nothing can be touched there until code is put there. */
  #release(label: number): void {
    const c = this.#c;
    c.bind(label);
    push(c, RBX);
    this.#block(LOAD, RBX);
    this.#load(RDI, RBX, NATIVE_BLOCK.args);
    this.#load(RSI, RBX, NATIVE_BLOCK.args + 8);
    movImm(c, RDX, 0, PROT.none);
    movImm(c, R10, 0, MAP_PRIVATE_ANON_NORESERVE | MAP_FIXED);
    movImm(c, R8, -1, -1);
    movImm(c, R9, 0, 0);
    this.#syscall(SYS_MMAP);
    this.#store(RAX, RBX, NATIVE_BLOCK.out);
    pop(c, RBX);
    this.#undefined();
  }

  /** `direct()` */
  #direct({ direct, enter }: Readonly<Record<AddonFunction, number>>): void {
    const c = this.#c;
    const [stackArgs, template] = [0, 40];
    const missing = c.label();
    c.bind(direct);
    push(c, RBX);
    aluImm(c, W, SUB, RSP, 48);
    for (const name of Object.values(V8_IMPORTS)) {
      this.#rip(LOAD, RAX, this.#object.wordOf(name));
      test(c, W, RAX, RAX);
      this.#jump(missing, 4);
    }
    this.#leaData(RCX, ADDON_DATA.v8Call);
    const points = (off: number): void => this.#store(RAX, RCX, off);
    this.#leaLabel(RAX, enter);
    points(V8_CALL.address);
    lea(c, W, RAX, RCX, V8_CALL.answer);
    points(V8_CALL.info);
    lea(c, W, RAX, RCX, V8_CALL.receiver);
    points(V8_CALL.types);
    this.#callImport(V8_IMPORTS.isolate);
    mov(c, W, RBX, RAX);
    // New(isolate, enter, no data, no signature, length 0, kThrow, | kHasSideEffect, the C function, 0, 0, 0)
    mov(c, W, RDI, RBX);
    this.#leaLabel(RSI, enter);
    for (const register of [RDX, RCX, R8, R9, RAX]) movImm(c, register, 0, 0);
    for (const n of [0, 2, 3, 4]) this.#store(RAX, RSP, stackArgs + 8 * n);
    this.#leaData(RAX, ADDON_DATA.v8Call);
    this.#store(RAX, RSP, stackArgs + 8);
    this.#callImport(V8_IMPORTS.template);
    this.#store(RAX, RSP, template);
    mov(c, W, RDI, RBX);
    this.#callImport(V8_IMPORTS.context);
    mov(c, W, RSI, RAX);
    this.#load(RDI, RSP, template);
    this.#callImport(V8_IMPORTS.function);
    c.bind(missing);
    // A handle of V8's is a value of Node-API's, and 0 is undefined.
    aluImm(c, W, ADD, RSP, 48);
    pop(c, RBX);
    ret(c);
  }

  /** `napi_register_module_v1(env, exports)` */
  #init(functions: Record<AddonFunction, number>): void {
    const c = this.#c;
    push(c, RBX);
    push(c, R12);
    aluImm(c, W, SUB, RSP, 24);
    mov(c, W, RBX, RDI);
    mov(c, W, R12, RSI);
    for (const name of ADDON_FUNCTIONS) {
      const off = this.#file.nameOff(name);
      mov(c, W, RDI, RBX);
      this.#leaData(RSI, off);
      movImm(c, RDX, 0, name.length);
      this.#leaLabel(RCX, functions[name]);
      movImm(c, R8, 0, 0);
      lea(c, W, R9, RSP, 8);
      this.#callImport('napi_create_function');
      mov(c, W, RDI, RBX);
      mov(c, W, RSI, R12);
      this.#leaData(RDX, off);
      this.#load(RCX, RSP, 8);
      this.#callImport('napi_set_named_property');
    }
    mov(c, W, RAX, R12);
    aluImm(c, W, ADD, RSP, 24);
    pop(c, R12);
    pop(c, RBX);
    ret(c);
  }
}

/** An addon for Node on x86-64 Linux, as a file: what maps, protects and calls code, with the functions of {@link ADDON_FUNCTIONS}. */
export function writeX86Addon(): Uint8Array {
  return new AddonWriter().write();
}
