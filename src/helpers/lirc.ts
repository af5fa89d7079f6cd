import { defineHelper } from './check.ts';
import { ANY, CTX, int } from './proto.ts';
import type { HelperDef } from './types.ts';

/** Keys and movements that a decoder of infrared signals found (`drivers/media/rc/bpf-lirc.c`): nobody hears of them. */
export const LIRC_HELPERS: readonly HelperDef[] = [
  defineHelper({ id: 77, name: 'bpf_rc_repeat', since: '4.18', proto: int([CTX], 'gplOnly'), run: () => 0 }),
  defineHelper({
    id: 78,
    name: 'bpf_rc_keydown',
    since: '4.18',
    proto: int([CTX, ANY, ANY, ANY], 'gplOnly'),
    run: () => 0,
  }),
  defineHelper({
    id: 92,
    name: 'bpf_rc_pointer_rel',
    since: '5.0',
    proto: int([CTX, ANY, ANY], 'gplOnly'),
    run: () => 0,
  }),
];
