import { Refusal, type VerifierEnv } from '../env.ts';

/** Runs a check; where it refuses, another message follows its own, with its own errno. */
export function elseRefuse(_env: VerifierEnv, check: () => void, comment: () => never): void {
  try {
    check();
  } catch (failure) {
    if (failure instanceof Refusal) comment();
    throw failure;
  }
}
