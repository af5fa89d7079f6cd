import { type Btf, openBtf } from '../../src/btf/index.ts';
import { decodeInsns, encodeInsns, type Insn } from '../../src/isa/index.ts';
import { fromHex, toHex } from '../../src/util/index.ts';
import type { InfoTable, StructureInput } from '../../src/verifier/index.ts';

/** One program of a `.prog` file: what a kernel lab loads, in text, one `key value` a line, ended by `end`. */
export interface ProgFileEntry {
  readonly name: string;
  readonly type: number;
  readonly attachType?: number;
  /** `BPF_F_*` of `prog_flags`. */
  readonly flags?: number;
  readonly insns: readonly Insn[];
  /** `type key_size value_size max_entries flags` */
  readonly maps?: readonly string[];
  /** `slot map pseudo off`: puts a map into the ld_imm64 at `slot`. */
  readonly ldmaps?: readonly string[];
  /** Raw BTF; with `funcInfo` and `lineInfo` only labs that know the keys take it. */
  readonly btf?: Uint8Array;
  readonly funcInfo?: InfoTable;
  readonly lineInfo?: InfoTable;
  readonly coreRelos?: InfoTable;
  /** Loaded without capabilities. */
  readonly unprivileged?: boolean;
  readonly license?: string;
}

const TABLES = [
  ['finfo', 'funcInfo'],
  ['linfo', 'lineInfo'],
  ['crelo', 'coreRelos'],
] as const;

const tableText = ({ recSizeBytes, count, words }: InfoTable): string =>
  `${recSizeBytes} ${count} ${toHex(new Uint8Array(words.buffer, words.byteOffset, words.byteLength))}`;

function parseTable(text: string): InfoTable {
  const [size, count, hex = ''] = text.split(' ');
  const bytes = fromHex(hex);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words = Uint32Array.from({ length: bytes.length >> 2 }, (_, i) => view.getUint32(i * 4, true));
  return { recSizeBytes: Number(size), count: Number(count), words };
}

/** The text of a program. */
export function formatProg(entry: ProgFileEntry): string {
  const lines = [`name ${entry.name}`, `type ${entry.type}`, 'norun'];
  if (entry.attachType !== undefined) lines.push(`attach ${entry.attachType}`);
  if (entry.flags !== undefined) lines.push(`flags ${entry.flags}`);
  const code = toHex(encodeInsns(entry.insns)).match(/.{16}/g) ?? [];
  for (let i = 0; i < code.length; i += 1000) lines.push(`insn ${code.slice(i, i + 1000).join(' ')}`);
  for (const map of entry.maps ?? []) lines.push(`map ${map}`);
  for (const ldmap of entry.ldmaps ?? []) lines.push(`ldmap ${ldmap}`);
  if (entry.btf !== undefined) lines.push(`btf ${toHex(entry.btf)}`);
  for (const [key, field] of TABLES) {
    const table = entry[field];
    if (table !== undefined) lines.push(`${key} ${tableText(table)}`);
  }
  if (entry.unprivileged === true) lines.push('nocap');
  if (entry.license !== undefined) lines.push(`lic ${entry.license}`);
  return `${lines.join('\n')}\nend\n`;
}

/** The programs of a file, in order. */
export function parseProgs(text: string): ProgFileEntry[] {
  const entries: ProgFileEntry[] = [];
  let fields: Record<string, string[]> = {};
  for (const line of text.split('\n')) {
    const at = line.indexOf(' ');
    const key = at < 0 ? line : line.slice(0, at);
    if (key !== 'end') {
      (fields[key] ??= []).push(at < 0 ? '' : line.slice(at + 1));
      continue;
    }
    const one = (name: string): string | undefined => fields[name]?.at(-1);
    const table = (name: string): InfoTable | undefined => {
      const value = one(name);
      return value === undefined ? undefined : parseTable(value);
    };
    const number = (name: string): number | undefined => (one(name) === undefined ? undefined : Number(one(name)));
    const btf = one('btf');
    entries.push({
      name: one('name') ?? '',
      type: Number(one('type') ?? 1),
      attachType: number('attach'),
      flags: number('flags'),
      insns: decodeInsns(fromHex((fields['insn'] ?? []).join(' '))),
      maps: fields['map'],
      ldmaps: fields['ldmap'],
      btf: btf === undefined ? undefined : fromHex(btf),
      funcInfo: table('finfo'),
      lineInfo: table('linfo'),
      coreRelos: table('crelo'),
      unprivileged: fields['nocap'] !== undefined,
      license: one('lic'),
    });
    fields = {};
  }
  return entries;
}

/** The program as `checkStructure` takes it, its maps put in as the lab does. */
export function structureInputOf(entry: ProgFileEntry): StructureInput {
  const insns = [...entry.insns];
  const maps = new Map<number, string>();
  for (const text of entry.ldmaps ?? []) {
    const [slot, map, src, off = 0] = text.split(' ').map(Number);
    insns[slot] = { ...insns[slot], src, imm: 3 + map };
    insns[slot + 1] = { ...insns[slot + 1], imm: off };
    maps.set(slot, `map ${map}`);
  }
  const btf: Btf | undefined = entry.btf === undefined ? undefined : openBtf(entry.btf);
  const { type, funcInfo, lineInfo, coreRelos } = entry;
  return {
    insns,
    type,
    btf,
    funcInfo,
    lineInfo,
    coreRelos,
    maps,
    gplCompatible: (entry.license ?? 'GPL') === 'GPL',
  };
}
