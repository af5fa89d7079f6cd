import { CALL_SUB, FUNC, type Ir } from '../rows/ir.ts';

/** Rows that call functions of the program or take their address, ascending: they are few, and asked for often. */
export function callSites({ rows: { n, kind } }: { readonly rows: Ir }): readonly number[] {
  const sites: number[] = [];
  for (let i = 0; i < n; i++) if (kind[i] === CALL_SUB || kind[i] === FUNC) sites.push(i);
  return sites;
}
