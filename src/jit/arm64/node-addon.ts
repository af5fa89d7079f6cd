import { EM_AARCH64 } from '../../elf/index.ts';
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
import { Code, fromSp, nonzero, toSp, when, zero } from './assembler.ts';
import { planConstant } from './constant.ts';
import {
  add,
  addImm,
  adr,
  adrp,
  and,
  blr,
  br,
  cmnImm,
  cmp,
  cmpImm,
  dcCvau,
  dsbIsh,
  HI,
  HS,
  icIvau,
  isb,
  LO,
  LOAD,
  LR,
  ldp,
  ldr,
  ldrPost,
  lslv,
  memScaled,
  mov,
  movn,
  movz,
  mrsCtrEl0,
  NE,
  neg,
  ret,
  SP,
  STORE,
  stp,
  stpPre,
  str,
  strPost,
  subImm,
  svc,
  ubfm,
  W,
  X,
  ZR,
} from './encode.ts';
import { GATE, GATE_SLOT, MEMORY, REGISTERS } from './linear/registers.ts';
import { T0 } from './words.ts';

const R_AARCH64_GLOB_DAT = 1025;
/** The largest pages such hosts have. */
const PAGE_BYTES = 65536;
/** Of `ucontext_t`: pc. */
const UC_PC = 440;
const SYS_MMAP = 222;
const SYS_MPROTECT = 226;

/** Registers that C functions keep, x29 and x30 first; `call` saves all of those that programs change. */
const KEPT = [
  [29, LR],
  [19, 20],
  [21, 22],
  [23, 24],
  [25, 26],
  [27, MEMORY],
] as const;
const BLOCK = 19;

/** What `get_cb_info` is given, and what addons make of it: offsets from sp. */
const FRAME = { count: 16, args: 24, address: 48, length: 56, block: 64, sizeBytes: 80 } as const;
/** Of the gate's frame: R0, sp and the scope, the function, its result and whether it ended well. */
const GATE_FRAME = { r0: 16, scope: 32, func: 40, result: 48, status: 56, sizeBytes: 64 } as const;

const ldrW = (rt: number, rn: number, off: number): number => memScaled(2, LOAD, rt, rn, off >> 2);
const strW = (rt: number, rn: number, off: number): number => memScaled(2, STORE, rt, rn, off >> 2);

class AddonWriter {
  readonly #file = new AddonFile({
    machine: EM_AARCH64,
    importType: R_AARCH64_GLOB_DAT,
    pageBytes: PAGE_BYTES,
  });
  readonly #object = this.#file.object;
  readonly #code = new Code();

  // ---- what refers to places

  /** rd = an address of the file. */
  #address(rd: number, address: number): void {
    const here = this.#object.textAddr + this.#code.here;
    this.#code.emit(adrp(rd, (address >> 12) - (here >> 12)));
    this.#code.emit(addImm(X, rd, rd, address & 0xfff));
  }
  #data(rd: number, off: number): void {
    this.#address(rd, this.#object.dataAddr + off);
  }
  #block(rd: number): void {
    this.#data(rd, ADDON_DATA.block);
    this.#code.emit(ldr(rd, rd, 0));
  }
  #callImport(name: AddonImport): void {
    this.#address(T0, this.#object.wordOf(name));
    this.#code.emit(ldr(T0, T0, 0), blr(T0));
  }
  /** rd = where a label is. */
  #label(rd: number, label: string): void {
    this.#code.branch(label, off => adr(rd, off));
  }
  #constant(rd: number, hi: number, lo: number): void {
    this.#code.emit(...planConstant(hi, lo).map(word => word | rd));
  }
  #syscall(number: number): void {
    this.#code.emit(movz(X, 8, number), svc());
  }
  #undefined(): void {
    this.#code.emit(movz(X, 0, 0), ret());
  }

  // ---- parts

  write(): Uint8Array {
    const code = this.#code;
    this.#calls();
    this.#gate();
    this.#handler();
    this.#attach();
    this.#ended();
    this.#addressOf();
    this.#reserve();
    this.#place();
    this.#release();
    this.#direct();
    const start = code.here;
    this.#init();
    return this.#file.finish(code.bytes(), start);
  }

  /** The block says what is called and with what; R0 goes back there. */
  #calls(): void {
    const code = this.#code;
    const begin = (name: AddonFunction, count: number, load: typeof ldr): void => {
      code.label(name);
      KEPT.forEach(([a, b], n) => {
        code.emit(n === 0 ? stpPre(a, b, SP, -16 * KEPT.length) : stp(a, b, SP, 16 * n));
      });
      this.#block(BLOCK);
      // The block and what was the innermost call before it: below all that is saved.
      code.emit(ldr(T0, BLOCK, NATIVE_BLOCK.unwind), stpPre(BLOCK, T0, SP, -16));
      code.emit(fromSp(T0), str(T0, BLOCK, NATIVE_BLOCK.unwind), ldr(MEMORY, BLOCK, NATIVE_BLOCK.base));
      for (let n = 0; n < count; n++) code.emit(load(REGISTERS.home[n + 1], BLOCK, NATIVE_BLOCK.args + 8 * n));
    };
    // Loads are as wide as JavaScript's stores: wider ones would wait for the stores to reach memory.
    begin('enter', ENTER_ARGS, ldrW);
    code.label('go').emit(ldr(T0, BLOCK, NATIVE_BLOCK.entry), blr(T0));
    code.emit(str(REGISTERS.home[0], BLOCK, NATIVE_BLOCK.r0));
    code.label('exit').emit(ldp(BLOCK, T0, SP, 0), addImm(X, SP, SP, 16), str(T0, BLOCK, NATIVE_BLOCK.unwind));
    for (let n = KEPT.length - 1; n > 0; n--) code.emit(ldp(KEPT[n][0], KEPT[n][1], SP, 16 * n));
    code.emit(ldp(KEPT[0][0], KEPT[0][1], SP, 0), addImm(X, SP, SP, 16 * KEPT.length));
    this.#undefined();
    begin('call', 5, ldr);
    code.branch('go');
    // From anywhere below: what was pending in JavaScript is thrown there.
    code.label('unwind');
    this.#block(BLOCK);
    code.emit(ldr(T0, BLOCK, NATIVE_BLOCK.unwind), toSp(T0)).branch('exit');
  }

  /** Called by programs, which find R0 unchanged behind it, the answer and the block where number and slot were. */
  #gate(): void {
    const code = this.#code.label('gate');
    const { r0, scope, func, result, status, sizeBytes } = GATE_FRAME;
    code.emit(stpPre(29, LR, SP, -sizeBytes), stp(0, BLOCK, SP, r0));
    this.#block(BLOCK);
    code.emit(strW(GATE, BLOCK, NATIVE_BLOCK.gate), strW(GATE_SLOT, BLOCK, NATIVE_BLOCK.slot));
    const env = (): void => void code.emit(ldr(0, BLOCK, NATIVE_BLOCK.env));
    env();
    code.emit(addImm(X, 1, SP, scope));
    this.#callImport('napi_open_handle_scope');
    env();
    code.emit(ldr(1, BLOCK, NATIVE_BLOCK.gateRef), addImm(X, 2, SP, func));
    this.#callImport('napi_get_reference_value');
    env();
    code.emit(ldr(1, SP, func), mov(X, 2, 1), movz(X, 3, 0), movz(X, 4, 0), addImm(X, 5, SP, result));
    this.#callImport('napi_call_function');
    code.emit(strW(0, SP, status));
    // A scope has to be closed on every way out.
    env();
    code.emit(ldr(1, SP, scope));
    this.#callImport('napi_close_handle_scope');
    code.emit(ldrW(T0, SP, status)).branch('unwind', nonzero(T0));
    code.emit(ldrW(GATE, BLOCK, NATIVE_BLOCK.result), mov(X, GATE_SLOT, BLOCK));
    code.emit(ldp(0, BLOCK, SP, r0), ldp(29, LR, SP, 0), addImm(X, SP, SP, sizeBytes), ret());
  }

  /** `(signal, info, context)`: a fault in a program's code ends the call; others are whoever's they were. */
  #handler(): void {
    const code = this.#code.label('handler');
    this.#block(3);
    code.branch('chain', zero(3)).emit(ldr(4, 2, UC_PC), ldr(5, 3, NATIVE_BLOCK.codeStart), cmp(X, 4, 5));
    code
      .branch('chain', when(LO))
      .emit(ldr(5, 3, NATIVE_BLOCK.codeEnd), cmp(X, 4, 5))
      .branch('chain', when(HS));
    code.emit(strW(0, 3, NATIVE_BLOCK.signal), str(4, 3, NATIVE_BLOCK.faultCode));
    code.emit(ldr(4, 1, SI_ADDR), str(4, 3, NATIVE_BLOCK.faultAddr));
    this.#label(4, 'unwind');
    code.emit(str(4, 2, UC_PC), ret());
    code.label('chain');
    ADDON_SIGNALS.forEach((signal, n) => {
      code.emit(cmpImm(W, 0, signal)).branch(`other ${n}`, when(NE));
      this.#data(3, ADDON_DATA.old + n * SIGACTION.sizeBytes);
      code.label(`other ${n}`);
    });
    code.emit(ldrW(4, 3, SIGACTION.flags), ubfm(W, 4, 4, 2, 2)).branch('plain', zero(4));
    code.emit(ldr(T0, 3, SIGACTION.handler), br(T0));
    // Nobody's: back to what it was, and the instruction faults again.
    code.label('plain').emit(mov(X, 1, 3), movz(X, 2, 0));
    this.#address(T0, this.#object.wordOf('sigaction'));
    code.emit(ldr(T0, T0, 0), br(T0));
  }

  /** Takes {@link FRAME} from the stack and puts a function's arguments there; BLOCK is the env. */
  #arguments(count: number): void {
    const code = this.#code;
    code.emit(stpPre(BLOCK, LR, SP, -FRAME.sizeBytes), mov(X, BLOCK, 0));
    code.emit(movz(X, T0, count), str(T0, SP, FRAME.count), addImm(X, 2, SP, FRAME.count));
    code.emit(addImm(X, 3, SP, FRAME.args), movz(X, 4, 0), movz(X, 5, 0));
    this.#callImport('napi_get_cb_info');
  }
  #leave(): void {
    this.#code.emit(ldp(BLOCK, LR, SP, 0), addImm(X, SP, SP, FRAME.sizeBytes));
    this.#undefined();
  }
  /** The first argument's bytes: their address and length, 0 for what has none. */
  #buffer(): void {
    this.#code.emit(stp(ZR, ZR, SP, FRAME.address), mov(X, 0, BLOCK), ldr(1, SP, FRAME.args));
    this.#code.emit(addImm(X, 2, SP, FRAME.address), addImm(X, 3, SP, FRAME.length));
    this.#callImport('napi_get_arraybuffer_info');
  }

  /** `attach(block, gate)` */
  #attach(): void {
    const code = this.#code.label('attach');
    this.#arguments(2);
    this.#buffer();
    code.emit(ldr(2, SP, FRAME.address));
    this.#data(3, ADDON_DATA.block);
    code.emit(str(2, 3, 0), str(BLOCK, 2, NATIVE_BLOCK.env));
    this.#label(3, 'gate');
    code.emit(str(3, 2, NATIVE_BLOCK.gateCode), addImm(X, 3, 2, NATIVE_BLOCK.gateRef));
    code.emit(mov(X, 0, BLOCK), ldr(1, SP, FRAME.args + 8), movz(X, 2, 1));
    this.#callImport('napi_create_reference');
    this.#data(1, ADDON_DATA.action);
    this.#label(2, 'handler');
    code.emit(str(2, 1, SIGACTION.handler));
    this.#constant(2, 0, SA_SIGINFO | SA_ONSTACK);
    code.emit(strW(2, 1, SIGACTION.flags));
    ADDON_SIGNALS.forEach((signal, n) => {
      code.emit(movz(X, 0, signal));
      this.#data(1, ADDON_DATA.action);
      this.#data(2, ADDON_DATA.old + n * SIGACTION.sizeBytes);
      this.#callImport('sigaction');
    });
    code.emit(mov(X, 0, BLOCK));
    this.#label(1, 'ended');
    code.emit(movz(X, 2, 0));
    this.#callImport('napi_add_env_cleanup_hook');
    this.#leave();
  }

  /** The thread of JavaScript has ended, and the block with it: signals are others'. */
  #ended(): void {
    const code = this.#code.label('ended');
    this.#data(0, ADDON_DATA.block);
    code.emit(str(ZR, 0, 0), ret());
  }

  /** `addressOf(buffer)`: to `out` and `outBytes`; 0 for what is none. */
  #addressOf(): void {
    const code = this.#code.label('addressOf');
    this.#arguments(1);
    this.#buffer();
    this.#block(2);
    code.emit(ldr(0, SP, FRAME.address), ldr(1, SP, FRAME.length));
    code.emit(str(0, 2, NATIVE_BLOCK.out), str(1, 2, NATIVE_BLOCK.outBytes));
    this.#leave();
  }

  /** x0 and x1 say where: memory of which nothing can be touched. Its address, or minus an errno, is `out` of the block in x9. */
  #map(flags: number): void {
    this.#code.emit(movz(X, 2, PROT.none));
    this.#constant(3, 0, flags);
    this.#code.emit(movn(X, 4, 0), movz(X, 5, 0));
    this.#syscall(SYS_MMAP);
    this.#code.emit(str(0, 9, NATIVE_BLOCK.out));
  }

  /** `reserve()`: room for code, `args[0]` bytes, of which nothing can be touched yet; once. */
  #reserve(): void {
    const code = this.#code.label('reserve');
    this.#block(9);
    code.emit(movz(X, 0, 0), ldr(1, 9, NATIVE_BLOCK.args));
    this.#map(MAP_PRIVATE_ANON_NORESERVE);
    // Above −4096, unsigned.
    code.emit(cmnImm(X, 0, 1, 1)).branch('no room', when(HI));
    code.emit(ldr(1, 9, NATIVE_BLOCK.args), add(X, 1, 0, 1));
    code.emit(str(0, 9, NATIVE_BLOCK.codeStart), str(1, 9, NATIVE_BLOCK.codeEnd)).label('no room');
    this.#undefined();
  }

  /** `place(code)`: at the address `args[0]`, in pages that are writable first and executable then. `out` is 0 or −errno. */
  #place(): void {
    const code = this.#code.label('place');
    this.#arguments(1);
    this.#buffer();
    this.#block(9);
    const protect = (protection: number): void => {
      code.emit(ldr(0, 9, NATIVE_BLOCK.args), ldr(1, SP, FRAME.length), movz(X, 2, protection));
      this.#syscall(SYS_MPROTECT);
      code.emit(str(0, 9, NATIVE_BLOCK.out)).branch('placed', nonzero(0));
    };
    protect(PROT.readWrite);
    // Eight bytes at a time: pages have room for them.
    code.emit(ldr(2, 9, NATIVE_BLOCK.args), ldr(3, SP, FRAME.address), ldr(4, SP, FRAME.length), add(X, 4, 2, 4));
    code
      .label('copy')
      .emit(ldrPost(5, 3, 8), strPost(5, 2, 8), cmp(X, 4, 2))
      .branch('copy', when(HI));
    // Stores reach memory before pages become code, then instructions that were there are forgotten.
    code.emit(mrsCtrEl0(6));
    this.#lines('clean', dcCvau, 16);
    protect(PROT.readExecute);
    code.emit(mrsCtrEl0(6), ldr(4, SP, FRAME.length), ldr(2, 9, NATIVE_BLOCK.args), add(X, 4, 2, 4));
    this.#lines('forget', icIvau, 0);
    code.emit(isb()).label('placed');
    this.#leave();
  }

  /** Does something to every cache line of the new code, up to x4. x6 says how long lines are, as log2 of words from bit `field` on. */
  #lines(name: string, each: (rt: number) => number, field: number): void {
    const code = this.#code;
    code.emit(ubfm(W, 7, 6, field, field + 3), movz(X, 5, 4), lslv(X, 5, 5, 7), neg(X, 7, 5));
    code.emit(ldr(2, 9, NATIVE_BLOCK.args), and(X, 2, 2, 7));
    code
      .label(name)
      .emit(each(2), add(X, 2, 2, 5), cmp(X, 4, 2))
      .branch(name, when(HI))
      .emit(dsbIsh());
  }

  /** `release()`: `args[1]` bytes at `args[0]` are code no more: nothing can be touched there until code is put there. */
  #release(): void {
    const code = this.#code.label('release');
    this.#block(9);
    code.emit(ldr(0, 9, NATIVE_BLOCK.args), ldr(1, 9, NATIVE_BLOCK.args + 8));
    this.#map(MAP_PRIVATE_ANON_NORESERVE | MAP_FIXED);
    this.#undefined();
  }

  /** `direct()` */
  #direct(): void {
    const code = this.#code.label('direct');
    const isolate = 19;
    // Of the stack: three arguments, what is kept, the template.
    const [kept, template, sizeBytes] = [32, 48, 64];
    code.emit(subImm(X, SP, SP, sizeBytes), stp(isolate, LR, SP, kept), movz(X, 0, 0));
    for (const name of Object.values(V8_IMPORTS)) {
      this.#address(T0, this.#object.wordOf(name));
      code.emit(ldr(T0, T0, 0)).branch('missing', zero(T0));
    }
    this.#data(7, ADDON_DATA.v8Call);
    this.#label(1, 'enter');
    code.emit(str(1, 7, V8_CALL.address), addImm(X, 2, 7, V8_CALL.answer), str(2, 7, V8_CALL.info));
    code.emit(addImm(X, 2, 7, V8_CALL.receiver), str(2, 7, V8_CALL.types));
    this.#callImport(V8_IMPORTS.isolate);
    // New(isolate, enter, no data, no signature, length 0, kThrow, kHasSideEffect, the C function, | 0, 0, 0)
    code.emit(mov(X, isolate, 0), stp(ZR, ZR, SP, 0), str(ZR, SP, 16));
    this.#label(1, 'enter');
    for (let n = 2; n < 7; n++) code.emit(movz(X, n, 0));
    this.#data(7, ADDON_DATA.v8Call);
    this.#callImport(V8_IMPORTS.template);
    code.emit(str(0, SP, template), mov(X, 0, isolate));
    this.#callImport(V8_IMPORTS.context);
    code.emit(mov(X, 1, 0), ldr(0, SP, template));
    this.#callImport(V8_IMPORTS.function);
    // A handle of V8's is a value of Node-API's, and 0 is undefined.
    code.label('missing').emit(ldp(isolate, LR, SP, kept), addImm(X, SP, SP, sizeBytes), ret());
  }

  /** `napi_register_module_v1(env, exports)` */
  #init(): void {
    const code = this.#code;
    const [env, exports] = [19, 20];
    const result = 16;
    code.emit(stpPre(env, exports, SP, -32), stp(LR, ZR, SP, 16), mov(X, env, 0), mov(X, exports, 1));
    code.emit(subImm(X, SP, SP, 32));
    for (const name of ADDON_FUNCTIONS) {
      const off = this.#file.nameOff(name);
      code.emit(mov(X, 0, env));
      this.#data(1, off);
      code.emit(movz(X, 2, name.length));
      this.#label(3, name);
      code.emit(movz(X, 4, 0), addImm(X, 5, SP, result));
      this.#callImport('napi_create_function');
      code.emit(mov(X, 0, env), mov(X, 1, exports));
      this.#data(2, off);
      code.emit(ldr(3, SP, result));
      this.#callImport('napi_set_named_property');
    }
    code.emit(mov(X, 0, exports), addImm(X, SP, SP, 32), ldp(LR, ZR, SP, 16), ldp(env, exports, SP, 0));
    code.emit(addImm(X, SP, SP, 32), ret());
  }
}

/** An addon for Node on arm64 Linux: see `NativeTarget.writeAddon`. */
export function writeArm64Addon(): Uint8Array {
  return new AddonWriter().write();
}
