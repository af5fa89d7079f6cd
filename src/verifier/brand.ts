import type { XlatedProgram } from './types.ts';

/** Everything an XlatedProgram says but its brand. */
export type XlatedParts = { [K in keyof XlatedProgram as K extends symbol ? never : K]: XlatedProgram[K] };

/**
 * The one place where an XlatedProgram comes into being. Who calls it vouches for what the type says; in this room alone:
 * `xlateUnverified`, `xlatedFromKernel`, and the verifier.
 */
export function brandXlated(parts: XlatedParts): XlatedProgram {
  // The brand exists in the type only.
  return Object.freeze(
    Object.defineProperties({}, Object.getOwnPropertyDescriptors(parts)),
  ) as unknown as XlatedProgram;
}
