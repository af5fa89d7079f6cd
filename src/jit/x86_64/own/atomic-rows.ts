import { BPF_CMPXCHG, BPF_FETCH, BPF_XCHG } from '../../../isa/index.ts';
import { ADD, AND, alu, CC, JCC8, LOCK, lea, mov, NONE, OR, pop, push, rm, W, XOR } from '../encode.ts';
import { RAX, RSP } from '../registers.ts';
import type { Emission } from './emission.ts';
import { unsupported } from './facts.ts';
import { access, arenaPlace, mayFault, type Place, placeAt } from './place.ts';
import { SCRATCH, SCRATCH2 } from './registers.ts';

const XCHG = 0x87;
const XADD = 0x0fc1;
const CMPXCHG = 0x0fb1;
const LOAD = 0x8b;

/** Operations by their nibble in imm. */
const OPERATIONS: Readonly<Record<number, number>> = { 0: ADD, 4: OR, 5: AND, 10: XOR };

/** An atomic operation on four or eight bytes. */
export function emitAtomic(e: Emission, i: number, w: number, arena: boolean): void {
  const insn = e.insns[i];
  const { imm, off } = insn;
  const { c } = e;
  const s = e.reg[insn.src];
  const base = e.reg[insn.dst];
  const fetch = (imm & BPF_FETCH) !== 0;
  const operation = OPERATIONS[(imm & ~BPF_FETCH) >> 4];
  const known = imm === BPF_CMPXCHG || imm === BPF_XCHG || ((imm & ~0xf1) === 0 && operation !== undefined);
  if (!known) throw unsupported(insn, i);
  const place = (): Place => (arena ? arenaPlace(e, base, off, NONE) : placeAt(e, base, off));
  // The others change rax or have to repeat themselves.
  const simple = imm === BPF_CMPXCHG || imm === BPF_XCHG || !fetch || operation === ADD;
  if (!simple) {
    emitLoop(e, i, operation, w, arena);
    return;
  }
  const at = place();
  const start = c.length;
  if (imm === BPF_XCHG) access(e, w, XCHG, s, at);
  else {
    c.u8(LOCK);
    access(e, w, imm === BPF_CMPXCHG ? CMPXCHG : fetch ? XADD : (operation << 3) | 1, s, at);
  }
  if (arena) mayFault(e, start);
  if (imm === BPF_CMPXCHG) {
    // Where they are equal, rax stays as it was.
    if (w === 0 && !e.isZeroExtended(RAX)) mov(c, 0, RAX, RAX);
    e.wrote(RAX, w === 0);
  } else if (fetch) {
    // An access that faults leaves the register as it was.
    e.wrote(s, w === 0 && (!arena || e.isZeroExtended(s)));
  }
}

/**
 * and, or, xor that give the old value. rax, which cmpxchg compares, is kept in r11; where that holds an address of the
 * arena, on the stack.
 *
 * ```
 *          mov  r11,rax            arena: push rax
 *          mov  rax,[m]
 *   again: mov  r9,rax
 *          and  r9,s
 *          lock cmpxchg [m],r9
 *          jne  again
 *          mov  s,rax              a fault above goes on behind this
 *          mov  rax,r11            arena: pop rax
 * ```
 */
function emitLoop(e: Emission, i: number, operation: number, w: number, arena: boolean): void {
  const insn = e.insns[i];
  const { c } = e;
  const s = e.reg[insn.src];
  const base = e.reg[insn.dst];
  let at: Place = { base: base === RAX ? SCRATCH : base, index: NONE, disp: insn.off };
  if (arena) {
    at = arenaPlace(e, base, insn.off, RAX);
    if (at.index !== NONE) {
      lea(c, W, SCRATCH, at.base, 0, at.index);
      at = { base: SCRATCH, index: NONE, disp: at.disp };
    }
    push(c, RAX);
  } else mov(c, W, SCRATCH, RAX);
  const start = c.length;
  access(e, w, LOAD, RAX, at);
  const again = c.length;
  mov(c, w, SCRATCH2, RAX);
  if (s === RAX && arena) rm(c, w, (operation << 3) | 3, SCRATCH2, RSP, 0);
  else alu(c, w, operation, SCRATCH2, s === RAX ? SCRATCH : s);
  const exchange = c.length;
  c.u8(LOCK);
  access(e, w, CMPXCHG, SCRATCH2, at);
  c.u8(JCC8 | CC.ne);
  c.u8((again - (c.length + 1)) & 0xff);
  if (s !== RAX) mov(c, w, s, RAX);
  if (arena) {
    e.extable.push({ insnOff: start, fixupOff: c.length }, { insnOff: exchange, fixupOff: c.length });
    pop(c, s === RAX ? SCRATCH2 : RAX);
  } else if (s !== RAX) mov(c, W, RAX, SCRATCH);
  e.wrote(s, w === 0 && (!arena || e.isZeroExtended(s)));
}
