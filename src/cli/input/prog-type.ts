import { PROG_TYPES, SECTION_DEFS } from '../../progtypes/index.ts';
import { FarcallError } from '../../util/index.ts';

/** The number of a program type by its name (`xdp`, `sched_cls`) or that of a section (`tc`, `kprobe`). Throws `arg.prog-type`. */
export function progTypeNamed(text: string): number {
  const row = PROG_TYPES.find(({ name }) => name === text) ?? SECTION_DEFS.find(({ name }) => name === text);
  if (row !== undefined) return row.type;
  const expected = PROG_TYPES.map(({ name }) => name).join(', ');
  throw new FarcallError({ code: 'arg.prog-type', message: 'no such program type', expected, found: `'${text}'` });
}
