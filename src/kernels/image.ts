import type { ByteOrder } from '../util/index.ts';
import { helperSymbol } from './helper-symbols.ts';
import { type KernelTable, type SymbolRow, symbolTable } from './kernel-table.ts';
import { SyntheticText } from './synthetic.ts';
import type { HelperUse, KernelArch, KernelImage, KernelStructs, KernelSymbol } from './types.ts';

/** Second names the kernel's source gives a function (`include/linux/filter.h`), which kallsyms does not have. */
const ALIASES: ReadonlyMap<string, string> = new Map([['__bpf_call_base_args', '__bpf_call_base']]);

/** A kernel made of a recorded table. Names the table lacks get places behind its text. */
export class TableKernel implements KernelImage {
  readonly #table: KernelTable;
  readonly #synthetic: SyntheticText;

  constructor(table: KernelTable) {
    this.#table = table;
    this.#synthetic = new SyntheticText(table.etextOffset);
  }

  get name(): string {
    return this.#table.name;
  }
  get version(): string {
    return this.#table.version;
  }
  get arch(): KernelArch {
    return this.#table.arch;
  }
  get order(): ByteOrder {
    return this.#table.order;
  }
  get textOffset(): number {
    return this.#table.textOffset;
  }
  get etextOffset(): number {
    return this.#table.etextOffset;
  }
  get syntheticEndOffset(): number {
    return this.#synthetic.endOffset;
  }
  get tocOffset(): number {
    return this.#table.tocOffset;
  }
  get structs(): KernelStructs {
    return this.#table.structs;
  }

  #row(name: string): SymbolRow | undefined {
    return symbolTable(this.#table).byName.get(ALIASES.get(name) ?? name);
  }

  symbolOffset(name: string): number {
    return this.#row(name)?.offset ?? this.#synthetic.offsetOf(name);
  }

  symbolAt(offset: number): string | undefined {
    return symbolTable(this.#table).byOffset.get(offset)?.name ?? this.#synthetic.nameAt(offset);
  }

  hasSymbol(name: string): boolean {
    return this.#row(name) !== undefined;
  }

  localEntryBytes(name: string): number {
    return this.#row(name)?.localEntryBytes ?? 0;
  }

  symbols(): readonly KernelSymbol[] {
    return symbolTable(this.#table).rows;
  }

  helperSymbol(helperId: number, progType: number, use?: HelperUse): string {
    return helperSymbol(helperId, progType, use, name => this.hasSymbol(name));
  }
}
