import { CALLBACK_HELPERS } from './callbacks.ts';
import { CHECKSUM_HELPERS } from './checksum.ts';
import { DYNPTR_HELPERS } from './dynptr.ts';
import { FILE_HELPERS } from './files.ts';
import { LIRC_HELPERS } from './lirc.ts';
import { LOCK_HELPERS } from './locks.ts';
import { LWT_HELPERS } from './lwt.ts';
import { MAP_HELPERS } from './map-ops.ts';
import { CONTRACT_ONLY_HELPERS, TAIL_CALL_HELPER } from './not-implemented.ts';
import { PERF_HELPERS } from './perf.ts';
import { PRINTING_HELPERS } from './printing.ts';
import { PROBE_HELPERS } from './probe.ts';
import { REDIRECT_HELPERS } from './redirect.ts';
import { RINGBUF_HELPERS } from './ringbuf.ts';
import { SEQUENCE_HELPERS } from './sequence.ts';
import { SK_MSG_HELPERS } from './sk-msg.ts';
import { SKB_BYTES_HELPERS } from './skb-bytes.ts';
import { SKB_META_HELPERS } from './skb-meta.ts';
import { SKB_ROOM_HELPERS } from './skb-room.ts';
import { SOCK_OPS_HELPERS } from './sock-ops.ts';
import { SOCKET_HELPERS } from './sockets.ts';
import { SOCKOPT_HELPERS } from './sockopt.ts';
import { STACK_HELPERS } from './stack.ts';
import { STORAGE_HELPERS } from './storage.ts';
import { STRING_HELPERS } from './strings.ts';
import { SYNCOOKIE_HELPERS } from './syncookie.ts';
import { SYSCTL_HELPERS } from './sysctl.ts';
import { TASK_HELPERS } from './task.ts';
import { TIME_HELPERS } from './time.ts';
import { TIMER_HELPERS } from './timer.ts';
import { TRACING_HELPERS } from './tracing.ts';
import { TUNNEL_HELPERS } from './tunnel.ts';
import type { HelperDef } from './types.ts';
import { XDP_HELPERS } from './xdp.ts';

const FAMILIES: readonly (readonly HelperDef[])[] = [
  MAP_HELPERS,
  TIME_HELPERS,
  TASK_HELPERS,
  PRINTING_HELPERS,
  STRING_HELPERS,
  PROBE_HELPERS,
  CALLBACK_HELPERS,
  SKB_BYTES_HELPERS,
  CHECKSUM_HELPERS,
  SKB_ROOM_HELPERS,
  SKB_META_HELPERS,
  XDP_HELPERS,
  REDIRECT_HELPERS,
  SOCKET_HELPERS,
  SOCK_OPS_HELPERS,
  SOCKOPT_HELPERS,
  SYNCOOKIE_HELPERS,
  SK_MSG_HELPERS,
  TUNNEL_HELPERS,
  LWT_HELPERS,
  SYSCTL_HELPERS,
  SEQUENCE_HELPERS,
  FILE_HELPERS,
  LIRC_HELPERS,
  STORAGE_HELPERS,
  PERF_HELPERS,
  RINGBUF_HELPERS,
  DYNPTR_HELPERS,
  TIMER_HELPERS,
  LOCK_HELPERS,
  STACK_HELPERS,
  TRACING_HELPERS,
  CONTRACT_ONLY_HELPERS,
  [TAIL_CALL_HELPER],
];

/** Every helper of Linux, by its number (`enum bpf_func_id`). Index 0 and numbers not given away are undefined. */
export const HELPERS: readonly (HelperDef | undefined)[] = (() => {
  const table: (HelperDef | undefined)[] = [];
  for (const family of FAMILIES) for (const def of family) table[def.id] = def;
  return table;
})();

const BY_NAME: ReadonlyMap<string, HelperDef> = new Map(FAMILIES.flat().map(def => [def.name, def]));

/** The helper with that number. */
export function helperDef(id: number): HelperDef | undefined {
  return HELPERS[id];
}

/** The helper called `name`, with its `bpf_` prefix. */
export function helperByName(name: string): HelperDef | undefined {
  return BY_NAME.get(name);
}
