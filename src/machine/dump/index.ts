/** Loaded programs as inspection tools show them: `bpf_prog_info` and the texts bpftool makes of it. */

export { type CallReport, callReports, type WrongTarget } from './call-sites.ts';
export { encodingOf, type LocalCall, localCall, type NamingOptions } from './calls.ts';
export { dumpXlatedGraph } from './graph.ts';
export { type InspectedProgram, type InspectOptions, inspectProgram } from './inspect.ts';
export {
  type DisasmInsn,
  type Disassembler,
  dumpJited,
  dumpJitedJson,
  insnText,
  type JitedDumpOptions,
  type JitedFunctionDump,
  type JitedFunctionJson,
  type JitedInsnJson,
  type JitedRow,
  jitedFunctions,
} from './jited.ts';
export { type DumpLine, LineTable } from './lines.ts';
export {
  answerProgInfo,
  PROG_INFO_BYTES,
  PROG_INFO_OFFSETS,
  type ProgInfoAnswer,
  type ProgInfoCall,
} from './prog-info-struct.ts';
export { prototypeText } from './prototype.ts';
export {
  getProgInfo,
  INFO_ARRAYS,
  INFO_ELEMENT_BYTES,
  type InfoArray,
  type InfoArrayReply,
  type ProgInfoQuery,
  type ProgInfoReply,
  type RecordArray,
  visibleInfo,
} from './query.ts';
export {
  progFullName,
  progMemlockBytes,
  type ShowFacts,
  type ShowJson,
  showHead,
  showHeadJson,
  showProg,
  showProgJson,
} from './show.ts';
export { type DumpSource, type DumpSymbols, HIDDEN_SYMBOLS, symbolsOf } from './source.ts';
export {
  dumpXlated,
  dumpXlatedJson,
  type LineJson,
  type XlatedDumpOptions,
  type XlatedInsnJson,
  type XlatedRow,
  xlatedRows,
} from './xlated.ts';
