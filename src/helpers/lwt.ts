import { ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { ANY, CTX, int, MEM_IN, SIZE } from './proto.ts';
import type { HelperDef } from './types.ts';

/** Segment routing (`net/core/filter.c`). A run begins without the header these change: End.BPF alone finds one. */
export const LWT_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 74,
    name: 'bpf_lwt_seg6_store_bytes',
    since: '4.18',
    proto: int([CTX, ANY, MEM_IN, SIZE]),
    run: () => -ERRNO.EINVAL,
  }),
  defineHelper({
    id: 75,
    name: 'bpf_lwt_seg6_adjust_srh',
    since: '4.18',
    proto: int([CTX, ANY, ANY]),
    run: () => -ERRNO.EINVAL,
  }),
];
