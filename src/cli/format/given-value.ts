import { FarcallError } from '../../util/index.ts';
import { parseInteger } from '../options.ts';
import type { BtfValue } from './btf-value.ts';

/** Strings, and numbers between them. */
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?0[xX][0-9a-fA-F]+|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Digits a JavaScript number keeps for certain. */
const EXACT_DIGITS = 15;

const isKept = (token: string): boolean =>
  token.startsWith('"') || (!/x/i.test(token) && (/[.e]/i.test(token) || token.length <= EXACT_DIGITS));

/**
 * JSON with integers of any length and in hex: those become text, which stands for the number wherever one is expected.
 * Throws `arg.json`.
 */
export function parseJson(text: string): unknown {
  const kept = text.replaceAll(TOKENS, token => (isKept(token) ? token : `"${token}"`));
  try {
    return JSON.parse(kept);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new FarcallError({ code: 'arg.json', message: `not JSON: ${problem}`, cause });
  }
}

const WORDS: Readonly<Record<string, BtfValue>> = { true: true, false: false, null: null };

/**
 * A value as one types it: JSON where it begins like a list, an object or a string, else an integer, a number or a bare
 * word. Throws `arg.json`.
 */
export function parseGiven(text: string): BtfValue {
  if (/^[[{"]/.test(text)) return parseJson(text) as BtfValue;
  const integer = parseInteger(text);
  if (integer !== undefined) return integer;
  if (/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text)) return Number(text);
  return Object.hasOwn(WORDS, text) ? WORDS[text] : text;
}

/** Place of the `=` between a key and a value; one inside the JSON of the key does not count. -1 without one. */
export function equalsSign(text: string): number {
  if (!/^[[{"]/.test(text)) return text.indexOf('=');
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (quoted) {
      if (char === '\\') i++;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') depth--;
    else if (char === '=' && depth === 0) return i;
  }
  return -1;
}
