/** bpf_check: the stages of the kernel's verifier, and the fixups that make an XlatedProgram. */
export type * from './types.ts';
