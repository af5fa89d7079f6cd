import { SharedObjectWriter } from '../../elf/index.ts';

/**
 * The block that JavaScript and native code share, an ArrayBuffer of JavaScript's. Byte offsets; u64 where nothing else is said.
 */
export const NATIVE_BLOCK = {
  /** What `call` and `enter` call, and the linear memory's address. */
  entry: 0,
  base: 8,
  env: 16,
  gateRef: 24,
  /** Stack pointer of the innermost `call` or `enter`, where exceptions go. */
  unwind: 32,
  /** Where a tail call goes: set by the gate. */
  tailTarget: 40,
  /** i32 each: number and slot of the gate that is called, and what it answers. */
  gate: 48,
  slot: 52,
  result: 56,
  /** i32: the signal that ended a call, 0 for none; where it was, and the address that faulted. */
  signal: 60,
  faultCode: 64,
  faultAddr: 72,
  /** Answers of `addressOf`, `reserve` and `place`: an address and a length, or 0 and minus an errno. */
  out: 80,
  outBytes: 88,
  /** R1.. of a call, and its R0. */
  args: 96,
  r0: 136,
  /** Code that calls gates. */
  gateCode: 144,
  /** Where code of programs lies. */
  codeStart: 152,
  codeEnd: 160,
  sizeBytes: 168,
} as const;

/** What addons call of Node and of the C library. */
const ADDON_IMPORTS = [
  'napi_create_function',
  'napi_set_named_property',
  'napi_get_cb_info',
  'napi_get_arraybuffer_info',
  'napi_create_reference',
  'napi_get_reference_value',
  'napi_call_function',
  'napi_open_handle_scope',
  'napi_close_handle_scope',
  'napi_add_env_cleanup_hook',
  'sigaction',
] as const;
/**
 * Functions of V8's that `direct` is made of, by what each gives (`v8-isolate.h`: `Isolate::GetCurrent`, `GetCurrentContext`;
 * `v8-template.h`: `FunctionTemplate::New`, `GetFunction`). Where one is missing, `direct` answers undefined.
 */
export const V8_IMPORTS = {
  isolate: '_ZN2v87Isolate10GetCurrentEv',
  context: '_ZN2v87Isolate17GetCurrentContextEv',
  template: [
    '_ZN2v816FunctionTemplate3NewEPNS_7IsolateEPFvRKNS_20FunctionCallbackInfoINS_5ValueEEEENS_5LocalIS4_EE',
    'NSA_INS_9SignatureEEEiNS_19ConstructorBehaviorENS_14SideEffectTypeEPKNS_9CFunctionEttt',
  ].join(''),
  function: '_ZN2v816FunctionTemplate11GetFunctionENS_5LocalINS_7ContextEEE',
} as const;
const WEAK_IMPORTS: readonly string[] = Object.values(V8_IMPORTS);
export type AddonImport = (typeof ADDON_IMPORTS)[number] | (typeof V8_IMPORTS)[keyof typeof V8_IMPORTS];

/**
 * Functions for JavaScript. `call` gives the code R1 to R5 of 64 bits each, `enter` R1 to R3 of 32. What `direct` answers is `enter`
 * without Node-API around it, for code that calls no gate.
 */
export const ADDON_FUNCTIONS = [
  'attach',
  'addressOf',
  'reserve',
  'place',
  'release',
  'call',
  'enter',
  'direct',
] as const;
/** Arguments of 32 bits that `enter` gives. */
export const ENTER_ARGS = 3;
export type AddonFunction = (typeof ADDON_FUNCTIONS)[number];

const INIT = 'napi_register_module_v1';
/** glibc's and musl's `struct sigaction`, the same on all CPUs of 64 bits here. */
export const SIGACTION = { handler: 0, flags: 136, sizeBytes: 152 } as const;
export const SA_SIGINFO = 4;
export const SA_ONSTACK = 0x08000000;
const SIGBUS = 7;
const SIGFPE = 8;
const SIGSEGV = 11;
/** Signals of the CPU. */
export const ADDON_SIGNALS = [SIGSEGV, SIGBUS, SIGFPE] as const;
/**
 * What V8 has to know of a C function to call it from optimised code (`v8-fast-api-calls.h`), which holds for V8 11.3 to 14.6. Types
 * are three bytes: what, sequence, flags. `enter` answers nothing, and all it is given is the receiver.
 *
 * ```
 *   0   CFunction      address, CFunctionInfo *
 *   16  CFunctionInfo  type of the answer, u8 form of 64-bit numbers, u32 arguments, CTypeInfo *
 *   32  CTypeInfo      of the receiver: a value of V8's
 * ```
 */
export const V8_CALL = { address: 0, info: 8, answer: 16, count: 20, types: 24, receiver: 32, sizeBytes: 40 } as const;
const V8_VALUE = 10;

/** Data of an addon, from its beginning: the block's address, a new and the old actions, what V8 knows of `enter`, names. */
export const ADDON_DATA = {
  block: 0,
  action: 16,
  old: 16 + SIGACTION.sizeBytes,
  v8Call: 16 + 4 * SIGACTION.sizeBytes,
  names: 16 + 4 * SIGACTION.sizeBytes + V8_CALL.sizeBytes,
} as const;

/** Linux's numbers for `mmap` and `mprotect`. */
export const PROT = { none: 0, readWrite: 3, readExecute: 5 } as const;
export const MAP_PRIVATE_ANON_NORESERVE = 0x4022;
export const MAP_FIXED = 0x10;
/** Of `siginfo_t`. */
export const SI_ADDR = 16;

/** What a CPU's addons are told apart by. */
export interface AddonMachine {
  /** EM_* */
  readonly machine: number;
  /** R_*_GLOB_DAT */
  readonly importType: number;
  /** Pages of the host: of those that are there, the largest. */
  readonly pageBytes: number;
}

/** An addon in the making: what of the file is no code. */
export class AddonFile {
  readonly object: SharedObjectWriter;
  readonly #data: Uint8Array;
  readonly #nameOffs = new Map<string, number>();

  constructor(cpu: AddonMachine) {
    let names = '';
    for (const name of ADDON_FUNCTIONS) {
      this.#nameOffs.set(name, ADDON_DATA.names + names.length);
      names += `${name}\0`;
    }
    this.#data = new Uint8Array(ADDON_DATA.names + names.length);
    for (let i = 0; i < names.length; i++) this.#data[ADDON_DATA.names + i] = names.charCodeAt(i);
    this.#data[ADDON_DATA.v8Call + V8_CALL.count] = 1;
    this.#data[ADDON_DATA.v8Call + V8_CALL.receiver] = V8_VALUE;
    this.object = new SharedObjectWriter({
      order: 'little',
      ...cpu,
      imports: ADDON_IMPORTS,
      weak: WEAK_IMPORTS,
      exports: [INIT],
      dataBytes: this.#data.length,
      // Threads of JavaScript come and go; whoever handled signals last has to be there still.
      stays: true,
    });
  }

  /** Where a function's name is in the data. */
  nameOff(name: AddonFunction): number {
    return this.#nameOffs.get(name) ?? 0;
  }

  /** The file. @param initOff where its initialiser begins, which is the last function of the code */
  finish(text: Uint8Array, initOff: number): Uint8Array {
    return this.object.finish(text, this.#data, [{ name: INIT, offBytes: initOff, sizeBytes: text.length - initOff }]);
  }
}
