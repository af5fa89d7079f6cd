/** farcall: open BPF objects, relocate them, run them. The rooms behind the verbs are at `farcall/<room>`. */
export { assemble, type DialectName, disassemble, printInsn } from './asm/index.ts';
export { type Btf, dumpC, openBtf } from './btf/index.ts';
export { findEmbeddedElf, openElf } from './elf/index.ts';
export { type Engine, type Fault, interpEngine, type RunResult } from './engine/index.ts';
export { decodeInsns, encodeInsns, type Insn, ProgramBuilder } from './isa/index.ts';
export {
  createMachine,
  HostClock,
  type LoadedObject,
  type Machine,
  type MachineEvent,
  type MachineOptions,
  type MachineProgram,
  type RunRequest,
  StepClock,
  type TestRunResult,
} from './machine/index.ts';
export type { BpfMap, MapDef } from './maps/index.ts';
export { type ObjectMap, type ObjectSpec, openObject, type ProgramSpec, relocateObject } from './object/index.ts';
export { FarcallError, InternalError } from './util/index.ts';
