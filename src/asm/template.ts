import type { InsnDef } from '../isa/index.ts';
import { InternalError } from '../util/index.ts';
import { type LexRules, statements, type Token } from './lexer.ts';
import { type FieldName, type FormName, OPERAND_FORMS } from './operands.ts';

/**
 * A spelling of an instruction: literal text with operands in braces, `{field:form}` or `{field}`.
 *
 * ```
 *   {dst} = *(u32 *)({src}{off:disp})      prints r1 = *(u32 *)(r2 + 0x4)
 * ```
 *
 * The same string prints and reads: literal text is printed as it stands and read as tokens, so white space does not
 * matter when reading. An operand named twice must be the same both times.
 */
export interface Template {
  readonly parts: readonly Part[];
}

export type Part = string | Operand;
export interface Operand {
  readonly field: FieldName;
  readonly form: FormName;
}

const DEFAULT_FORMS: Readonly<Record<FieldName, FormName>> = { dst: 'r', src: 'r', off: 'n', imm: 'n', imm2: 'n' };

export function parseTemplate(text: string): Template {
  const parts = text.split(/(\{[^}]*\})/).filter(part => part !== '');
  return {
    parts: parts.map(part => {
      if (!part.startsWith('{')) return part;
      const [field, form = DEFAULT_FORMS[field as FieldName]] = part.slice(1, -1).split(':');
      if (!Object.hasOwn(DEFAULT_FORMS, field) || !Object.hasOwn(OPERAND_FORMS, form)) {
        throw new InternalError(`template '${text}' has an unknown operand ${part}`);
      }
      return { field: field as FieldName, form: form as FormName };
    }),
  };
}

/** The pieces a reader compares tokens with: literal tokens by `key`, operands as they are. */
export function templateSteps(template: Template, rules: LexRules): (Operand | Token)[] {
  return template.parts.flatMap((part): (Operand | Token)[] => {
    if (typeof part !== 'string') return [part];
    const fail = (): never => {
      throw new InternalError(`template text '${part}' has no tokens`);
    };
    return [...statements(part, { ...rules, lineComments: [], semicolonSeparates: false }, fail)].flatMap(
      s => s.tokens,
    );
  });
}

/** What tokens of a source and of a template are compared by; numbers by value. */
export function tokenKey(token: Token): string {
  return token.value === undefined ? token.text : `#${token.value}`;
}

/** Throws InternalError unless the template spells every field the row leaves open, and no other. */
export function checkCoverage(def: InsnDef, template: Template): void {
  const spelled = new Set<FieldName>();
  for (const part of template.parts) {
    if (typeof part === 'string') continue;
    spelled.add(part.field);
    if (part.form === 'wide') spelled.add('imm2');
  }
  const open = (['dst', 'src', 'off', 'imm'] as FieldName[]).filter(field => typeof def[field as 'dst'] === 'string');
  if (def.slots === 2 && typeof def.imm2 === 'string') open.push('imm2');
  const wrong = [...open.filter(field => !spelled.has(field)), ...[...spelled].filter(field => !open.includes(field))];
  if (wrong.length > 0)
    throw new InternalError(`a template of ${def.name} does not match its fields ${wrong.join(', ')}`);
}
