import type { Insn } from '../../../isa/index.ts';
import { alu, cqo, div, idiv, mov, movImm, pop, push, XOR } from '../encode.ts';
import { RAX, RDX } from '../registers.ts';
import type { Emission } from './emission.ts';
import { SCRATCH } from './registers.ts';

/** BPF's registers in rax and rdx. */
const R0 = 0;
const R3 = 3;

/**
 * d = quotient or remainder of d and a register. rdx:rax is divided, so both are saved where somebody wants them.
 *
 * ```
 *   mov  r11,s           if s is rax or rdx, or a constant
 *   push rax; push rdx   unless they are d, or free
 *   mov  rax,d
 *   xor  edx,edx         signed: cqo
 *   div  s
 *   mov  d,rax           remainder: rdx
 *   pop  rdx; pop rax
 * ```
 */
export function emitDivide(
  e: Emission,
  i: number,
  width: number,
  modulo: boolean,
  signed: boolean,
  d: number,
  by: number,
): void {
  const { c } = e;
  // Of two numbers without upper halves, the lower ones are all there is.
  const w = width !== 0 && !signed && e.isZeroExtended(d) && e.isZeroExtended(by) ? 0 : width;
  let s = by;
  // Only x / x finds its divisor where the dividend is.
  if (s === RDX || (s === RAX && d !== RAX)) {
    mov(c, w, SCRATCH, s);
    s = SCRATCH;
  }
  const saveRax = d !== RAX && !e.isFree(R0, i);
  const saveRdx = d !== RDX && !e.isFree(R3, i);
  if (saveRax) push(c, RAX);
  if (saveRdx) push(c, RDX);
  if (d !== RAX) mov(c, w, RAX, d);
  if (signed) {
    cqo(c, w);
    idiv(c, w, s);
  } else {
    alu(c, 0, XOR, RDX, RDX);
    div(c, w, s);
  }
  const result = modulo ? RDX : RAX;
  if (d !== result) mov(c, w, d, result);
  if (saveRdx) pop(c, RDX);
  if (saveRax) pop(c, RAX);
  // Free ones hold something else now.
  if (!saveRdx && d !== RDX) e.wrote(RDX, false);
  if (!saveRax && d !== RAX) e.wrote(RAX, false);
  e.wrote(d, w === 0);
}

export function emitDivideImm(e: Emission, i: number, insn: Insn, w: number, imm: number): void {
  movImm(e.c, SCRATCH, w === 0 ? 0 : imm >> 31, imm);
  e.wrote(SCRATCH, w === 0 || imm >= 0);
  emitDivide(e, i, w, insn.code >> 4 === 9, insn.off === 1, e.reg[insn.dst], SCRATCH);
}
