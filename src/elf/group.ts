import type { ByteView } from '../util/index.ts';
import { GRP_COMDAT, STT_SECTION } from './constants.ts';
import type { ElfSection } from './section.ts';
import type { ElfSymbol } from './symbols.ts';

/** A section group (SHT_GROUP): sections that a linker keeps or drops together. */
export class ElfGroup {
  readonly section: ElfSection;
  readonly #signature: () => ElfSymbol;
  readonly #sectionName: (index: number) => string;
  readonly #view: ByteView;

  constructor(section: ElfSection, signature: () => ElfSymbol, sectionName: (index: number) => string) {
    this.section = section;
    this.#signature = signature;
    this.#sectionName = sectionName;
    this.#view = section.view();
  }

  /** GRP_* flags; 0 when the section is too short to hold any. */
  get flags(): number {
    return this.#view.length < 4 ? 0 : this.#view.u32(0);
  }
  /** True when groups of the same signature are duplicates, of which one is kept. */
  get isComdat(): boolean {
    return (this.flags & GRP_COMDAT) !== 0;
  }
  /** The symbol that identifies the group. Throws `elf.symbol`. */
  get signature(): ElfSymbol {
    return this.#signature();
  }
  /** The signature's name; the section's name where the signature is a nameless section symbol. */
  get name(): string {
    const symbol = this.signature;
    return symbol.type === STT_SECTION && symbol.nameOff === 0 ? this.#sectionName(symbol.sectionIndex) : symbol.name;
  }
  /** Section indices, not checked against the section count. */
  get members(): Uint32Array {
    const members = new Uint32Array(Math.max(0, (this.#view.length >> 2) - 1));
    for (let i = 0; i < members.length; i++) members[i] = this.#view.u32(4 * i + 4);
    return members;
  }
}
