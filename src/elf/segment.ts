import { type ByteView, FarcallError, type Where } from '../util/index.ts';
import { exactU64, roundedU64 } from './fields.ts';
import { PHDR } from './layout.ts';

/** One program header and, when asked for, its bytes. 64-bit fields as in {@link ElfSection}. */
export class ElfSegment {
  readonly index: number;
  readonly #view: ByteView;
  readonly #at: number;

  constructor(view: ByteView, index: number, headerOff: number) {
    this.index = index;
    this.#view = view;
    this.#at = headerOff;
  }

  get where(): Where {
    return { ...this.#view.where, name: `program header #${this.index}` };
  }
  /** PT_* */
  get type(): number {
    return this.#view.u32(this.#at + PHDR.type);
  }
  /** PF_X, PF_W, PF_R */
  get flags(): number {
    return this.#view.u32(this.#at + PHDR.flags);
  }
  get offset(): number {
    return this.#exact('offset');
  }
  get vaddr(): number {
    return this.#exact('vaddr');
  }
  get vaddr64(): bigint {
    return this.#view.u64(this.#at + PHDR.vaddr);
  }
  get paddr(): number {
    return this.#exact('paddr');
  }
  get paddr64(): bigint {
    return this.#view.u64(this.#at + PHDR.paddr);
  }
  get filesz(): number {
    return this.#exact('filesz');
  }
  get memsz(): number {
    return this.#exact('memsz');
  }
  get align(): number {
    return this.#exact('align');
  }

  /** The bytes in the file, sharing memory. Throws `elf.segment-data` when they reach outside it. */
  get data(): Uint8Array {
    const off = roundedU64(this.#view, this.#at + PHDR.offset);
    const size = roundedU64(this.#view, this.#at + PHDR.filesz);
    if (size === 0) return this.#view.bytes.subarray(0, 0);
    if (off + size <= this.#view.length) return this.#view.bytes.subarray(off, off + size);
    throw new FarcallError({
      code: 'elf.segment-data',
      message: 'the segment reaches outside the file',
      expected: `at most ${this.#view.length} bytes`,
      found: `offset 0x${off.toString(16)}, size 0x${size.toString(16)}`,
      where: this.where,
    });
  }

  #exact(field: keyof typeof PHDR): number {
    const off = this.#at + PHDR[field];
    const value = roundedU64(this.#view, off);
    return value <= Number.MAX_SAFE_INTEGER ? value : exactU64(this.#view, off, `p_${field}`, this.where);
  }
}
