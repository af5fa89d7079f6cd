import { type Btf, dumpC, dumpRaw, dumpRawJson } from '../../btf/index.ts';
import type { Call, Command } from '../command.ts';
import { usageError } from '../failure.ts';
import { openBtfFile, readBtfFile } from '../input/btf-file.ts';
import { readInput } from '../input/files.ts';

const FORMATS = ['raw', 'c'] as const;
type Format = (typeof FORMATS)[number];

interface Wanted {
  readonly file: string;
  readonly format: Format;
  readonly unsorted: boolean;
}

/** `FILE [format c [unsorted]]`, and bpftool's `file FILE …`. */
function wantedOf(args: readonly string[]): Wanted {
  const words = args[0] === 'file' && args.length > 1 && args[1] !== 'format' ? args.slice(1) : [...args];
  const [file, keyword, format = 'raw', order, ...rest] = words;
  if (keyword !== undefined && keyword !== 'format') throw usageError('unknown word', 'format', `'${keyword}'`);
  if (keyword !== undefined && words.length < 3) throw usageError('format needs a name', FORMATS.join(' or '));
  if (!(FORMATS as readonly string[]).includes(format)) {
    throw usageError('unknown format', FORMATS.join(' or '), `'${format}'`);
  }
  const extra = rest[0] ?? (order !== undefined && !(order === 'unsorted' && format === 'c') ? order : undefined);
  if (extra !== undefined) throw usageError('unknown word', format === 'c' ? 'unsorted' : 'nothing more', `'${extra}'`);
  return { file, format: format as Format, unsorted: order !== undefined };
}

async function run({ args, options, out, io }: Call): Promise<void> {
  const { file, format, unsorted } = wantedOf(args);
  const baseFile = options.text('base');
  const base: Btf | undefined = baseFile === undefined ? undefined : readBtfFile(baseFile);
  const btf = openBtfFile(await readInput(file, io), file, base);
  const rootIds = options.has('root-id') ? options.integers('root-id') : undefined;
  if (format === 'raw') {
    if (out.json) out.raw(`${dumpRawJson(btf, rootIds)}\n`);
    else out.text(dumpRaw(btf, rootIds));
    return;
  }
  const text = dumpC(btf, { rootIds, unsorted });
  out.record({ file, c: text });
  out.text(text);
}

export const btfDump: Command = {
  summary: 'Print types, as data or as C',
  description:
    'FILE is raw BTF, gzip of it, or an ELF file with a .BTF section. What is printed equals what bpftool 7.5 prints.',
  args: [
    { name: 'FILE', summary: 'file with BTF, - for standard input', kind: 'file', required: true },
    {
      name: 'FORMAT',
      summary: '"format raw" (the default), "format c" or "format c unsorted"',
      kind: 'text',
      variadic: true,
    },
  ],
  options: [
    { name: 'base', short: 'B', value: 'FILE', kind: 'file', summary: 'BTF that a split BTF (of a module) continues' },
    {
      name: 'root-id',
      value: 'ID',
      kind: 'integer',
      max: 0xffffffffn,
      repeat: true,
      summary: 'only this type, and for C what it needs; may be repeated',
    },
  ],
  examples: [
    { line: 'farcall btf dump examples/xdp_counter.bpf.o', what: 'the types of an object' },
    {
      line: 'farcall btf dump /sys/kernel/btf/vmlinux format c > vmlinux.h',
      what: 'a vmlinux.h of the running kernel',
    },
    { line: 'farcall btf dump -B vmlinux.btf nf_conntrack.btf', what: 'the types of a kernel module' },
  ],
  run,
};
