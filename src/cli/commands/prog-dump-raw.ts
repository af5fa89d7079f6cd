import type { DialectName } from '../../asm/index.ts';
import type { Call, Command } from '../command.ts';
import { usageError } from '../failure.ts';
import { objectImage, openImage } from '../input/object-file.ts';
import { listingText, listProgram, opcodesOf } from '../object/listing.ts';
import { attachNameOf, typeNameOf } from '../object/names.ts';
import { programsNamed } from '../object/select-program.ts';
import { DIALECT, PROG } from './shared-options.ts';

const WORDS = ['opcodes', 'linum'] as const;

function run({ args, options, out }: Call): void {
  const [file, ...words] = args;
  const unknown = words.find(word => !(WORDS as readonly string[]).includes(word));
  if (unknown !== undefined) throw usageError('unknown word', WORDS.join(' or '), `'${unknown}'`);
  const image = objectImage(file);
  const spec = openImage(image);
  const name = options.text('prog');
  const programs = name === undefined ? spec.programs : programsNamed(spec, name, image.label);
  const dialect = options.text('dialect') as DialectName;
  if (programs.length === 0) out.note(`${image.label} holds no programs`);
  for (const [i, prog] of programs.entries()) {
    const listing = { dialect, opcodes: words.includes('opcodes'), linum: words.includes('linum') };
    const head = `${prog.name}: ${typeNameOf(prog)}, section ${prog.section}, ${prog.insns.length} insns`;
    const comment = dialect === 'kernel' ? ';' : '#';
    out.text(
      `${i > 0 ? '\n' : ''}${out.paint('dim', `${comment} ${head}`)}\n${listingText(spec, prog, listing, out.paint)}`,
    );
    out.record({
      file: image.label,
      name: prog.name,
      section: prog.section,
      type: typeNameOf(prog),
      attach_type: attachNameOf(prog) || undefined,
      insns: listProgram(spec, prog, dialect).map(insn => ({
        insn_idx: insn.insnIdx,
        opcodes: opcodesOf(prog, insn, spec.order).replaceAll(' ', ''),
        text: insn.text,
        ref: insn.remark || undefined,
        func: insn.func,
        src: insn.source?.text,
        src_file: insn.source?.file,
        line_num: insn.source?.line,
        line_col: insn.source?.column,
      })),
    });
  }
}

export const progDumpRaw: Command = {
  summary: 'Disassemble programs as the object has them',
  description: 'Before any kernel is known: no CO-RE, no map addresses. Source lines come from line information.',
  args: [
    { name: 'FILE', summary: 'object file', kind: 'file', required: true },
    {
      name: 'WORD',
      summary: 'opcodes: the bytes too; linum: file, line and column too',
      kind: 'choice',
      variadic: true,
      choices: WORDS,
    },
  ],
  options: [PROG, DIALECT],
  examples: [
    { line: 'farcall prog dump raw examples/checksum.bpf.o', what: 'all programs' },
    {
      line: 'farcall prog dump raw examples/firewall.bpf.o --prog xdp opcodes linum',
      what: 'those of one section, in full',
    },
    { line: 'farcall prog dump raw prog.o -d kernel', what: 'as the verifier log prints instructions' },
  ],
  run,
};
