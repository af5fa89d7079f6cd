import { ir } from '../../rows/index.ts';

/** Whether operand `a` alone is read beside `d`'s old value, and another register may take its place. */
const TAKES = (kind: number): boolean =>
  kind === ir.ALU_K || kind === ir.ALU_X || kind === ir.MASK || kind === ir.SEXT || kind === ir.BSWAP;

/** `d = a; d = d op …` becomes `d = a op …`: most operations take three operands. */
export function foldMoves(rows: ir.Ir): void {
  const { n, kind, d, a, b, flags } = rows;
  let last = -1;
  for (let i = 0; i < n; i++) {
    // A row that does nothing may be jumped to as well.
    if ((flags[i] & ir.LEADER) !== 0) last = -1;
    if (kind[i] === ir.NOP) continue;
    const move = last;
    last = i;
    if (move < 0 || kind[move] !== ir.MOV) continue;
    if (!TAKES(kind[i]) || a[i] !== d[move] || d[i] !== d[move]) continue;
    if (b[i] === d[move]) b[i] = a[move];
    a[i] = a[move];
    kind[move] = ir.NOP;
  }
}
