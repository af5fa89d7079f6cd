/** What compiles an instruction, by its code, out of the rows of several files; a code without one is refused. */
export function loweringTable<Lowering>(
  ...files: readonly (readonly (readonly [code: number, lower: Lowering])[])[]
): readonly (Lowering | undefined)[] {
  const table: (Lowering | undefined)[] = new Array(256).fill(undefined);
  for (const rows of files) for (const [code, lower] of rows) table[code] = lower;
  return table;
}
