import type { Insn } from '../../isa/index.ts';
import type { FastcallMarks } from '../fastcall.ts';
import { isKfuncCall, KfuncCalls } from '../kfunc-calls.ts';
import { estimateStackDepths } from '../stack-estimate.ts';
import { JIT_SUPPORT } from '../structure-input.ts';
import { SubprogTable } from '../subprogs.ts';
import { VerifierLog } from '../verifier-log.ts';
import type { FunctionTable } from './functions.ts';

/**
 * How deep each function reaches into its frame, estimated, for a program that no stage of the verifier has seen.
 *
 * @param insns helper calls by id
 * @param nameOf the kernel function a call names
 */
export function stackDepths(
  insns: readonly Insn[],
  functions: FunctionTable,
  addressTaken: Uint8Array,
  nameOf: (insn: Insn) => string | undefined = () => undefined,
): ArrayLike<number> {
  const subprogs = new SubprogTable();
  subprogs.add(0);
  const [main] = subprogs.list;
  // As many as there are: how many a program may have is for those to say who judge it.
  for (let func = 1; func < functions.count; func++) subprogs.list.push({ ...main, start: functions.starts[func] });
  subprogs.list.forEach((subprog, func) => {
    subprog.isReferenced = addressTaken[func] !== 0;
  });
  subprogs.close(insns.length);
  const names = new Map<number, string>();
  insns.forEach((insn, idx) => {
    const name = isKfuncCall(insn) ? nameOf(insn) : undefined;
    if (name !== undefined) names.set(idx, name);
  });
  const kfuncs = new KfuncCalls({
    jitRequested: true,
    jit: JIT_SUPPORT.x86_64,
    gplCompatible: true,
    kernelBtf: undefined,
    names,
  });
  const log = new VerifierLog();
  for (const idx of names.keys()) kfuncs.add(insns[idx], idx, log);
  // Spills around calls stay where they are.
  const { count } = functions;
  const noFastcalls: FastcallMarks = {
    pattern: new Uint8Array(insns.length),
    spillCount: new Uint8Array(insns.length),
    stackOff: new Int32Array(count),
    spillDepth: new Int32Array(count),
    removable: new Uint8Array(count),
    kept: new Uint8Array(count),
  };
  return estimateStackDepths(insns, subprogs, kfuncs, noFastcalls).stackDepthBytes;
}
