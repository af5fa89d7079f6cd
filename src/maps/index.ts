/** One file a map type: its rules and its storage in linear memory. */
export { ARRAY_LAYOUT } from './arraymap.ts';
export { BUCKET_NODE, BUCKETS_LAYOUT } from './bucket-map.ts';
export { jhashBytes } from './jhash.ts';
export { MAP_HANDLE } from './layout.ts';
export { checkMapDef, createMap, MAP_TYPES, mapTypeRow } from './table.ts';
export type * from './types.ts';
