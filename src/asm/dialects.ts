import { FarcallError } from '../util/index.ts';
import { conformanceLexRules, conformanceStyle, spellConformance } from './conformance.ts';
import { buildGrammar, type Grammar } from './grammar.ts';
import { kernelLexRules, kernelStyle, spellKernel } from './kernel.ts';
import type { LexRules } from './lexer.ts';
import { llvmLexRules, llvmStyle, spellLlvm } from './llvm.ts';
import type { Spell, Style } from './style.ts';

export type DialectName = 'llvm' | 'conformance' | 'kernel';

/** A way to write instructions. A dialect is data: everything that prints and reads is shared. */
export interface Dialect {
  readonly name: DialectName;
  /** One line for people. */
  readonly title: string;
  readonly lexRules: LexRules;
  readonly style: Style;
  /** How each row of the instruction table is written. */
  readonly spell: Spell;
  /** Names that mean the first instruction of a row unless a label says otherwise, by row name. */
  readonly implicitLabels: readonly string[];
  /** Slot numbers (`  12: `) and opcodes (`(b7) `) stand before instructions. */
  readonly prefixes: boolean;
  /** A jump may be followed by its target in angle brackets, as objdump prints it. */
  readonly targetComments: boolean;
}

/** The dialects by name, one row each. */
export const DIALECTS: Readonly<Record<DialectName, Dialect>> = {
  llvm: {
    name: 'llvm',
    title: 'LLVM assembly, as clang -S, inline assembly and llvm-objdump write it',
    lexRules: llvmLexRules,
    style: llvmStyle,
    spell: spellLlvm,
    implicitLabels: [],
    prefixes: false,
    targetComments: true,
  },
  conformance: {
    name: 'conformance',
    title: 'the mnemonics of the bpf_conformance suite',
    lexRules: conformanceLexRules,
    style: conformanceStyle,
    spell: spellConformance,
    implicitLabels: ['exit'],
    prefixes: false,
    targetComments: false,
  },
  kernel: {
    name: 'kernel',
    title: 'the text of verifier logs and bpftool prog dump xlated',
    lexRules: kernelLexRules,
    style: kernelStyle,
    spell: spellKernel,
    implicitLabels: [],
    prefixes: true,
    targetComments: false,
  },
};

/** The dialect called `name`; throws `arg.dialect`. */
export function dialectOf(name: string): Dialect {
  if (Object.hasOwn(DIALECTS, name)) return DIALECTS[name as DialectName];
  const expected = Object.keys(DIALECTS).join(' or ');
  throw new FarcallError({ code: 'arg.dialect', message: 'no such assembly dialect', expected, found: `'${name}'` });
}

const grammars = new Map<Dialect, Grammar>();

/** The grammar of a dialect, built when first needed. */
export function grammarOf(dialect: Dialect): Grammar {
  let grammar = grammars.get(dialect);
  if (grammar === undefined) {
    grammar = buildGrammar(dialect.spell, dialect.lexRules, dialect.style);
    grammars.set(dialect, grammar);
  }
  return grammar;
}
