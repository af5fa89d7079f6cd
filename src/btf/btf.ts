import type { ByteOrder, Where } from '../util/index.ts';
import { type BtfHeader, btfError, parseHeader } from './header.ts';
import { type BtfKind, isIn, kindName, MODIFIER_MASK } from './kind.ts';
import { Alignments, guessPointerSize, type NoSize, resolveSize, skipModifiers } from './layout.ts';
import { materialise } from './materialise.ts';
import { NameIndex } from './name-index.ts';
import { openStrings, type StringTable } from './string-table.ts';
import type { BtfType } from './type.ts';
import { openTypes, type TypeTable } from './type-table.ts';

export interface OpenBtfOptions {
  /** The BTF a split BTF (a kernel module's) continues. */
  readonly base?: Btf;
  /** What error messages say of the place. */
  readonly where?: Where;
  /** Overrides the guess; the object loader passes 8 for BPF objects. */
  readonly pointerSizeBytes?: 4 | 8;
}

const NO_SIZE: Readonly<Record<NoSize, readonly [message: string, expected: string]>> = {
  'no-size': ['has no size', 'a type with a size'],
  'too-deep': ['is too deep or contains itself', 'at most 32 typedefs, qualifiers and arrays'],
  'too-large': ['is too large', 'at most 4294967295 bytes'],
};

/**
 * Opens raw BTF bytes (the contents of `.BTF`, of `/sys/kernel/btf/vmlinux`), of either byte order. One pass checks
 * everything; types become objects only when asked for. The bytes must not change afterwards: they are not copied.
 *
 * Throws FarcallError: `btf.magic`, `btf.header`, `btf.strings`, `btf.kind`, `btf.type`, `btf.type-id`,
 * `btf.string-offset`, `btf.func`; each names the type id, the offset, what was expected and what was found.
 */
export function openBtf(bytes: Uint8Array, options: OpenBtfOptions = {}): Btf {
  const where = options.where ?? {};
  const header = parseHeader(bytes, where);
  const strings = openStrings(bytes, header, options.base?.strings, where);
  const types = openTypes(bytes, header, strings, options.base?.types, where);
  return new Btf(bytes, header, strings, types, options);
}

/** An opened BTF. Immutable; make it with {@link openBtf}. Type ids are those of the file; 0 is void. */
export class Btf {
  /** The raw bytes it was opened from. */
  readonly bytes: Uint8Array;
  readonly header: BtfHeader;
  readonly base: Btf | undefined;
  /** Low-level access without objects, for hot paths; ids given to it are not checked. */
  readonly types: TypeTable;
  readonly strings: StringTable;
  readonly where: Where;
  readonly #givenPointerSize: 4 | 8 | undefined;
  #guessedPointerSize: 4 | 8 | 0 | undefined;
  #alignments: Alignments | undefined;
  #names: NameIndex | undefined;
  readonly #cache = new Map<number, BtfType>();

  constructor(bytes: Uint8Array, header: BtfHeader, strings: StringTable, types: TypeTable, options: OpenBtfOptions) {
    this.bytes = bytes;
    this.header = header;
    this.strings = strings;
    this.types = types;
    this.base = options.base;
    this.where = options.where ?? {};
    this.#givenPointerSize = options.pointerSizeBytes;
  }

  get order(): ByteOrder {
    return this.header.order;
  }
  /** One more than the highest id, void and the base's types included (`btf__type_cnt`). */
  get typeCount(): number {
    return this.types.endId;
  }
  /** First id that is this BTF's own: 1, or the base's `typeCount`. */
  get startId(): number {
    return this.types.startId;
  }

  #check(id: number): void {
    if (Number.isInteger(id) && id >= 0 && id < this.types.endId) return;
    throw btfError('btf.type-id', this.where, 'no such type', `an id below ${this.types.endId}`, `${id}`);
  }

  /** The type as an object; the same object each time. Throws `btf.type-id`. */
  typeById(id: number): BtfType {
    this.#check(id);
    if (id < this.startId && this.base !== undefined) return this.base.typeById(id);
    let type = this.#cache.get(id);
    if (type === undefined) {
      type = materialise(this.types, this.strings, id);
      this.#cache.set(id, type);
    }
    return type;
  }

  /** This BTF's own types in id order, without void and without the base's. */
  *ownTypes(): Generator<BtfType> {
    for (let id = this.startId; id < this.typeCount; id++) yield this.typeById(id);
  }

  kindOf(id: number): BtfKind {
    this.#check(id);
    return kindName(this.types.kind(id));
  }

  /** Empty for anonymous types. */
  nameOf(id: number): string {
    this.#check(id);
    return this.strings.at(this.types.nameOff(id)) ?? '';
  }

  /** Throws `btf.string-offset`. */
  stringAt(off: number): string {
    const text = this.strings.at(off);
    if (text !== undefined) return text;
    const expected = `an offset below ${this.strings.endOff}`;
    throw btfError('btf.string-offset', this.where, 'no such string', expected, `${off}`);
  }

  #visit(name: string, essential: boolean, visit: (id: number) => boolean): void {
    let stopped = false;
    const once = (id: number): boolean => {
      stopped = visit(id);
      return stopped;
    };
    if (this.base !== undefined) this.base.#visit(name, essential, once);
    if (stopped) return;
    this.#names ??= new NameIndex(this.types, this.strings);
    this.#names.visit(name, essential, once);
  }

  /** The lowest id of a type of this name (and kind); 0 if there is none. */
  findByName(name: string, kind?: BtfKind): number {
    let found = 0;
    this.#visit(name, false, id => {
      if (kind !== undefined && kindName(this.types.kind(id)) !== kind) return false;
      found = id;
      return true;
    });
    return found;
  }

  /** The ids of all types of this name, ascending. */
  allByName(name: string): number[] {
    const ids: number[] = [];
    this.#visit(name, false, id => ids.push(id) < 0);
    return ids;
  }

  /** The ids of all types whose name is this one when CO-RE flavors (`___x`) of both are left off, ascending. */
  allByEssentialName(name: string): number[] {
    const ids: number[] = [];
    this.#visit(name, true, id => ids.push(id) < 0);
    return ids;
  }

  /** The type under typedefs, `const`, `volatile`, `restrict` and type tags. Throws `btf.type-id`, `btf.loop`. */
  skipModifiers(id: number): number {
    this.#check(id);
    if (!isIn(MODIFIER_MASK, this.types.kind(id))) return id;
    const end = skipModifiers(this.types, id);
    if (end >= 0) return end;
    throw btfError('btf.loop', this.where, `typedefs and qualifiers from [${id}] never end`, 'a type', 'a loop');
  }

  /** Bytes of a pointer: as given, as the base has it, guessed from `long`, else 8. */
  get pointerSizeBytes(): 4 | 8 {
    return this.pointerSizeKnown || 8;
  }
  /** Like `pointerSizeBytes`, but 0 if nothing tells. */
  get pointerSizeKnown(): 4 | 8 | 0 {
    if (this.#givenPointerSize !== undefined) return this.#givenPointerSize;
    this.#guessedPointerSize ??=
      (this.base?.pointerSizeKnown || guessPointerSize(this.types, off => this.strings.at(off))) ?? 0;
    return this.#guessedPointerSize;
  }

  /** Size in bytes, or the reason why there is none, without throwing (except `btf.type-id`). */
  trySizeOf(id: number): number | NoSize {
    this.#check(id);
    return resolveSize(this.types, id, this.pointerSizeBytes);
  }

  /** Size in bytes through typedefs, qualifiers and arrays. Throws `btf.no-size`, `btf.too-deep`, `btf.too-large`. */
  sizeOf(id: number): number {
    const size = this.trySizeOf(id);
    if (typeof size === 'number') return size;
    const [message, expected] = NO_SIZE[size];
    const label = `${this.kindOf(id)} [${id}]`;
    throw btfError(`btf.${size}`, this.where, `${label} ${message}`, expected, this.nameOf(id) || '(anonymous)');
  }

  /** Alignment in bytes; 0 for void, functions, forward declarations and types that contain themselves. */
  alignOf(id: number): number {
    this.#check(id);
    this.#alignments ??= new Alignments(this.types, this.pointerSizeBytes);
    return this.#alignments.of(id);
  }
}
