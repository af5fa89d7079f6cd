/** Longest piece of a source line an excerpt shows. */
const EXCERPT_CHARS = 100;

/** 1-based line and column of an offset in a text. */
export function placeOf(text: string, at: number): { line: number; column: number } {
  let line = 1;
  let start = 0;
  for (let next = text.indexOf('\n'); next >= 0 && next < at; next = text.indexOf('\n', start)) {
    line++;
    start = next + 1;
  }
  return { line, column: at - start + 1 };
}

/**
 * The line of a text around an offset, indented, with a caret below the offset. A long line is cut on both sides.
 *
 * ```
 *     or %r0, %r50
 *             ^
 * ```
 */
export function excerpt(text: string, at: number): string {
  const start = text.lastIndexOf('\n', at - 1) + 1;
  const newline = text.indexOf('\n', at);
  const end = newline < 0 ? text.length : newline;
  const from = at - start <= EXCERPT_CHARS - 20 ? start : at - EXCERPT_CHARS / 2;
  const to = Math.min(end, from + EXCERPT_CHARS);
  const before = from > start ? '…' : '';
  // A tab would put the caret elsewhere, and control characters have no business on a terminal.
  const shown = `${before}${text.slice(from, to)}${to < end ? '…' : ''}`
    .replace(/[\u0000-\u001f\u007f]/g, ' ')
    .trimEnd();
  return `    ${shown}\n    ${' '.repeat(before.length + at - from)}^`;
}
