import type { ProgFacts } from './contract.ts';

/** Rules are those of 6.12 where nothing is said of another release. */
const DEFAULT_RELEASE = 6012;
/** Where only the kernel of that release was asked, not which one between began with it. */
const AS_7_2 = 7002;

const release = (prog: ProgFacts): number => prog.release ?? DEFAULT_RELEASE;

/** The kernel has what 7.2 has and 6.12 has not. */
export const isAs7_2 = (prog: ProgFacts): boolean => release(prog) >= AS_7_2;
