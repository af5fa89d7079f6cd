import type { Verdict } from '../../src/verifier/index.ts';

/** A verdict nobody gave: for programs that are known to do nothing they may not. */
export const TAKEN_PROOF = { ok: true, stats: { stackDepth: [] } } as unknown as Verdict;
