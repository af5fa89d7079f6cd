import { type PrintOptions, printInsn } from '../../asm/index.ts';
import { encodeInsns, type Insn, isWide } from '../../isa/index.ts';
import { type ByteOrder, toHex } from '../../util/index.ts';
import { dumpNaming, type NamingOptions } from './calls.ts';
import { type DumpLine, LineTable } from './lines.ts';
import { prototypeText } from './prototype.ts';
import type { DumpSource } from './source.ts';

export interface XlatedDumpOptions extends NamingOptions {
  /** The bytes too. */
  readonly opcodes?: boolean;
  /** File, line and column too. */
  readonly linum?: boolean;
}

/** An instruction of a dump and what stands above it. */
export interface XlatedRow {
  readonly insnIdx: number;
  /** Prototype of the function that begins here, '' if none. */
  readonly proto: string;
  /** The source line that begins here. */
  readonly line: DumpLine | undefined;
  /** `(85) call pc+2#bpf_prog_cf418ac8b67bebd9_F` */
  readonly text: string;
  readonly insn: Insn;
  /** As in memory: 8 bytes, or 16. */
  readonly bytes: Uint8Array;
}

/** The program instruction by instruction. */
export function xlatedRows(source: DumpSource, options: NamingOptions = {}): XlatedRow[] {
  const { info, btf, order = 'little' } = source;
  const insns = info.xlated;
  const naming = dumpNaming(source, options);
  const lines = LineTable.of(info, btf, options.asBpftool);
  const walk = lines?.walkSlots();
  const rows: XlatedRow[] = [];
  let func = 0;
  for (let idx = 0; idx < insns.length; ) {
    const slots = slotsAt(insns, idx);
    let proto = '';
    if (btf !== undefined && info.funcInfo[func]?.insnIdx === idx) {
      proto = prototypeText(btf, info.funcInfo[func].typeId);
      func++;
    }
    const record = walk?.next(idx);
    rows.push({
      insnIdx: idx,
      proto,
      line: record === undefined ? undefined : lines?.textOf(record),
      text: printAt(insns, idx, naming),
      insn: insns[idx],
      bytes: bytesAt(insns, idx, slots, order),
    });
    idx += slots;
  }
  return rows;
}

export function slotsAt(insns: readonly Insn[], idx: number): number {
  return isWide(insns[idx]) && idx + 1 < insns.length ? 2 : 1;
}
export function printAt(insns: readonly Insn[], idx: number, naming: PrintOptions): string {
  return printInsn(insns, idx, naming);
}
export function bytesAt(insns: readonly Insn[], idx: number, slots: number, order: ByteOrder): Uint8Array {
  return encodeInsns(insns.slice(idx, idx + slots), order);
}

/** `; ctx->len`, with `linum` the place too; '' for a line whose text is missing. */
export function lineText(line: DumpLine, linum: boolean): string {
  if (line.text === undefined) return '';
  const place = linum ? ` [file:${line.file ?? ''} line_num:${line.line} line_col:${line.column}]` : '';
  return `; ${line.text}${place}\n`;
}

/**
 * What `bpftool prog dump xlated` prints.
 *
 * Source: `tools/bpf/bpftool/xlated_dumper.c: dump_xlated_plain`.
 */
export function dumpXlated(source: DumpSource, options: XlatedDumpOptions = {}): string {
  const out: string[] = [];
  for (const { insnIdx, proto, line, text, bytes } of xlatedRows(source, options)) {
    if (proto !== '') out.push(`${proto}:\n`);
    if (line !== undefined) out.push(lineText(line, options.linum === true));
    out.push(`${String(insnIdx).padStart(4)}: ${text}\n`);
    if (options.opcodes === true) out.push(`       ${toHex(bytes, ' ')}\n`);
  }
  return out.join('');
}

/** A source line in JSON; absent members are left out. */
export interface LineJson {
  readonly src?: string;
  readonly file?: string;
  readonly line_num?: number;
  readonly line_col?: number;
}

export interface XlatedInsnJson extends LineJson {
  readonly proto?: string;
  readonly disasm: string;
  readonly opcodes?: {
    readonly code: string;
    readonly src_reg: string;
    readonly dst_reg: string;
    readonly off: readonly string[];
    readonly imm: readonly string[];
  };
}

const hexByte = (byte: number): string => `0x${byte.toString(16).padStart(2, '0')}`;
/** `["0x02","0x00"]` */
export function hexBytes(bytes: Uint8Array): string[] {
  return Array.from(bytes, hexByte);
}

export function lineJson(line: DumpLine, linum: boolean): LineJson {
  return {
    ...(line.text === undefined ? {} : { src: line.text }),
    ...(linum && line.file !== undefined ? { file: line.file } : {}),
    ...(linum && line.line !== 0 ? { line_num: line.line } : {}),
    ...(linum && line.column !== 0 ? { line_col: line.column } : {}),
  };
}

/** What `bpftool -j prog dump xlated` prints, as data whose members are in its order. */
export function dumpXlatedJson(source: DumpSource, options: XlatedDumpOptions = {}): XlatedInsnJson[] {
  return xlatedRows(source, options).map(({ proto, line, text, insn, bytes }) => ({
    ...(proto === '' ? {} : { proto }),
    ...(line === undefined ? {} : lineJson(line, options.linum === true)),
    disasm: text,
    ...(options.opcodes === true
      ? {
          opcodes: {
            code: hexByte(insn.code),
            src_reg: `0x${insn.src.toString(16)}`,
            dst_reg: `0x${insn.dst.toString(16)}`,
            off: hexBytes(bytes.subarray(2, 4)),
            imm: hexBytes(bytes.subarray(4)),
          },
        }
      : {}),
  }));
}
