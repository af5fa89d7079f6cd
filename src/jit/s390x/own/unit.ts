import type { Room } from '../../room.ts';
import type { ir } from '../../rows/index.ts';
import type { FuncInput, TargetEnv } from '../../types.ts';
import type { Allocation } from './allocate.ts';
import type { Frame } from './frame.ts';

/** A function ready to be emitted: what no address changes. */
export interface Unit {
  readonly func: FuncInput;
  readonly env: TargetEnv;
  readonly rows: ir.Ir;
  /** Where its arrays live. */
  readonly kept: Room;
  readonly allocation: Allocation;
  readonly frame: Frame;
  readonly z15: boolean;
  /** The arena's base is 0: its addresses are its offsets. */
  readonly flatArena: boolean;
  /** Slot of the last LEAVE, whose code the others share; -1 for none. */
  readonly lastLeave: number;
  /** Addresses of helpers and kfuncs called, by slot: high and low half. */
  readonly targets: ReadonlyMap<number, KernelTarget>;
}

export interface KernelTarget {
  readonly kind: 'helper' | 'kfunc';
  readonly address: bigint;
  readonly hi: number;
  readonly lo: number;
}
