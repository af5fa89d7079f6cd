import { isConst, tnumText } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { RegState } from '../state/reg.ts';
import { typeIsRdonlyMem } from './pointer-kinds.ts';

/** Source: `kernel/bpf/verifier.c: __check_buffer_access`. */
function checkBufferOffset(
  env: VerifierEnv,
  bufInfo: string,
  reg: RegState,
  regno: number,
  off: number,
  size: number,
): void {
  if (off < 0) env.refuse('bufferAccess', regno, bufInfo, off, size);
  const s = reg.scalar;
  if (!isConst(s) || (s.valueHi | s.valueLo) !== 0) env.refuse('bufferVarOff', regno, off, tnumText(s));
}

/**
 * The buffer of a raw tracepoint's arguments: how large it is turns out when the program is attached.
 *
 * Source: `kernel/bpf/verifier.c: check_tp_buffer_access`.
 */
export function checkTpBufferAccess(env: VerifierEnv, reg: RegState, regno: number, off: number, size: number): void {
  checkBufferOffset(env, 'tracepoint', reg, regno, off, size);
  const end = (off + size) >>> 0;
  if (end > env.maxTpAccess) env.maxTpAccess = end;
}

/**
 * A buffer of an iterator, or of a hook that counts what programs access: how large it is turns out later.
 *
 * Source: `kernel/bpf/verifier.c: check_buffer_access`.
 * @param maxAccess what to note the end of the access in
 */
export function checkBufferAccess(
  env: VerifierEnv,
  reg: RegState,
  regno: number,
  off: number,
  size: number,
  _zeroSizeAllowed: boolean,
  maxAccess: 'maxRdonlyAccess' | 'maxRdwrAccess',
): void {
  checkBufferOffset(env, typeIsRdonlyMem(reg.type) ? 'rdonly' : 'rdwr', reg, regno, off, size);
  const end = (off + size) >>> 0;
  if (end > env[maxAccess]) env[maxAccess] = end;
}
