import { type ElfSection, SHT_NOBITS } from '../elf/index.ts';
import { alignUp, equalBytes } from '../util/index.ts';
import { type InputSection, type LinkInput, linkedSections } from './link-input.ts';
import { objectError } from './problem.ts';

/** A section of the output, made of the sections of its name. */
export class MergedSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly entsize: number;
  alignBytes = 1;
  sizeBytes = 0;
  readonly #parts: { readonly offBytes: number; readonly bytes: Uint8Array }[] = [];

  constructor(name: string, first: ElfSection) {
    this.name = name;
    this.type = first.type;
    this.flags = first.flags;
    this.entsize = first.entsize;
  }

  /** Appends at the next aligned place and returns it. */
  append(section: ElfSection): number {
    const align = section.addralign;
    if (align > 1) this.alignBytes = Math.max(this.alignBytes, align);
    const offBytes = alignUp(this.sizeBytes, this.alignBytes);
    this.sizeBytes = offBytes + section.size;
    if (this.type !== SHT_NOBITS) this.#parts.push({ offBytes, bytes: section.data });
    return offBytes;
  }

  matches(section: ElfSection): boolean {
    return section.type === this.type && section.flags === this.flags && section.entsize === this.entsize;
  }

  /** The bytes, with zeroes between the parts. */
  data(): Uint8Array {
    const data = new Uint8Array(this.type === SHT_NOBITS ? 0 : this.sizeBytes);
    for (const { offBytes, bytes } of this.#parts) data.set(bytes, offBytes);
    return data;
  }
}

export interface MergedSections {
  /** In order of first appearance. */
  readonly all: readonly MergedSection[];
  /** For each input, its sections by index. */
  readonly placed: readonly ReadonlyMap<number, InputSection>[];
}

const DEDUPLICATED = new Set(['license', 'version']);
/** How often the bytes of a file may be used by its sections. */
const MAX_OVERLAP = 4;
const MAX_ALIGN = 1 << 16;
/** Against alignments made to exhaust memory. */
const MAX_SECTION_BYTES = 1 << 28;

/**
 * Appends sections to those of the same name. Throws `object.link` where type, flags or entry size differ, where license
 * or version do, and for alignments that are no power of two. Source: `tools/lib/bpf/linker.c: linker_append_sec_data`.
 */
export function mergeSections(inputs: readonly LinkInput[]): MergedSections {
  const byName = new Map<string, MergedSection>();
  const placed = inputs.map(input => {
    let budget = input.file.view.length * MAX_OVERLAP;
    const map = new Map<number, InputSection>();
    for (const elf of linkedSections(input.file)) {
      const { name } = elf;
      const where = { ...input.where, section: name };
      const align = elf.addralign;
      budget -= elf.type === SHT_NOBITS ? 0 : elf.size;
      if (budget < 0) throw objectError('object.overlap', where, 'sections overlap');
      if (align > MAX_ALIGN || (align & (align - 1)) !== 0) {
        throw objectError('object.link', where, 'bad alignment', 'a power of two', `${align}`);
      }
      let merged = byName.get(name);
      if (merged === undefined) {
        merged = new MergedSection(name, elf);
        byName.set(name, merged);
      } else if (!merged.matches(elf)) {
        const found = `type ${elf.type}, flags 0x${elf.flags.toString(16)}, entry size ${elf.entsize}`;
        const expected = `type ${merged.type}, flags 0x${merged.flags.toString(16)}, entry size ${merged.entsize}`;
        throw objectError('object.link', where, 'ELF sections of one name are incompatible', expected, found);
      } else if (DEDUPLICATED.has(name)) {
        if (!equalBytes(merged.data(), elf.data)) {
          throw objectError('object.link', where, `non-identical contents of section '${name}' are not supported`);
        }
        map.set(elf.index, { elf, name, offBytes: 0, duplicate: true });
        continue;
      }
      map.set(elf.index, { elf, name, offBytes: merged.append(elf), duplicate: false });
      if (merged.sizeBytes > MAX_SECTION_BYTES) {
        throw objectError('object.link', where, 'too large', `${MAX_SECTION_BYTES} bytes`, `${merged.sizeBytes}`);
      }
    }
    return map;
  });
  return { all: [...byName.values()], placed };
}
