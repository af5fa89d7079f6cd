import { EM_X86_64, SharedObjectWriter } from '../../elf/index.ts';
import { alignUp, FarcallError } from '../../util/index.ts';
import type { JitedProgram } from '../program.ts';

/** A program for C programs: the shared object, and its header. */
export interface SharedCode {
  readonly bytes: Uint8Array;
  readonly header: string;
  /** Functions of the kernel that whoever embeds it provides. */
  readonly helpers: readonly string[];
}

const CALL_BYTES = 5;
const CALL = 0xe8;
const R_X86_64_GLOB_DAT = 6;
/** push rbp; mov rbp, rsp; and rsp, -16; mov r11, [rip + …]; call [r11 + …]; leave; ret */
const STUB = [
  ...[0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xe4, 0xf0, 0x4c, 0x8b, 0x1d, 0, 0, 0, 0, 0x41, 0xff, 0x93, 0, 0, 0, 0],
  ...[0xc9, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc],
];
const STUB_TABLE = 11;
const STUB_ENTRY = 18;
const TRAP = 0xcc;

/** A name C takes. */
export const cName = (name: string): string => name.replace(/[^A-Za-z0-9_]/g, '_').replace(/^(?=\d)/, '_');

function refuse(message: string, found: string): FarcallError {
  return new FarcallError({
    code: 'arg.so',
    message,
    expected: 'a program of functions and helpers alone, for x86_64',
    found,
  });
}

/**
 * A compiled program as a shared object for C programs, at no address in particular: `uint64_t NAME(void *ctx)`. Functions of the kernel are
 * called through the table `NAME_helpers`, with the stack aligned as C wants it. Pointers are those of the process.
 *
 * Its images have to be so near to each other and to the kernel's functions that every call is `call` with 32 bits, and at addresses above
 * 4 GiB, so that addresses of functions are distances. Throws `arg.so` for what is more than functions and helpers.
 */
export function sharedCode(program: JitedProgram, name: string = cName(program.xlated.name)): SharedCode {
  const { funcs, target, space, mode } = program;
  if (target.elf.machine !== EM_X86_64 || mode !== 'own') throw refuse('no shared object of this code', target.name);
  const base = funcs.reduce((least, { addr }) => (addr < least ? addr : least), funcs[0].addr);
  const end = funcs.reduce((most, { addr, bytes }) => Math.max(most, Number(addr - base) + bytes.length), 0);
  const helpers: string[] = [];
  const patches: { readonly at: number; readonly helper: number }[] = [];
  const text = new Uint8Array(alignUp(end, STUB.length) + STUB.length * MOST_HELPERS).fill(TRAP);
  for (const { addr, bytes, sites } of funcs) {
    const start = Number(addr - base);
    text.set(bytes, start);
    for (const { kind, offBytes, endBytes, target: callee } of sites) {
      if (kind === 'subprog') continue;
      if (kind === 'tail_call') throw refuse('a shared object has no other programs to call', 'bpf_tail_call');
      const known = space.symbolize(callee)?.name ?? `helper_${callee.toString(16)}`;
      if (endBytes - offBytes !== CALL_BYTES || text[start + offBytes] !== CALL) {
        throw refuse('a call is too far', known);
      }
      let helper = helpers.indexOf(known);
      if (helper < 0) helper = helpers.push(known) - 1;
      patches.push({ at: start + offBytes, helper });
    }
  }
  if (helpers.length > MOST_HELPERS) throw refuse('too many helpers', `${helpers.length}`);
  const table = `${name}_helpers`;
  const objects = helpers.length > 0 ? [table] : [];
  const dataBytes = 8 * Math.max(1, helpers.length);
  const writer = new SharedObjectWriter({
    order: 'little',
    machine: EM_X86_64,
    imports: [],
    exports: [name, ...objects],
    objects,
    reached: objects,
    importType: R_X86_64_GLOB_DAT,
    dataBytes,
  });
  const view = new DataView(text.buffer);
  const firstStub = alignUp(end, STUB.length);
  helpers.forEach((_, n) => {
    const at = firstStub + n * STUB.length;
    text.set(STUB, at);
    view.setInt32(at + STUB_TABLE, writer.wordOf(table) - (writer.textAddr + at + STUB_TABLE + 4), true);
    view.setInt32(at + STUB_ENTRY, 8 * n, true);
  });
  for (const { at, helper } of patches) {
    view.setInt32(at + 1, firstStub + helper * STUB.length - (at + CALL_BYTES), true);
  }
  const [main] = funcs;
  const places = [
    { name, offBytes: Number(main.entry - base), sizeBytes: main.bytes.length },
    ...objects.map(object => ({ name: object, offBytes: 0, sizeBytes: dataBytes })),
  ];
  const code = text.subarray(0, firstStub + helpers.length * STUB.length);
  return { bytes: writer.finish(code, new Uint8Array(dataBytes), places), header: headerOf(name, helpers), helpers };
}

const MOST_HELPERS = 256;

function headerOf(name: string, helpers: readonly string[]): string {
  const guard = `${name.toUpperCase()}_H`;
  const args = 'uint64_t, uint64_t, uint64_t, uint64_t, uint64_t';
  const table =
    helpers.length === 0
      ? []
      : [
          '/* What the program calls; to be filled in before it runs. */',
          `extern struct ${name}_helpers {`,
          ...helpers.map(helper => `\tuint64_t (*${cName(helper)})(${args});`),
          `} ${name}_helpers;`,
          '',
        ];
  return [
    `/* ${name}: a BPF program compiled by farcall. */`,
    `#ifndef ${guard}`,
    `#define ${guard}`,
    '#include <stdint.h>',
    '#ifdef __cplusplus',
    'extern "C" {',
    '#endif',
    '',
    ...table,
    '/* Runs the program: its R1 is ctx, its R0 the result. */',
    `uint64_t ${name}(void *ctx);`,
    '',
    '#ifdef __cplusplus',
    '}',
    '#endif',
    '#endif',
    '',
  ].join('\n');
}
