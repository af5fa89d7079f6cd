import { readU64, writeU64 } from '../memory.ts';
import { type HelperEnv, ProgramFault } from '../types.ts';

// Pointers between nodes of lists and trees: words of 64 bits in memory programs can reach, so none is trusted.

type Memory = Pick<HelperEnv, 'mem'>;

function check(env: Memory, addr: number): void {
  if (addr % 8 === 0 && env.mem.accessible(addr, 8, 'write') !== undefined) return;
  throw new ProgramFault('bad-argument', 'a list or tree leads outside of the objects it holds', BigInt(addr), 8);
}

/** The word at `addr`; what is no address in the machine is 0. Ends the run where programs have no memory. */
export function readLink(env: Memory, addr: number): number {
  check(env, addr);
  const word = readU64(env as HelperEnv, addr);
  return word < 0x100000000n ? Number(word) : 0;
}

export function writeLink(env: Memory, addr: number, to: number): void {
  check(env, addr);
  writeU64(env as HelperEnv, addr, BigInt(to));
}

/** Ends a run that found more nodes than there can be. */
export function endless(): never {
  throw new ProgramFault('bad-argument', 'a list or tree has no end');
}
