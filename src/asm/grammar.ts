import { INSN_TABLE, type InsnDef } from '../isa/index.ts';
import type { LexRules, Token } from './lexer.ts';
import { type Captures, OPERAND_FORMS, type OperandFailure } from './operands.ts';
import type { Problem } from './problem.ts';
import type { RowSyntax, Style } from './style.ts';
import { checkCoverage, type Operand, parseTemplate, type Template, templateSteps, tokenKey } from './template.ts';

/** The templates of one row. */
export interface RowTemplates {
  readonly text: Template;
  readonly alu32: Template;
}

interface Node {
  readonly literals: Map<string, Node>;
  readonly operands: (Operand & { readonly node: Node })[];
  /** Rows whose spelling ends here. */
  readonly rows: InsnDef[];
}

export interface Match {
  readonly def: InsnDef;
  readonly captures: Captures;
}

/** All spellings of a dialect: a tree of tokens and operands to read with, and each row's template to print with. */
export interface Grammar {
  /** Index: id of the row. */
  readonly templates: readonly RowTemplates[];
  /** The row and fields a statement spells, or why it spells none. `accept` may turn rows down. */
  match(tokens: readonly Token[], end: number, accept?: (def: InsnDef) => boolean): Match | Problem;
}

/** Builds the grammar of a dialect from the instruction table and the dialect's spelling of its rows. */
export function buildGrammar(spell: (def: InsnDef) => RowSyntax, rules: LexRules, style: Style): Grammar {
  const root = emptyNode();
  const templates = INSN_TABLE.map(def => {
    const { text, alu32 = text, also = [] } = spell(def);
    const read = [...new Set([text, alu32, ...also])].map(parseTemplate);
    for (const template of read) {
      checkCoverage(def, template);
      insert(root, templateSteps(template, rules)).rows.push(def);
    }
    return { text: parseTemplate(text), alu32: parseTemplate(alu32) };
  });
  return { templates, match: (tokens, end, accept) => matchTokens(root, tokens, end, style, accept) };
}

function emptyNode(): Node {
  return { literals: new Map(), operands: [], rows: [] };
}

function insert(root: Node, steps: readonly (Operand | Token)[]): Node {
  let node = root;
  for (const step of steps) {
    if ('form' in step) {
      let edge = node.operands.find(o => o.field === step.field && o.form === step.form);
      if (edge === undefined) {
        edge = { ...step, node: emptyNode() };
        node.operands.push(edge);
      }
      node = edge.node;
    } else {
      const key = tokenKey(step);
      let next = node.literals.get(key);
      if (next === undefined) {
        next = emptyNode();
        node.literals.set(key, next);
      }
      node = next;
    }
  }
  return node;
}

function matchTokens(
  root: Node,
  tokens: readonly Token[],
  end: number,
  style: Style,
  accept: (def: InsnDef) => boolean = () => true,
): Match | Problem {
  let failures: OperandFailure[] = [];
  let furthest = -1;
  const fail = (failure: OperandFailure): undefined => {
    if (failure.next < furthest) return undefined;
    if (failure.next > furthest) failures = [];
    furthest = failure.next;
    failures.push(failure);
    return undefined;
  };
  // The depth is that of the templates; the source decides only which branch is taken.
  const walk = (node: Node, i: number, captures: Captures): Match | undefined => {
    if (i === tokens.length) {
      const def = node.rows.find(accept);
      if (def !== undefined) return { def, captures };
    }
    const literal = i < tokens.length ? node.literals.get(tokenKey(tokens[i])) : undefined;
    const found = literal === undefined ? undefined : walk(literal, i + 1, captures);
    if (found !== undefined) return found;
    for (const key of node.literals.keys()) fail({ next: i, expected: `'${key.replace(/^#/, '')}'` });
    for (const { field, form, node: next } of node.operands) {
      const branch: Captures = { fields: { ...captures.fields }, label: captures.label };
      const read = OPERAND_FORMS[form].parse(tokens, i, branch, field, style);
      const match = typeof read === 'number' ? walk(next, read, branch) : fail(read);
      if (match !== undefined) return match;
    }
    if (node.rows.length > 0) fail({ next: i, expected: 'the end of the statement' });
    return undefined;
  };
  return walk(root, 0, { fields: {} }) ?? explain(failures, furthest, tokens, end);
}

/** Most alternatives an error names. */
const MAX_EXPECTED = 6;

function explain(
  failures: readonly OperandFailure[],
  furthest: number,
  tokens: readonly Token[],
  end: number,
): Problem {
  const special = failures.find(failure => failure.code !== undefined);
  const first = special?.token ?? furthest;
  const token = tokens[first];
  const shown = tokens.slice(first, Math.max(furthest, first + 1)).map(({ text }) => text);
  const found = token === undefined ? 'the end of the statement' : `'${shown.join('').slice(0, 40)}'`;
  const at = token?.at ?? end;
  if (special?.code !== undefined) {
    return {
      code: special.code,
      message: special.message ?? 'not allowed here',
      expected: special.expected,
      found,
      at,
    };
  }
  if (furthest === 0) {
    return { code: 'asm.mnemonic', message: 'no instruction begins like this', found, at };
  }
  const names = [...new Set(failures.map(failure => failure.expected))];
  const expected = `${names.slice(0, MAX_EXPECTED).join(' or ')}${names.length > MAX_EXPECTED ? ' or …' : ''}`;
  const ends = names.includes('the end of the statement') && names.length === 1;
  if (token === undefined || ends) {
    const message = token === undefined ? 'the statement ends too early' : 'the statement goes on too long';
    return { code: 'asm.operand-count', message, expected, found, at };
  }
  return { code: 'asm.syntax', message: 'not an instruction', expected, found, at };
}
