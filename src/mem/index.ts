/** The linear memory every engine shares, its allocator and its map of accessible regions. Knows no BPF. */
export * from './linear-memory.ts';
