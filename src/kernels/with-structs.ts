import type { KernelImage, KernelStructs } from './types.ts';

/** The same kernel with other struct offsets: for machines whose maps and programs are laid out their own way. */
export function withStructs(kernel: KernelImage, structs: KernelStructs): KernelImage {
  return {
    name: kernel.name,
    version: kernel.version,
    arch: kernel.arch,
    order: kernel.order,
    textOffset: kernel.textOffset,
    etextOffset: kernel.etextOffset,
    tocOffset: kernel.tocOffset,
    get syntheticEndOffset() {
      return kernel.syntheticEndOffset;
    },
    symbolOffset: name => kernel.symbolOffset(name),
    symbolAt: offset => kernel.symbolAt(offset),
    hasSymbol: name => kernel.hasSymbol(name),
    localEntryBytes: name => kernel.localEntryBytes(name),
    symbols: () => kernel.symbols(),
    helperSymbol: (helperId, progType, use) => kernel.helperSymbol(helperId, progType, use),
    structs,
  };
}
