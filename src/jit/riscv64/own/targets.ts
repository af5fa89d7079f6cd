import { ERRNO } from '../../../uapi/index.ts';
import { type Callee, type CallSite, JitError } from '../../types.ts';
import type { Emission } from './emission.ts';
import * as ir from './ir.ts';

/** Where a call goes. */
export interface Target {
  readonly kind: CallSite['kind'];
  readonly address: bigint;
}

export function calleeAt(callees: readonly Callee[], subprog: number): Callee {
  const callee = callees[subprog];
  if (callee === undefined) throw new JitError(ERRNO.EINVAL, `there is no function ${subprog}`);
  return callee;
}

/** The call's target; undefined while callees have no addresses. Throws JitError for a function nobody knows. */
export function targetOf(e: Emission, i: number): Target | undefined {
  const { kind, imm, off, aux } = e.rows;
  const { func, env } = e.unit;
  if (kind[i] === ir.CALL_HELPER) return { kind: 'helper', address: env.space.callBase + BigInt(imm[i]) };
  if (kind[i] === ir.CALL_KFUNC) {
    const address = func.kfuncAddr(imm[i], off[i]);
    if (address === undefined)
      throw new JitError(ERRNO.EINVAL, `insn ${i} calls kernel function #${imm[i]}, which nobody knows`);
    return { kind: 'kfunc', address };
  }
  if (e.callees === undefined) return undefined;
  const callee = calleeAt(e.callees, aux[i]);
  // Who carries a count enters behind what starts one.
  return { kind: 'subprog', address: e.unit.frame.reachable ? callee.localEntry : callee.entry };
}
