import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { decodeInsns } from '../../isa/index.ts';
import { cName, findTarget, type SharedCode } from '../../jit/index.ts';
import { defaultKernelImage, kernelImage } from '../../kernels/index.ts';
import { type SharedObjectOptions, sharedObjectOf, sharedObjectOfInsns } from '../../machine/index.ts';
import type { ProgramSpec } from '../../object/index.ts';
import { FarcallError } from '../../util/index.ts';
import type { Call } from '../command.ts';
import { fileError, usageError } from '../failure.ts';
import { readInsnBytes } from '../input/insn-input.ts';
import { objectImage, openImage } from '../input/object-file.ts';
import { progTypeNamed } from '../input/prog-type.ts';
import { programsNamed } from '../object/select-program.ts';
import { readMapSettings } from '../run/map-settings.ts';
import { withMapSizes } from '../run/map-sizes.ts';
import { isObjectArg, relocate } from '../run/session.ts';
import { withVariables } from '../run/variables.ts';
import { verifyInsnsFirst, verifyObjectFirst } from '../run/verify-first.ts';
import { writeOutput } from './write-output.ts';

/** Options that have no say in a shared object: it is at no address, and nothing is run. */
const WITHOUT = ['data-in', 'ctx-in', 'layout', 'apart', 'compat'] as const;

interface Made {
  readonly code: SharedCode;
  readonly programs: readonly string[];
}

/** Programs of an object: those named, each of which has to be accepted, or all that are. */
async function ofObject(call: Call, shared: SharedObjectOptions, notes: string[]): Promise<Made> {
  const { args, options, io } = call;
  const image = objectImage(args[0]);
  const opened = openImage(image);
  notes.push(...opened.notes);
  const names = options.texts('prog');
  const wanted = new Set(names.flatMap(name => programsNamed(opened, name, image.label)).map(prog => prog.name));
  const settings = await readMapSettings(options.texts('map-set'), io);
  const sized = withMapSizes(relocate(opened, options, image.label), options.texts('map-entries'), notes);
  const spec = withVariables(sized, options.texts('set'), settings);
  if (shared.target.order !== spec.order) {
    throw usageError(
      `${shared.target.name} is ${shared.target.order}-endian`,
      `--target of a ${spec.order}-endian CPU`,
    );
  }
  const typeName = options.text('type');
  const type = typeName === undefined ? undefined : progTypeNamed(typeName);
  const candidates = spec.programs
    .filter(prog => (names.length === 0 ? prog.autoload : wanted.has(prog.name)))
    .map((prog): ProgramSpec => (type === undefined ? prog : { ...prog, type }));
  for (const { problem } of candidates) if (problem !== undefined) throw problem.at({ file: image.label });
  const chosen = names.length > 0 || candidates.length === 1 ? candidates : [];
  const { programs } = verifyObjectFirst(spec, candidates, chosen, options, image.label, notes);
  if (programs.length === 0) {
    for (const note of notes) call.out.note(note);
    throw new FarcallError({ code: 'run.no-program', message: 'no program of the object can be compiled' });
  }
  return { code: sharedObjectOf(spec, programs, shared), programs: programs.map(({ name }) => name) };
}

async function ofInsns({ args, options, io }: Call, shared: SharedObjectOptions): Promise<Made> {
  const typeName = options.text('type');
  if (typeName === undefined) throw usageError('raw instructions need a program type', '--type TYPE');
  const type = progTypeNamed(typeName);
  const { order } = shared.target;
  const insns = decodeInsns(await readInsnBytes(args[0], io), order, { file: args[0] });
  verifyInsnsFirst(insns, type, order, options);
  return { code: sharedObjectOfInsns('prog', type, insns, shared), programs: ['prog'] };
}

/** Compiles programs for C programs: a shared object, and a header beside it. */
export async function writeShared(call: Call): Promise<void> {
  const { args, options, out } = call;
  const path = options.text('output');
  if (path === undefined || path === '-') {
    throw usageError('a shared object has a header, which lies beside it', '--output FILE.so');
  }
  const given = WITHOUT.find(name => options.has(name));
  if (given !== undefined) throw usageError(`--${given} means nothing for --format so`, `no --${given}`);
  const target = findTarget(options.text('target') ?? 'x86_64');
  const cpu = options.text('cpu') ?? target.cpus[0];
  if (!target.cpus.includes(cpu)) throw usageError(`${target.name} has no such CPU`, target.cpus.join(', '), cpu);
  const version = options.text('kernel');
  const kernel = version === undefined ? defaultKernelImage(target.arch, target.order) : kernelImage(version);
  const stem = path.replace(/\.so$/, '');
  const shared = { target, cpu, kernel, name: cName(basename(stem)) };
  const notes: string[] = [];
  const { code, programs } = isObjectArg(args[0]) ? await ofObject(call, shared, notes) : await ofInsns(call, shared);
  const headerPath = `${stem}.h`;
  try {
    writeFileSync(headerPath, code.header);
  } catch (error) {
    throw fileError(error, headerPath);
  }
  for (const note of notes) out.note(note);
  const { helpers } = code;
  writeOutput(call, code.bytes, 0o755, {
    record: { target: target.name, cpu, programs, header: headerPath, helpers },
    text: `${programs.join(', ')} as a shared object for ${target.name}, ${cpu}`,
    lines: [
      `${headerPath}: declares ${programs.length === 1 ? 'it' : 'them'}${helpers.length > 0 ? ` and a table of ${helpers.join(', ')}` : ''}`,
    ],
  });
}
