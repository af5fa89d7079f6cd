/** What an instruction is: the table, the codec, the check of reserved fields, and a builder (RFC 9669). */
export * from './builder.ts';
export * from './codec.ts';
export * from './insn.ts';
export * from './insn-table.ts';
export * from './internal.ts';
export * from './lookup.ts';
export * from './op.ts';
export * from './well-formed.ts';
