/** See `structure.ts`: rows `id: plain(errno, text)` or `id: row(errno, (…) => text)`. */
export const ATTACH_MESSAGES = {} as const;
