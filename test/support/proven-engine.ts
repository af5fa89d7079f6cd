import { type Engine, wasmEngine } from '../../src/engine/index.ts';
import type { Verdict } from '../../src/verifier/index.ts';

/** The WebAssembly engine, told that programs were verified: for programs that are known to do nothing they may not. */
export function provenEngine(): Engine {
  const engine = wasmEngine();
  const proof = { ok: true, stats: { stackDepth: [] } } as unknown as Verdict;
  return { ...engine, load: (program, host) => engine.load({ ...program, proof }, host) };
}
