import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ElfWriter,
  EM_AARCH64,
  ET_EXEC,
  PF_R,
  PF_W,
  PF_X,
  PT_LOAD,
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHF_WRITE,
  SHT_NOBITS,
} from '../../../src/elf/index.ts';
import type { Insn } from '../../../src/isa/index.ts';
import { Code, fromSp, nonzero, toSp, when, zero } from '../../../src/jit/arm64/assembler.ts';
import { planConstant } from '../../../src/jit/arm64/constant.ts';
import * as a from '../../../src/jit/arm64/encode.ts';
import { MAIN_STATE, NATIVE_ENTRIES, NATIVE_TARGETS, RUN_STATE, type TailCallLayout } from '../../../src/jit/index.ts';
import { concatBytes, toHex } from '../../../src/util/index.ts';

/*
 * Code over the linear memory in a static executable: what the addon and the engine are in Node, in a few instructions here.
 *
 *   0x10000000    the driver, and the programs
 *   0x40000000    table of runs, their data, what they leave; the driver's cells
 *   0x400000000   the linear memory: 256 KB, and nothing behind it
 */
const TEXT = 0x10000000;
const DATA = 0x40000000;
const MEMORY = 0x400000000n;
const MEMORY_BYTES = 0x40000;
/** In the linear memory. */
const STACK_END = 0x1f000;
const POISONED_BYTES = 8192;
export const RUN_DATA = 0x20000;

/** Cells of the driver, at x18, which nobody else uses. */
const CELL = { sp: 0, faultGate: 8, sizeBytes: 16 } as const;
const HANDLER_STACK_BYTES = 0x10000;
const ENTRY_BYTES = 24;
const CLOBBERED = 100;
const THREW = 101;
const SIGNALS = [4, 5, 7, 8, 11] as const;
const SYS = { write: 64, exitGroup: 94, sigaltstack: 132, rtSigaction: 134 } as const;
const SA_SIGINFO = 4;
const SA_ONSTACK = 0x08000000;
const SA_NODEFER = 0x40000000;
const SI_ADDR = 16;
const UC_PC = 440;
const UC_SP = 432;
const UC_X = 184;

const KEPT = [19, 20, 21, 22, 23, 24, 25, 26, 27, 29] as const;
const STATE = 18;

const number = (reg: number, value: number | bigint): number[] => {
  const wide = BigInt.asUintN(64, BigInt(value));
  const [hi, lo] = [Number(BigInt.asIntN(32, wide >> 32n)), Number(BigInt.asIntN(32, wide))];
  return planConstant(hi, lo).map(word => word | reg);
};

/** Where the parts of the data are. */
interface Places {
  readonly cells: number;
  readonly table: number;
  readonly out: number;
  readonly outBytes: number;
  readonly handlerStack: number;
}

/** @param dataBytes of each run, a multiple of 8 */
function driver(places: Places, runs: number, dataBytes: number): { readonly code: Code; readonly gate: number } {
  const { X, W, SP, ZR } = a;
  const code = new Code();
  const syscall = (what: number): void => void code.emit(...number(8, what), a.svc());
  const copy = (name: string, to: number, from: number): void => {
    code.emit(...number(3, dataBytes / 8)).label(name);
    code.emit(a.ldrPost(4, from, 8), a.strPost(4, to, 8), a.subImm(X, 3, 3, 1)).branch(name, nonzero(3));
  };
  code.emit(
    ...number(STATE, places.cells),
    ...number(20, places.table),
    ...number(21, runs),
    ...number(22, places.out),
  );
  // A stack and a handler for signals.
  code.emit(a.subImm(X, SP, SP, 48), ...number(9, places.handlerStack), ...number(10, HANDLER_STACK_BYTES));
  code.emit(a.stp(9, ZR, SP, 0), a.str(10, SP, 16), fromSp(0), a.movz(X, 1, 0));
  syscall(SYS.sigaltstack);
  code.branch('handler', off => a.adr(9, off)).emit(...number(10, SA_SIGINFO | SA_ONSTACK | SA_NODEFER));
  code.emit(a.stp(9, 10, SP, 0), a.stp(ZR, ZR, SP, 16));
  for (const signal of SIGNALS) {
    code.emit(...number(0, signal), fromSp(1), a.movz(X, 2, 0), a.movz(X, 3, 8));
    syscall(SYS.rtSigaction);
  }

  code
    .label('next')
    .branch('end', zero(21))
    .emit(a.ldr(16, 20, 0), a.ldr(2, 20, 8), a.ldr(3, 20, 16));
  code.emit(a.str(3, STATE, CELL.faultGate), ...number(28, MEMORY), ...number(1, MEMORY + BigInt(RUN_DATA)));
  copy('fill', 1, 2);
  code.emit(...number(1, MEMORY + BigInt(STACK_END - POISONED_BYTES)), ...number(4, 0xa5a5a5a5a5a5a5a5n));
  code
    .emit(...number(3, POISONED_BYTES / 8))
    .label('poison')
    .emit(a.strPost(4, 1, 8), a.subImm(X, 3, 3, 1));
  code.branch('poison', nonzero(3));
  code.emit(...number(1, STACK_END), a.memScaled(2, a.STORE, 1, 28, (MAIN_STATE + RUN_STATE.sp) >> 2));
  code.emit(a.stpPre(20, 21, SP, -32), a.str(22, SP, 16), fromSp(9), a.str(9, STATE, CELL.sp));
  for (const reg of KEPT) code.emit(...number(reg, 0x5a00n + BigInt(reg) * 0x100000001n));
  for (let reg = 3; reg < 16; reg++) code.emit(...number(reg, 0xdead0000dead0000n));
  code.emit(...number(1, RUN_DATA), a.movz(X, 2, 0), a.blr(16));
  code.emit(fromSp(9), a.ldr(10, STATE, CELL.sp), a.eor(X, 10, 10, 9), ...number(11, MEMORY), a.eor(X, 11, 11, 28));
  code.emit(a.orr(X, 10, 10, 11));
  for (const reg of KEPT) {
    code.emit(...number(11, 0x5a00n + BigInt(reg) * 0x100000001n), a.eor(X, 11, 11, reg), a.orr(X, 10, 10, 11));
  }
  code.emit(a.ldr(13, 28, MAIN_STATE + RUN_STATE.regs), a.movz(X, 12, 0)).branch('ended', zero(10));
  code.emit(a.movz(X, 12, CLOBBERED));

  // x12 how it ended, x13 R0 or where it faulted
  code.label('ended').emit(a.ldr(9, STATE, CELL.sp), toSp(9), a.ldr(22, SP, 16), a.ldpPost(20, 21, SP, 32));
  code.emit(a.strPost(12, 22, 8), a.strPost(13, 22, 8), ...number(1, MEMORY + BigInt(RUN_DATA)));
  copy('keep', 22, 1);
  code.emit(a.addImm(X, 20, 20, ENTRY_BYTES), a.subImm(X, 21, 21, 1)).branch('next');

  code
    .label('end')
    .emit(...number(20, places.out), ...number(21, places.outBytes))
    .label('write');
  code.branch('written', zero(21)).emit(a.movz(X, 0, 1), a.mov(X, 1, 20), a.mov(X, 2, 21));
  syscall(SYS.write);
  code.emit(a.cmpImm(X, 0, 0)).branch('written', when(a.LE));
  code
    .emit(a.add(X, 20, 20, 0), a.sub(X, 21, 21, 0))
    .branch('write')
    .label('written')
    .emit(a.movz(X, 0, 0));
  syscall(SYS.exitGroup);

  // (signal, info, context): goes on at `ended`, where the stack is put right.
  code.label('handler').emit(a.str(0, 2, UC_X + 8 * 12), a.ldr(3, 1, SI_ADDR), a.str(3, 2, UC_X + 8 * 13));
  code.emit(...number(4, places.cells), a.str(4, 2, UC_X + 8 * STATE), a.ldr(5, 4, CELL.sp), a.str(5, 2, UC_SP));
  code.branch('ended', off => a.adr(3, off)).emit(a.str(3, 2, UC_PC), a.ret());

  // w9 says which: a fault, or helper 1, which gives three times its first argument and its second. x0 stays.
  const gate = code.here;
  code.emit(a.ldr(16, STATE, CELL.faultGate), a.cmp(W, 9, 16)).branch('mix', when(a.NE));
  code
    .emit(a.movz(X, 12, THREW), a.movz(X, 13, 0))
    .branch('ended')
    .label('mix');
  const regs = MAIN_STATE + RUN_STATE.regs;
  code.emit(
    a.ldr(1, 28, regs + 8),
    a.ldr(2, 28, regs + 16),
    a.add(X, 2, 2, 1),
    a.add(X, 1, 2, 1, 1),
    a.str(1, 28, regs),
  );
  for (let reg = 1; reg < 18; reg++) code.emit(...number(reg, 0xbad0000bad00000n + BigInt(reg)));
  code.emit(a.ret(), a.brk());
  return { code, gate };
}

/** A program, and the bytes R1 points to. */
export interface LinearRun {
  readonly insns: readonly Insn[];
  readonly data: Uint8Array;
  readonly stackDepths?: readonly number[];
  /** Where in the data its handle is, for tail calls. */
  readonly handle?: number;
}

/** What the handle of a run holds, by the run's index. */
export const entryWord = (run: number): number => NATIVE_ENTRIES.entryBytes * (run + 1);

/**
 * Runs programs under qemu-user, as code that somebody proved to do nothing it may not. Helper 1 gives three times its first argument
 * and its second. Of each R0 and its data, or how it ended.
 *
 * @param dataBytes of every run's data, a multiple of 8
 * @param tailCalls how runs find each other in their data; what they do not find the gate, which gives R0 as for helper 1, has run
 */
export function runLinear(
  qemu: string,
  runs: readonly LinearRun[],
  dataBytes: number,
  tailCalls?: TailCallLayout,
): string[] {
  const target = NATIVE_TARGETS.arm64;
  if (target === undefined) throw new Error('no code for arm64');
  const recordBytes = 16 + dataBytes;
  const cells = DATA;
  const table = cells + CELL.sizeBytes;
  const initial = table + ENTRY_BYTES * runs.length;
  const entries = (initial + dataBytes * runs.length + 15) & ~15;
  const out = entries + entryWord(runs.length);
  const outBytes = recordBytes * runs.length;
  const handlerStack = (out + outBytes + 15) & ~15;
  const places = { cells, table, out, outBytes, handlerStack };
  const { code, gate } = driver(places, runs.length, dataBytes);
  const glue = code.bytes();
  const parts = [glue, new Uint8Array(-glue.length & 31)];
  let at = TEXT + glue.length + parts[1].length;
  const bytes = new Uint8Array(out - DATA);
  const view = new DataView(bytes.buffer);
  runs.forEach(({ insns, data, stackDepths, handle }, n) => {
    const shapes = { args: 2, returns: true };
    const addresses = { gateAddr: BigInt(TEXT + gate), entriesAddr: BigInt(entries) };
    const options = { ...addresses, tailCalls, stackDepths, helperShape: () => shapes };
    const program = target.compile(insns, options);
    const entry = table - DATA + ENTRY_BYTES * n;
    view.setBigUint64(entry, BigInt(at + program.entries.run), true);
    view.setBigUint64(entry + 8, BigInt(initial + dataBytes * n), true);
    view.setBigInt64(entry + 16, BigInt(program.gates.findIndex(({ kind }) => kind === 'fault')), true);
    if (handle !== undefined) {
      const place = entries - DATA + entryWord(n);
      view.setBigUint64(place + NATIVE_ENTRIES.code, BigInt(at + program.entries.main), true);
      view.setBigUint64(place + NATIVE_ENTRIES.handle, MEMORY + BigInt(RUN_DATA + handle), true);
    }
    bytes.set(data, initial - DATA + dataBytes * n);
    parts.push(program.bytes);
    at += program.bytes.length;
  });
  const elf = new ElfWriter({ order: 'little', machine: EM_AARCH64, type: ET_EXEC, entry: TEXT, pageBytes: 4096 });
  const text = elf.section({
    name: '.text',
    flags: SHF_ALLOC | SHF_EXECINSTR,
    addr: TEXT,
    data: concatBytes(parts),
    addralign: 32,
  });
  const flags = SHF_ALLOC | SHF_WRITE;
  const data = elf.section({ name: '.data', flags, addr: DATA, data: bytes, addralign: 16 });
  const sizeBytes = handlerStack + HANDLER_STACK_BYTES - out;
  const bss = elf.section({ name: '.bss', type: SHT_NOBITS, flags, addr: out, sizeBytes, addralign: 1 });
  const memory = elf.section({
    name: '.memory',
    type: SHT_NOBITS,
    flags,
    addr: MEMORY,
    sizeBytes: MEMORY_BYTES,
    addralign: 4096,
  });
  elf.segment({ type: PT_LOAD, flags: PF_R | PF_X, sections: [text], align: 4096 });
  elf.segment({ type: PT_LOAD, flags: PF_R | PF_W, sections: [data, bss], align: 4096 });
  elf.segment({ type: PT_LOAD, flags: PF_R | PF_W, sections: [memory], align: 4096 });
  const left = execute(qemu, elf.finish());
  if (left.length !== outBytes) throw new Error(`${left.length} bytes came, not ${outBytes}`);
  const results = new DataView(left.buffer, left.byteOffset);
  return runs.map((run, n) => {
    const from = recordBytes * n;
    const status = Number(results.getBigUint64(from, true));
    const value = results.getBigUint64(from + 8, true);
    if (status === CLOBBERED) return 'a register was not restored';
    if (status === THREW) return 'fault';
    if (status !== 0) return `signal ${status} at ${(value - MEMORY).toString(16)}`;
    return `${value.toString(16)} ${toHex(left.subarray(from + 16, from + 16 + run.data.length))}`;
  });
}

function execute(qemu: string, exe: Uint8Array): Uint8Array {
  const dir = mkdtempSync(join(tmpdir(), 'farcall-linear-'));
  try {
    const path = join(dir, 'runs');
    writeFileSync(path, exe, { mode: 0o755 });
    const { status, signal, stdout, stderr } = spawnSync(qemu, [path], { maxBuffer: 1 << 30, timeout: 600_000 });
    if (status !== 0) throw new Error(`${qemu} ended with ${status ?? signal}: ${stderr.toString()}`);
    return new Uint8Array(stdout);
  } finally {
    rmSync(dir, { recursive: true });
  }
}
