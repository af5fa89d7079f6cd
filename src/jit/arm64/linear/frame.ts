import type { LocalHome } from '../../linear/index.ts';
import { RUN_STATE } from '../../wasm/abi.ts';
import { addUxtw, cb, LOAD, mov, STORE, stp, strPost, subImm, W, X, ZR } from '../encode.ts';
import { accessAt, addConstant, T0, T1 } from '../words.ts';
import { type Arm64Emission, PAIR_REACH } from './emission.ts';
import { ADDRESS, FRAME, MEMORY } from './registers.ts';

/** As many words of a frame are zeroed one by one. */
const MOST_STORED_WORDS = 64;

/**
 * ```
 *   sp + …   locals
 *   sp       registers of callers, and where to return to
 * ```
 */
export function enter(e: Arm64Emission): void {
  const { inMemory, movesSp, frameBytes } = e.frame;
  e.saveRegisters();
  if (!inMemory) return;
  e.state(2, LOAD, FRAME, RUN_STATE.sp);
  if (frameBytes !== 0) addConstant(e, W, FRAME, FRAME, -frameBytes);
  if (movesSp) e.state(2, STORE, FRAME, RUN_STATE.sp);
  e.w(addUxtw(FRAME, MEMORY, FRAME));
}

export function clearLocal(e: Arm64Emission, home: LocalHome): void {
  if (home.register >= 0) e.constant(home.register, 0, 0);
  else e.local(3, STORE, ZR, home.offBytes);
}

export function setBudget(e: Arm64Emission, offBytes: number, value: number): void {
  e.constant(T0, 0, value);
  e.local(2, STORE, T0, offBytes);
}

export const extend = (e: Arm64Emission, register: number): void => e.w(mov(W, e.home(register), e.home(register)));

export function clearWords(e: Arm64Emission, offs: readonly number[]): void {
  const { frameBytes } = e.frame;
  if (offs.length > MOST_STORED_WORDS) {
    const first = offs[0];
    addConstant(e, X, T0, FRAME, first + frameBytes);
    e.constant(T1, 0, (offs[offs.length - 1] + 8 - first) / 8);
    e.w(strPost(ZR, T0, 8));
    e.w(subImm(W, T1, T1, 1));
    e.w(cb(W, 1, T1, -8));
    return;
  }
  for (let k = 0; k < offs.length; k++) {
    const at = offs[k] + frameBytes;
    if (offs[k + 1] === offs[k] + 8 && at <= PAIR_REACH) {
      e.w(stp(ZR, ZR, FRAME, at));
      k++;
    } else accessAt(e, 3, STORE, ZR, FRAME, at, ADDRESS);
  }
}
