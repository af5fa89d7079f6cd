import { PTR_TO_PACKET } from '../../helpers/index.ts';
import type { VerifierEnv } from '../env.ts';
import { forEachRegInVstate } from '../state/each-reg.ts';
import { markRegInvalid, regIsDynptrSlicePkt, regIsPktPointerAny } from '../state/marks.ts';
import { AT_PKT_END, BEYOND_PKT_END, rangeInfo } from '../state/reg.ts';
import type { VerifierState } from '../state/verifier-state.ts';

const AT_END = rangeInfo(AT_PKT_END);
const BEYOND_END = rangeInfo(BEYOND_PKT_END);

/**
 * The packet may have moved: pointers into it, to its end, and slices of dynptrs of it are of no use any more.
 * Source: `kernel/bpf/verifier.c: clear_all_pkt_pointers`.
 */
export function clearAllPktPointers(env: VerifierEnv): void {
  forEachRegInVstate(env.curState, (_frame, reg) => {
    if (regIsPktPointerAny(reg) || regIsDynptrSlicePkt(reg)) markRegInvalid(env, reg);
  });
}

/**
 * A branch proved that a packet pointer is at the packet's end, or (`rangeOpen`) beyond it.
 * Source: `kernel/bpf/verifier.c: mark_pkt_end`.
 */
export function markPktEnd(vstate: VerifierState, regn: number, rangeOpen: boolean): void {
  const reg = vstate.frames[vstate.curframe].regs[regn];
  if (reg.type === PTR_TO_PACKET) reg.info = rangeOpen ? BEYOND_END : AT_END;
}
