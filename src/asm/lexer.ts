import type { Problem } from './problem.ts';

/** Most tokens one statement may have; the longest instruction has fewer than 30. */
export const MAX_STATEMENT_TOKENS = 256;
/** Longest number in characters, far beyond any 64-bit value in any base. */
const MAX_NUMBER_CHARS = 70;

/** `word`: a name. `number`: a literal with `value` set, or a local label such as `1b` without. `punct`: one character. */
export interface Token {
  readonly kind: 'word' | 'number' | 'punct';
  readonly text: string;
  readonly value?: bigint;
  /** Offset in the source. */
  readonly at: number;
}

/** One label, directive or instruction with all that precedes it on its line. Never empty. */
export interface Statement {
  readonly tokens: Token[];
  /** 1-based line of the first token. */
  readonly line: number;
  /** Offset just behind the last token. */
  readonly end: number;
}

/** How a dialect is cut into tokens and statements. */
export interface LexRules {
  /** What starts a comment that reaches to the end of the line. */
  readonly lineComments: readonly string[];
  /** Whether comments between slash-star and star-slash exist. */
  readonly blockComments: boolean;
  /** Whether `;` separates statements. */
  readonly semicolonSeparates: boolean;
  /** Whether a name may begin with `%`, as registers do in bpf_conformance. */
  readonly percentNames: boolean;
  /** Whether a leading zero means octal. */
  readonly octal: boolean;
  /** Whether two hex digits without `0x` are a token, as in `(1e)`. */
  readonly hexPairs: boolean;
}

const BLANK = /[^\S\n]+/y;
const WORD = /[A-Za-z_.$][\w.$]*/y;
const PERCENT_WORD = /%?[A-Za-z_.$][\w.$]*/y;
const NUMBER = /[0-9]\w*/y;
const LINE_REST = /[^\n]*/y;

/** The value of a numeric literal; undefined when it is none. */
export function numberValue(text: string, octal: boolean): bigint | undefined {
  if (text.length > MAX_NUMBER_CHARS) return undefined;
  if (/^0[xX][0-9a-fA-F]+$/.test(text) || /^0[bB][01]+$/.test(text)) return BigInt(text);
  if (octal && /^0[0-7]+$/.test(text)) return BigInt(`0o${text.slice(1)}`);
  return /^(?:0|[1-9][0-9]*)$/.test(text) || (!octal && /^[0-9]+$/.test(text)) ? BigInt(text) : undefined;
}

/** Cuts a source into statements; text that is no token, or an overlong statement, is reported and its line skipped. */
export function* statements(text: string, rules: LexRules, report: (problem: Problem) => void): Generator<Statement> {
  const word = rules.percentNames ? PERCENT_WORD : WORD;
  const take = (pattern: RegExp, at: number): string => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0] ?? '';
  };
  let tokens: Token[] = [];
  let line = 1;
  let firstLine = 1;
  let end = 0;
  let at = 0;
  const flush = (): Statement | undefined => {
    const statement = tokens.length === 0 ? undefined : { tokens, line: firstLine, end };
    tokens = [];
    return statement;
  };
  while (at < text.length) {
    const char = text[at];
    if (char === '\n' || (char === ';' && rules.semicolonSeparates)) {
      const statement = flush();
      if (statement !== undefined) yield statement;
      if (char === '\n') line++;
      at++;
      continue;
    }
    const blank = take(BLANK, at);
    if (blank !== '') {
      at += blank.length;
      continue;
    }
    if (rules.lineComments.some(mark => text.startsWith(mark, at))) {
      at += take(LINE_REST, at).length;
      continue;
    }
    if (rules.blockComments && text.startsWith('/*', at)) {
      const close = text.indexOf('*/', at + 2);
      if (close < 0) {
        report({ code: 'asm.syntax', message: 'the comment is not closed', expected: '*/', found: 'the end', at });
        break;
      }
      for (let next = text.indexOf('\n', at); next >= 0 && next < close; next = text.indexOf('\n', next + 1)) line++;
      at = close + 2;
      continue;
    }
    const name = take(word, at);
    const digits = name === '' ? take(NUMBER, at) : '';
    const value = digits === '' ? undefined : numberValue(digits, rules.octal);
    const pair = rules.hexPairs && /^[0-9][0-9a-f]$/.test(digits);
    if (digits !== '' && value === undefined && !pair && !/^[0-9]{1,9}[bf]$/.test(digits)) {
      const found = `'${digits.slice(0, 40)}${digits.length > 40 ? '…' : ''}'`;
      report({
        code: 'asm.number',
        message: 'not a number',
        expected: 'decimal digits or 0x and hex digits',
        found,
        at,
      });
      tokens = [];
      at += take(LINE_REST, at).length;
      continue;
    }
    if (tokens.length === MAX_STATEMENT_TOKENS) {
      const expected = `at most ${MAX_STATEMENT_TOKENS} tokens`;
      report({ code: 'asm.too-large', message: 'the statement is too long to be an instruction', expected, at });
      tokens = [];
      at += take(LINE_REST, at).length;
      continue;
    }
    if (tokens.length === 0) firstLine = line;
    const token: Token =
      name !== ''
        ? { kind: 'word', text: name, at }
        : digits !== ''
          ? { kind: 'number', text: digits, value, at }
          : { kind: 'punct', text: char, at };
    tokens.push(token);
    at += token.text.length;
    end = at;
  }
  const last = flush();
  if (last !== undefined) yield last;
}
