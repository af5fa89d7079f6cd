/** Own mode of x86-64: farcall's shortest code. docs/spec/x86_64.md says how it comes about. */
export { OWN_CAPS } from './caps.ts';
export { ownCompiler } from './compiler.ts';
