import type { LocalHome } from '../../linear/index.ts';
import { RUN_STATE } from '../../wasm/abi.ts';
import { ADD, alu, aluImm, mov, movImm, pop, push, rm, SUB, W } from '../encode.ts';
import { RAX, RCX, RDI, RSP } from '../registers.ts';
import { addToSp } from './control-rows.ts';
import { LOAD_OP, type X86Emission } from './emission.ts';
import { ADDRESS, FRAME_END, HOME, MEMORY, SCRATCH } from './registers.ts';

/** As many words of a frame are zeroed one by one. */
const MOST_STORED_WORDS = 64;
/** movups [m], xmm0 and xorps xmm0, xmm0 */
const STORE_16 = 0x0f11;

/**
 * ```
 *   rsp + localBytes   registers of callers
 *   rsp                locals
 * ```
 */
export function enter(e: X86Emission): void {
  const { c, program, frame } = e;
  for (const register of frame.saved) push(c, register);
  if (frame.localBytes > 0) aluImm(c, W, SUB, RSP, frame.localBytes);
  if (!frame.inMemory) return;
  rm(c, 0, LOAD_OP, FRAME_END, MEMORY, program.stateAddr + RUN_STATE.sp);
  alu(c, W, ADD, FRAME_END, MEMORY);
  if (frame.movesSp) addToSp(e, -frame.frameBytes);
}

export function clearLocal({ c }: X86Emission, home: LocalHome): void {
  if (home.register >= 0) movImm(c, home.register, 0, 0);
  else {
    rm(c, W, 0xc7, 0, RSP, home.offBytes);
    c.u32(0);
  }
}

export function setBudget({ c }: X86Emission, offBytes: number, value: number): void {
  rm(c, 0, 0xc7, 0, RSP, offBytes);
  c.u32(value);
}

export const extend = ({ c }: X86Emission, register: number): void => mov(c, 0, HOME[register], HOME[register]);

export function clearWords({ c }: X86Emission, offs: readonly number[]): void {
  if (offs.length > MOST_STORED_WORDS) {
    const first = offs[0];
    const count = (offs[offs.length - 1] + 8 - first) / 8;
    // Where a function was put in, R0 may still be what it was before.
    push(c, RAX);
    mov(c, W, SCRATCH, RDI);
    mov(c, W, ADDRESS, RCX);
    rm(c, W, 0x8d, RDI, FRAME_END, first);
    movImm(c, RCX, 0, count);
    movImm(c, RAX, 0, 0);
    // rep stosq
    for (const byte of [0xf3, 0x48, 0xab]) c.u8(byte);
    mov(c, W, RDI, SCRATCH);
    mov(c, W, RCX, ADDRESS);
    pop(c, RAX);
    return;
  }
  let cleared = false;
  for (let k = 0; k < offs.length; k++) {
    const at = offs[k];
    if (offs[k + 1] === at + 8) {
      // xorps xmm0, xmm0
      if (!cleared) for (const byte of [0x0f, 0x57, 0xc0]) c.u8(byte);
      cleared = true;
      rm(c, 0, STORE_16, 0, FRAME_END, at);
      k++;
    } else {
      rm(c, W, 0xc7, 0, FRAME_END, at);
      c.u32(0);
    }
  }
}
