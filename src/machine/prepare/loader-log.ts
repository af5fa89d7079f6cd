import { CORE_RELO_KINDS, formatCoreSpec, parseCoreSpec } from '../../btf/index.ts';
import { CORE_POISON_IMM, type ObjectSpec, type ProgramSpec } from '../../object/index.ts';
import { FarcallError } from '../../util/index.ts';
import { POISON_CALL_KFUNC_BASE, POISON_LDIMM64_MAP_BASE } from './references.ts';

/** How far from the end libbpf looks. */
const LAST_LINES = 10;
const MAX_SPEC = 255;

interface Missing {
  readonly begins: string;
  /** What to say instead of the two lines; undefined to leave them. */
  say(insnIdx: number, id: number, program: ProgramSpec, spec: ObjectSpec): string | undefined;
}

const MISSING: readonly Missing[] = [
  {
    begins: `invalid func unknown#${CORE_POISON_IMM}\n`,
    say: (insnIdx, _, program, spec) => {
      const text = coreSpecText(insnIdx, program, spec);
      if (text === undefined) return undefined;
      const shown = text.length > MAX_SPEC ? `${text.slice(0, MAX_SPEC)}...` : text;
      return `${insnIdx}: <invalid CO-RE relocation>\nfailed to resolve CO-RE relocation ${shown}\n`;
    },
  },
  {
    begins: `invalid func unknown#${POISON_LDIMM64_MAP_BASE / 1_000_000}`,
    say: (insnIdx, id, _, spec) => {
      const map = spec.maps[id - POISON_LDIMM64_MAP_BASE];
      if (map === undefined) return undefined;
      return `${insnIdx}: <invalid BPF map reference>\nBPF map '${map.def.name}' is referenced but wasn't created\n`;
    },
  },
  {
    begins: `invalid func unknown#${POISON_CALL_KFUNC_BASE / 1_000_000}`,
    say: (insnIdx, id, _, spec) => {
      const extern = spec.externs[id - POISON_CALL_KFUNC_BASE];
      if (extern === undefined) return undefined;
      return `${insnIdx}: <invalid kfunc call>\nkfunc '${extern.name}' is referenced but wasn't resolved\n`;
    },
  },
];

function coreSpecText(insnIdx: number, program: ProgramSpec, spec: ObjectSpec): string | undefined {
  const relo = program.coreRelos.find(row => row.insnIdx === insnIdx);
  const kind = relo === undefined ? undefined : CORE_RELO_KINDS[relo.kind];
  const { btf } = spec;
  if (relo === undefined || kind === undefined || btf === undefined) return undefined;
  try {
    return formatCoreSpec(parseCoreSpec(btf, relo.typeId, btf.stringAt(relo.accessStrOff), kind));
  } catch (error) {
    if (error instanceof FarcallError) return undefined;
    throw error;
  }
}

/**
 * The log of a refused program as libbpf shows it: where the program was refused for what a loader could not resolve, the
 * two lines that say so are put in plain words.
 *
 * Source: `tools/lib/bpf/libbpf.c: fixup_verifier_log`.
 */
export function loaderLog(log: string, program: ProgramSpec, spec: ObjectSpec): string {
  let end = log.length;
  for (let i = 0; i < LAST_LINES && end > 0; i++) {
    const start = lineStart(log, end);
    const line = log.slice(start, end);
    const missing = MISSING.find(row => line.startsWith(row.begins));
    if (missing !== undefined && start > 0) {
      const from = lineStart(log, start);
      const call = /^(\d+): \(\d+\) call unknown#(\d+)/.exec(log.slice(from, start));
      const text = call === null ? undefined : missing.say(Number(call[1]), Number(call[2]), program, spec);
      return text === undefined ? log : log.slice(0, from) + text + log.slice(end);
    }
    end = start;
  }
  return log;
}

/** Where the line begins that ends at `end`. */
const lineStart = (log: string, end: number): number => (end < 2 ? 0 : log.lastIndexOf('\n', end - 2) + 1);
