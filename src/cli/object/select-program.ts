import type { ObjectSpec, ProgramSpec } from '../../object/index.ts';
import { FarcallError } from '../../util/index.ts';

/** `name (section)`, for lists of what there is. */
function listOf(programs: readonly ProgramSpec[]): string {
  const shown = programs.slice(0, 20).map(({ name, section }) => `${name} (${section})`);
  const more = programs.length > shown.length ? ` and ${programs.length - shown.length} more` : '';
  return shown.length === 0 ? 'none' : `${shown.join(', ')}${more}`;
}

/**
 * The programs a name stands for: that of this function name, or all of a section of this name. Throws
 * `run.no-program` with a list of what there is.
 */
export function programsNamed(spec: ObjectSpec, name: string, file: string): readonly ProgramSpec[] {
  const byName = spec.programs.filter(prog => prog.name === name);
  const found = byName.length > 0 ? byName : spec.programs.filter(prog => prog.section === name);
  if (found.length > 0) return found;
  const expected = `one of ${listOf(spec.programs)}`;
  throw new FarcallError({
    code: 'run.no-program',
    message: 'no such program',
    expected,
    found: `'${name}'`,
    where: { file },
  });
}

/**
 * The one program to run: the named one, or the only one there is. Throws `run.no-program` and, when there is a choice,
 * `run.which-program` with a list.
 */
export function oneProgram(spec: ObjectSpec, name: string | undefined, file: string): ProgramSpec {
  const found = name === undefined ? spec.programs : programsNamed(spec, name, file);
  if (found.length === 1) return found[0];
  if (found.length === 0) {
    throw new FarcallError({ code: 'run.no-program', message: 'the object holds no program', where: { file } });
  }
  const message = name === undefined ? 'which program? name it with --prog' : 'the section holds several programs';
  throw new FarcallError({ code: 'run.which-program', message, expected: `one of ${listOf(found)}`, where: { file } });
}
