import { NETFILTER_ROW } from './netfilter.ts';
import { PLAIN_ROWS } from './plain.ts';
import { SK_MSG_ROW } from './sk-msg.ts';
import { SKB_ROWS } from './skb.ts';
import type { ProgTypeRow } from './types.ts';
import { XDP_ROW } from './xdp.ts';

/** All program types, one row each. */
export const PROG_TYPES: readonly ProgTypeRow[] = [...SKB_ROWS, XDP_ROW, NETFILTER_ROW, SK_MSG_ROW, ...PLAIN_ROWS];

const BY_TYPE: ReadonlyMap<number, ProgTypeRow> = new Map(PROG_TYPES.map(row => [row.type, row]));

/** The row of a `BPF_PROG_TYPE_*`; undefined for BPF_PROG_TYPE_UNSPEC and numbers Linux does not have. */
export function progTypeRow(type: number): ProgTypeRow | undefined {
  return BY_TYPE.get(type);
}

/** What a return value is called in programs of a type: `XDP_PASS`, `TC_ACT_OK`; undefined where it has no name. */
export function returnName(type: number, retval: number): string | undefined {
  return progTypeRow(type)?.returns[retval];
}
