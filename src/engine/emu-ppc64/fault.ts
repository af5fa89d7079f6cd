import { ProgramFault } from '../../helpers/index.ts';
import type { EmuFault } from '../emu-types.ts';

/** Ends a run from inside; `call` turns it into a result. A gate may throw one again that a nested call returned. */
export class CpuFault extends Error {
  override readonly name = 'CpuFault';
  readonly fault: EmuFault;

  constructor(fault: EmuFault) {
    super(fault.message);
    this.fault = fault;
  }
}

/** What a gate threw, as a fault at its call; undefined for what is no fault. */
export function faultOf(error: unknown, pc: bigint, regs: readonly bigint[]): EmuFault | undefined {
  if (error instanceof CpuFault) return error.fault;
  if (!(error instanceof ProgramFault)) return undefined;
  // The fault of a call nested in the gate knows its place better.
  if ('fault' in error && error.fault !== undefined) return error.fault as EmuFault;
  const { kind, message, addr, sizeBytes } = error;
  return { kind, message, addr, sizeBytes, pc, regs };
}
