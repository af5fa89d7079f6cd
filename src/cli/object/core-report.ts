import { type CoreReloReport, coreReloText, type RelocateResult } from '../../object/index.ts';
import type { Painter } from '../output.ts';

const STATUSES = ['patched', 'poisoned', 'failed'] as const;

function countByStatus(results: readonly CoreReloReport[]): Record<(typeof STATUSES)[number], number> {
  const counts = { patched: 0, poisoned: 0, failed: 0 };
  for (const { status } of results) counts[status]++;
  return counts;
}

/** What CO-RE made of an object, as JSON data. */
export function coreRecord({ results, problems }: RelocateResult): Record<string, unknown> {
  return {
    ...countByStatus(results),
    relos: results.map(report => ({
      program: report.program,
      subprog: report.subprog,
      insn_idx: report.insnIdx,
      index: report.index,
      kind: report.kind,
      status: report.status,
      text: coreReloText(report),
    })),
    problems,
  };
}

/** The same for people: counts, then every relocation that was not simply patched. */
export function coreText({ results, problems }: RelocateResult, paint: Painter): string {
  const counts = countByStatus(results);
  const summary = STATUSES.map(status => `${counts[status]} ${status}`).join(', ');
  const lines = [...results.filter(({ status }) => status !== 'patched').map(coreReloText), ...problems];
  const indented = lines.map(line => `  ${line.replaceAll('\n', '\n  ')}\n`).join('');
  return `\n${paint('bold', 'CO-RE')}\n  ${summary}\n${indented}`;
}
