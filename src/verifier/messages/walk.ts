import { row } from './row.ts';

/** See `structure.ts`: rows `id: plain(errno, text)` or `id: row(errno, (…) => text)`. */
export const WALK_MESSAGES = {
  // reg_bounds_sanity_check
  regInvariants: row('EFAULT', (text: string) => text),

  // push_stack, push_async_cb
  jumpsTooComplex: row('ENOMEM', (count: number) => `The sequence of ${count} jumps is too complex.`),
  jumpsTooComplexAsync: row('EFAULT', (count: number) => `The sequence of ${count} jumps is too complex for async cb.`),
} as const;
