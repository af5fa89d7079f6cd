import type { ProgInfo } from '../../src/jit/index.ts';
import { prototypeText } from '../../src/machine/index.ts';
import type { ObjectSpec, ProgramSpec } from '../../src/object/index.ts';
import type { LabProgram } from './lab-prog.ts';

/** An answer of a lab that did not ask for func_info, line_info, tags of functions and what `prog show` says. */
export function lacksRecords(answer: LabProgram): boolean {
  return answer.func_info === undefined;
}

/**
 * The missing fields, as far as bpftool's texts tell them: numbers from `prog show`; where functions and lines begin from
 * where their prototypes and lines stand in `opcodes linum`. What the records hold is looked up in the object.
 */
export function recoverAnswer(answer: LabProgram): LabProgram {
  const show = answer.bpftool_show;
  const field = (pattern: RegExp): string => pattern.exec(show)?.[1] ?? '';
  const name = field(/ {2}name (\S+) {2}tag/);
  return {
    ...answer,
    id: Number(field(/^(\d+):/)),
    name: name.slice(0, 15),
    gpl: / {2}gpl\n/.test(show) ? 1 : 0,
    uid: Number(field(/uid (\d+)/)),
    load_time: 1,
    btf_id: Number(field(/btf_id (\d+)/) || 0),
    map_ids: field(/map_ids ([\d,]+)/)
      .split(',')
      .filter(Boolean)
      .map(Number),
    attach_btf_obj_id: 0,
    attach_btf_id: 0,
    func_info: '',
    line_info: '',
    jited_line_info: [],
    prog_tags: '',
  };
}

/** func_info and line_info by what stands before which slot. */
export function recoverRecords(
  answer: LabProgram,
  spec: ObjectSpec,
  program: ProgramSpec,
): Pick<ProgInfo, 'funcInfo' | 'lineInfo'> {
  const { btf } = spec;
  const funcInfo: { insnIdx: number; typeId: number }[] = [];
  const lineInfo: { insnIdx: number; fileNameOff: number; lineOff: number; line: number; column: number }[] = [];
  if (btf === undefined) return { funcInfo, lineInfo };
  const prototypes = new Map(program.funcInfo.map(({ typeId }) => [prototypeText(btf, typeId), typeId]));
  const lines = program.lineInfo.map(record => ({
    record,
    text: `; ${btf.stringAt(record.lineOff).trimStart()} [file:${btf.stringAt(record.fileNameOff)} line_num:${record.line} line_col:${record.column}]`,
  }));
  let pendingFunc: number | undefined;
  let pendingLine: (typeof lines)[number]['record'] | undefined;
  for (const line of answer.bpftool_xlated_opcodes.split('\n')) {
    const insn = /^ *(\d+): \(/.exec(line);
    if (insn !== null) {
      const insnIdx = Number(insn[1]);
      if (pendingFunc !== undefined) funcInfo.push({ insnIdx, typeId: pendingFunc });
      if (pendingLine !== undefined) lineInfo.push({ ...pendingLine, insnIdx });
      pendingFunc = undefined;
      pendingLine = undefined;
    } else if (line.startsWith('; ')) {
      pendingLine = lines.find(({ text }) => text === line)?.record;
    } else if (line.endsWith(':')) pendingFunc = prototypes.get(line.slice(0, -1));
  }
  return { funcInfo, lineInfo };
}

/** Names of functions by their number, as bpftool put them behind calls. */
export function recoverSymbols(answer: LabProgram, info: ProgInfo): Map<bigint, string> {
  const names = new Map<bigint, string>();
  for (const [, idx, name] of answer.bpftool_xlated.matchAll(/^ *(\d+): \(85\) call pc\S+#(bpf_prog_\S+)$/gm)) {
    const addr = info.jitedKsyms[info.xlated[Number(idx)].imm];
    if (addr !== undefined) names.set(addr, name);
  }
  return names;
}
