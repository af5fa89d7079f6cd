/** Numbers and names Linux publishes, verbatim. `generated/` says which kernel they come from. */
export * from './errno.ts';
export * from './generated/bpf.ts';
export * from './names.ts';
export * from './prog-flags.ts';
