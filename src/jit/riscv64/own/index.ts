/** RISC-V code of farcall's own: short forms wherever they fit, extensions only where somebody reads them. */
export { OWN_CAPS } from './caps.ts';
export { ownCompiler } from './compiler.ts';
export { Constants, stepWords } from './constant.ts';
