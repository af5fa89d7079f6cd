import { type Engine, type EngineHost, interpEngine } from '../../src/engine/index.ts';
import { nativeEngine, unsupportedBecause } from '../../src/engine/native/index.ts';
import type { Insn } from '../../src/isa/index.ts';
import { LinearMemory } from '../../src/mem/index.ts';
import { toHex } from '../../src/util/index.ts';
import { bareHost } from './bare-host.ts';
import { TAKEN_PROOF } from './taken-proof.ts';

/** A machine of nothing but memory, on which programs run on one block of data. */
export class BareMachine {
  readonly #mem = new LinearMemory('little');
  readonly #data: number;
  readonly #size: number;
  readonly #host: EngineHost;

  constructor(sizeBytes: number) {
    const mem = this.#mem;
    this.#size = sizeBytes;
    this.#data = mem.alloc(sizeBytes);
    mem.addRegion({ kind: 'mem', name: 'data', start: this.#data, sizeBytes });
    this.#host = bareHost(mem);
  }

  /** R0 and the data behind a run, as text. @param type a program type whose programs run natively */
  run(engine: Engine, insns: readonly Insn[], start: Uint8Array): string {
    const mem = this.#mem;
    mem.u8.set(start, this.#data);
    const proof = engine === interpEngine ? undefined : TAKEN_PROOF;
    const loaded = engine.load({ name: 'test', type: SOCKET_FILTER, id: 1, handle: 0, insns, proof }, this.#host);
    const result = loaded.run(BigInt(this.#data), engine === interpEngine ? { insnBudget: 1_000_000 } : {});
    loaded.free();
    const left = toHex(mem.read(this.#data, this.#size));
    return result.ok ? `${result.r0.toString(16)} ${left}` : `${result.fault.kind}: ${result.fault.message}`;
  }
}

const SOCKET_FILTER = 1;

/** Why nothing of this runs here, in one line; undefined where it does. */
export const NOT_HERE = unsupportedBecause();

/** The native engine, told that programs were verified: for programs that are known to do nothing they may not. */
export function provenNative(): Engine {
  const engine = nativeEngine();
  return { ...engine, load: (program, host) => engine.load({ ...program, proof: TAKEN_PROOF }, host) };
}
