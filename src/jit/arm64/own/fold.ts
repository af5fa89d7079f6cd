import { BPF_ALU64 } from '../../../isa/index.ts';
import { isPure } from './liveness.ts';
import { K, type Scan } from './scan.ts';

const OP_LSH = 6;
const OP_RSH = 7;
const OP_ARSH = 0xc;

/**
 * Takes slots out that need no instruction of their own: those whose result nobody reads, copies that the next operation
 * reads the source of, and shifts left that the next slot shifts back.
 *
 * @param live registers live behind each slot
 */
export function fold(scan: Scan, live: Uint16Array): void {
  const { n, kind, d, a, b, leader, insns } = scan;
  for (let i = n - 1; i >= 0; i--) {
    if (isPure(kind[i]) && ((live[i] >>> d[i]) & 1) === 0) kind[i] = K.nothing;
  }
  for (let i = 0; i + 1 < n; i++) {
    const at = i + 1;
    if (leader[at] === 1 || d[at] !== d[i] || a[at] !== d[i]) continue;
    if (kind[i] === K.alu && kind[at] === K.alu && isShiftPair(scan, i)) {
      kind[at] = K.shifts;
      take(scan, live, i);
      continue;
    }
    const operation = kind[at] === K.alu || kind[at] === K.neg || kind[at] === K.end;
    if (!operation || kind[i] !== K.mov || insns[i].off !== 0) continue;
    // A 32-bit copy loses what only a 32-bit operation does not read.
    const wideCopy = (insns[i].code & 7) === BPF_ALU64;
    if (!wideCopy && (kind[at] === K.end || (insns[at].code & 7) === BPF_ALU64)) continue;
    if (b[at] === d[i]) b[at] = a[i];
    take(scan, live, i);
  }
}

/** The next slot reads what slot `i` read, which needs no code then. */
function take({ kind, d, a }: Scan, live: Uint16Array, i: number): void {
  live[i] = (live[i] & ~(1 << d[i])) | (1 << a[i]);
  a[i + 1] = a[i];
  kind[i] = K.nothing;
}

/** A 64-bit shift left by a constant, and one right of what it made. */
function isShiftPair({ insns }: Scan, i: number): boolean {
  const [left, right] = [insns[i].code, insns[i + 1].code];
  if ((left & 0xf) !== BPF_ALU64 || (right & 0xf) !== BPF_ALU64 || left >> 4 !== OP_LSH) return false;
  return right >> 4 === OP_RSH || right >> 4 === OP_ARSH;
}
