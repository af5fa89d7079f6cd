import { alignUp, type ByteOrder, InternalError } from '../util/index.ts';
import * as k from './constants.ts';
import { encodeDynamic, encodeRelocs, encodeSymbols, encodeSysvHash } from './encode.ts';
import { EHDR_BYTES, PHDR_BYTES, RELA_BYTES, SYM_BYTES } from './layout.ts';
import { StringTableBuilder } from './string-table-builder.ts';
import { ElfWriter, type OutSection } from './write.ts';

const PAGE_BYTES = 4096;
const WORD_BYTES = 8;
const SEGMENTS = 5;

export interface SharedObjectInit {
  readonly order: ByteOrder;
  /** EM_* */
  readonly machine: number;
  readonly flags?: number;
  readonly soname?: string;
  /** Symbols of others that have to be there, each with a word of the global offset table. */
  readonly imports: readonly string[];
  /** Imports that nobody need have: their words are 0 then. */
  readonly weak?: readonly string[];
  /** Names that others can find, of code unless they are among `objects`. */
  readonly exports: readonly string[];
  readonly objects?: readonly string[];
  /** Exported names that have a word too: a program may have a copy of an object, which is then the one that counts. */
  readonly reached?: readonly string[];
  /** Relocation type that puts a symbol's address into a word (R_X86_64_GLOB_DAT …). */
  readonly importType: number;
  /** ELFv1 of ppc64: how many functions others call, each by a descriptor, and R_*_RELATIVE. */
  readonly descriptors?: { readonly count: number; readonly relativeType: number };
  readonly dataBytes: number;
  /** Once loaded it stays, whoever closes it. */
  readonly stays?: boolean;
  /** Pages of the host; code and data never share one. Default 4096. */
  readonly pageBytes?: number;
}

/** Where an exported symbol is. */
export interface ExportPlace {
  readonly name: string;
  /** From the beginning of the code, or of the data for objects. */
  readonly offBytes: number;
  readonly sizeBytes: number;
  /** st_other: what an ABI keeps there. */
  readonly other?: number;
  /** Which descriptor the symbol names instead of the code. */
  readonly descriptor?: number;
}

/** What a function descriptor holds: addresses in the object. */
export interface DescriptorFields {
  readonly entry: number;
  readonly toc: number;
}

/** Entry, TOC, and an environment C has no use for. */
const DESCRIPTOR_BYTES = 24;
/** Words of a descriptor that are addresses. */
const DESCRIPTOR_RELOCS = 2;

/**
 * A shared object in the making. Its three segments have addresses before the code is there, so code can refer to words
 * and data by distance:
 *
 * ```
 *   0          R    headers, hash, symbols, names, relocations
 *   page …     RW   dynamic section, words of imports, function descriptors, data
 *   page …     RX   code
 * ```
 */
export class SharedObjectWriter {
  /** Address of the first byte of code. */
  readonly textAddr: number;
  readonly dataAddr: number;
  readonly #init: SharedObjectInit;
  readonly #strings = new StringTableBuilder();
  readonly #names: readonly string[];
  readonly #words: readonly string[];
  readonly #gotAddr: number;
  readonly #opdAddr: number;
  readonly #dynamicAddr: number;
  readonly #places: {
    readonly hash: number;
    readonly symbols: number;
    readonly strings: number;
    readonly rela: number;
  };

  constructor(init: SharedObjectInit) {
    this.#init = init;
    const page = init.pageBytes ?? PAGE_BYTES;
    this.#names = ['', ...init.imports, ...(init.weak ?? []), ...init.exports];
    for (const name of this.#names) this.#strings.add(name);
    if (init.soname !== undefined) this.#strings.add(init.soname);
    const hash = EHDR_BYTES + SEGMENTS * PHDR_BYTES;
    const symbols = alignUp(hash + encodeSysvHash(init.order, this.#names).length, WORD_BYTES);
    const strings = symbols + this.#names.length * SYM_BYTES;
    const rela = alignUp(strings + this.#strings.length, WORD_BYTES);
    this.#places = { hash, symbols, strings, rela };
    this.#words = [...init.imports, ...(init.weak ?? []), ...(init.reached ?? [])];
    this.#dynamicAddr = alignUp(rela + this.#relocCount * RELA_BYTES, page);
    this.#gotAddr = this.#dynamicAddr + this.#dynamic().length;
    this.#opdAddr = alignUp(this.#gotAddr + this.#words.length * WORD_BYTES, 16);
    this.dataAddr = alignUp(this.descriptorAddr(init.descriptors?.count ?? 0), 16);
    this.textAddr = alignUp(this.dataAddr + init.dataBytes, page);
  }

  /** Address of the word that holds a symbol's. */
  wordOf(name: string): number {
    const index = this.#words.indexOf(name);
    if (index < 0) throw new InternalError(`${name} has no word`);
    return this.#gotAddr + index * WORD_BYTES;
  }

  /** Address of a function descriptor. */
  descriptorAddr(index: number): number {
    return this.#opdAddr + index * DESCRIPTOR_BYTES;
  }

  get #relocCount(): number {
    return this.#words.length + DESCRIPTOR_RELOCS * (this.#init.descriptors?.count ?? 0);
  }

  #dynamic(): Uint8Array {
    const { order, soname, stays } = this.#init;
    const { hash, symbols, strings, rela } = this.#places;
    return encodeDynamic(order, [
      [k.DT_HASH, hash],
      [k.DT_SYMTAB, symbols],
      [k.DT_STRTAB, strings],
      [k.DT_STRSZ, this.#strings.length],
      [k.DT_SYMENT, SYM_BYTES],
      [k.DT_RELA, rela],
      [k.DT_RELASZ, this.#relocCount * RELA_BYTES],
      [k.DT_RELAENT, RELA_BYTES],
      ...(stays === true ? ([[k.DT_FLAGS_1, k.DF_1_NODELETE]] as const) : []),
      ...(soname === undefined ? [] : ([[k.DT_SONAME, this.#strings.add(soname)]] as const)),
    ]);
  }

  /** The file. @param places of every exported name */
  finish(
    text: Uint8Array,
    data: Uint8Array,
    places: readonly ExportPlace[],
    descriptors: readonly DescriptorFields[] = [],
  ): Uint8Array {
    const { count, relativeType } = this.#init.descriptors ?? { count: 0, relativeType: 0 };
    if (descriptors.length !== count)
      throw new InternalError(`${descriptors.length} function descriptors, ${count} announced`);
    // One section more in front of data and code.
    const shift = count > 0 ? 1 : 0;
    const { order, machine, flags, imports, weak, exports, objects, importType, dataBytes } = this.#init;
    if (data.length !== dataBytes) throw new InternalError(`${data.length} bytes of data, ${dataBytes} announced`);
    const page = this.#init.pageBytes ?? PAGE_BYTES;
    const at = this.#places;
    const writer = new ElfWriter({ order, machine, flags, type: k.ET_DYN, pageBytes: page });
    const alloc = k.SHF_ALLOC;
    const hash = writer.section({
      name: '.hash',
      type: k.SHT_HASH,
      flags: alloc,
      addr: at.hash,
      data: encodeSysvHash(order, this.#names),
      addralign: 8,
      entsize: 4,
      link: 2,
    });
    const placeOf = new Map(places.map(place => [place.name, place]));
    const symbolOf = (name: string) => {
      const place = placeOf.get(name);
      if (place === undefined) throw new InternalError(`nobody said where ${name} is`);
      const symbol = {
        nameOff: this.#strings.add(name),
        bind: k.STB_GLOBAL,
        type: k.STT_FUNC,
        other: place.other,
        size: place.sizeBytes,
      };
      if (objects?.includes(name) === true)
        return { ...symbol, type: k.STT_OBJECT, shndx: DATA_INDEX + shift, value: this.dataAddr + place.offBytes };
      return place.descriptor === undefined
        ? { ...symbol, shndx: TEXT_INDEX + shift, value: this.textAddr + place.offBytes }
        : { ...symbol, shndx: DATA_INDEX, value: this.descriptorAddr(place.descriptor) };
    };
    const imported = (bind: number) => (name: string) => ({ nameOff: this.#strings.add(name), bind });
    const symbols = writer.section({
      name: '.dynsym',
      type: k.SHT_DYNSYM,
      flags: alloc,
      addr: at.symbols,
      data: encodeSymbols(order, [
        {},
        ...imports.map(imported(k.STB_GLOBAL)),
        ...(weak ?? []).map(imported(k.STB_WEAK)),
        ...exports.map(symbolOf),
      ]),
      addralign: 8,
      entsize: SYM_BYTES,
      link: 3,
      info: 1,
    });
    const strings = writer.section({
      name: '.dynstr',
      type: k.SHT_STRTAB,
      flags: alloc,
      addr: at.strings,
      data: this.#strings.finish(),
    });
    const rela = writer.section({
      name: '.rela.dyn',
      type: k.SHT_RELA,
      flags: alloc,
      addr: at.rela,
      data: encodeRelocs(order, machine, true, [
        ...descriptors.flatMap(({ entry, toc }, index) => {
          const offset = this.descriptorAddr(index);
          return [
            { offset, type: relativeType, symbolIndex: 0, addend: entry },
            { offset: offset + WORD_BYTES, type: relativeType, symbolIndex: 0, addend: toc },
          ];
        }),
        ...this.#words.map(name => ({
          offset: this.wordOf(name),
          type: importType,
          symbolIndex: this.#names.indexOf(name),
          addend: 0,
        })),
      ]),
      addralign: 8,
      entsize: RELA_BYTES,
      link: 2,
    });
    const dynamic = writer.section({
      name: '.dynamic',
      type: k.SHT_DYNAMIC,
      flags: alloc | k.SHF_WRITE,
      addr: this.#dynamicAddr,
      data: this.#dynamic(),
      addralign: 8,
      entsize: 16,
      link: 3,
    });
    const words = new Uint8Array(this.#opdAddr - this.#gotAddr);
    const got = writer.section({
      name: '.got',
      flags: alloc | k.SHF_WRITE,
      addr: this.#gotAddr,
      data: words,
      addralign: 8,
      entsize: 8,
    });
    const opd: OutSection[] = [];
    if (count > 0) {
      const flags = alloc | k.SHF_WRITE;
      const bytes = new Uint8Array(this.dataAddr - this.#opdAddr);
      opd.push(writer.section({ name: '.opd', flags, addr: this.#opdAddr, data: bytes, addralign: 8 }));
    }
    const dataSection = writer.section({
      name: '.data',
      flags: alloc | k.SHF_WRITE,
      addr: this.dataAddr,
      data,
      addralign: 16,
    });
    const code = writer.section({
      name: '.text',
      flags: alloc | k.SHF_EXECINSTR,
      addr: this.textAddr,
      data: text,
      addralign: 16,
    });
    const load = { type: k.PT_LOAD, align: page };
    writer.segment({ ...load, flags: k.PF_R, sections: [hash, symbols, strings, rela], withHeaders: true });
    writer.segment({ ...load, flags: k.PF_R | k.PF_W, sections: [dynamic, got, ...opd, dataSection] });
    writer.segment({ ...load, flags: k.PF_R | k.PF_X, sections: [code] });
    writer.segment({ type: k.PT_DYNAMIC, flags: k.PF_R | k.PF_W, sections: [dynamic], align: WORD_BYTES });
    // Without it loaders make the stack of the process executable.
    writer.segment({ type: k.PT_GNU_STACK, flags: k.PF_R | k.PF_W, align: 16 });
    return writer.finish();
  }
}

/** Section numbers, in the order above; of function descriptors where there are any, and then one more each. */
const DATA_INDEX = 7;
const TEXT_INDEX = 8;
