import {
  MAP_GATES,
  MAP_OP_NAMES,
  type MapOp,
  type MapOps,
  type MapOpsHost,
  mapOpArity,
  mapOpProgram,
} from '../../maps/index.ts';
import type { LinearMemory } from '../../mem/index.ts';
import { type ByteOrder, InternalError } from '../../util/index.ts';
import { type CallShape, helperImport, RUN_STATE, WASM_IMPORTS } from './abi.ts';
import { swapAccesses } from './foreign-order.ts';
import { ModuleWriter } from './module-writer.ts';
import * as w from './opcodes.ts';
import { I32, I64 } from './opcodes.ts';
import { translateProgram } from './translate.ts';

/** Where calls of operations by JavaScript keep their state and stack: in the first page, behind what engines keep there. */
const OPS_STATE = 0x4000;
const OPS_STACK_END = 0x8000;

const GET_SMP_PROCESSOR_ID = 8;

interface Gate extends CallShape {
  run(host: MapOpsHost, r1: number, r2: number, r3: number): number;
}

/** What operations call in JavaScript. The helpers of programs are for maps whose type is not known, of which no object asks. */
const GATES: Readonly<Record<number, Gate>> = {
  [GET_SMP_PROCESSOR_ID]: { args: 0, returns: true, run: host => host.cpu },
  [MAP_GATES.grow]: {
    args: 2,
    returns: true,
    run: (host, map, pool) => (host.mapAt(map)?.grow(pool) === true ? 1 : 0),
  },
  [MAP_GATES.fieldDies]: {
    args: 3,
    returns: true,
    run(host, map, index, addr) {
      host.mapAt(map)?.fieldDies(index, addr);
      return 0;
    },
  },
};

function gateOf(id: number): Gate {
  const gate = GATES[id];
  if (gate === undefined) throw new InternalError(`a map operation calls helper ${id}`);
  return gate;
}

interface Compiled {
  readonly module: WebAssembly.Module;
  readonly helpers: readonly number[];
}

const compiled = new Map<string, Compiled>();

function compile(op: MapOp, order: ByteOrder, shared: boolean, stateAddr: number): Compiled {
  const key = `${op} ${order} ${shared} ${stateAddr}`;
  let found = compiled.get(key);
  if (found === undefined) {
    const program = mapOpProgram(op, order);
    const foreign = order === 'big';
    const deepest = Math.max(...program.stackDepths) + 8;
    const { bytes, calls } = translateProgram(foreign ? swapAccesses(program.insns, -deepest) : program.insns, {
      shared,
      stateAddr,
      stackDepths: foreign ? program.stackDepths.map(() => deepest) : program.stackDepths,
      helperShape: gateOf,
    });
    found = { module: new WebAssembly.Module(bytes), helpers: calls.helpers };
    compiled.set(key, found);
  }
  return found;
}

const wrappers = new Map<number, WebAssembly.Module>();

/** A module with `op(i32...) → i32` around the import `main` of five i64 and a result of one. */
function wrapper(arity: number): WebAssembly.Module {
  let made = wrappers.get(arity);
  if (made === undefined) {
    const module = new ModuleWriter();
    const main = module.import(WASM_IMPORTS, 'main', 'func', module.type([I64, I64, I64, I64, I64], [I64]));
    const params = Array.from({ length: arity }, () => I32);
    module.export('op', 'func', module.func(module.type(params, [I32])));
    const code = module.body([]);
    for (let n = 0; n < 5; n++) {
      if (n >= arity) code.i64(0, 0);
      else {
        code.get(n);
        code.op(w.I64_EXTEND_I32_U);
      }
    }
    code.call(main);
    code.op(w.I32_WRAP_I64);
    module.endBody();
    made = new WebAssembly.Module(module.finish());
    wrappers.set(arity, made);
  }
  return made;
}

type Op = (...args: number[]) => number;

function instantiate(op: MapOp, mem: LinearMemory, host: MapOpsHost, stateAddr: number): Op {
  const { module, helpers } = compile(op, mem.order, mem.shared, stateAddr);
  const imports: Record<string, WebAssembly.ImportValue> = {
    memory: mem.wasm,
    table: new WebAssembly.Table({ element: 'anyfunc', initial: 4 * MAP_OP_NAMES.length }),
    tableBase: new WebAssembly.Global({ value: 'i32' }, 0),
  };
  for (const name of ['callx', 'packet', 'tail', 'access', 'fault']) imports[name] = unreachable;
  for (const id of helpers) imports[helperImport(id)] = gateFunction(id, mem, host, stateAddr);
  const { main } = new WebAssembly.Instance(module, { [WASM_IMPORTS]: imports }).exports;
  return new WebAssembly.Instance(wrapper(mapOpArity(op)), { [WASM_IMPORTS]: { main } }).exports.op as Op;
}

function unreachable(): never {
  throw new InternalError('a map operation left its code');
}

function gateFunction(id: number, mem: LinearMemory, host: MapOpsHost, stateAddr: number): () => void {
  const gate = gateOf(id);
  const regs = stateAddr + RUN_STATE.regs;
  // The state is WebAssembly's own: little-endian, whatever the machine.
  return () => {
    const { view } = mem;
    const arg = (n: number): number => view.getUint32(regs + 8 * n, true);
    const result = gate.run(host, arg(1), arg(2), arg(3));
    mem.view.setInt32(regs, result, true);
    mem.view.setInt32(regs + 4, 0, true);
  };
}

/**
 * The operations of maps for JavaScript, each compiled when it is first called.
 *
 * @param stateAddr where calls keep their state, one place for each thread; the default is that of the machine's own
 */
export function mapOps(mem: LinearMemory, host: MapOpsHost, stateAddr = OPS_STATE): MapOps {
  mem.view.setInt32(stateAddr + RUN_STATE.sp, stateAddr - OPS_STATE + OPS_STACK_END, true);
  const ops: Partial<Record<MapOp, Op>> = {};
  for (const op of MAP_OP_NAMES) {
    ops[op] = (...args) => {
      const made = instantiate(op, mem, host, stateAddr);
      ops[op] = made;
      return made(...args);
    };
  }
  return ops as MapOps;
}
