import { interpEngine } from '../../src/engine/index.ts';
import type { Insn } from '../../src/isa/index.ts';
import { MAIN_STATE, type OptPass, RUN_STATE, translateProgram, WASM_IMPORTS } from '../../src/jit/index.ts';
import { LinearMemory } from '../../src/mem/index.ts';
import { bareHost } from './bare-host.ts';

const DATA = 0x20000;
const STACK_END = 0x1f000;

/** What a run left: R0 in hexadecimal, then the bytes of the data. */
export type ProvenOutcome = readonly (string | number)[];

const STATE_R0 = MAIN_STATE + RUN_STATE.regs;
/** One memory for all runs: making one costs more than they do. */
let shared: WebAssembly.Memory | undefined;

/**
 * Runs a program on nothing but the data R1 points to, as code that somebody proved to do nothing it may not. Helper 1 gives
 * three times its first argument and its second.
 */
export function runProven(
  insns: readonly Insn[],
  start: Uint8Array,
  without: readonly OptPass[] = [],
  effort: 'quick' | 'full' = 'full',
  dataAddr = DATA,
): ProvenOutcome {
  const { bytes, functionSlots } = translateProgram(insns, { without: new Set(without), effort });
  shared ??= new WebAssembly.Memory({ initial: 4 });
  const memory = shared;
  const u8 = new Uint8Array(memory.buffer);
  const view = new DataView(memory.buffer);
  u8.fill(0xa5, STACK_END - 4096, STACK_END);
  u8.set(start, dataAddr);
  view.setInt32(MAIN_STATE + RUN_STATE.sp, STACK_END, true);
  const mix = (): void => {
    const [r1, r2] = [8, 16].map(at => view.getBigUint64(STATE_R0 + at, true));
    view.setBigUint64(STATE_R0, BigInt.asUintN(64, 3n * r1 + r2), true);
  };
  const refuse = (): never => {
    throw new Error('the program called out');
  };
  const module = new WebAssembly.Module(bytes);
  const imports: Record<string, WebAssembly.ImportValue> = { memory };
  for (const { name, kind } of WebAssembly.Module.imports(module)) {
    if (kind === 'function') imports[name] = name === 'helper_1' ? mix : refuse;
    if (kind === 'global') imports[name] = new WebAssembly.Global({ value: 'i32' }, 1);
    if (kind === 'table')
      imports[name] = new WebAssembly.Table({ element: 'anyfunc', initial: functionSlots.length + 1 });
  }
  const { run } = new WebAssembly.Instance(module, { [WASM_IMPORTS]: imports }).exports as {
    run: (ctx: number, r2: number) => number;
  };
  run(dataAddr, 0);
  return [view.getBigUint64(STATE_R0, true).toString(16), ...u8.slice(dataAddr, dataAddr + start.length)];
}

/** The same on the interpreter. Throws where the program does not end as it should. */
export function interpret(insns: readonly Insn[], start: Uint8Array): ProvenOutcome {
  const mem = new LinearMemory('little');
  const data = mem.alloc(start.length);
  mem.addRegion({ kind: 'mem', name: 'data', start: data, sizeBytes: start.length });
  mem.u8.set(start, data);
  const program = interpEngine.load({ name: 'test', type: 0, id: 1, handle: 0, insns }, bareHost(mem));
  const result = program.run(BigInt(data), { insnBudget: 1_000_000 });
  if (!result.ok) throw new Error(`${result.fault.kind} at ${result.fault.insnIdx}`);
  return [result.r0.toString(16), ...mem.read(data, start.length)];
}
