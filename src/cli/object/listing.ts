import { DIALECTS, type DialectName, printInsn } from '../../asm/index.ts';
import { CALL, encodeInsns, isPseudoCall, isPseudoFunc, isWide } from '../../isa/index.ts';
import type { InsnRef, ObjectSpec, ProgramSpec } from '../../object/index.ts';
import { helperName } from '../../uapi/index.ts';
import { type ByteOrder, toHex } from '../../util/index.ts';
import type { Painter } from '../output.ts';
import { functionAt, type SourceLine, SourceLines } from './source-lines.ts';

/** One instruction of a listing. */
export interface ListedInsn {
  readonly insnIdx: number;
  readonly slots: 1 | 2;
  readonly text: string;
  /** `map counts`, `bpf_map_lookup_elem`: what a number in the text stands for. */
  readonly remark: string;
  /** The function that begins here. */
  readonly func: string | undefined;
  /** The source line that begins here. */
  readonly source: SourceLine | undefined;
}

/** The variable that lies at an offset of a data section, with the rest of the offset: `stats+8`. */
function variableAt({ btf, maps }: ObjectSpec, mapName: string, offBytes: number): string | undefined {
  const typeId = maps.find(map => map.def.name === mapName)?.valueTypeId ?? 0;
  const section = btf?.typeById(typeId);
  if (btf === undefined || section?.kind !== 'DATASEC') return undefined;
  const found = section.vars.find(item => offBytes >= item.offBytes && offBytes < item.offBytes + item.sizeBytes);
  if (found === undefined) return undefined;
  const rest = offBytes - found.offBytes;
  return `${btf.nameOf(found.typeId)}${rest === 0 ? '' : `+${rest}`}`;
}

function refText(spec: ObjectSpec, ref: InsnRef): string {
  if (ref.kind === 'map') return `map ${ref.map}`;
  if (ref.kind === 'extern') return `extern ${ref.extern}`;
  const variable = variableAt(spec, ref.map, ref.offBytes);
  return variable ?? `map ${ref.map}${ref.offBytes === 0 ? '' : `+${ref.offBytes}`} value`;
}

/** A program instruction by instruction, with what the object knows of each. */
export function listProgram(spec: ObjectSpec, prog: ProgramSpec, dialect: DialectName): ListedInsn[] {
  const { insns } = prog;
  const refs = new Map(prog.refs.map(ref => [ref.insnIdx, ref]));
  const funcs = new Map(prog.subprogs.map(sub => [sub.insnIdx, sub.name]));
  const lines = new SourceLines(prog, spec.btf);
  const listed: ListedInsn[] = [];
  for (let idx = 0; idx < insns.length; ) {
    const insn = insns[idx];
    const slots = isWide(insn) && idx + 1 < insns.length ? 2 : 1;
    const ref = refs.get(idx);
    let remark = ref === undefined ? '' : refText(spec, ref);
    if (ref === undefined && insn.code === CALL && insn.src === 0 && dialect !== 'kernel')
      remark = helperName(insn.imm) ?? '';
    if (isPseudoCall(insn) || isPseudoFunc(insn)) remark = functionAt(prog, idx + 1 + insn.imm)?.name ?? '';
    const text = printInsn(insns, idx, { dialect, ...(dialect === 'kernel' ? { helperName } : {}) });
    listed.push({ insnIdx: idx, slots, text, remark, func: funcs.get(idx), source: lines.startingAt(idx) });
    idx += slots;
  }
  return listed;
}

export interface ListingOptions {
  readonly dialect: DialectName;
  readonly opcodes: boolean;
  readonly linum: boolean;
}

/** The bytes of an instruction, both slots of wide ones. */
export function opcodesOf(prog: ProgramSpec, insn: ListedInsn, order: ByteOrder): string {
  return toHex(encodeInsns(prog.insns.slice(insn.insnIdx, insn.insnIdx + insn.slots), order), ' ');
}

function sourceText(source: SourceLine, linum: boolean): string {
  return linum ? `${source.text} [file:${source.file} line_num:${source.line} line_col:${source.column}]` : source.text;
}

/** A program as text: functions, source lines as comments, instructions. Assembles again in the same dialect. */
export function listingText(spec: ObjectSpec, prog: ProgramSpec, options: ListingOptions, paint: Painter): string {
  const comment = DIALECTS[options.dialect].lexRules.lineComments[0];
  const out: string[] = [];
  let last = '';
  for (const insn of listProgram(spec, prog, options.dialect)) {
    if (insn.func !== undefined) out.push(`${paint('bold', `${insn.func}:`)}\n`);
    const source = insn.source === undefined ? '' : sourceText(insn.source, options.linum);
    if (source !== '' && source !== last) out.push(`${paint('dim', `${comment} ${source}`)}\n`);
    if (source !== '') last = source;
    const remark = insn.remark === '' ? '' : paint('cyan', `  ${comment} ${insn.remark}`);
    out.push(`${String(insn.insnIdx).padStart(4)}: ${insn.text}${remark}\n`);
    if (options.opcodes) out.push(`${paint('dim', `      ${comment} ${opcodesOf(prog, insn, spec.order)}`)}\n`);
  }
  return out.join('');
}
