import { type Insn, type InsnDef, insnDef, makeInsn } from '../isa/index.ts';
import type { FarcallError } from '../util/index.ts';
import { type Dialect, type DialectName, dialectOf, grammarOf } from './dialects.ts';
import { Labels } from './labels.ts';
import { type Statement, statements, type Token } from './lexer.ts';
import type { Captures, LabelRef } from './operands.ts';
import { type Problem, problemError } from './problem.ts';
import { directiveSlots } from './raw.ts';

/** Most slots a source may have: more than the kernel takes (`BPF_COMPLEXITY_LIMIT_INSNS`). */
export const MAX_SLOTS = 1_000_000;
const DEFAULT_MAX_ERRORS = 20;

export interface AssembleOptions {
  readonly dialect: DialectName;
  /** The id of a helper by name, so that `call bpf_map_lookup_elem` can be written; labels of the source win. */
  readonly helperId?: (name: string) => number | undefined;
  /** Name of the source for errors. */
  readonly file?: string;
  /** `assembleSource` stops after this many errors (20). */
  readonly maxErrors?: number;
}

/** What came of a source. When there are errors, `insns` holds the instructions that could be read. */
export interface Assembly {
  readonly insns: Insn[];
  /** 1-based source line of each slot. */
  readonly lines: number[];
  /** Slot of each named label. */
  readonly labels: ReadonlyMap<string, number>;
  /** In the order they were found: statements first, then labels; at most `maxErrors`. */
  readonly errors: FarcallError[];
}

interface Fixup extends LabelRef {
  readonly slot: number;
}

/**
 * Text to slots, in one of the dialects.
 *
 * Errors: the first problem of the source as a FarcallError with line and column in `where` and the line with a caret in
 * the message: `asm.mnemonic`, `asm.syntax`, `asm.operand-count`, `asm.register`, `asm.number`, `asm.range`,
 * `asm.unknown-label`, `asm.duplicate-label`, `asm.jump-range`, `asm.directive`, `asm.opcode-mismatch`, `asm.too-large`;
 * `arg.dialect` for an unknown dialect.
 */
export function assemble(text: string, options: AssembleOptions): Insn[] {
  const { insns, errors } = assembleSource(text, { ...options, maxErrors: 1 });
  if (errors.length > 0) throw errors[0];
  return insns;
}

/** Like {@link assemble}, but collects errors instead of throwing, and says where slots and labels come from. */
export function assembleSource(text: string, options: AssembleOptions): Assembly {
  const assembler = new Assembler(text, dialectOf(options.dialect), options);
  return assembler.run();
}

class Assembler {
  readonly #text: string;
  readonly #dialect: Dialect;
  readonly #options: AssembleOptions;
  readonly #maxErrors: number;
  readonly #insns: Insn[] = [];
  readonly #lines: number[] = [];
  readonly #labels = new Labels();
  readonly #implicit = new Map<string, number>();
  readonly #fixups: Fixup[] = [];
  readonly #problems: Problem[] = [];

  constructor(text: string, dialect: Dialect, options: AssembleOptions) {
    this.#text = text;
    this.#dialect = dialect;
    this.#options = options;
    this.#maxErrors = Math.max(1, options.maxErrors ?? DEFAULT_MAX_ERRORS);
  }

  run(): Assembly {
    for (const statement of statements(this.#text, this.#dialect.lexRules, problem => this.#report(problem))) {
      if (this.#full) break;
      this.#statement(statement);
      if (this.#insns.length > MAX_SLOTS) {
        const at = statement.tokens[0].at;
        this.#problems.length = 0;
        const expected = `at most ${MAX_SLOTS} slots`;
        this.#report({ code: 'asm.too-large', message: 'the program is too long', expected, at });
        break;
      }
    }
    for (const [name, slot] of this.#implicit) this.#labels.place(name, slot);
    for (const fixup of this.#fixups) {
      if (this.#full) break;
      const problem = this.#resolve(fixup);
      if (problem !== undefined) this.#report(problem);
    }
    return {
      insns: this.#insns,
      lines: this.#lines,
      labels: this.#labels.entries(),
      errors: this.#problems.map(problem => problemError(problem, this.#text, this.#options.file)),
    };
  }

  get #full(): boolean {
    return this.#problems.length >= this.#maxErrors;
  }

  #report(problem: Problem): void {
    if (!this.#full) this.#problems.push(problem);
  }

  #statement({ tokens: all, line, end }: Statement): void {
    const behindLabels = this.#takeLabels(all);
    const code = this.#dialect.prefixes ? takeOpcode(all, behindLabels) : undefined;
    const start = code === undefined ? behindLabels : behindLabels + OPCODE_TOKENS;
    const tokens = this.#dialect.targetComments ? withoutTargetComment(all.slice(start)) : all.slice(start);
    if (tokens.length === 0 || (this.#dialect.prefixes && isFunctionHeader(tokens))) return;
    if (tokens[0].text.startsWith('.')) {
      const slots = directiveSlots(tokens, end);
      if ('code' in slots) this.#report(slots);
      else for (const slot of slots) this.#emit(slot, line);
      return;
    }
    const accept = code === undefined ? undefined : (def: InsnDef): boolean => def.code === code;
    const match = grammarOf(this.#dialect).match(tokens, end, accept);
    if (!('at' in match)) {
      this.#instruction(match.def, match.captures, line);
      return;
    }
    const other = code === undefined ? match : grammarOf(this.#dialect).match(tokens, end);
    if ('at' in other) this.#report(match);
    else {
      const expected = `(${hexByte(other.def.code)})`;
      const found = `(${hexByte(code as number)})`;
      const message = 'the opcode is not that of the instruction behind it';
      this.#report({ code: 'asm.opcode-mismatch', message, expected, found, at: all[behindLabels].at });
    }
  }

  #instruction(def: InsnDef, { fields, label }: Captures, line: number): void {
    const slot = this.#insns.length;
    if (this.#dialect.implicitLabels.includes(def.name) && !this.#implicit.has(def.name)) {
      this.#implicit.set(def.name, slot);
    }
    const pick = (use: string | number, value: number | undefined): number =>
      typeof use === 'number' ? use : (value ?? 0);
    const { dst, src, off, imm, imm2 } = fields;
    this.#emit(
      makeInsn(def.code, pick(def.dst, dst), pick(def.src, src), pick(def.off, off), pick(def.imm, imm)),
      line,
    );
    if (def.slots === 2) this.#emit(makeInsn(0, 0, 0, 0, pick(def.imm2, imm2)), line);
    if (label !== undefined) this.#fixups.push({ ...label, slot });
  }

  #emit(insn: Insn, line: number): void {
    this.#insns.push(insn);
    this.#lines.push(line);
  }

  /** Places the labels a statement begins with; returns the index of the token behind them. */
  #takeLabels(tokens: readonly Token[]): number {
    let i = 0;
    while (tokens[i + 1]?.text === ':' && tokens[i].kind !== 'punct') {
      const { kind, text, at } = tokens[i];
      const here = this.#insns.length;
      if (kind === 'word') {
        if (!this.#labels.place(text, here)) {
          this.#report({ code: 'asm.duplicate-label', message: `the label ${text} is placed twice`, at });
        }
      } else if (!this.#dialect.prefixes) {
        if (/^[0-9]{1,9}$/.test(text)) this.#labels.placeLocal(text, here);
        else this.#report({ code: 'asm.syntax', message: 'not a label', expected: 'a name or decimal digits', at });
      }
      i += 2;
    }
    return i;
  }

  #resolve({ token, field, callee, slot }: Fixup): Problem | undefined {
    const target = this.#labels.find(token, slot);
    if (target === undefined) {
      const id = callee ? this.#options.helperId?.(token.text) : undefined;
      if (id !== undefined) {
        this.#insns[slot] = makeInsn(insnDef('call_helper').code, 0, 0, 0, id);
        return undefined;
      }
      const expected =
        callee && this.#options.helperId !== undefined ? 'a label or a helper' : 'a label of this source';
      const found = `'${token.text}'`;
      return { code: 'asm.unknown-label', message: 'unknown name', expected, found, at: token.at };
    }
    const distance = target - slot - 1;
    if (field === 'off' && distance !== (distance << 16) >> 16) {
      const message = `the label ${token.text} is too far away`;
      const found = `${distance} slots`;
      return { code: 'asm.jump-range', message, expected: '-32768..32767 slots', found, at: token.at };
    }
    this.#insns[slot] = { ...this.#insns[slot], [field]: distance };
    return undefined;
  }
}

const hexByte = (value: number): string => value.toString(16).padStart(2, '0');

/** `(`, `b7`, `)`. */
const OPCODE_TOKENS = 3;

/** The opcode in front of an instruction of the kernel's text. */
function takeOpcode(tokens: readonly Token[], i: number): number | undefined {
  const digits = tokens[i + 1]?.text ?? '';
  const isOpcode = tokens[i]?.text === '(' && tokens[i + 2]?.text === ')' && /^[0-9a-f]{2}$/.test(digits);
  return isOpcode ? Number.parseInt(digits, 16) : undefined;
}

/** bpftool puts the prototype of each function before its instructions. */
function isFunctionHeader(tokens: readonly Token[]): boolean {
  return tokens.at(-1)?.text === ':' && tokens.at(-2)?.text === ')';
}

/** `goto +0x3 <prog+0x20>` without what stands in angle brackets. */
function withoutTargetComment(tokens: readonly Token[]): readonly Token[] {
  if (tokens.at(-1)?.text !== '>') return tokens;
  const open = tokens.findLastIndex(token => token.text === '<');
  return open > 0 && tokens[open + 1].kind === 'word' ? tokens.slice(0, open) : tokens;
}
