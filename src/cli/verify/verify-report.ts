import { errnoName } from '../../uapi/index.ts';
import { formatTable } from '../format/table.ts';
import type { Paint, Painter } from '../output.ts';
import { explanationRecord } from './explanation-report.ts';
import type { VerifyReport } from './verify-file.ts';

/** A report as JSON data. */
export function verifyRecord(report: VerifyReport): Record<string, unknown> {
  const { stats } = report;
  return {
    file: report.file,
    kernel: report.kernel,
    prog: report.prog,
    section: report.section,
    type: report.type,
    verdict: report.verdict,
    errno: report.errno,
    message: report.message,
    insn_idx: report.insnIdx,
    source: report.source,
    processed_insns: stats?.processedInsns,
    total_states: stats?.totalStates,
    peak_states: stats?.peakStates,
    stack_depth: stats?.stackDepth,
    verification_us: stats?.verificationUs,
    minimal_version: report.minimal?.version,
    minimal_version_needs: report.minimal?.needs.filter(need => need.since === report.minimal?.version),
    explanation: report.explanation === undefined ? undefined : explanationRecord(report.explanation),
    log: report.log,
  };
}

export const COLORS: Readonly<Record<VerifyReport['verdict'], Paint>> = {
  accept: 'green',
  reject: 'red',
  error: 'yellow',
};

/** Why a program was not accepted, and where. */
export function reasonOf({ verdict, errno, message, insnIdx, source }: VerifyReport): string {
  if (verdict === 'accept') return '';
  const place = insnIdx === undefined ? '' : ` (insn ${insnIdx}${source === undefined ? '' : `, ${at(source)}`})`;
  return `${message === '' ? errnoName(errno) : message}${place}`;
}

const at = ({ file, line }: NonNullable<VerifyReport['source']>): string =>
  `${file.slice(file.lastIndexOf('/') + 1)}:${line}`;

/** The programs of one file in a table. */
export function verifyTable(reports: readonly VerifyReport[], paint: Painter): string {
  const columns = [
    { title: 'PROGRAM' },
    { title: 'TYPE' },
    { title: 'VERDICT' },
    { title: 'INSNS', align: 'right' as const },
    { title: 'REASON' },
  ];
  const rows = reports.map(report => [
    report.prog,
    report.type,
    paint(COLORS[report.verdict], report.verdict),
    report.stats === undefined ? '' : String(report.stats.processedInsns),
    reasonOf(report),
  ]);
  return formatTable(columns, rows, '', text => paint('dim', text));
}

/** One program's log under a heading. */
export function verifyLog(report: VerifyReport, paint: Painter): string {
  if (report.log === '') return '';
  return `\n${paint('bold', `${report.prog}:`)}\n${report.log}${report.log.endsWith('\n') ? '' : '\n'}`;
}

/** `12 programs: 10 accepted, 2 rejected`. */
export function verifySummary(reports: readonly VerifyReport[]): string {
  const count = (verdict: VerifyReport['verdict']): number => reports.filter(row => row.verdict === verdict).length;
  const parts = [
    `${count('accept')} accepted`,
    ...(count('reject') > 0 ? [`${count('reject')} rejected`] : []),
    ...(count('error') > 0 ? [`${count('error')} not verified`] : []),
  ];
  return `${reports.length} program${reports.length === 1 ? '' : 's'}: ${parts.join(', ')}\n`;
}
