import { InternalError } from '../../util/index.ts';
import { Code } from './code.ts';
import * as w from './opcodes.ts';

const MAGIC = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const SECTION = { type: 1, import: 2, function: 3, table: 4, memory: 5, global: 6, export: 7, element: 9, code: 10 };
const KIND = { func: 0, table: 1, memory: 2, global: 3 } as const;

/** Limits of a shared memory: least and most pages. */
const SHARED_LIMITS = 3;
const SHARED_PAGES = 32768;

/** What an import or export is. */
export type ExternKind = keyof typeof KIND;

interface Import {
  readonly module: string;
  readonly name: string;
  readonly kind: ExternKind;
  /** func: type index; table and memory: least size; global: value type. */
  readonly value: number;
}

/**
 * One WebAssembly module: what it declares is collected, function bodies go straight to their section.
 *
 * ```
 *   const m = new ModuleWriter();
 *   const type = m.type([I64], [I64]);
 *   const f = m.func(type);                    // declared in the order of their bodies
 *   const code = m.body([[2, I64]]);           // locals; write instructions into it
 *   m.endBody();
 *   m.export('f', 'func', f);
 *   m.finish();                                // the bytes
 * ```
 *
 * Imports come before anything of the same kind is declared, as indices count them first.
 */
export class ModuleWriter {
  readonly #types: (readonly [params: readonly number[], results: readonly number[]])[] = [];
  readonly #imports: Import[] = [];
  readonly #funcs: number[] = [];
  readonly #tables: number[] = [];
  readonly #memories: number[] = [];
  readonly #globals: (readonly [type: number, value: number])[] = [];
  readonly #exports: (readonly [name: string, kind: ExternKind, index: number])[] = [];
  readonly #elements: (readonly [global: number, first: number, count: number])[] = [];
  readonly #code = new Code();
  /** Most pages of the imported memory, if it is shared. */
  #sharedMost: number | undefined;
  #mark = -1;
  #bodies = 0;

  /** Index of a function type; equal types share one. */
  type(params: readonly number[], results: readonly number[]): number {
    const same = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((t, i) => t === b[i]);
    const known = this.#types.findIndex(([p, r]) => same(p, params) && same(r, results));
    if (known >= 0) return known;
    return this.#types.push([params, results]) - 1;
  }

  #count(kind: ExternKind): number {
    let count = 0;
    for (const entry of this.#imports) if (entry.kind === kind) count++;
    return count;
  }

  /** Index of an imported function, table, memory (least sizes in elements and pages) or immutable global (its type). */
  import(module: string, name: string, kind: ExternKind, value: number): number {
    const declared = { func: this.#funcs, table: this.#tables, memory: this.#memories, global: this.#globals }[kind];
    if (declared.length > 0) throw new InternalError(`import of ${name} after a ${kind} of the module's own`);
    this.#imports.push({ module, name, kind, value });
    return this.#count(kind) - 1;
  }

  /** The import of a memory that threads share: of at most 2 GiB, as the machine's is. */
  sharedMemory(module: string, name: string): number {
    const index = this.import(module, name, 'memory', 1);
    this.#sharedMost = SHARED_PAGES;
    return index;
  }

  func(type: number): number {
    return this.#count('func') + this.#funcs.push(type) - 1;
  }
  table(least: number): number {
    return this.#count('table') + this.#tables.push(least) - 1;
  }
  /** @param pages of 64 KiB */
  memory(pages: number): number {
    return this.#count('memory') + this.#memories.push(pages) - 1;
  }
  /** A mutable i32 or i64 global. */
  global(type: number, value: number): number {
    return this.#count('global') + this.#globals.push([type, value]) - 1;
  }
  export(name: string, kind: ExternKind, index: number): void {
    this.#exports.push([name, kind, index]);
  }
  /** Puts `count` functions from `first` into table 0, from the index that the immutable i32 `global` holds. */
  element(global: number, first: number, count: number): void {
    this.#elements.push([global, first, count]);
  }

  /** Begins the next body. @param locals runs of locals behind the parameters: count and type */
  body(locals: readonly (readonly [count: number, type: number])[]): Code {
    if (this.#mark >= 0) throw new InternalError('a body inside a body');
    const code = this.#code;
    this.#mark = code.begin();
    const runs = locals.filter(([count]) => count > 0);
    code.u32(runs.length);
    for (const [count, type] of runs) {
      code.u32(count);
      code.byte(type);
    }
    return code;
  }

  endBody(): void {
    this.#code.op(w.END);
    this.#code.end(this.#mark);
    this.#mark = -1;
    this.#bodies++;
  }

  finish(): Uint8Array<ArrayBuffer> {
    if (this.#bodies !== this.#funcs.length) {
      throw new InternalError(`${this.#bodies} bodies for ${this.#funcs.length} functions`);
    }
    const out = new Code();
    out.bytes(MAGIC);
    const section = <T>(id: number, items: readonly T[], write: (item: T) => void): void => {
      if (items.length === 0) return;
      out.byte(id);
      const mark = out.begin();
      out.u32(items.length);
      for (const item of items) write(item);
      out.end(mark);
    };
    const limits = (least: number): void => {
      out.byte(0);
      out.u32(least);
    };
    section(SECTION.type, this.#types, ([params, results]) => {
      out.byte(0x60);
      out.u32(params.length);
      out.bytes(params);
      out.u32(results.length);
      out.bytes(results);
    });
    section(SECTION.import, this.#imports, ({ module, name, kind, value }) => {
      out.name(module);
      out.name(name);
      out.byte(KIND[kind]);
      if (kind === 'func') out.u32(value);
      else if (kind === 'global') out.bytes([value, 0]);
      else {
        if (kind === 'table') out.byte(w.FUNCREF);
        if (kind === 'memory' && this.#sharedMost !== undefined) {
          out.byte(SHARED_LIMITS);
          out.u32(value);
          out.u32(this.#sharedMost);
        } else limits(value);
      }
    });
    section(SECTION.function, this.#funcs, type => out.u32(type));
    section(SECTION.table, this.#tables, least => {
      out.byte(w.FUNCREF);
      limits(least);
    });
    section(SECTION.memory, this.#memories, limits);
    section(SECTION.global, this.#globals, ([type, value]) => {
      out.bytes([type, 1]);
      if (type === w.I32) out.i32(value);
      else out.i64(value >> 31, value);
      out.op(w.END);
    });
    section(SECTION.export, this.#exports, ([name, kind, index]) => {
      out.name(name);
      out.byte(KIND[kind]);
      out.u32(index);
    });
    section(SECTION.element, this.#elements, ([global, first, count]) => {
      out.byte(0);
      out.globalGet(global);
      out.op(w.END);
      out.u32(count);
      for (let i = 0; i < count; i++) out.u32(first + i);
    });
    if (this.#bodies > 0) {
      out.byte(SECTION.code);
      const mark = out.begin();
      out.u32(this.#bodies);
      out.bytes(this.#code.finish());
      out.end(mark);
    }
    return out.finish();
  }
}
