import { isCgroupStorageMap, isLocalStorageMap, type LocalStorageMap } from '../maps/index.ts';
import { bpf_prog_type, ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { ANY, BTF_SOCK, btf, CTX, int, MAP, pointer, TO_VALUE, TO_VALUE_OR_NULL, VALUE_OR_NULL } from './proto.ts';
import { type HelperDef, type HelperEnv, ProgramFault } from './types.ts';

const CREATE = 1n;

function storageAt(env: HelperEnv, mapAddr: number): LocalStorageMap {
  const map = env.mapAt(mapAddr)!;
  if (!isLocalStorageMap(map)) throw new ProgramFault('bad-argument', `${map.def.name} is no local storage`);
  return map;
}

/** `bpf_sk_storage_get` and its siblings: the owner's value, made on demand from `init` or zeroes; 0 without one. */
function storageGet(env: HelperEnv, mapAddr: number, owner: number, init: number): number {
  const flags = env.arg64(4);
  const map = storageAt(env, mapAddr);
  return flags > CREATE || owner === 0 ? 0 : map.get(owner, init, Number(flags));
}

function storageDelete(env: HelperEnv, mapAddr: number, owner: number): number {
  const map = storageAt(env, mapAddr);
  return owner === 0 ? -ERRNO.EINVAL : map.remove(owner);
}

/** The value of the one cgroup programs run in; Linux makes it when the program is attached. */
function localStorage(env: HelperEnv, mapAddr: number): number {
  const map = env.mapAt(mapAddr)!;
  if (!isCgroupStorageMap(map)) throw new ProgramFault('bad-argument', `${map.def.name} is no cgroup storage`);
  const cgroupId = Number(env.task.cgroupId);
  const present = map.localStorage(cgroupId, 0);
  if (present !== 0) return present;
  map.attach(cgroupId, 0);
  return map.localStorage(cgroupId, 0);
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
  defineHelper({
    id: 81,
    name: 'bpf_get_local_storage',
    since: '4.19',
    proto: pointer(TO_VALUE, [MAP, ANY]),
    run: localStorage,
  }),
];
