import { BPF_ATOMIC, BPF_CMPXCHG, BPF_DW, BPF_FETCH, BPF_STX, BPF_W, BPF_XCHG, type Insn } from '../../../isa/index.ts';
import {
  amoadd,
  amoand,
  amoor,
  amoswap,
  amoxor,
  branch,
  fence,
  loadReserved,
  NE,
  READ,
  storeConditional,
  WRITE,
} from '../encode.ts';
import { constant, emitAdd, isS12, zextWord } from './constant.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { REGISTERS, RESULT, T1, T2, T3, ZERO } from './registers.ts';

const BOTH_ORDERS = 3;
const RELEASE = 1;

/** imm without BPF_FETCH → instruction. */
const OPERATIONS: ReadonlyMap<number, typeof amoadd> = new Map([
  [0x00, amoadd],
  [0x40, amoor],
  [0x50, amoand],
  [0xa0, amoxor],
]);

/** Compare and exchange: exclusive accesses, again while somebody was faster. */
function compareExchange(e: Emission, word: boolean, rs: number, at: number): void {
  if (word) e.addiw(T2, RESULT, 0);
  else e.mv(T2, RESULT);
  e.word(loadReserved(word, 0, RESULT, at));
  e.word(branch(NE, T2, RESULT, 16));
  e.word(storeConditional(word, RELEASE, T3, rs, at));
  e.word(branch(NE, T3, ZERO, -12));
  e.word(fence(READ | WRITE, READ | WRITE));
}

/** Operations nobody knows are no code, as in the kernel. */
function lowerAtomic(e: Emission, insn: Insn): void {
  const { imm, off } = insn;
  const word = (insn.code & 0x18) === BPF_W;
  const rs = REGISTERS[insn.src];
  let at: number = REGISTERS[insn.dst];
  if (off !== 0) {
    if (isS12(off)) e.addi(T1, at, off);
    else {
      constant(e, T1, off);
      emitAdd(e, T1, T1, at);
    }
    at = T1;
  }
  const operation = OPERATIONS.get(imm & ~BPF_FETCH);
  if (imm === BPF_CMPXCHG) compareExchange(e, word, rs, at);
  else if (imm === BPF_XCHG) {
    e.word(amoswap(word, BOTH_ORDERS, rs, rs, at));
    if (word) zextWord(e, rs, rs);
  } else if (operation !== undefined) {
    const fetch = (imm & BPF_FETCH) !== 0;
    e.word(operation(word, fetch ? BOTH_ORDERS : 0, fetch ? rs : ZERO, rs, at));
    if (fetch && word) zextWord(e, rs, rs);
  }
}

export const ATOMIC_ROWS: readonly LoweringRow[] = [BPF_W, BPF_DW].map(
  (size): LoweringRow => [BPF_STX | BPF_ATOMIC | size, lowerAtomic],
);
