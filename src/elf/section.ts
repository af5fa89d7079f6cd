import { ByteView, FarcallError, type Where } from '../util/index.ts';
import { SHF_COMPRESSED, SHT_NOBITS, SHT_NULL } from './constants.ts';
import { exactU64, lowU32, roundedU64 } from './fields.ts';
import { CHDR, CHDR_BYTES, SHDR } from './layout.ts';
import type { StringTable } from './string-table.ts';

/**
 * One section header and, when asked for, its bytes. Nothing is validated before it is used. Fields that are 64 bits
 * wide read as Numbers and throw `elf.range` above 2^53 - 1; the `…64` twins never throw.
 */
export class ElfSection {
  /** Position in the section header table. */
  readonly index: number;
  readonly #view: ByteView;
  readonly #at: number;
  readonly #names: () => StringTable;

  constructor(view: ByteView, index: number, headerOff: number, names: () => StringTable) {
    this.index = index;
    this.#view = view;
    this.#at = headerOff;
    this.#names = names;
  }

  /** Throws `elf.string` when the header string table does not hold it. */
  get name(): string {
    return this.#names().at(this.nameOff, `section #${this.index}`, this.#view.where);
  }
  /** The name, or `#index` when the name is broken: for messages. */
  get label(): string {
    try {
      return this.#names().find(this.nameOff) ?? `#${this.index}`;
    } catch (error) {
      if (error instanceof FarcallError) return `#${this.index}`;
      throw error;
    }
  }
  /** This section as the place of an error. */
  get where(): Where {
    return { ...this.#view.where, section: this.label };
  }

  get nameOff(): number {
    return this.#view.u32(this.#at + SHDR.name);
  }
  get type(): number {
    return this.#view.u32(this.#at + SHDR.type);
  }
  /** The low 32 bits, unsigned, which are all that any standard defines; see {@link flags64}. */
  get flags(): number {
    return lowU32(this.#view, this.#at + SHDR.flags);
  }
  get flags64(): bigint {
    return this.#view.u64(this.#at + SHDR.flags);
  }
  get addr(): number {
    return this.#exact('addr');
  }
  get addr64(): bigint {
    return this.#view.u64(this.#at + SHDR.addr);
  }
  /** Byte offset in the file. */
  get offset(): number {
    return this.#exact('offset');
  }
  /** Bytes in the file, or in memory for SHT_NOBITS. */
  get size(): number {
    return this.#exact('size');
  }
  get size64(): bigint {
    return this.#view.u64(this.#at + SHDR.size);
  }
  get link(): number {
    return this.#view.u32(this.#at + SHDR.link);
  }
  get info(): number {
    return this.#view.u32(this.#at + SHDR.info);
  }
  get addralign(): number {
    return this.#exact('addralign');
  }
  get entsize(): number {
    return this.#exact('entsize');
  }

  /** True when the bytes in the file are compressed (SHF_COMPRESSED). */
  get isCompressed(): boolean {
    return (this.flags & SHF_COMPRESSED) !== 0 && this.hasFileData;
  }
  /** True when the section has bytes in the file: neither SHT_NOBITS nor SHT_NULL. */
  get hasFileData(): boolean {
    const type = this.type;
    return type !== SHT_NOBITS && type !== SHT_NULL;
  }

  /**
   * The section's content, sharing memory with the file; empty for SHT_NOBITS and SHT_NULL. Throws `elf.section-data`
   * when it reaches outside the file, and `elf.compressed` when the file holds it compressed (see {@link rawData}).
   */
  get data(): Uint8Array {
    if (!this.isCompressed) return this.rawData;
    const header = this.compression;
    throw new FarcallError({
      code: 'elf.compressed',
      message: 'compressed sections are not decompressed',
      expected: 'plain data',
      found: `compression type ${header.type}, ${header.size} bytes when decompressed`,
      where: this.where,
    });
  }

  /** The bytes in the file as they are, compressed or not. Throws `elf.section-data`. */
  get rawData(): Uint8Array {
    const view = this.#view;
    if (!this.hasFileData) return view.bytes.subarray(0, 0);
    const off = roundedU64(view, this.#at + SHDR.offset);
    const size = roundedU64(view, this.#at + SHDR.size);
    if (size === 0) return view.bytes.subarray(0, 0);
    if (off + size <= view.length) return view.bytes.subarray(off, off + size);
    throw new FarcallError({
      code: 'elf.section-data',
      message: 'the section reaches outside the file',
      expected: `at most ${view.length} bytes`,
      found: `offset 0x${off.toString(16)}, size 0x${size.toString(16)}`,
      where: this.where,
    });
  }

  /** The header of a compressed section: ELFCOMPRESS_*, size and alignment when decompressed. Throws `elf.compressed`. */
  get compression(): { readonly type: number; readonly size: number; readonly addralign: number } {
    const raw = new ByteView(this.rawData, this.#view.order, this.where);
    if (!this.isCompressed || raw.length < CHDR_BYTES) {
      throw new FarcallError({
        code: 'elf.compressed',
        message: 'no compression header',
        expected: `SHF_COMPRESSED and at least ${CHDR_BYTES} bytes`,
        found: `flags 0x${this.flags.toString(16)}, ${raw.length} bytes`,
        where: this.where,
      });
    }
    return {
      type: raw.u32(CHDR.type),
      size: roundedU64(raw, CHDR.size),
      addralign: roundedU64(raw, CHDR.addralign),
    };
  }

  /** A view of {@link data} in the file's byte order that knows its place. */
  view(): ByteView {
    return new ByteView(this.data, this.#view.order, this.where);
  }

  /**
   * How the data divides into structures of `structBytes`. A header entry size that is absent or too small counts as
   * `structBytes` (libelf does not look at it); a trailing part is left out.
   */
  entries(structBytes: number): { readonly view: ByteView; readonly strideBytes: number; readonly count: number } {
    const view = this.view();
    const strideBytes = Math.max(structBytes, roundedU64(this.#view, this.#at + SHDR.entsize));
    const rest = view.length % strideBytes;
    return { view, strideBytes, count: Math.floor(view.length / strideBytes) + (rest >= structBytes ? 1 : 0) };
  }

  #exact(field: keyof typeof SHDR): number {
    const off = this.#at + SHDR[field];
    const value = roundedU64(this.#view, off);
    return value <= Number.MAX_SAFE_INTEGER ? value : exactU64(this.#view, off, `sh_${field}`, this.where);
  }
}
