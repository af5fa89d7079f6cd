import { figuresOf, KEPT_LOG_CHARS } from './answers.ts';

// What differs from boot to boot: time, and addresses of maps and of the kernel.
const MASKS: readonly (readonly [RegExp, string])[] = [
  [/^verification time \d+ usec$/, 'verification time N usec'],
  [/^(\d+: \(18\) r\d+ = )0x[0-9a-f]+ +(; .*=map_)/, '$1ADDR $2'],
  [/^(\d+: \(18\) r\d+ = )0x[0-9a-f]+ +(; .*_w=[a-z_]*ptr_)/, '$1ADDR $2'],
  [/^(\d+: \(18\) r\d+ = )0xff[0-9a-f]{14}( +;.*)?$/, '$1ADDR'],
  [/^((?:mark_precise|.*before) ?.*\d+: \(18\) r\d+ = )0xff[0-9a-f]{14}$/, '$1ADDR'],
];

/** A line without what no two runs share. */
export function maskLine(line: string): string {
  if (!line.includes('(18)') && !line.startsWith('verification time')) return line;
  let masked = line;
  for (const [pattern, text] of MASKS) masked = masked.replace(pattern, text);
  return masked;
}

/** As the lab writes text: bytes of UTF-8, one a character. */
const asBytes = (text: string): string =>
  /[^\0-\x7f]/.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text;

/** Where two logs part: the number of the line and the lines, undefined where a log ended; undefined for equal logs. */
export interface LogDifference {
  readonly lineNo: number;
  readonly kernel: string | undefined;
  readonly ours: string | undefined;
}

/** Compares line by line, as far as the lab kept the kernel's. */
export function compareLogs(kernel: string, ours: string): LogDifference | undefined {
  const cut = kernel.length >= KEPT_LOG_CHARS && figuresOf(kernel) === undefined;
  const theirLines = kernel.split('\n');
  const ourLines = asBytes(ours).split('\n');
  // The last line may be cut.
  const count = cut ? theirLines.length - 1 : Math.max(theirLines.length, ourLines.length);
  for (let i = 0; i < count; i++) {
    const [a, b] = [theirLines[i], ourLines[i]];
    if (a === b) continue;
    if (a === undefined || b === undefined || maskLine(a) !== maskLine(b)) return { lineNo: i, kernel: a, ours: b };
  }
  return undefined;
}

/** The lines before and after a difference, both sides. */
export function differenceText(kernel: string, ours: string, { lineNo }: LogDifference, context: number): string {
  const theirLines = kernel.split('\n');
  const ourLines = asBytes(ours).split('\n');
  const from = Math.max(0, lineNo - context);
  const out = [`  line ${lineNo + 1}:`];
  for (let i = from; i < lineNo; i++) out.push(`    ${theirLines[i]}`);
  for (let i = lineNo; i < lineNo + context && i < theirLines.length; i++) out.push(`  k ${theirLines[i]}`);
  for (let i = lineNo; i < lineNo + context && i < ourLines.length; i++) out.push(`  f ${ourLines[i]}`);
  return out.join('\n');
}
