/** What kernels know: recorded builds, address layouts, and the simulated kernel address space. */
export { isFunctionAbsent } from './absent-functions.ts';
export { type CustomLayoutInit, customLayout, withTextBase } from './custom-layout.ts';
export { helperSymbol } from './helper-symbols.ts';
export { defaultKernelImage, KERNEL_IMAGES, kernelImage } from './images.ts';
export { bpfSymbolName, type FormatKallsymsOptions, formatKallsyms, formatKsym } from './kallsyms.ts';
export { defaultLayout, findLayout, LAYOUTS, layoutsOf } from './layouts.ts';
export { type CreateSpaceOptions, createKernelSpace } from './space.ts';
export type * from './types.ts';
export { withStructs } from './with-structs.ts';
