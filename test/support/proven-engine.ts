import { type Engine, wasmEngine } from '../../src/engine/index.ts';
import { TAKEN_PROOF } from './taken-proof.ts';

/** The WebAssembly engine, told that programs were verified: for programs that are known to do nothing they may not. */
export function provenEngine(): Engine {
  const engine = wasmEngine();
  return { ...engine, load: (program, host) => engine.load({ ...program, proof: TAKEN_PROOF }, host) };
}
