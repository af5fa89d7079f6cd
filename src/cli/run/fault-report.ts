import { printInsn } from '../../asm/index.ts';
import type { Fault } from '../../engine/index.ts';
import type { MachineProgram } from '../../machine/index.ts';
import type { ObjectSpec } from '../../object/index.ts';
import { helperName } from '../../uapi/index.ts';
import { functionAt, type SourceLine, SourceLines } from '../object/source-lines.ts';
import type { Painter } from '../output.ts';

/** A place in a program: slot, function, source line. */
interface Place {
  readonly insnIdx: number;
  readonly func: { readonly name: string; readonly insnIdx: number } | undefined;
  readonly source: SourceLine | undefined;
}

/** A fault with everything the object knows of its place. */
export interface FaultReport {
  readonly fault: Fault;
  /** The instruction as text. */
  readonly insn: string | undefined;
  /** The kernel function it calls, where it calls one: instructions have numbers only. */
  readonly kfunc: string | undefined;
  /** Innermost frame first. */
  readonly frames: readonly Place[];
}

/** @param program the one the fault is in: after tail calls not the one started */
export function reportFault(
  fault: Fault,
  program: MachineProgram | undefined,
  spec: ObjectSpec | undefined,
): FaultReport {
  const prog = program?.spec;
  const lines = prog === undefined ? undefined : new SourceLines(prog, spec?.btf);
  const place = (insnIdx: number): Place => ({
    insnIdx,
    func: prog === undefined ? undefined : functionAt(prog, insnIdx),
    source: lines?.of(insnIdx),
  });
  const insns = program?.insns ?? [];
  const insn =
    fault.insnIdx < insns.length ? printInsn(insns, fault.insnIdx, { dialect: 'kernel', helperName }) : undefined;
  const ref = prog?.refs.find(({ insnIdx }) => insnIdx === fault.insnIdx);
  const kfunc = ref?.kind === 'extern' && ref.call ? ref.extern : undefined;
  return { fault, insn, kfunc, frames: fault.frames.map(place) };
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;

function placeText({ insnIdx, func, source }: Place): string {
  const where = func === undefined ? `insn ${insnIdx}` : `insn ${insnIdx}, ${func.name}+${func.insnIdx}`;
  return source === undefined ? where : `${where}, ${source.file}:${source.line}:${source.column}: ${source.text}`;
}

function registerLines(regs: readonly bigint[]): string[] {
  const cells = regs.map((value, reg) => `R${reg}=${hex(value)}`);
  const width = Math.max(...cells.map(cell => cell.length));
  const lines: string[] = [];
  for (let i = 0; i < cells.length; i += 4) {
    lines.push(
      cells
        .slice(i, i + 4)
        .map(cell => cell.padEnd(width))
        .join('  ')
        .trimEnd(),
    );
  }
  return lines;
}

/** A fault for people: what, where in the source, the address and the registers. */
export function faultText({ fault, insn, kfunc, frames }: FaultReport, paint: Painter): string {
  const rows: string[][] = [['at', frames.length === 0 ? `insn ${fault.insnIdx}` : placeText(frames[0])]];
  if (insn !== undefined) rows.push(['insn', insn]);
  if (kfunc !== undefined) rows.push(['calls', kfunc]);
  if (fault.addr !== undefined) {
    const size = fault.sizeBytes === undefined ? '' : `, ${fault.sizeBytes} byte${fault.sizeBytes === 1 ? '' : 's'}`;
    const reg = fault.reg === undefined ? '' : `, from R${fault.reg}`;
    rows.push(['address', `${hex(fault.addr)}${size}${reg}`]);
  }
  for (const frame of frames.slice(1)) rows.push(['called', `at ${placeText(frame)}`]);
  registerLines(fault.regs).forEach((line, i) => void rows.push([i === 0 ? 'regs' : '', line]));
  const lines = rows.map(([name, value]) => `  ${paint('dim', name.padEnd(8))} ${value}\n`);
  return `${paint('red', `fault: ${fault.kind}`)}: ${fault.message}\n${lines.join('')}`;
}

const sourceRecord = (source: SourceLine | undefined): Record<string, unknown> | undefined =>
  source === undefined ? undefined : { file: source.file, line: source.line, column: source.column, text: source.text };

/** A fault as JSON data. */
export function faultRecord({ fault, insn, kfunc, frames }: FaultReport): Record<string, unknown> {
  return {
    kind: fault.kind,
    message: fault.message,
    prog: fault.prog,
    insn_idx: fault.insnIdx,
    insn,
    kfunc,
    addr: fault.addr === undefined ? undefined : hex(fault.addr),
    size: fault.sizeBytes,
    reg: fault.reg,
    regs: fault.regs.map(hex),
    frames: frames.map(({ insnIdx, func, source }) => ({
      insn_idx: insnIdx,
      func: func?.name,
      func_insn_idx: func?.insnIdx,
      source: sourceRecord(source),
    })),
  };
}
