import type { BudgetReport, Explanation, Place, TraceEvent } from './types.ts';

export interface RenderOptions {
  /** Columns; default 100, at least 60. */
  readonly width?: number;
  /** Marks headings and the place; default: plain text. */
  readonly paint?: (style: 'bold' | 'dim' | 'red', text: string) => string;
  /** Steps of the history that are shown; default 16. */
  readonly maxSteps?: number;
}

const DEFAULT_WIDTH = 100;
const MIN_WIDTH = 60;
const MAX_STEPS = 16;
const TAB_WIDTH = 4;
/** Where a line must not be broken. */
const NBSP = '\u00a0';

/** ` [r1 += 8]`, in one piece. */
const insnText = ({ insn }: TraceEvent): string => (insn === '' ? '' : ` [${insn.replaceAll(' ', NBSP)}]`);

/** Breaks text at blanks; later lines get the indent of the first one's text. */
function wrapped(text: string, width: number, first: string, rest: string): string[] {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (const part of text.split(' ')) {
    const word = part.replaceAll(NBSP, ' ');
    if (!empty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = rest;
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  lines.push(line);
  return lines;
}

/** A source line on one line: macros and assembly come with blanks and a backslash at the end. */
const lineText = (text: string): string => text.replace(/\s+/g, ' ').replace(/\\$/, '').trim();

const fileName = (file: string): string => file.slice(file.lastIndexOf('/') + 1);

/** `drop.bpf.c:17`, `instruction 4` */
function whereText({ source, insnIdx }: Place): string {
  return source === undefined ? `instruction ${insnIdx}` : `${fileName(source.file)}:${source.line}`;
}

/** An explanation as text. Ends with a newline. */
export function renderExplanation(explanation: Explanation, options: RenderOptions = {}): string {
  const width = Math.max(options.width ?? DEFAULT_WIDTH, MIN_WIDTH);
  const paint = options.paint ?? ((_, text) => text);
  const lines: string[] = [paint('bold', explanation.title)];
  if (explanation.place !== undefined) lines.push('', ...placeLines(explanation.place, paint));
  for (const caller of explanation.callers.toReversed()) {
    lines.push(`    called from ${caller.func === '' ? whereText(caller) : `${caller.func}(), ${whereText(caller)}`}`);
  }
  const heading = (text: string): void => {
    lines.push('', paint('bold', text));
  };
  heading('What was attempted');
  lines.push(...wrapped(explanation.attempted, width, '  ', '  '));
  if (explanation.chain.length > 0) {
    heading('How it came to that');
    lines.push(...chainLines(explanation.chain, width, options.maxSteps ?? MAX_STEPS));
  }
  if (explanation.budget !== undefined) {
    heading('Where the work went');
    lines.push(...budgetLines(explanation.budget));
  }
  if (explanation.remedies.length > 0) {
    heading('What would make it pass');
    for (const remedy of explanation.remedies) lines.push(...wrapped(remedy, width, '  - ', '    '));
  }
  if (explanation.message !== '') {
    heading("The verifier's words");
    for (const line of explanation.message.split('\n')) lines.push(`  ${line}`);
  }
  return `${lines.join('\n')}\n`;
}

function placeLines(place: Place, paint: NonNullable<RenderOptions['paint']>): string[] {
  const { source, func, insnIdx, insn } = place;
  const inFunc = func === '' ? '' : `in ${func}(), `;
  if (source === undefined) return [`  ${inFunc}instruction ${insnIdx}`, `    ${insn}`];
  const number = String(source.line);
  const gutter = ' '.repeat(number.length);
  const text = source.text.replace(/\t/g, ' '.repeat(TAB_WIDTH));
  const blanks = text.length - text.trimStart().length;
  const shown = text.trim();
  const lines = [
    `  ${fileName(source.file)}:${source.line}, ${inFunc}instruction ${insnIdx}`,
    `  ${number} | ${shown}`,
  ];
  if (source.column > 0) {
    // The compiler counts a tab as one column.
    const before = source.text.slice(0, source.column - 1).replace(/\t/g, ' '.repeat(TAB_WIDTH)).length;
    const at = Math.min(Math.max(before - blanks, 0), shown.length);
    lines.push(`  ${gutter} | ${' '.repeat(at)}${paint('red', '^')} ${insn}`);
  } else lines.push(`  ${gutter} | ${insn}`);
  return lines;
}

function chainLines(chain: readonly TraceEvent[], width: number, maxSteps: number): string[] {
  const shown = chain.length > maxSteps ? chain.slice(-maxSteps) : chain;
  const lines: string[] = [];
  if (shown.length < chain.length) lines.push(`  (${chain.length - shown.length} earlier steps are left out)`);
  const digits = String(shown.length).length;
  let lastWhere = '';
  shown.forEach((event, i) => {
    const where = `${whereText(event)}:${event.frame}`;
    const source = event.source === undefined || where === lastWhere ? '' : `  ${lineText(event.source.text)}`;
    lastWhere = where;
    const number = String(i + 1).padStart(digits);
    const indent = ' '.repeat(digits + 4);
    lines.push(`  ${number}. ${whereText(event)}${source}`.trimEnd());
    lines.push(...wrapped(`${event.text}${insnText(event)}`, width, indent, indent));
  });
  return lines;
}

function budgetLines({ processedInsns, lines, functions, loop }: BudgetReport): string[] {
  const rows = lines.map(({ place, insns, percent, states }) => [
    `${percent.toFixed(1)}%`,
    String(insns),
    String(states),
    `${whereText(place)}  ${place.source === undefined ? place.insn : lineText(place.source.text)}`,
  ]);
  const table = [['share', 'instructions', 'states', 'where'], ...rows];
  const widths = [0, 1, 2].map(column => Math.max(...table.map(row => row[column].length)));
  const out = [
    `  ${processedInsns} instructions were processed; states are what the verifier keeps to compare with later.`,
  ];
  for (const row of table) out.push(`  ${widths.map((width, i) => row[i].padStart(width)).join('  ')}  ${row[3]}`);
  if (functions.length > 1) {
    out.push(`  By function: ${functions.map(({ name, percent }) => `${name} ${percent.toFixed(1)}%`).join(', ')}`);
  }
  if (loop !== undefined) {
    out.push('', `  The loop that begins at ${whereText(loop.head)} was gone through ${loop.visits} times.`);
    for (const { name, values } of loop.changing) out.push(`  ${name} was different each time: … ${values.join(', ')}`);
    if (loop.changing.length === 0)
      out.push('  Nothing the verifier keeps track of changed in every round: its paths differ inside.');
  }
  return out;
}
