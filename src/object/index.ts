/** ELF + BTF → ObjectSpec: what libbpf does when it opens an object, as pure functions. */

export { ringbufSizeBytes } from './map-btf.ts';
export { kernelName } from './map-data.ts';
export { type OpenObjectOptions, objectNameOf, openObject } from './open.ts';
export type * from './types.ts';
