import type { AluOp, AtomicOp, InsnDef, InsnKind, JumpOp } from '../isa/index.ts';

/** The assignment operators of the C-like dialects. */
export const ALU_SYMBOLS: Readonly<Record<AluOp, string>> = {
  add: '+=',
  sub: '-=',
  mul: '*=',
  div: '/=',
  sdiv: 's/=',
  or: '|=',
  and: '&=',
  lsh: '<<=',
  rsh: '>>=',
  mod: '%=',
  smod: 's%=',
  xor: '^=',
  mov: '=',
  arsh: 's>>=',
};

/** The comparisons of the C-like dialects. */
export const JUMP_SYMBOLS: Readonly<Record<JumpOp, string>> = {
  jeq: '==',
  jgt: '>',
  jge: '>=',
  jset: '&',
  jne: '!=',
  jsgt: 's>',
  jsge: 's>=',
  jlt: '<',
  jle: '<=',
  jslt: 's<',
  jsle: 's<=',
};

/** The assignment operator of an atomic operation without fetch. */
export function atomicSymbol(def: InsnDef): string {
  return ALU_SYMBOLS[def.op as Exclude<AtomicOp, 'xchg' | 'cmpxchg'>];
}

/** The C type a load or store names: `u8`…`u64`, `s8`…`s32`. */
export function memoryType(def: InsnDef): string {
  return `${def.kind === 'ldxs' || def.kind === 'movsx' ? 's' : 'u'}${def.sizeBytes * 8}`;
}

/** Destination and source address space of an addr_space_cast row. */
export function addressSpaces(def: InsnDef): [dst: number, src: number] {
  const imm = Number(def.imm);
  return [imm >>> 16, imm & 0xffff];
}

/** A dialect's spellings, one function a kind of instruction. */
export type SpellKinds<T> = Readonly<Record<InsnKind, (def: InsnDef) => T>>;
