import { type DumpSource, type InspectedProgram, LineTable } from '../../machine/index.ts';
import type { Call } from '../command.ts';
import type { Inspection } from './inspect-object.ts';

/** Says what stands in the way of programs, and which are not compiled. */
export function reportInspection({ out }: Call, inspection: Inspection): void {
  for (const failure of inspection.failures) out.error(failure);
  for (const { name, prog } of inspection.programs) {
    if (!prog.jited)
      out.note(`${name} is left to the interpreter: ${prog.reason?.message ?? 'nobody asked for a JIT'}`);
  }
}

/** Says so where source lines are left out, in bpftool's words. */
export function noteLines({ options, out }: Call, { info, btf }: DumpSource): void {
  if (info.lineInfo.length === 0 || btf === undefined) return;
  if (LineTable.of(info, btf, options.flag('as-bpftool')) === undefined)
    out.note('error in processing bpf_line_info.  continue without it.');
}

/** Seconds since 1970 at which the simulated machine booted: now, or what SOURCE_DATE_EPOCH says. */
export function bootTime({ io }: Call): { readonly bootSeconds: number; readonly zoneMinutes: number } {
  const given = io.env['SOURCE_DATE_EPOCH'];
  if (given !== undefined && /^[0-9]{1,12}$/.test(given)) return { bootSeconds: Number(given), zoneMinutes: 0 };
  const now = new Date();
  return { bootSeconds: now.getTime() / 1000, zoneMinutes: -now.getTimezoneOffset() };
}

/** Text between programs where there are several, and nothing where there is one. */
export function between(programs: readonly InspectedProgram[], i: number, text: string): string {
  return programs.length > 1 && i > 0 ? text : '';
}
