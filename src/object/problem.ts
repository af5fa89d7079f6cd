import { FarcallError, type Where } from '../util/index.ts';

/** An ELF file that is sound but not a usable BPF object. */
export function objectError(
  code: `object.${string}` | `core.${string}` | `map.${string}`,
  where: Where,
  message: string,
  expected?: string,
  found?: string,
): FarcallError {
  return new FarcallError({ code, message, expected, found, where });
}

/** `body`'s value, or the FarcallError it threw; other exceptions pass. */
export function attempt<T>(body: () => T): T | FarcallError {
  try {
    return body();
  } catch (error) {
    if (error instanceof FarcallError) return error;
    throw error;
  }
}
