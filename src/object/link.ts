import {
  type ElfReloc,
  ElfWriter,
  EM_BPF,
  type OutSection,
  type OutSymbol,
  SHF_EXECINSTR,
  STT_SECTION,
} from '../elf/index.ts';
import { CALL, INSN_SIZE_BYTES } from '../isa/index.ts';
import { ByteView, type Where } from '../util/index.ts';
import { linkBtf } from './link-btf.ts';
import { type InputSection, type LinkInput, openLinkInput } from './link-input.ts';
import { mergeSections } from './link-sections.ts';
import { type LinkedSymbol, type LinkedSymbols, linkSymbols } from './link-symbols.ts';
import { objectError } from './problem.ts';

/** An object to be linked, and what errors call it. */
export interface LinkSource {
  readonly bytes: Uint8Array;
  readonly name?: string;
}

const R_BPF_64_ABS64 = 2;
const IMM_OFF = 4;

/**
 * Links BPF objects into one, as `bpftool gen object` does: sections of one name one after another, one symbol a global
 * name (a definition before a declaration, a strong definition before a weak one, else the first), relocations moved,
 * BTF merged. The result is an object again, its programs not yet linked with what they call.
 *
 * Throws `object.link` without inputs and for conflicts: two strong definitions, differing types of one name,
 * sections that do not match, differing licenses, byte orders; and what the inputs' own faults throw.
 *
 * Source: `tools/lib/bpf/linker.c`. Differs from Linux: inputs without BTF, SHT_RELA, and pointers into sections of data
 * are accepted.
 */
export function linkObjects(objects: readonly (Uint8Array | LinkSource)[]): Uint8Array {
  const inputs = objects.map((object, index) => {
    const source = object instanceof Uint8Array ? { bytes: object } : object;
    return openLinkInput(source.bytes, { file: source.name ?? `object ${index + 1}` });
  });
  const [first] = inputs;
  if (first === undefined) throw objectError('object.link', {}, 'nothing to link', 'at least one object', 'none');
  const { order } = first.file;
  for (const { file, where } of inputs) {
    if (file.order !== order) throw objectError('object.link', where, 'byte orders differ', order, file.order);
  }
  const { all: sections, placed } = mergeSections(inputs);
  const symbols = linkSymbols(inputs, placed);
  const btf = linkBtf(inputs, placed, sections, symbols, order);

  const writer = new ElfWriter({ order, machine: EM_BPF });
  const outSections = new Map<string, OutSection>();
  for (const section of sections) {
    const { name, type, flags, entsize, alignBytes: addralign, sizeBytes } = section;
    outSections.set(name, writer.section({ name, type, flags, entsize, addralign, sizeBytes, data: section.data() }));
  }
  const outSymbols = writeSymbols(writer, symbols, outSections);
  inputs.forEach((input, index) => {
    new RelocMover(writer, input, placed[index], outSections, symbols.byInput[index], outSymbols).move();
  });
  if (btf !== undefined) {
    writer.section({ name: '.BTF', data: btf.btf, addralign: 8 });
    if (btf.ext !== undefined) writer.section({ name: '.BTF.ext', data: btf.ext, addralign: 8 });
  }
  return writer.finish();
}

function writeSymbols(
  writer: ElfWriter,
  symbols: LinkedSymbols,
  sections: ReadonlyMap<string, OutSection>,
): Map<LinkedSymbol, OutSymbol> {
  const out = new Map<LinkedSymbol, OutSymbol>();
  for (const symbol of symbols.all) {
    const { name, bind, type, visibility, value, size } = symbol;
    const section = symbol.section === undefined ? undefined : sections.get(symbol.section);
    const place = section ?? (symbol.place === 'absolute' || symbol.place === 'common' ? symbol.place : 'undefined');
    out.set(symbol, writer.symbol({ name, place, bind, type, visibility, value, size }));
  }
  return out;
}

/** Moves one input's relocations to the output. Source: `tools/lib/bpf/linker.c: linker_append_elf_relos`. */
class RelocMover {
  readonly #writer: ElfWriter;
  readonly #input: LinkInput;
  readonly #placed: ReadonlyMap<number, InputSection>;
  readonly #sections: ReadonlyMap<string, OutSection>;
  readonly #symbols: readonly (LinkedSymbol | undefined)[];
  readonly #out: ReadonlyMap<LinkedSymbol, OutSymbol>;

  constructor(
    writer: ElfWriter,
    input: LinkInput,
    placed: ReadonlyMap<number, InputSection>,
    sections: ReadonlyMap<string, OutSection>,
    symbols: readonly (LinkedSymbol | undefined)[],
    out: ReadonlyMap<LinkedSymbol, OutSymbol>,
  ) {
    this.#writer = writer;
    this.#input = input;
    this.#placed = placed;
    this.#sections = sections;
    this.#symbols = symbols;
    this.#out = out;
  }

  move(): void {
    for (const home of this.#placed.values()) {
      const section = this.#sections.get(home.name);
      if (section === undefined || home.duplicate) continue;
      for (const table of this.#input.file.relocsFor(home.elf.index)) {
        for (const reloc of table) this.#moveOne(home, section, reloc, table.hasAddend);
      }
    }
  }

  #moveOne(home: InputSection, section: OutSection, reloc: ElfReloc, hasAddend: boolean): void {
    const where: Where = { ...this.#input.where, section: home.name, offBytes: reloc.offset };
    const symbol = this.#symbols[reloc.symbolIndex];
    if (symbol === undefined) {
      throw objectError('object.link', where, `relo #${reloc.index} points to a symbol that is left out`);
    }
    const offset = home.offBytes + reloc.offset;
    let addend = hasAddend ? reloc.addend : undefined;
    if (symbol.type === STT_SECTION) {
      // What lies in the target section moved by as much as its part of the section did.
      const source = this.#input.symtab.at(reloc.symbolIndex);
      const shift = this.#placed.get(source.sectionIndex)?.offBytes ?? 0;
      if (addend !== undefined) addend += shift;
      else if (shift !== 0) this.#shift(section, home, offset, reloc, shift, where);
    }
    this.#writer.reloc(section, { offset, type: reloc.type, symbol: this.#out.get(symbol), addend });
  }

  #shift(section: OutSection, home: InputSection, offset: number, reloc: ElfReloc, shift: number, where: Where): void {
    const exec = (home.elf.flags & SHF_EXECINSTR) !== 0;
    const bytes = exec || reloc.type === R_BPF_64_ABS64 ? 8 : 4;
    const { data } = section;
    new ByteView(data, this.#input.file.order, where).check(offset, bytes, 'relocated place');
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    const little = this.#input.file.order === 'little';
    if (exec) {
      const at = offset + IMM_OFF;
      const delta = data[offset] === CALL ? shift / INSN_SIZE_BYTES : shift;
      view.setInt32(at, (view.getInt32(at, little) + delta) | 0, little);
    } else if (bytes === 8) {
      view.setBigUint64(offset, BigInt.asUintN(64, view.getBigUint64(offset, little) + BigInt(shift)), little);
    } else view.setUint32(offset, (view.getUint32(offset, little) + shift) >>> 0, little);
  }
}
