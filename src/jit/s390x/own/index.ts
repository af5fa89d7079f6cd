/** Own mode of s390x: farcall's shortest code. docs/spec/s390x.md says how it comes about. */
export { COMPAT_CAPS, OWN_CAPS } from './caps.ts';
export { ownCompiler } from './compiler.ts';
