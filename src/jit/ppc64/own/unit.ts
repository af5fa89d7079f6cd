import type { ir } from '../../rows/index.ts';
import type { FuncInput, TargetEnv } from '../../types.ts';
import type { Allocation } from './allocate.ts';
import type { ConstantPlan } from './constant.ts';
import type { Frame, OwnAbi } from './frame.ts';
import type { Target } from './targets.ts';

/** What all functions of a program are told of the machine. */
export interface EnvFacts {
  /** POWER10: prefixed instructions, byte reversal, setbc. */
  readonly prefixed: boolean;
  /** POWER9 or later: modulo instructions. */
  readonly power9: boolean;
  /** There is a TOC, and where. */
  readonly hasToc: boolean;
  readonly tocHi: number;
  readonly tocLo: number;
  /** Probe loads may test the sign of their base alone: user space is what the layout says it is. */
  readonly signTest: boolean;
  readonly userHi: number;
  readonly userLo: number;
  /** Plans of constants by high and low half. */
  readonly plans: Map<number, Map<number, ConstantPlan>>;
}

/** A function ready to be emitted: what no address changes. */
export interface Unit extends EnvFacts {
  readonly func: FuncInput;
  readonly env: TargetEnv;
  readonly abi: OwnAbi;
  readonly rows: ir.Ir;
  readonly allocation: Allocation;
  readonly frame: Frame;
  /** It makes tail calls itself. */
  readonly tailCalls: boolean;
  /** Slot of the last LEAVE, whose code the others share; -1 for none. */
  readonly lastLeave: number;
  /** Rows with an address in them: calls, constants of more than 32 bits, function addresses. */
  readonly addressRows: readonly number[];
  /** Helpers and kfuncs called, by `aux` of the rows that do. */
  readonly targets: readonly Target[];
}
