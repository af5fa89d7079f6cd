import { bpf_prog_type, ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { ANY, BTF_SOCK, btf, CTX, int, MAP, pointer, TO_VALUE, TO_VALUE_OR_NULL, VALUE_OR_NULL } from './proto.ts';
import type { HelperDef, HelperEnv } from './types.ts';

const CREATE = 1n;
const STORAGE = Symbol('local storage');

/** Values by map id and by owner (a task, socket, inode or cgroup), in regions of their own. */
type Storage = Map<number, Map<number, number>>;

function valuesOf(env: HelperEnv, mapAddr: number): Map<number, number> {
  const { id } = env.mapAt(mapAddr)!;
  const storage = env.state<Storage>(STORAGE, () => new Map());
  let values = storage.get(id);
  if (values === undefined) storage.set(id, (values = new Map()));
  return values;
}

function makeValue(env: HelperEnv, mapAddr: number): number {
  const { def } = env.mapAt(mapAddr)!;
  const start = env.mem.alloc(def.valueSizeBytes);
  env.mem.addRegion({ kind: 'map_value', name: def.name, start, sizeBytes: def.valueSizeBytes });
  return start;
}

/** `bpf_sk_storage_get` and its siblings: the owner's value, made on demand from `init` or zeroes; 0 without one. */
function storageGet(env: HelperEnv, mapAddr: number, owner: number, init: number): number {
  const flags = env.arg64(4);
  if (flags > CREATE || owner === 0) return 0;
  const values = valuesOf(env, mapAddr);
  const present = values.get(owner);
  if (present !== undefined || flags === 0n) return present ?? 0;
  const value = makeValue(env, mapAddr);
  if (init !== 0) env.mem.u8.copyWithin(value, init, init + env.mapAt(mapAddr)!.def.valueSizeBytes);
  values.set(owner, value);
  return value;
}

function storageDelete(env: HelperEnv, mapAddr: number, owner: number): number {
  if (owner === 0) return -ERRNO.EINVAL;
  const values = valuesOf(env, mapAddr);
  const value = values.get(owner);
  if (value === undefined) return -ERRNO.ENOENT;
  values.delete(owner);
  const region = env.mem.regionAt(value);
  if (region !== undefined) env.mem.removeRegion(region);
  env.mem.free(value);
  return 0;
}

/**
 * Storage that belongs to an object of the kernel (`kernel/bpf/bpf_local_storage.c`). An owner is whatever address the
 * program was given for it.
 */
export const STORAGE_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 107,
    name: 'bpf_sk_storage_get',
    since: '5.2',
    proto: pointer(TO_VALUE_OR_NULL, [MAP, BTF_SOCK, VALUE_OR_NULL, ANY]),
    variants: [
      {
        progTypes: [bpf_prog_type.BPF_PROG_TYPE_TRACING, bpf_prog_type.BPF_PROG_TYPE_LSM],
        proto: pointer(TO_VALUE_OR_NULL, [MAP, btf('sock_common', 'PTR_MAYBE_NULL'), VALUE_OR_NULL, ANY]),
      },
      {
        progTypes: [bpf_prog_type.BPF_PROG_TYPE_CGROUP_SOCK],
        proto: pointer(TO_VALUE_OR_NULL, [MAP, CTX, VALUE_OR_NULL, ANY]),
      },
    ],
    run: storageGet,
  }),
  defineHelper({
    id: 108,
    name: 'bpf_sk_storage_delete',
    since: '5.2',
    proto: int([MAP, BTF_SOCK]),
    variants: [
      {
        progTypes: [bpf_prog_type.BPF_PROG_TYPE_TRACING, bpf_prog_type.BPF_PROG_TYPE_LSM],
        proto: int([MAP, btf('sock_common', 'PTR_MAYBE_NULL')]),
      },
    ],
    run: storageDelete,
  }),
  defineHelper({
    id: 145,
    name: 'bpf_inode_storage_get',
    since: '5.10',
    proto: pointer(TO_VALUE_OR_NULL, [MAP, btf('inode', 'PTR_MAYBE_NULL'), VALUE_OR_NULL, ANY]),
    run: storageGet,
  }),
  defineHelper({
    id: 146,
    name: 'bpf_inode_storage_delete',
    since: '5.10',
    proto: int([MAP, btf('inode', 'PTR_MAYBE_NULL')]),
    run: storageDelete,
  }),
  defineHelper({
    id: 156,
    name: 'bpf_task_storage_get',
    since: '5.11',
    proto: pointer(TO_VALUE_OR_NULL, [MAP, btf('task_struct', 'PTR_MAYBE_NULL'), VALUE_OR_NULL, ANY]),
    run: storageGet,
  }),
  defineHelper({
    id: 157,
    name: 'bpf_task_storage_delete',
    since: '5.11',
    proto: int([MAP, btf('task_struct', 'PTR_MAYBE_NULL')]),
    run: storageDelete,
  }),
  defineHelper({
    id: 210,
    name: 'bpf_cgrp_storage_get',
    since: '6.2',
    proto: pointer(TO_VALUE_OR_NULL, [MAP, btf('cgroup', 'PTR_MAYBE_NULL'), VALUE_OR_NULL, ANY]),
    run: storageGet,
  }),
  defineHelper({
    id: 211,
    name: 'bpf_cgrp_storage_delete',
    since: '6.2',
    proto: int([MAP, btf('cgroup', 'PTR_MAYBE_NULL')]),
    run: storageDelete,
  }),
  // The storage of the one cgroup programs run in; Linux makes it when the program is attached.
  defineHelper({
    id: 81,
    name: 'bpf_get_local_storage',
    since: '4.19',
    proto: pointer(TO_VALUE, [MAP, ANY]),
    run: (env, mapAddr) => {
      const values = valuesOf(env, mapAddr);
      let value = values.get(0);
      if (value === undefined) values.set(0, (value = makeValue(env, mapAddr)));
      return value;
    },
  }),
];
