import type { BtfValue } from './btf-value.ts';

/** Items of arrays and members that one line shows. */
const MAX_ITEMS = 32;

const isList = (value: object): value is readonly BtfValue[] => Array.isArray(value);

function more(count: number): string[] {
  return count > MAX_ITEMS ? [`… ${count - MAX_ITEMS} more`] : [];
}

/** Runs of equal items as `0 × 12`, so that sparse arrays stay readable. */
function runs(items: readonly string[]): string[] {
  const out: string[] = [];
  for (let i = 0; i < items.length; ) {
    let end = i + 1;
    while (end < items.length && items[end] === items[i]) end++;
    if (end - i > 3) out.push(`${items[i]} × ${end - i}`);
    else out.push(...items.slice(i, end));
    i = end;
  }
  return out;
}

/** A value on one line: `{packets: 3, bytes: 180}`. */
export function compactValue(value: BtfValue): string {
  if (value === null) return '?';
  if (typeof value === 'string')
    return /^(0x[0-9a-f]*|\d+(\.\d+){3})$/.test(value) || /^[A-Z_][A-Z0-9_]*$/.test(value)
      ? value
      : JSON.stringify(value);
  if (typeof value !== 'object') return String(value);
  if (isList(value)) {
    const items = runs(value.map(compactValue));
    return `[${[...items.slice(0, MAX_ITEMS), ...more(items.length)].join(', ')}]`;
  }
  const members = Object.entries(value);
  const shown = members.slice(0, MAX_ITEMS).map(([name, member]) => `${name}: ${compactValue(member)}`);
  return `{${[...shown, ...more(members.length)].join(', ')}}`;
}
