import { toHex } from '../../util/index.ts';
import { type DumpLine, LineTable } from './lines.ts';
import { prototypeText } from './prototype.ts';
import type { DumpSource } from './source.ts';
import { hexBytes, type LineJson, lineJson, lineText } from './xlated.ts';

/** A machine instruction as text. */
export interface DisasmInsn {
  readonly sizeBytes: number;
  readonly mnemonic: string;
  /** `r3, 0x10(r1)`; '' without operands. */
  readonly operands: string;
}

/**
 * Says what instruction lies at a place, or undefined where none does. Which disassembler that is, is the caller's choice:
 * compiling needs none.
 *
 * @param code the bytes of a function
 * @param offBytes where in `code`
 * @param addr address of that place
 */
export type Disassembler = (code: Uint8Array, offBytes: number, addr: bigint) => DisasmInsn | undefined;

export interface JitedDumpOptions {
  /** As bpftool 7.5: no source lines when two of them share an address. Default false. */
  readonly asBpftool?: boolean;
  /** The bytes too. */
  readonly opcodes?: boolean;
  /** File, line and column too. */
  readonly linum?: boolean;
  /** Bytes at the start of each function that are no code: 24 of a function descriptor (ELFv1). Default 0. */
  readonly descriptorBytes?: number;
  /** Bytes of the smallest instruction: how far to go on where nothing decodes. Default 4. */
  readonly unitBytes?: number;
}

/** An instruction of a compiled function and the source line that begins there. */
export interface JitedRow {
  /** From the start of the function. */
  readonly pc: number;
  readonly line: DumpLine | undefined;
  readonly mnemonic: string;
  readonly operands: string;
  readonly bytes: Uint8Array;
}

export interface JitedFunctionDump {
  readonly index: number;
  /** '' without BTF. */
  readonly proto: string;
  /** Symbol, else address in 16 digits, else `unknown` where addresses are hidden. */
  readonly name: string;
  readonly addr: bigint;
  readonly rows: readonly JitedRow[];
}

/**
 * The functions of a compiled program, instruction by instruction. The images follow each other in `info.jited` and
 * `info.jitedFuncLens` cuts them apart.
 *
 * Differs from bpftool: bytes that are no instruction are shown as data and the dump goes on behind them.
 */
export function jitedFunctions(
  source: DumpSource,
  disassemble: Disassembler,
  options: JitedDumpOptions = {},
): JitedFunctionDump[] {
  const { info, btf } = source;
  const lines = LineTable.of(info, btf, options.asBpftool);
  let at = 0;
  return info.jitedFuncLens.map((length, index) => {
    const code = info.jited.subarray(at, at + length);
    at += length;
    const addr = info.jitedKsyms[index] ?? 0n;
    const func = info.funcInfo[index];
    return {
      index,
      proto: func === undefined ? '' : prototypeText(btf, func.typeId),
      name: functionName(source, index),
      addr,
      rows: rowsOf(code, addr, lines, index, source, disassemble, options),
    };
  });
}

function functionName({ info, symbols }: DumpSource, index: number): string {
  const addr = info.jitedKsyms[index];
  if (addr === undefined) return 'unknown';
  return symbols.symbolAt(addr) ?? `0x${addr.toString(16).padStart(16, '0')}`;
}

function rowsOf(
  code: Uint8Array,
  addr: bigint,
  lines: LineTable | undefined,
  index: number,
  { order = 'little' }: DumpSource,
  disassemble: Disassembler,
  options: JitedDumpOptions,
): JitedRow[] {
  const walk = lines?.walkFunction(index);
  const rows: JitedRow[] = [];
  for (let pc = 0; pc < code.length; ) {
    const here = addr + BigInt(pc);
    const record = walk?.next(here);
    const insn =
      pc < (options.descriptorBytes ?? 0)
        ? dataRow(code, pc, 8, order)
        : (disassemble(code, pc, here) ?? dataRow(code, pc, options.unitBytes ?? 4, order));
    const end = Math.min(code.length, pc + Math.max(1, insn.sizeBytes));
    const line = record === undefined ? undefined : lines?.textOf(record);
    rows.push({ pc, line, mnemonic: insn.mnemonic, operands: insn.operands, bytes: code.subarray(pc, end) });
    pc = end;
  }
  return rows;
}

const DIRECTIVES: Readonly<Record<number, string>> = { 1: '.byte', 2: '.short', 4: '.long', 8: '.quad' };

/** Bytes as a number in the machine's order. */
function dataRow(code: Uint8Array, pc: number, unitBytes: number, order: 'little' | 'big'): DisasmInsn {
  const bytes = code.slice(pc, pc + unitBytes);
  const size = DIRECTIVES[bytes.length] === undefined ? 1 : bytes.length;
  const cell = bytes.subarray(0, size);
  const digits = toHex(order === 'little' ? cell.slice().reverse() : cell);
  return { sizeBytes: size, mnemonic: DIRECTIVES[size], operands: `0x${digits}` };
}

/** `bl 0xc008…` */
export function insnText({ mnemonic, operands }: { readonly mnemonic: string; readonly operands: string }): string {
  return operands === '' ? mnemonic : `${mnemonic} ${operands}`;
}

/**
 * What `bpftool prog dump jited` prints: for each function its prototype, its symbol, its code, an empty line.
 *
 * Source: `tools/bpf/bpftool/prog.c: prog_dump`, `jit_disasm.c: disasm_print_insn`.
 */
export function dumpJited(source: DumpSource, disassemble: Disassembler, options: JitedDumpOptions = {}): string {
  const out: string[] = [];
  for (const { proto, name, rows } of jitedFunctions(source, disassemble, options)) {
    if (proto !== '') out.push(`${proto}:\n`);
    out.push(`${name}:\n`);
    for (const row of rows) {
      if (row.line !== undefined) out.push(lineText(row.line, options.linum === true));
      out.push(`${row.pc.toString(16).padStart(4)}:\t${insnText(row)}\n`);
      if (options.opcodes === true) out.push(`\t${toHex(row.bytes, ' ')} \n`);
    }
    out.push('\n');
  }
  return out.join('');
}

export interface JitedInsnJson extends LineJson {
  readonly pc: string;
  readonly operation: string;
  /** `[null]` without operands. */
  readonly operands: readonly (string | null)[];
  readonly opcodes?: readonly string[];
}

export interface JitedFunctionJson {
  readonly proto?: string;
  readonly name: string;
  readonly insns: readonly JitedInsnJson[];
}

/** What `bpftool -j prog dump jited` prints, as data whose members are in its order. */
export function dumpJitedJson(
  source: DumpSource,
  disassemble: Disassembler,
  options: JitedDumpOptions = {},
): JitedFunctionJson[] {
  return jitedFunctions(source, disassemble, options).map(({ proto, name, rows }) => ({
    ...(proto === '' ? {} : { proto }),
    name,
    insns: rows.map(row => {
      const operands = row.operands.split(/[ \t,()]+/).filter(word => word !== '');
      return {
        ...(row.line === undefined ? {} : lineJson(row.line, options.linum === true)),
        pc: `0x${row.pc.toString(16)}`,
        operation: row.mnemonic,
        operands: operands.length === 0 ? [null] : operands,
        ...(options.opcodes === true ? { opcodes: hexBytes(row.bytes) } : {}),
      };
    }),
  }));
}
