import { ADD, ALU_K, ALU_X, CONST, FP, type Ir, MASK, MOV, NONE, SUB, W } from '../rows/ir.ts';

/** What a register holds, by what registers held when a loop's round began: up to two of them and a number. */
export interface Sum {
  /** Registers, the lower one first; `NONE` for none. */
  readonly a: number;
  readonly b: number;
  readonly c: number;
  /** Only low halves are known to be equal. */
  readonly low: boolean;
}

const LARGEST = 2 ** 30;

function make(a: number, b: number, c: number, low: boolean): Sum | undefined {
  if (Math.abs(c) > LARGEST) return undefined;
  return a <= b ? { a, b, c, low } : { a: b, b: a, c, low };
}

function add(x: Sum | undefined, y: Sum | undefined, c: number, low: boolean): Sum | undefined {
  if (x === undefined || y === undefined) return undefined;
  const roots = [x.a, x.b, y.a, y.b].filter(root => root !== NONE);
  if (roots.length > 2) return undefined;
  return make(roots[0] ?? NONE, roots[1] ?? NONE, x.c + y.c + c, low || x.low || y.low);
}

/** Sums in registers, row by row through a round of a loop. */
export class Sums {
  readonly #rows: Ir;
  readonly #held: (Sum | undefined)[] = [];

  constructor(rows: Ir) {
    this.#rows = rows;
    for (let r = 0; r < NONE; r++) this.#held.push({ a: r, b: NONE, c: 0, low: false });
  }

  of(register: number): Sum | undefined {
    return register === NONE ? undefined : this.#held[register];
  }

  /** What a row leaves in its register. */
  #result(i: number): Sum | undefined {
    const { kind, sub, a, b, imm, aux, flags } = this.#rows;
    const low = (flags[i] & W) !== 0;
    const x = this.of(a[i]);
    switch (kind[i]) {
      case MOV:
        return x;
      case CONST:
        return aux[i] === imm[i] >> 31 ? make(NONE, NONE, imm[i], false) : undefined;
      case MASK:
        return sub[i] === 0 && aux[i] === 0 && imm[i] === -1 && x !== undefined ? { ...x, low: true } : undefined;
      case ALU_K:
        if (x === undefined || (sub[i] !== ADD && sub[i] !== SUB)) return undefined;
        return make(x.a, x.b, x.c + (sub[i] === ADD ? imm[i] : -imm[i]), low || x.low);
      case ALU_X:
        return sub[i] === ADD ? add(x, this.of(b[i]), imm[i], low) : undefined;
      default:
        return undefined;
    }
  }

  /** @param certain the row is gone through in every round */
  row(i: number, certain: boolean): void {
    const d = this.#rows.d[i];
    if (d !== NONE && d !== FP) this.#held[d] = certain ? this.#result(i) : undefined;
  }
}
