import { encodeInsns } from '../../src/isa/index.ts';
import type { ObjectMap, ObjectSpec, ProgramSpec } from '../../src/object/index.ts';
import { toHex } from '../../src/util/index.ts';

const show = (value: unknown): string =>
  JSON.stringify(value, (_, field) => (typeof field === 'bigint' ? `${field}n` : field));

function typeLabel(spec: ObjectSpec, id: number): string {
  return id === 0 || spec.btf === undefined ? '-' : `${spec.btf.kindOf(id)} ${spec.btf.nameOf(id)}`.trim();
}

function mapLines(spec: ObjectSpec, map: ObjectMap): string[] {
  const { def, data, initialValues } = map;
  const lines = [
    `map ${def.name} from ${map.section} (${map.origin}${map.autocreate ? '' : ', on demand'})`,
    `  ${show(def)}`,
  ];
  if (map.keyTypeId !== 0 || map.valueTypeId !== 0) {
    lines.push(`  ${typeLabel(spec, map.keyTypeId)} -> ${typeLabel(spec, map.valueTypeId)}`);
  }
  if (map.pinning !== 0) lines.push(`  pinning ${map.pinning}`);
  if (data !== undefined) lines.push(`  data ${toHex(data)}`);
  for (const value of initialValues) lines.push(`  [${value.index}] = ${value.prog ?? value.map}`);
  const datasec = map.origin === 'data' && map.valueTypeId !== 0 ? spec.btf?.typeById(map.valueTypeId) : undefined;
  if (datasec?.kind === 'DATASEC') {
    for (const entry of datasec.vars)
      lines.push(`  +${entry.offBytes} ${typeLabel(spec, entry.typeId)} (${entry.sizeBytes})`);
  }
  return lines;
}

function programLines(spec: ObjectSpec, program: ProgramSpec): string[] {
  const { name, section, type, attachType, attachTarget, flags, autoload, exceptionCallback, problem } = program;
  const lines = [`program ${name} in ${section}`];
  lines.push(`  ${show({ type, attachType, attachTarget, flags, autoload, exceptionCallback })}`);
  if (problem !== undefined) lines.push(`  problem ${problem.code}: ${problem.message}`);
  const bytes = encodeInsns(program.insns, spec.order);
  for (const subprog of program.subprogs) {
    lines.push(`  ${subprog.insnIdx}: ${subprog.name} of ${subprog.section}${subprog.global ? '' : ' (static)'}`);
    for (let i = subprog.insnIdx; i < subprog.insnIdx + subprog.insnCount; i++) {
      const refs = program.refs.filter(ref => ref.insnIdx === i).map(ref => ` ${show({ ...ref, insnIdx: undefined })}`);
      lines.push(`    ${i}: ${toHex(bytes.subarray(8 * i, 8 * i + 8))}${refs.join('')}`);
    }
  }
  for (const { insnIdx, typeId } of program.funcInfo) lines.push(`  func ${insnIdx} ${typeLabel(spec, typeId)}`);
  for (const { insnIdx, kind, typeId, accessStrOff } of program.coreRelos) {
    lines.push(`  core ${insnIdx} kind ${kind} ${typeLabel(spec, typeId)} ${spec.btf?.stringAt(accessStrOff)}`);
  }
  lines.push(
    `  ${program.lineInfo.length} lines: ${program.lineInfo.map(line => `${line.insnIdx}@${line.line}`).join(' ')}`,
  );
  return lines;
}

/** An ObjectSpec as text for goldens: everything but the numbers of types and strings. */
export function summariseSpec(spec: ObjectSpec): string {
  const { name, order, license, kernVersion } = spec;
  const lines = [show({ name, order, license, kernVersion })];
  for (const note of spec.notes) lines.push(`note ${note}`);
  for (const map of spec.maps) lines.push(...mapLines(spec, map));
  for (const { typeId, declId, ...extern } of spec.externs) {
    lines.push(`extern ${show(extern)} ${typeLabel(spec, typeId)} by ${typeLabel(spec, declId)}`);
  }
  for (const ops of spec.structOps) {
    lines.push(`struct_ops ${ops.name}: ${ops.typeName} in ${ops.section} ${toHex(ops.data)} ${show(ops.programs)}`);
  }
  for (const program of spec.programs) lines.push(...programLines(spec, program));
  return `${lines.join('\n')}\n`;
}
