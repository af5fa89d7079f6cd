/**
 * Operations of maps, written once: C over the linear memory, compiled to BPF, which every engine compiles like any
 * function of a program's and which JavaScript calls through {@link MapOps}. docs/decisions/0004 says why.
 */
export { arrayLookupProgram } from './array-code.ts';
export { cpuProgram, type MapOpProgram, mapOpProgram } from './closure.ts';
export { MAP_OP_NAMES, type MapOp, type MapOps, type MapOpsClient, type MapOpsHost, mapOpArity } from './code.ts';
export { MAP_GATES } from './gates.ts';
export { type MapOpSet, mapOpSet } from './op-set.ts';
