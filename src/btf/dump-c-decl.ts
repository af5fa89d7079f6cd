import type { Btf } from './btf.ts';
import { CNames } from './dump-c-names.ts';
import type { DumpBudget } from './dump-c-order.ts';
import { isPacked, padGap } from './dump-c-padding.ts';
import { btfError } from './header.ts';
import { isIn, K, kindMask } from './kind.ts';
import type { TypeTable } from './type-table.ts';

/** Longest chain of pointers, arrays and qualifiers in one declaration. */
const MAX_CHAIN = 4096;

/** What a qualifier is written as, by kind number. */
const QUALIFIERS: ReadonlyMap<number, string> = new Map([
  [K.VOLATILE, 'volatile'],
  [K.CONST, 'const'],
  [K.RESTRICT, 'restrict'],
]);
const DROPPED_BEFORE_ARRAYS = kindMask(K.VOLATILE, K.CONST, K.RESTRICT, K.TYPE_TAG);
/** Kinds a declaration goes on behind, through their third word. */
const CHAINED = kindMask(K.PTR, K.VOLATILE, K.CONST, K.RESTRICT, K.FUNC_PROTO, K.TYPE_TAG);

function indent(level: number): string {
  return '\t'.repeat(Math.min(level, 13));
}

/**
 * Writes C declarations and the definitions inside them. A declaration is a chain of types from the declared name to
 * the innermost one (`int`, `struct x`), written from its end: C puts qualifiers left of names but right of `*`, and
 * arrays and functions around what they are made of. Source: `tools/lib/bpf/btf_dump.c: btf_dump_emit_type_chain`.
 */
export class CDeclarations {
  readonly names: CNames;
  readonly #btf: Btf;
  readonly #types: TypeTable;
  readonly #budget: DumpBudget;
  readonly #put: (text: string) => void;
  readonly #pointerBits: number;
  readonly #attributeTags: boolean;
  /** Writes the innermost type of a chain, by kind number. */
  readonly #bases: ReadonlyMap<number, (id: number, level: number) => void>;

  constructor(btf: Btf, budget: DumpBudget, put: (text: string) => void, attributeTags: boolean) {
    this.#attributeTags = attributeTags;
    this.#btf = btf;
    this.#types = btf.types;
    this.#budget = budget;
    this.#put = put;
    this.#pointerBits = 8 * btf.pointerSizeBytes;
    this.names = new CNames(btf);
    const plain = (id: number): void => put(this.#btf.nameOf(id));
    const composite = (id: number, level: number): void =>
      this.#types.nameOff(id) === 0 ? this.structDefinition(id, level) : this.structHead(id);
    const enumeration = (id: number, level: number): void =>
      this.#types.nameOff(id) === 0 ? this.enumDefinition(id, level) : put(`enum ${this.names.tag(id)}`);
    this.#bases = new Map([
      [K.VOID, () => put('void')],
      [K.INT, plain],
      [K.FLOAT, plain],
      [K.STRUCT, composite],
      [K.UNION, composite],
      [K.ENUM, enumeration],
      [K.ENUM64, enumeration],
      [K.FWD, id => this.forward(id)],
      [K.TYPEDEF, id => put(this.names.ident(id))],
    ]);
  }

  /** `int (*name)[4]`: a declaration of `name`, which may be empty. */
  declaration(id: number, name: string, level: number): void {
    const types = this.#types;
    const chain: number[] = [];
    for (let at = id; ; ) {
      this.#budget.step(at);
      if (chain.push(at) > MAX_CHAIN) {
        throw btfError('btf.too-deep', this.#btf.where, `declaration of type [${id}] is too long`);
      }
      const kind = types.kind(at);
      if (kind === K.ARRAY) at = types.extra(at, 0);
      else if (isIn(CHAINED, kind)) at = types.third(at);
      else break;
    }
    this.#budget.enter(id, () => this.#chain(chain, name, level));
  }

  /** Writes and consumes a chain from its end. */
  #chain(chain: number[], name: string, level: number): void {
    const types = this.#types;
    let lastWasPtr = true;
    for (let id = chain.pop(); id !== undefined; id = chain.pop()) {
      const kind = types.kind(id);
      const base = this.#bases.get(kind);
      if (base !== undefined) {
        this.#qualifiers(chain);
        base(id, level);
      } else if (kind === K.PTR) this.#put(lastWasPtr ? '*' : ' *');
      else if (QUALIFIERS.has(kind)) this.#put(` ${QUALIFIERS.get(kind)}`);
      else if (kind === K.TYPE_TAG) {
        this.#qualifiers(chain);
        this.#typeTag(id);
      } else {
        if (kind === K.ARRAY) this.#array(id, chain, name, level, lastWasPtr);
        else if (kind === K.FUNC_PROTO) this.#function(id, chain, name, level, lastWasPtr);
        return;
      }
      lastWasPtr = kind === K.PTR;
    }
    this.#name(name, lastWasPtr);
  }

  #typeTag(id: number): void {
    const name = this.#btf.nameOf(id);
    const attribute = this.#attributeTags && this.#types.kindFlag(id) ? name : `btf_type_tag("${name}")`;
    this.#put(` __attribute__((${attribute}))`);
  }

  #name(name: string, lastWasPtr: boolean): void {
    this.#put(name !== '' && !lastWasPtr ? ` ${name}` : name);
  }

  #qualifiers(chain: number[]): void {
    for (let text = this.#lastQualifier(chain); text !== undefined; text = this.#lastQualifier(chain)) {
      this.#put(`${text} `);
      chain.pop();
    }
  }

  #lastQualifier(chain: readonly number[]): string | undefined {
    return chain.length === 0 ? undefined : QUALIFIERS.get(this.#types.kind(chain[chain.length - 1]));
  }

  /** GCC qualifies arrays and function types themselves, which C cannot say. */
  #dropQualifiers(chain: number[]): void {
    while (chain.length > 0 && isIn(DROPPED_BEFORE_ARRAYS, this.#types.kind(chain[chain.length - 1]))) chain.pop();
  }

  #array(id: number, chain: number[], name: string, level: number, lastWasPtr: boolean): void {
    this.#dropQualifiers(chain);
    const size = `[${this.#types.extra(id, 2)}]`;
    if (chain.length === 0) {
      this.#name(name, lastWasPtr);
      this.#put(size);
      return;
    }
    const multiDimensional = this.#types.kind(chain[chain.length - 1]) === K.ARRAY;
    if (name !== '' && !lastWasPtr) this.#put(' ');
    if (!multiDimensional) this.#put('(');
    this.#budget.enter(id, () => this.#chain(chain, name, level));
    this.#put(multiDimensional ? size : `)${size}`);
  }

  #function(id: number, chain: number[], name: string, level: number, lastWasPtr: boolean): void {
    const types = this.#types;
    this.#dropQualifiers(chain);
    if (chain.length > 0) {
      this.#put(' (');
      this.#budget.enter(id, () => this.#chain(chain, name, level));
      this.#put(')');
    } else this.#name(name, lastWasPtr);
    const count = types.vlen(id);
    // Clang writes `void f(void)` as one parameter of type void.
    if (count === 0 || (count === 1 && types.item(id, 0, 1) === 0)) {
      this.#put('(void)');
      return;
    }
    this.#put('(');
    for (let i = 0; i < count; i++) {
      if (i > 0) this.#put(', ');
      const type = types.item(id, i, 1);
      if (i === count - 1 && type === 0) this.#put('...');
      else this.declaration(type, this.#btf.stringAt(types.item(id, i, 0)), level);
    }
    this.#put(')');
  }

  /** `struct name` or `union name`. */
  structHead(id: number): void {
    const name = this.names.tag(id);
    const keyword = this.#types.kind(id) === K.STRUCT ? 'struct' : 'union';
    this.#put(this.#types.nameOff(id) === 0 ? keyword : `${keyword} ${name}`);
  }

  /** What a forward declaration says. */
  forward(id: number): void {
    this.#put(`${this.#types.kindFlag(id) ? 'union' : 'struct'} ${this.names.tag(id)}`);
  }

  structDefinition(id: number, level: number): void {
    const types = this.#types;
    const isStruct = types.kind(id) === K.STRUCT;
    const packed = isPacked(this.#btf, id);
    const inside = indent(level + 1);
    const count = types.vlen(id);
    const pad = (from: number, to: number, nextAlign: number, inBitfield: boolean): void =>
      padGap({ from, to, nextAlign, inBitfield }, this.#pointerBits, (type, bits) => {
        this.#budget.step(id);
        this.#put(`\n${inside}${type}: ${bits};`);
      });
    this.structHead(id);
    this.#put(' {');
    let off = 0;
    let wasBitfield = false;
    for (let i = 0; i < count; i++) {
      const type = types.item(id, i, 1);
      const bitSize = types.memberBitSize(id, i);
      const bitOff = types.memberBitOffset(id, i);
      pad(off, bitOff, packed ? 1 : this.#btf.alignOf(type), wasBitfield && bitSize !== 0);
      this.#put(`\n${inside}`);
      this.declaration(type, this.#btf.stringAt(types.item(id, i, 0)), level + 1);
      wasBitfield = bitSize !== 0;
      if (wasBitfield) {
        this.#put(`: ${bitSize}`);
        off = bitOff + bitSize;
      } else {
        const size = this.#btf.trySizeOf(type);
        off = bitOff + (typeof size === 'number' ? 8 * size : 0);
      }
      this.#put(';');
    }
    if (isStruct) pad(off, 8 * types.third(id), this.#btf.alignOf(id), false);
    this.#put(count > 0 || types.third(id) > 0 ? `\n${indent(level)}}` : '}');
    if (packed) this.#put(' __attribute__((packed))');
  }

  enumDefinition(id: number, level: number): void {
    const type = this.#btf.typeById(id);
    if (type.kind !== 'ENUM' && type.kind !== 'ENUM64') return;
    const name = this.names.tag(id);
    this.#put(name === '' ? 'enum' : `enum ${name}`);
    if (type.values.length === 0) return;
    const suffix = type.kind === 'ENUM' ? '' : type.signed ? 'LL' : 'ULL';
    const inside = indent(level + 1);
    this.#put(' {');
    for (const { name: enumerator, value } of type.values) {
      this.#budget.step(id);
      this.#put(`\n${inside}${this.names.enumerator(enumerator)} = ${value}${suffix},`);
    }
    this.#put(`\n${indent(level)}}`);
    if (type.sizeBytes === 1) this.#put(' __attribute__((mode(byte)))');
    else if (type.sizeBytes === 8 && this.#pointerBits === 64 && this.#needsWordMode(id)) {
      this.#put(' __attribute__((mode(word)))');
    }
  }

  /** Whether nothing but the attribute makes the compiler give an enum 8 bytes. */
  #needsWordMode(id: number): boolean {
    const types = this.#types;
    if (types.kind(id) === K.ENUM) return true;
    for (let i = 0; i < types.vlen(id); i++) if (types.item(id, i, 2) !== 0) return false;
    return true;
  }
}
