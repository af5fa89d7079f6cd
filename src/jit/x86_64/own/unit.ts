import type { Room } from '../../room.ts';
import type { FuncInput, TargetEnv } from '../../types.ts';
import type { Facts } from './facts.ts';
import type { Frame } from './frame.ts';

/** A function ready to be emitted: what no address changes. */
export interface Unit {
  readonly func: FuncInput;
  readonly env: TargetEnv;
  /** Where its arrays live. */
  readonly kept: Room;
  readonly facts: Facts;
  /** Where BPF's registers live. */
  readonly reg: readonly number[];
  readonly frame: Frame;
  /** x86-64-v3: BMI2 and MOVBE. */
  readonly v3: boolean;
  /** BPF registers that hold something behind each slot; undefined where nobody asks. */
  readonly held: Uint16Array | undefined;
  /** Probe loads may test the sign of their base alone: user space is what the layout says it is. */
  readonly signTest: boolean;
  /** Where the arena begins: in r12, or near enough to 0 to be part of the displacement. */
  readonly arenaHi: number;
  readonly arenaLo: number;
  readonly arenaInRegister: boolean;
  readonly epilogueBytes: number;
  /** Addresses of helpers and kfuncs called, by what calls hold. */
  kernelTargets: Map<number, KernelTarget> | undefined;
}

/** A function of the kernel that is called. */
export interface KernelTarget {
  readonly kind: 'helper' | 'kfunc';
  readonly address: bigint;
  readonly hi: number;
  readonly lo: number;
}
