import { InternalError, toHex } from '../util/index.ts';

/** Deeper values are ours by mistake: everything that depends on input is bounded long before. */
const MAX_DEPTH = 100;

/**
 * A value as one line of JSON. BigInts are written as integers in full, bytes as hex text, `undefined` members are left
 * out; infinities and NaN become null.
 */
export function toJson(value: unknown, depth = 0): string {
  if (depth > MAX_DEPTH) throw new InternalError('JSON value is too deep');
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return `"${toHex(value)}"`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(item => toJson(item, depth + 1)).join(',')}]`;
  const members: string[] = [];
  for (const [key, item] of Object.entries(value)) {
    if (item !== undefined) members.push(`${JSON.stringify(key)}:${toJson(item, depth + 1)}`);
  }
  return `{${members.join(',')}}`;
}
