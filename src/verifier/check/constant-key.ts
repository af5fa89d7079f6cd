import { PTR_TO_STACK, SCALAR_VALUE } from '../../helpers/index.ts';
import { bpf_map_type } from '../../uapi/index.ts';
import { isConst } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { VerifierMap } from '../input.ts';
import { STACK_SPILL, STACK_ZERO, slotTypeOf } from '../state/stack.ts';
import { markChainPrecisionBatch } from './precision.ts';

const BPF_F_INNER_MAP = 1 << 12;

/** Every index below `max_entries` has an entry. Source: `can_elide_value_nullness`. */
export const canElideValueNullness = ({ type, flags }: VerifierMap): boolean =>
  (flags & BPF_F_INNER_MAP) === 0 &&
  (type === bpf_map_type.BPF_MAP_TYPE_ARRAY || type === bpf_map_type.BPF_MAP_TYPE_PERCPU_ARRAY);

/**
 * The key a register points to, where it is a constant on the stack that fits 32 bits; -1 otherwise. The constant becomes
 * precise. Source: `get_constant_map_key` of 6.14 and later.
 */
export function constantMapKey(env: VerifierEnv, regno: number, keySize: number): number {
  const key = env.regs[regno];
  if (!env.bpfCapable || key.type !== PTR_TO_STACK || !isConst(key.scalar)) return -1;
  const slot = -((key.off + key.scalar.valueLo) | 0) - 1;
  const spi = slot >> 3;
  const stored = env.curState.frames[key.frameno].stack[spi];
  if (slot < 0 || stored === undefined) return -1;
  let zeros = 0;
  for (let i = slot & 7; i >= 0 && slotTypeOf(stored, i) === STACK_ZERO; i--) zeros++;
  if (zeros >= keySize) return 0;
  if (slotTypeOf(stored, 7) !== STACK_SPILL || stored.type !== SCALAR_VALUE) return -1;
  let spilled = 0;
  for (let i = slot & 7; i >= 0 && slotTypeOf(stored, i) === STACK_SPILL; i--) spilled++;
  if (spilled !== keySize || !isConst(stored.scalar)) return -1;
  env.bt.setFrameSlot(key.frameno, spi);
  markChainPrecisionBatch(env);
  return stored.scalar.valueHi === 0 ? stored.scalar.valueLo >>> 0 : -1;
}
