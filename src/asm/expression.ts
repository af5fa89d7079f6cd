import type { Token } from './lexer.ts';

/** Deepest nesting of parentheses and signs. */
const MAX_DEPTH = 32;
/** Intermediate values beyond this are refused, so that a chain of shifts cannot grow without end. */
const LIMIT = 1n << 66n;

export interface Value {
  readonly value: bigint;
  /** Whether it is one hexadecimal literal, perhaps with a sign. */
  readonly hex: boolean;
  /** Index of the first token behind it. */
  readonly next: number;
}

const BINARY: Readonly<Record<string, { level: number; apply(a: bigint, b: bigint): bigint | undefined }>> = {
  '+': { level: 1, apply: (a, b) => a + b },
  '-': { level: 1, apply: (a, b) => a - b },
  '|': { level: 2, apply: (a, b) => a | b },
  '^': { level: 2, apply: (a, b) => a ^ b },
  '&': { level: 2, apply: (a, b) => a & b },
  '*': { level: 3, apply: (a, b) => a * b },
  '/': { level: 3, apply: (a, b) => (b === 0n ? undefined : a / b) },
  '%': { level: 3, apply: (a, b) => (b === 0n ? undefined : a % b) },
  '<<': { level: 3, apply: (a, b) => (b < 0n || b > 64n ? undefined : a << b) },
  '>>': { level: 3, apply: (a, b) => (b < 0n || b > 64n ? undefined : a >> b) },
};

function operatorAt(tokens: readonly Token[], i: number): string {
  const text = tokens[i]?.text ?? '';
  const doubled =
    (text === '<' || text === '>') && tokens[i + 1]?.text === text && tokens[i + 1].at === tokens[i].at + 1;
  return doubled ? text + text : text;
}

/**
 * The constant expression that starts at token `i`: numbers, signs, `~`, parentheses and the assembler's binary operators
 * with LLVM's precedences. Undefined when there is none.
 */
export function parseExpression(tokens: readonly Token[], i: number, operators: boolean): Value | undefined {
  const primary = (i: number, depth: number): Value | undefined => {
    const token = tokens[i];
    if (token === undefined || depth > MAX_DEPTH) return undefined;
    if (token.value !== undefined) {
      return { value: token.value, hex: /^0[xX]/.test(token.text), next: i + 1 };
    }
    if (token.text === '(' && operators) {
      const inner = binary(i + 1, 1, depth + 1);
      return inner !== undefined && tokens[inner.next]?.text === ')' ? { ...inner, next: inner.next + 1 } : undefined;
    }
    if (token.text !== '-' && token.text !== '+' && !(token.text === '~' && operators)) return undefined;
    const inner = primary(i + 1, depth + 1);
    if (inner === undefined || token.text === '+') return inner;
    return { ...inner, value: token.text === '-' ? -inner.value : ~inner.value };
  };
  const binary = (i: number, level: number, depth: number): Value | undefined => {
    let left = primary(i, depth);
    while (left !== undefined && operators) {
      const text = operatorAt(tokens, left.next);
      const operator = Object.hasOwn(BINARY, text) ? BINARY[text] : undefined;
      if (operator === undefined || operator.level < level) break;
      const right = binary(left.next + text.length, operator.level + 1, depth + 1);
      // What follows may belong to the statement (`<symbol>`), so a missing operand ends the expression.
      if (right === undefined) break;
      const value = operator.apply(left.value, right.value);
      if (value === undefined || value > LIMIT || value < -LIMIT) return undefined;
      left = { value, hex: false, next: right.next };
    }
    return left;
  };
  return binary(i, 1, 0);
}
