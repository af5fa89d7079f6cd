import {
  BPF_ATOMIC,
  BPF_CMPXCHG,
  BPF_DW,
  BPF_FETCH,
  BPF_PROBE_ATOMIC,
  BPF_STX,
  BPF_W,
  BPF_XCHG,
  type Insn,
} from '../../../isa/index.ts';
import { ERRNO } from '../../../uapi/index.ts';
import { JitError } from '../../types.ts';
import { AND, alu, CC, JCC8, LOCK, mov, NONE, OR, rmDisp, W, XOR } from '../encode.ts';
import { RAX } from '../registers.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { mayFault } from './memory.ts';
import { ARENA, AUX, AX, REGISTERS } from './registers.ts';

const CMPXCHG = 0x0fb1;

/** imm → opcode of the instruction that does it. */
const OPCODES: ReadonlyMap<number, number> = new Map([
  [0x00, 0x01],
  [0x40, 0x09],
  [0x50, 0x21],
  [0xa0, 0x31],
  [BPF_FETCH, 0x0fc1],
  [BPF_XCHG, 0x87],
  [BPF_CMPXCHG, CMPXCHG],
]);

/** imm → operation that no instruction does and fetches at once. */
const LOOPS: ReadonlyMap<number, number> = new Map([
  [0x40 | BPF_FETCH, OR],
  [0x50 | BPF_FETCH, AND],
  [0xa0 | BPF_FETCH, XOR],
]);

const widthOf = (insn: Insn): number => ((insn.code & 0x18) === BPF_DW ? W : 0);

const locked = (opcode: number): number => LOCK * 0x1000000 + opcode;

function plain(e: Emission, insn: Insn, index: number): void {
  const opcode = OPCODES.get(insn.imm);
  if (opcode === undefined) {
    throw new JitError(ERRNO.EINVAL, `bpf_jit: unknown atomic opcode ${insn.imm.toString(16)} (@${e.slot})`);
  }
  const { c } = e;
  rmDisp(c, widthOf(insn), locked(opcode), REGISTERS[insn.src], REGISTERS[insn.dst], insn.off, index);
}

/** Load, operation, compare and exchange, until nobody was faster; rax goes to r10 meanwhile. */
function loop(e: Emission, insn: Insn, operation: number): void {
  const { c } = e;
  const w = widthOf(insn);
  const source = insn.src === 0 ? AX : REGISTERS[insn.src];
  const base = insn.dst === 0 ? AX : REGISTERS[insn.dst];
  mov(c, W, AX, RAX);
  const again = c.length;
  rmDisp(c, w, 0x8b, RAX, base, insn.off);
  mov(c, w, AUX, RAX);
  alu(c, w, operation, AUX, source);
  rmDisp(c, w, locked(CMPXCHG), AUX, base, insn.off);
  c.u8(JCC8 | CC.ne);
  c.u8((again - (c.length + 1)) & 0xff);
  mov(c, w, source, RAX);
  mov(c, W, RAX, AX);
}

function lowerAtomic(e: Emission, insn: Insn): void {
  const operation = LOOPS.get(insn.imm);
  if (operation === undefined) plain(e, insn, NONE);
  else loop(e, insn, operation);
}

function lowerArenaAtomic(e: Emission, insn: Insn): void {
  const start = e.c.length;
  plain(e, insn, ARENA);
  mayFault(e, start, undefined);
}

export const ATOMIC_ROWS: readonly LoweringRow[] = [BPF_W, BPF_DW].flatMap((size): LoweringRow[] => [
  [BPF_STX | BPF_ATOMIC | size, lowerAtomic],
  [BPF_STX | BPF_PROBE_ATOMIC | size, lowerArenaAtomic],
]);
