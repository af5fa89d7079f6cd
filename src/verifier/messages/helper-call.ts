/** See `structure.ts`: rows `id: plain(errno, text)` or `id: row(errno, (…) => text)`. */
export const HELPER_CALL_MESSAGES = {} as const;
