import { minimalVersionText } from '../../verifier/index.ts';
import { formatTable } from '../format/table.ts';
import type { Painter } from '../output.ts';
import type { VerifyReport } from './verify-file.ts';
import { COLORS, reasonOf } from './verify-report.ts';

const unique = (texts: readonly string[]): string[] => [...new Set(texts)];

/** Reports of one program, by kernel. */
function byProgram(reports: readonly VerifyReport[]): readonly (readonly VerifyReport[])[] {
  const rows = new Map<string, VerifyReport[]>();
  for (const report of reports) {
    const row = rows.get(report.prog);
    if (row === undefined) rows.set(report.prog, [report]);
    else row.push(report);
  }
  return [...rows.values()];
}

/** What the newest kernel that could prepare the program says of its needs: it knows most names. */
const needsOf = (row: readonly VerifyReport[]): string => {
  const minimal = row.findLast(report => report.minimal !== undefined)?.minimal;
  return minimal === undefined ? '' : minimalVersionText(minimal);
};

/** The programs of one file against kernels, then why some do not take them and what each needs. */
export function verifyMatrix(reports: readonly VerifyReport[], paint: Painter): string {
  const kernels = unique(reports.map(report => report.kernel));
  const columns = [{ title: 'PROGRAM' }, { title: 'TYPE' }, ...kernels.map(title => ({ title }))];
  const programs = byProgram(reports);
  const rows = programs.map(row => [
    row[0].prog,
    row[0].type,
    ...kernels.map(kernel => {
      const verdict = row.find(report => report.kernel === kernel)?.verdict;
      return verdict === undefined ? '' : paint(COLORS[verdict], verdict);
    }),
  ]);
  let text = formatTable(columns, rows, '', title => paint('dim', title));
  for (const row of programs) {
    const reasons = row.filter(({ verdict }) => verdict !== 'accept');
    text += `\n${paint('bold', `${row[0].prog}:`)} ${needsOf(row)}\n`;
    for (const report of reasons) text += `  ${report.kernel}: ${reasonOf(report)}\n`;
  }
  return text;
}

/** `3 programs: 6.1 takes 1, 6.12 takes 3`. */
export function kernelSummary(reports: readonly VerifyReport[]): string {
  const count = unique(reports.map(({ file, prog }) => `${file} ${prog}`)).length;
  const taken = unique(reports.map(report => report.kernel)).map(kernel => {
    const accepted = reports.filter(report => report.kernel === kernel && report.verdict === 'accept').length;
    return `${kernel} takes ${accepted}`;
  });
  return `${count} program${count === 1 ? '' : 's'}: ${taken.join(', ')}\n`;
}
