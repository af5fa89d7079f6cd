import { type Insn, MAX_BPF_STACK } from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { JitError } from '../types.ts';
import { declareGlobals, declareImports } from './abi.ts';
import type { Emission } from './emission.ts';
import { functionGraph } from './function-graph.ts';
import { splitProgram } from './function-split.ts';
import { frameFacts, writeFunction } from './function-writer.ts';
import { ModuleWriter } from './module-writer.ts';
import { I32, I32_WRAP_I64, I64, I64_EXTEND_I32_U, I64_SHR_U } from './opcodes.ts';
import { I32_LOCALS, I64_LOCALS } from './registers.ts';

export interface WasmOptions {
  /**
   * The program was not verified: loops and calls burn fuel, calls are at most as deep as the stack, frames of 512 bytes begin
   * zeroed. Accesses are checked against the size of the memory only, either way. Default false.
   */
  readonly unproven?: boolean;
  /** Slots at which functions begin that no instruction names: the exception callback. */
  readonly entries?: readonly number[];
  /** Bytes of stack of the function that begins at `slot`, as the verifier found; default 512. */
  stackDepthBytes?(slot: number): number;
}

/** A translated program: one module, to be instantiated with the imports that `WasmImports` describes. */
export interface WasmProgram {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** First slot of each function; function i becomes element `tableBase + i` of the table. */
  readonly functionSlots: readonly number[];
}

const FRAME_ALIGN_BYTES = 16;

function frameBytesOf(depthBytes: number): number {
  if (!(depthBytes >= 0 && depthBytes <= MAX_BPF_STACK)) {
    throw new JitError(ERRNO.EINVAL, `a stack of ${depthBytes} bytes`);
  }
  return Math.ceil(depthBytes / FRAME_ALIGN_BYTES) * FRAME_ALIGN_BYTES;
}

/**
 * A program as engines take it to one WebAssembly module: map references are plain constants, helpers are called by number,
 * contexts have the layout user space sees. Exports: `main(r1..r5) → r0`, `run(ctx: i32) → low half of r0`, and the
 * globals of `WASM_GLOBALS`. Time and memory are linear in the program.
 *
 * Throws JitError: ENOTSUPP for what has no translation (gotox, callx, unresolved map references, unknown instructions),
 * EINVAL for jumps out of a function.
 */
export function translateProgram(insns: readonly Insn[], options: WasmOptions = {}): WasmProgram {
  const unproven = options.unproven ?? false;
  const program = splitProgram(insns, options.entries ?? []);
  const { starts, defs } = program;
  const count = starts.length - 1;
  const module = new ModuleWriter();
  const imports = declareImports(module);
  const globals = declareGlobals(module);
  const firstFunc = module.func(imports.funcType);
  for (let func = 1; func < count; func++) module.func(imports.funcType);
  for (let func = 0; func < count; func++) {
    const facts = frameFacts(defs, insns, starts[func], starts[func + 1]);
    const depth = unproven ? MAX_BPF_STACK : (options.stackDepthBytes?.(starts[func]) ?? MAX_BPF_STACK);
    const frameBytes = unproven || facts.usesFrame ? frameBytesOf(depth) : 0;
    const graph = functionGraph(program, func);
    const code = module.body([
      [I64_LOCALS, I64],
      [I32_LOCALS, I32],
    ]);
    const movesSp = facts.calls && frameBytes > 0;
    const e: Emission = { code, program, imports, globals, firstFunc, frameBytes, movesSp };
    writeFunction(e, graph, facts, unproven);
    module.endBody();
  }
  writeRun(module, firstFunc, globals.r0High);
  module.export('main', 'func', firstFunc);
  module.element(imports.tableBase, firstFunc, count);
  return { bytes: module.finish(), functionSlots: Array.from(starts.subarray(0, count)) };
}

/** The entry that passes no BigInt: R1 is an address, the high half of R0 stays in a global. */
function writeRun(module: ModuleWriter, main: number, r0High: number): void {
  module.export('run', 'func', module.func(module.type([I32], [I32])));
  const code = module.body([[1, I64]]);
  code.get(0);
  code.op(I64_EXTEND_I32_U);
  for (let n = 2; n <= 5; n++) code.i64(0, 0);
  code.call(main);
  code.tee(1);
  code.i64(0, 32);
  code.op(I64_SHR_U);
  code.op(I32_WRAP_I64);
  code.globalSet(r0High);
  code.get(1);
  code.op(I32_WRAP_I64);
  module.endBody();
}
