import { toHex } from '../../util/index.ts';

/** `01 00 00 00`, as bpftool prints keys and values. */
export function spacedHex(bytes: Uint8Array): string {
  return toHex(bytes, ' ');
}

const printable = (byte: number): string => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.');

/**
 * Sixteen bytes a line with offset and text. Bytes that differ from `before` are handed to `mark`.
 *
 * ```
 *   0000  45 00 00 54 00 00 40 00  40 01 00 00 7f 00 00 01  E..T..@.@.......
 * ```
 */
export function hexdump(
  bytes: Uint8Array,
  indent = '',
  before?: Uint8Array,
  mark: (text: string) => string = text => text,
): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    let hex = '';
    let text = '';
    for (let i = at; i < at + 16; i++) {
      const gap = i === at + 15 ? '' : i === at + 7 ? '  ' : ' ';
      if (i >= bytes.length) {
        hex += `  ${gap}`;
        continue;
      }
      const changed = before !== undefined && before[i] !== bytes[i];
      const pair = bytes[i].toString(16).padStart(2, '0');
      hex += (changed ? mark(pair) : pair) + gap;
      text += changed ? mark(printable(bytes[i])) : printable(bytes[i]);
    }
    lines.push(`${indent}${at.toString(16).padStart(4, '0')}  ${hex}  ${text}\n`);
  }
  return lines.join('');
}
