export interface Column {
  readonly title: string;
  /** Numbers stand at the right. */
  readonly align?: 'left' | 'right';
}

/** Characters of a text as a terminal counts them, near enough: code points without escape sequences. */
export function widthOf(text: string): number {
  let width = 0;
  for (const _ of text.replaceAll(/\x1b\[[0-9;]*m/g, '')) width++;
  return width;
}

/** Rows under titles, two spaces between columns, no blanks at line ends. Columns that are empty everywhere are left out. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  indent = '',
  title: (text: string) => string = text => text,
): string {
  const used = columns.map((_, c) => c).filter(c => rows.some(row => row[c] !== ''));
  const widths = used.map(c => Math.max(widthOf(columns[c].title), ...rows.map(row => widthOf(row[c]))));
  const line = (cells: readonly string[]): string => {
    const parts = cells.map((cell, i) => {
      const space = ' '.repeat(widths[i] - widthOf(cell));
      return columns[used[i]].align === 'right' ? space + cell : cell + space;
    });
    return `${indent}${parts.join('  ')}`.trimEnd();
  };
  const head = `${indent}${title(line(used.map(c => columns[c].title)).slice(indent.length))}`;
  return [head, ...rows.map(row => line(used.map(c => row[c])))].map(text => `${text}\n`).join('');
}
