/** Rows and encodings of x86-64 for code over the linear memory. */
export { X86_LINEAR } from './target.ts';
