import { findInsnDef, type Insn, type InsnDef, isWide } from '../isa/index.ts';
import { FarcallError } from '../util/index.ts';
import { assembleSource } from './assembler.ts';
import { type Dialect, type DialectName, dialectOf, grammarOf } from './dialects.ts';
import { kernelBugText, kernelSpecialText, nearestRow } from './kernel-text.ts';
import { type FieldName, OPERAND_FORMS, type PrintContext } from './operands.ts';
import { rawSlot } from './raw.ts';
import type { PrintHooks } from './style.ts';
import type { Template } from './template.ts';

export interface PrintOptions extends PrintHooks {
  readonly dialect: DialectName;
  /** llvm dialect: loads and stores of less than 8 bytes name 32-bit registers, as with `-mcpu=v3` and later. */
  readonly alu32?: boolean;
  /** kernel dialect: print as this release does, `6.12`; rows it does not have yet become `BUG_…`. Default: the newest. */
  readonly linux?: string;
  /** kernel dialect: whether map and BTF addresses are shown (true) or 0, as for unprivileged users. Needs `cbImm`. */
  readonly allowPtrLeaks?: boolean;
}

export interface DisassembleOptions extends PrintOptions {
  /** Put labels before jump targets and function starts and name them in jumps and calls. */
  readonly labels?: boolean;
  /** Name of the label at a slot; must be unique. Default `L1`, `L2`… in program order. */
  readonly labelName?: (idx: number) => string | undefined;
  /**
   * Whether the text must assemble to the same slots (true): what is no instruction, or would read as another because of a
   * hook's name for it, is written as `.8byte` with the text in a comment. False prints the plain text of everything.
   */
  readonly exact?: boolean;
}

/**
 * The text of the instruction at slot `idx`, one line without its end.
 *
 * A slot that is no instruction is `.8byte 0x…`; in the kernel dialect it is what Linux prints for it, which does not
 * read back.
 *
 * Errors: `arg.insn-idx` for a slot outside the program, `arg.dialect`.
 *
 * @param insns the program, for the second slot of wide instructions
 */
export function printInsn(insns: readonly Insn[], idx: number, options: PrintOptions): string {
  if (insns[idx] === undefined) {
    const expected = `0..${insns.length - 1}`;
    throw new FarcallError({ code: 'arg.insn-idx', message: 'no such slot', expected, found: String(idx) });
  }
  return printAt(insns, idx, dialectOf(options.dialect), options, undefined).text;
}

/** The text of a program, each instruction and label on a line of its own, lines ended by `\n`. See the options. */
export function disassemble(insns: readonly Insn[], options: DisassembleOptions): string {
  const dialect = dialectOf(options.dialect);
  const labels = options.labels === true ? labelNames(insns, options) : new Map<number, string>();
  const indent = options.labels === true ? '\t' : '';
  const exact = options.exact !== false;
  const lines: string[] = [];
  for (let idx = 0; idx < insns.length; ) {
    const label = labels.get(idx);
    if (label !== undefined) lines.push(`${label}:`);
    const number = dialect.prefixes && label === undefined && indent === '' ? `${String(idx).padStart(4)}: ` : indent;
    const { text, slots, legal } = printAt(insns, idx, dialect, options, i => labels.get(i));
    if (exact && !(legal && (!hasHooks(options) || readsBack(text, insns, idx, slots, options)))) {
      const comment = text.startsWith('.8byte') ? '' : ` ${dialect.lexRules.lineComments[0]} ${text}`;
      lines.push(`${number}${rawSlot(insns[idx])}${comment}`);
      idx++;
    } else {
      lines.push(`${number}${text}`);
      idx += slots;
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

interface Printed {
  readonly text: string;
  /** Slots the text stands for. */
  readonly slots: 1 | 2;
  /** Whether the text was made for a legal instruction. */
  readonly legal: boolean;
}

function printAt(
  insns: readonly Insn[],
  idx: number,
  dialect: Dialect,
  options: PrintOptions,
  labelOf: PrintContext['labelOf'],
): Printed {
  const insn = insns[idx];
  const legal = readableRow(insns, idx);
  const imm2 = isWide(insn) ? (insns[idx + 1]?.imm ?? 0) : 0;
  if (dialect.name !== 'kernel') {
    return legal === undefined
      ? { text: rawSlot(insn), slots: 1, legal: false }
      : { text: fill(legal, insn, idx, imm2, dialect, options, labelOf), slots: legal.slots, legal: true };
  }
  const slots = isWide(insn) && idx + 1 < insns.length ? 2 : 1;
  const known = legal !== undefined && !isLaterThan(legal.since, options.linux);
  const prefix = `(${insn.code.toString(16).padStart(2, '0')}) `;
  const special = known ? undefined : kernelSpecialText(insn);
  const row = special !== undefined ? undefined : known ? legal : legal === undefined ? nearestRow(insn) : undefined;
  if (special !== undefined) return { text: prefix + special, slots, legal: false };
  if (row === undefined) return { text: kernelBugText(insn), slots, legal: false };
  if (row.kind === 'ld_imm64' && options.cbImm !== undefined) {
    const hidden = options.allowPtrLeaks === false && insn.src !== 0;
    const imm64 = hidden ? 0n : BigInt.asUintN(64, (BigInt(imm2) << 32n) | BigInt(insn.imm >>> 0));
    const text = options.cbImm(insn, imm64, idx);
    if (text !== undefined) return { text: `${prefix}r${insn.dst} = ${text}`, slots, legal: known };
  }
  if (row.kind === 'call' && insn.src === 1 && options.cbCall !== undefined) {
    const text = options.cbCall(insn, idx);
    if (text !== undefined) return { text: `${prefix}call pc${text}`, slots, legal: known };
  }
  return { text: prefix + fill(row, insn, idx, imm2, dialect, options, labelOf), slots, legal: known };
}

function fill(
  def: InsnDef,
  insn: Insn,
  idx: number,
  imm2: number,
  dialect: Dialect,
  options: PrintOptions,
  labelOf: PrintContext['labelOf'],
): string {
  const templates = grammarOf(dialect).templates[def.id];
  const template: Template = options.alu32 === true ? templates.alu32 : templates.text;
  const context: PrintContext = { insn, idx, imm2, style: dialect.style, hooks: options, labelOf };
  const fieldValue = (field: FieldName): number => (field === 'imm2' ? imm2 : insn[field]);
  let text = '';
  for (const part of template.parts) {
    text +=
      typeof part === 'string' ? part : OPERAND_FORMS[part.form].print(fieldValue(part.field), context, part.field);
  }
  return text;
}

/**
 * The row whose text reads back as this slot: every constant field right, registers r0..r10, a proper second slot. r10
 * may be written to: whether that is allowed is not a question of text.
 */
function readableRow(insns: readonly Insn[], idx: number): InsnDef | undefined {
  const insn = insns[idx];
  const def = findInsnDef(insn);
  if (def === undefined) return undefined;
  if ((typeof def.dst === 'string' && insn.dst > 10) || (typeof def.src === 'string' && insn.src > 10))
    return undefined;
  if (def.slots === 1) return def;
  const next = insns[idx + 1];
  const sound = next !== undefined && next.code === 0 && next.dst === 0 && next.src === 0 && next.off === 0;
  return sound && (typeof def.imm2 === 'string' || def.imm2 === next.imm) ? def : undefined;
}

/** Whether release `a` is later than `b`; no release is later than an undefined one. */
function isLaterThan(a: string, b: string | undefined): boolean {
  if (b === undefined) return false;
  const [aMajor, aMinor] = a.split('.').map(Number);
  const [bMajor, bMinor] = b.split('.').map(Number);
  return aMajor > bMajor || (aMajor === bMajor && aMinor > bMinor);
}

function hasHooks({ dialect, cbCall, cbImm, helperName }: PrintOptions): boolean {
  return dialect === 'kernel' && (cbCall !== undefined || cbImm !== undefined || helperName !== undefined);
}

function readsBack(text: string, insns: readonly Insn[], idx: number, slots: number, options: PrintOptions): boolean {
  // A label means nothing on a line of its own; the names that hooks give never stand in jumps.
  if (insns[idx].code !== 0x85 && insns[idx].code !== 0x18) return true;
  const { insns: back, errors } = assembleSource(text, { dialect: options.dialect });
  if (errors.length > 0) return errors[0].code === 'asm.unknown-label';
  const same = (a: Insn, b: Insn): boolean =>
    a.code === b.code && a.dst === b.dst && a.src === b.src && a.off === b.off && a.imm === b.imm;
  return back.length === slots && back.every((insn, i) => same(insn, insns[idx + i]));
}

/** Names for the starts of instructions that jumps, calls and function addresses of the program lead to. */
function labelNames(insns: readonly Insn[], options: DisassembleOptions): Map<number, string> {
  const starts = new Uint8Array(insns.length);
  const targets = new Uint8Array(insns.length);
  for (let idx = 0; idx < insns.length; ) {
    starts[idx] = 1;
    const def = readableRow(insns, idx);
    const { off, imm } = insns[idx];
    const distance = def?.off === 'jump' ? off : def?.imm === 'jump' || def?.imm === 'subprog' ? imm : undefined;
    const target = distance === undefined ? -1 : idx + distance + 1;
    if (target >= 0 && target < insns.length) targets[target] = 1;
    idx += def?.slots ?? 1;
  }
  const names = new Map<number, string>();
  for (let idx = 0; idx < insns.length; idx++) {
    if (targets[idx] === 1 && starts[idx] === 1) {
      names.set(idx, options.labelName?.(idx) ?? `L${names.size + 1}`);
    }
  }
  return names;
}
