import type { Room } from '../../room.ts';
import type { FuncInput, TargetEnv } from '../../types.ts';
import type { Allocation } from './allocate.ts';
import type { Constants } from './constant.ts';
import type { Frame } from './frame.ts';
import type { Ir } from './ir.ts';

/** A function ready to be emitted: what no address changes. */
export interface Unit {
  readonly func: FuncInput;
  readonly env: TargetEnv;
  readonly rows: Ir;
  /** Tail calls it makes. */
  readonly tails: number;
  /** Where its arrays live. */
  readonly kept: Room;
  readonly allocation: Allocation;
  readonly frame: Frame;
  readonly constants: Constants;
  readonly zba: boolean;
  readonly zbb: boolean;
  /** Probe loads may test the sign of their base alone: user space is what the layout says it is. */
  readonly signTest: boolean;
  /** Slot of the last LEAVE, whose code others share; -1 for none. */
  readonly lastLeave: number;
}
