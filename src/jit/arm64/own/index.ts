/** arm64, own mode: a direct translation in few instructions. */
export { OWN_CAPS } from './caps.ts';
export { ownCompiler } from './compiler.ts';
