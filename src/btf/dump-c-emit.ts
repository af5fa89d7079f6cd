import type { Btf } from './btf.ts';
import { CDeclarations } from './dump-c-decl.ts';
import { DefinitionOrder, DumpBudget } from './dump-c-order.ts';
import { K } from './kind.ts';
import type { TypeTable } from './type-table.ts';

const NOT_EMITTED = 0;
const EMITTING = 1;
const EMITTED = 2;

/** Names GCC gives vector element types that no C compiler knows. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['__Poly8_t', 'unsigned char'],
  ['__Poly16_t', 'unsigned short'],
  ['__Poly64_t', 'unsigned long long'],
  ['__Poly128_t', 'unsigned __int128'],
]);

/**
 * Writes C definitions of types, each once, with what they need before them and forward declarations where a pointer
 * comes before what it points to. Throws `btf.loop`, `btf.too-deep`, `btf.too-large` for types C cannot express.
 * Source: `tools/lib/bpf/btf_dump.c: btf_dump__dump_type, btf_dump_emit_type`.
 */
export class CDumper {
  readonly #btf: Btf;
  readonly #types: TypeTable;
  readonly #out: string[] = [];
  readonly #budget: DumpBudget;
  readonly #order: DefinitionOrder;
  readonly #declarations: CDeclarations;
  readonly #state: Uint8Array;
  readonly #forwardEmitted: Uint8Array;

  /** `attributeTags`: type tags that stand for whole attributes are written as these. */
  constructor(btf: Btf, attributeTags = false) {
    this.#btf = btf;
    this.#types = btf.types;
    this.#budget = new DumpBudget(btf);
    this.#order = new DefinitionOrder(btf, this.#budget);
    this.#declarations = new CDeclarations(btf, this.#budget, text => this.#out.push(text), attributeTags);
    this.#state = new Uint8Array(btf.typeCount);
    this.#forwardEmitted = new Uint8Array(btf.typeCount);
    this.#state[0] = EMITTED;
  }

  /** Adds literal text. */
  put(text: string): void {
    this.#out.push(text);
  }

  /** Everything written since the last call. */
  take(): string {
    return this.#out.splice(0).join('');
  }

  /** Writes a type and what it needs, except what was written before. Throws `btf.type-id`. */
  define(id: number): void {
    this.#btf.kindOf(id);
    for (const needed of this.#order.definitionsFor(id)) this.#emit(needed, 0);
  }

  /** Writes a declaration, `struct x *name`, without the definitions it needs. */
  declare(id: number, name: string): void {
    this.#declarations.declaration(id, name, 0);
  }

  /** `container` is the definition that refers to the type; 0 at top level. */
  #emit(id: number, container: number): void {
    if (this.#state[id] === EMITTED) return;
    this.#budget.enter(id, () => {
      const kind = this.#types.kind(id);
      if (this.#state[id] === EMITTING) this.#emitForward(id, kind, container);
      else this.#emitNew(id, kind, container);
    });
  }

  /** Someone refers to a type that is being written. */
  #emitForward(id: number, kind: number, container: number): void {
    if (this.#forwardEmitted[id] === 1) return;
    if (kind === K.TYPEDEF) this.#typedef(id);
    else if (kind === K.STRUCT || kind === K.UNION) {
      if (id === container || this.#types.nameOff(id) === 0) return;
      this.#structForward(id);
    }
    this.#forwardEmitted[id] = 1;
  }

  #structForward(id: number): void {
    this.#declarations.structHead(id);
    this.put(';\n\n');
    this.#forwardEmitted[id] = 1;
  }

  #typedef(id: number): void {
    const name = this.#btf.nameOf(id);
    if (name === '__builtin_va_list') return;
    const ident = this.#declarations.names.ident(id);
    // Old GCC versions say that this one is void.
    if (this.#types.third(id) === 0 && ident === '__gnuc_va_list') {
      this.put('typedef __builtin_va_list __gnuc_va_list;\n\n');
      return;
    }
    this.put('typedef ');
    this.#declarations.declaration(this.#types.third(id), ident, 0);
    this.put(';\n\n');
  }

  #emitNew(id: number, kind: number, container: number): void {
    const types = this.#types;
    switch (kind) {
      case K.INT: {
        const name = this.#declarations.names.tag(id);
        const alias = ALIASES.get(name);
        if (alias !== undefined) this.put(`typedef ${alias} ${name};\n\n`);
        this.#state[id] = EMITTED;
        return;
      }
      case K.ENUM:
      case K.ENUM64:
        if (container === 0) {
          this.#declarations.enumDefinition(id, 0);
          this.put(';\n\n');
        }
        this.#state[id] = EMITTED;
        return;
      case K.PTR:
      case K.VOLATILE:
      case K.CONST:
      case K.RESTRICT:
      case K.TYPE_TAG:
        this.#emit(types.third(id), container);
        return;
      case K.ARRAY:
        this.#emit(types.extra(id, 0), container);
        return;
      case K.FWD:
        this.#declarations.forward(id);
        this.put(';\n\n');
        this.#state[id] = EMITTED;
        return;
      case K.TYPEDEF:
        this.#state[id] = EMITTING;
        this.#emit(types.third(id), id);
        if (this.#forwardEmitted[id] === 0) this.#typedef(id);
        this.#state[id] = EMITTED;
        return;
      case K.STRUCT:
      case K.UNION:
        this.#composite(id, container);
        return;
      case K.FUNC_PROTO:
        this.#emit(types.third(id), container);
        this.#emitItems(id, container);
    }
  }

  #emitItems(id: number, container: number): void {
    for (let i = 0; i < this.#types.vlen(id); i++) this.#emit(this.#types.item(id, i, 1), container);
  }

  #composite(id: number, container: number): void {
    const anonymous = this.#types.nameOff(id) === 0;
    this.#state[id] = EMITTING;
    if (container === 0 || anonymous) this.#emitItems(id, anonymous ? container : id);
    else if (this.#forwardEmitted[id] === 0 && id !== container) this.#structForward(id);
    if (container === 0) {
      this.#declarations.structDefinition(id, 0);
      this.put(';\n\n');
    }
    this.#state[id] = container === 0 ? EMITTED : NOT_EMITTED;
  }
}
