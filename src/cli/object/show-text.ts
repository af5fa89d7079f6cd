import type { MapDef } from '../../maps/index.ts';
import type { ObjectMap, ObjectSpec, ProgramSpec } from '../../object/index.ts';
import { mapTypeName } from '../../uapi/index.ts';
import { formatTable } from '../format/table.ts';
import type { Painter } from '../output.ts';
import { attachNameOf, mapFlagNames, progFlagNames, typeNameOf } from './names.ts';

const plural = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`;

function btfLine(spec: ObjectSpec): string {
  const { btf, btfExt } = spec;
  if (btf === undefined) return 'none';
  const count = (table: { groups: readonly { count: number }[] }): number =>
    table.groups.reduce((sum, group) => sum + group.count, 0);
  const ext =
    btfExt === undefined
      ? ''
      : `; ${plural(count(btfExt.funcInfo), 'function')}, ${plural(count(btfExt.lineInfo), 'line')}, ${plural(count(btfExt.coreRelo), 'CO-RE relocation')}`;
  return `${plural(btf.typeCount - 1, 'type')} in ${btf.bytes.length} bytes${ext}`;
}

function header(spec: ObjectSpec, label: string, paint: Painter): string {
  const rows = [
    ['license', spec.license === '' ? 'none' : spec.license],
    ['BTF', btfLine(spec)],
  ];
  if (spec.kernVersion !== 0) rows.splice(1, 0, ['version', `0x${spec.kernVersion.toString(16)}`]);
  const lines = rows.map(([name, value]) => `  ${paint('dim', name.padEnd(8))} ${value}\n`);
  const name = spec.name === '' ? '' : `  name ${spec.name},`;
  return `${paint('bold', label)}${name} ${spec.order}-endian\n${lines.join('')}`;
}

function programRow(prog: ProgramSpec, paint: Painter): string[] {
  const others = prog.subprogs.slice(1).map(subprog => subprog.name);
  const remarks = [...progFlagNames(prog), ...(prog.autoload ? [] : ['not loaded by itself'])];
  if (prog.problem !== undefined) remarks.push(paint('red', 'cannot be loaded'));
  return [
    paint('cyan', prog.name),
    prog.section,
    typeNameOf(prog),
    attachNameOf(prog),
    String(prog.insns.length),
    prog.coreRelos.length === 0 ? '' : String(prog.coreRelos.length),
    remarks.join(', '),
    others.join(' '),
  ];
}

const PROGRAM_COLUMNS = [
  { title: 'name' },
  { title: 'section' },
  { title: 'type' },
  { title: 'attach' },
  { title: 'insns', align: 'right' },
  { title: 'CO-RE', align: 'right' },
  { title: 'flags' },
  { title: 'calls' },
] as const;

function innerText(inner: MapDef | undefined): string {
  if (inner === undefined) return '';
  return `${mapTypeName(inner.type)} ${inner.keySizeBytes}:${inner.valueSizeBytes} x ${inner.maxEntries}`;
}

function mapRow(map: ObjectMap, paint: Painter): string[] {
  const { def } = map;
  const remarks = [
    ...mapFlagNames(def),
    ...(map.pinning === 1 ? ['pinned'] : []),
    ...(map.autocreate ? [] : ['made on demand']),
    ...(map.initialValues.length > 0 ? [plural(map.initialValues.length, 'initial value')] : []),
  ];
  return [
    paint('cyan', def.name),
    mapTypeName(def.type),
    `${def.keySizeBytes}`,
    `${def.valueSizeBytes}`,
    `${def.maxEntries}`,
    remarks.join(','),
    map.section,
    innerText(def.inner),
  ];
}

const MAP_COLUMNS = [
  { title: 'name' },
  { title: 'type' },
  { title: 'key', align: 'right' },
  { title: 'value', align: 'right' },
  { title: 'max', align: 'right' },
  { title: 'flags' },
  { title: 'section' },
  { title: 'inner' },
] as const;

type Row = readonly string[];
type Columns = Parameters<typeof formatTable>[0];

function part(title: string, columns: Columns, rows: readonly Row[], paint: Painter): string {
  if (rows.length === 0) return '';
  return `\n${paint('bold', title)}\n${formatTable(columns, rows, '  ', text => paint('dim', text))}`;
}

/** What `obj show` prints of one object. */
export function objectText(spec: ObjectSpec, label: string, paint: Painter): string {
  const columns = (...titles: string[]): Columns => titles.map(title => ({ title }));
  const externs = spec.externs.map(({ name, section, kind, weak }) => [name, section, kind, weak ? 'weak' : 'strong']);
  const structOps = spec.structOps.map(({ name, typeName, programs }) => [
    name,
    typeName,
    programs.map(({ member, prog }) => (member === prog ? prog : `${member}=${prog}`)).join(' '),
  ]);
  const problems = spec.programs.flatMap(({ name, problem }) =>
    problem === undefined ? [] : [`${name}: ${problem.message}`],
  );
  const notes = [...problems, ...spec.notes];
  return [
    header(spec, label, paint),
    part(
      'programs',
      PROGRAM_COLUMNS,
      spec.programs.map(prog => programRow(prog, paint)),
      paint,
    ),
    part(
      'maps',
      MAP_COLUMNS,
      spec.maps.map(map => mapRow(map, paint)),
      paint,
    ),
    part('externs', columns('name', 'section', 'kind', 'binding'), externs, paint),
    part('struct_ops', columns('name', 'type', 'programs'), structOps, paint),
    notes.length === 0 ? '' : `\n${paint('bold', 'notes')}\n${notes.map(note => `  ${note}\n`).join('')}`,
  ].join('');
}
