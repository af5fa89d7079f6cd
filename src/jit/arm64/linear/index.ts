/** Rows and encodings of arm64 for code over the linear memory. */
export { ARM64_LINEAR } from './target.ts';
