/**
 * Helpers that only map operations call, for what JavaScript alone can do. No helper of a program has such a number.
 *
 * - `grow(map, pool) → 1 or 0`: more nodes for the pool whose words are at `pool`
 * - `fieldDies(map, index, addr)`: special field `index` of a value dies, its bytes being at `addr`
 */
export const MAP_GATES = { grow: 0x10001, fieldDies: 0x10002 } as const;
