/** See `structure.ts`: rows `id: plain(errno, text)` or `id: row(errno, (…) => text)`. */
export const FUNC_CALL_MESSAGES = {} as const;
