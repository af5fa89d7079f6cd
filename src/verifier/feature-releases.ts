import {
  BPF_KPTR_PERCPU,
  BPF_KPTR_REF,
  BPF_KPTR_UNREF,
  BPF_LIST_HEAD,
  BPF_RB_ROOT,
  BPF_REFCOUNT,
  BPF_SPIN_LOCK,
  BPF_TIMER,
  BPF_WORKQUEUE,
} from './state/record.ts';

/**
 * The release of Linux each program type, attach type, map type, load flag and special field of map values came with.
 * Types that came while a release was developed carry the release they were first part of.
 *
 * Source: the commits that added them; `docs/spec/verifier-versions.md` says which.
 */

/** Releases by number from `0` on: `3.19 4.1:4` is number 0 of 3.19 and numbers 1 to 4 of 4.1. */
function byNumber(text: string): readonly string[] {
  const releases: string[] = [];
  for (const run of text.split(' ')) {
    const [release, last] = run.split(':');
    const end = last === undefined ? releases.length : Number(last);
    while (releases.length <= end) releases.push(release);
  }
  return releases;
}

/** By `BPF_PROG_TYPE_*`. */
export const PROG_TYPE_RELEASES: readonly string[] = byNumber(
  '3.18:0 3.19 4.1:4 4.7 4.8 4.9 4.10:12 4.13 4.14 4.15 4.17:18 4.18:19 4.18 4.19 4.20 5.2:24 5.3 5.5 5.6:28 5.7 5.9 5.14 6.4',
);

/** By `BPF_*` attach type (`enum bpf_attach_type`). */
export const ATTACH_TYPE_RELEASES: readonly string[] = byNumber(
  '4.10:2 4.13 4.14:5 4.15 4.17:13 4.18:15 4.18 4.20 5.2:20 5.3:22 5.5:25 5.7:27 5.8:33 5.9:34 5.9:36 5.9 5.13 5.14:40 ' +
    '5.15 5.18 6.0 6.4:45 6.6:48 6.7:55 6.10 6.13 7.0 7.2:61',
);

/** By `BPF_MAP_TYPE_*`. */
export const MAP_TYPE_RELEASES: readonly string[] = byNumber(
  '3.18:0 3.19:2 4.2 4.3 4.6:7 4.8 4.10:10 4.11 4.12:13 4.14:15 4.15 4.18:18 4.19:20 4.20:23 5.2 5.4 5.6 5.8 5.10 5.11 5.16 6.1 6.2 6.9 6.19 7.2',
);

/** By bit of `BPF_F_*` of `BPF_PROG_LOAD`. */
export const PROG_FLAG_RELEASES: readonly string[] = byNumber('4.12 5.0 5.3:3 5.10 5.18 6.3 6.8');

/** By bit of `BPF_F_*` of `BPF_MAP_CREATE`. */
export const MAP_FLAG_RELEASES: readonly string[] = byNumber(
  '4.6 4.10 4.14 4.15:4 4.17 5.0 5.2:8 5.5 5.8 5.10:12 6.6 6.9:17 6.17',
);

/** Special fields of map values, by the bit of their kind in a record. libbpf rewrites kinds of BTF types older kernels lack. */
export const FIELD_RELEASES: readonly (readonly [field: number, name: string, since: string])[] = [
  [BPF_SPIN_LOCK, 'bpf_spin_lock', '5.1'],
  [BPF_TIMER, 'bpf_timer', '5.15'],
  [BPF_KPTR_UNREF | BPF_KPTR_REF, 'kernel pointers in maps', '5.19'],
  [BPF_KPTR_PERCPU, 'per-CPU kernel pointers in maps', '6.7'],
  [BPF_LIST_HEAD, 'bpf_list_head', '6.2'],
  [BPF_RB_ROOT, 'bpf_rb_root', '6.3'],
  [BPF_REFCOUNT, 'bpf_refcount', '6.4'],
  [BPF_WORKQUEUE, 'bpf_wq', '6.10'],
];
