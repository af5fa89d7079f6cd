/** farcall: open BPF objects, relocate, verify and run them. The rooms behind the verbs are at `farcall/<room>`. */
export { assemble, type DialectName, disassemble, printInsn } from './asm/index.ts';
export { type Btf, dumpC, openBtf } from './btf/index.ts';
export { findEmbeddedElf, openElf } from './elf/index.ts';
export { type Engine, type Fault, interpEngine, type RunResult } from './engine/index.ts';
export { decodeInsns, encodeInsns, type Insn, ProgramBuilder } from './isa/index.ts';
export { kernelImage } from './kernels/index.ts';
export {
  createMachine,
  HostClock,
  type LoadedObject,
  type Machine,
  type MachineEvent,
  type MachineOptions,
  type MachineProgram,
  type PreparedObject,
  type ProgramVerdict,
  prepareObject,
  type RunRequest,
  StepClock,
  type TestRunResult,
  verifyPrepared,
} from './machine/index.ts';
export type { BpfMap, MapDef } from './maps/index.ts';
export { type ObjectMap, type ObjectSpec, openObject, type ProgramSpec, relocateObject } from './object/index.ts';
export { FarcallError, InternalError } from './util/index.ts';
export { type Verdict, type VerifyInput, type VerifyOptions, verify } from './verifier/index.ts';
