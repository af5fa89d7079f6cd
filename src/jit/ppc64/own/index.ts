/** Own mode of the ppc64 targets: farcall's shortest code. docs/spec/ppc64.md says how it comes about. */
export { OWN_CAPS } from './caps.ts';
export { ownCompilers } from './compiler.ts';
export { ELFV1, ELFV2, type OwnAbi } from './frame.ts';
