/** One file a program type: its section names, its context, how a test run fills it. */
export * from './contract.ts';
export * from './fields.ts';
export * from './sections.ts';
export * from './table.ts';
export * from './types.ts';
