import { BPF_ATOMIC, BPF_CMPXCHG, BPF_DW, BPF_FETCH, BPF_STX, BPF_W, BPF_XCHG, type Insn } from '../../../isa/index.ts';
import { JitError } from '../../types.ts';
import { add, and, bc, cmpd, cmpw, ldarx, li, lwarx, mr, or, stdcxDot, stwcxDot, sync, xor } from '../encode.ts';
import { CONDITIONS, type Emission, type LoweringRow } from './emission.ts';
import { R0, REGISTERS, RESULT, T1, T2 } from './registers.ts';

const WIDTHS = {
  [BPF_W]: { load: lwarx, store: stwcxDot, compare: cmpw },
  [BPF_DW]: { load: ldarx, store: stdcxDot, compare: cmpd },
} as const;

/** imm without BPF_FETCH → what is stored is made of the old value and the source. */
const OPERATIONS: ReadonlyMap<number, (rt: number, ra: number, rb: number) => number> = new Map([
  [0x00, add],
  [0x40, or],
  [0x50, and],
  [0xa0, xor],
]);

/**
 * A loop around load-and-reserve and store-conditional, r9 the offset. With BPF_FETCH the old value comes back and the
 * loop stands between two `sync`.
 */
function lowerAtomic(e: Emission, insn: Insn): void {
  const { imm } = insn;
  const width = WIDTHS[(insn.code & 0x18) as keyof typeof WIDTHS];
  const base = REGISTERS[insn.dst];
  const source = REGISTERS[insn.src];
  const fetch = (imm & BPF_FETCH) !== 0;
  const operation = OPERATIONS.get(imm & ~BPF_FETCH);
  if (operation === undefined && imm !== BPF_XCHG && imm !== BPF_CMPXCHG) {
    throw new JitError(95, `eBPF filter atomic op code ${insn.code.toString(16)} (@${e.slot}) unsupported`);
  }
  e.emit(li(T1, insn.off));
  if (fetch) e.emit(sync());
  const again = e.here;
  e.emit(width.load(T2, T1, base));
  if (fetch) e.emit(mr(R0, T2));
  if (operation !== undefined) {
    e.emit(operation(T2, T2, source));
  } else if (imm === BPF_CMPXCHG) {
    e.emit(width.compare(0, RESULT, T2));
    // Past the store and its retry.
    e.emit(bc(CONDITIONS.ne.bo, CONDITIONS.ne.bi, 12));
  }
  e.emit(width.store(operation === undefined ? source : T2, T1, base));
  e.branchShort(CONDITIONS.ne, again);
  if (!fetch) return;
  e.emit(sync());
  e.emit(mr(imm === BPF_CMPXCHG ? RESULT : source, R0));
  if (imm === BPF_CMPXCHG && (insn.code & 0x18) === BPF_W) e.absorbZext();
}

export const ATOMIC_ROWS: readonly LoweringRow[] = [
  [BPF_STX | BPF_ATOMIC | BPF_W, lowerAtomic],
  [BPF_STX | BPF_ATOMIC | BPF_DW, lowerAtomic],
];
