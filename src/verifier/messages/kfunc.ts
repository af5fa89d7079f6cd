/** See `structure.ts`: rows `id: plain(errno, text)` or `id: row(errno, (…) => text)`. */
export const KFUNC_MESSAGES = {} as const;
