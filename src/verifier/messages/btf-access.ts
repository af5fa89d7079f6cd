/** See `structure.ts`: rows `id: plain(errno, text)` or `id: row(errno, (…) => text)`. */
export const BTF_ACCESS_MESSAGES = {} as const;
