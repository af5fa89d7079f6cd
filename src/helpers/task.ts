import { isCgroupArrayMap } from '../maps/index.ts';
import { bpf_prog_type, ERRNO } from '../uapi/index.ts';
import { encodeText } from '../util/index.ts';
import { defineHelper } from './check.ts';
import { writeU32, writeU64 } from './memory.ts';
import { ANY, CTX, int, MAP, MEM_OUT, pointer, SIZE, toBtf } from './proto.ts';
import type { HelperDef, HelperEnv } from './types.ts';

const TASK_HANDLE = Symbol('task_struct');

/** `struct task_struct` and `struct cred` of Linux 6.12 (Debian's for amd64), as far as the current task's has values. */
const TASK_STRUCT = {
  pid: 2432,
  tgid: 2436,
  realParent: 2448,
  parent: 2456,
  groupLeader: 2496,
  realCred: 2952,
  cred: 2960,
  comm: 2976,
  sizeBytes: 9792,
} as const;
/** Real, saved, effective and file system's ids, user and group in turn. */
const CRED = { ids: 8, idPairs: 4, sizeBytes: 184 } as const;
/** `TASK_COMM_LEN` without its NUL. */
const COMM_BYTES = 15;

/** Zeroed memory that stands for a kernel object: programs can read it. */
export function kernelObject(env: HelperEnv, name: string, sizeBytes: number): number {
  const start = env.mem.alloc(sizeBytes);
  env.mem.addRegion({ kind: 'mem', name, start, sizeBytes, writable: false });
  return start;
}

/**
 * The current task's `task_struct`, laid out as in the kernel objects are relocated for by default: who it is, and zeros.
 * It is its own parent.
 */
export function currentTaskAddr(env: HelperEnv): number {
  return env.state(TASK_HANDLE, () => {
    const { pid, tgid, uid, gid, comm } = env.task;
    const cred = kernelObject(env, 'cred', CRED.sizeBytes);
    const task = kernelObject(env, 'task_struct', TASK_STRUCT.sizeBytes);
    for (let i = 0; i < CRED.idPairs; i++) {
      writeU32(env, cred + CRED.ids + 8 * i, uid);
      writeU32(env, cred + CRED.ids + 8 * i + 4, gid);
    }
    writeU32(env, task + TASK_STRUCT.pid, pid);
    writeU32(env, task + TASK_STRUCT.tgid, tgid);
    const { realParent, parent, groupLeader, realCred, cred: effective } = TASK_STRUCT;
    for (const off of [realParent, parent, groupLeader]) writeU64(env, task + off, BigInt(task));
    for (const off of [realCred, effective]) writeU64(env, task + off, BigInt(cred));
    env.mem.write(task + TASK_STRUCT.comm, encodeText(comm).subarray(0, COMM_BYTES));
    return task;
  });
}

/** Levels of the unified hierarchy: the root is 0, the current task's cgroup its child. */
const ROOT_CGROUP_ID = 1n;

/** Id of the ancestor at `level` of a cgroup one below the root; 0 where there is none. */
function ancestorCgroupId(env: HelperEnv, level: number): bigint {
  const own = env.task.cgroupId;
  const depth = own === ROOT_CGROUP_ID ? 0 : 1;
  if (level === depth) return own;
  return level === 0 ? ROOT_CGROUP_ID : 0n;
}

/** Whether the current task's cgroup is the one in the array's element or below it: 1, 0 or -errno. */
export function underCgroup(env: HelperEnv, mapAddr: number, index: number): number {
  const map = env.mapAt(mapAddr)!;
  const id = isCgroupArrayMap(map) ? map.cgroupAt(index) : undefined;
  if (id === undefined) return -ERRNO.E2BIG;
  if (id === 0) return -ERRNO.EAGAIN;
  return BigInt(id) === env.task.cgroupId || BigInt(id) === ROOT_CGROUP_ID ? 1 : 0;
}

/** Who runs the program, and where (`kernel/bpf/helpers.c`, `kernel/trace/bpf_trace.c`). */
export const TASK_HELPERS: readonly HelperDef[] = [
  defineHelper({ id: 7, name: 'bpf_get_prandom_u32', since: '4.1', proto: int(), run: env => env.randomU32() >>> 0 }),
  defineHelper({
    id: 8,
    name: 'bpf_get_smp_processor_id',
    since: '4.1',
    proto: int([], 'allowFastcall'),
    run: env => env.cpu,
  }),
  defineHelper({ id: 42, name: 'bpf_get_numa_node_id', since: '4.10', proto: int(), run: () => 0 }),
  defineHelper({
    id: 14,
    name: 'bpf_get_current_pid_tgid',
    since: '4.2',
    proto: int(),
    run: ({ task }) => (BigInt(task.tgid) << 32n) | BigInt(task.pid),
  }),
  defineHelper({
    id: 15,
    name: 'bpf_get_current_uid_gid',
    since: '4.2',
    proto: int(),
    run: ({ task }) => (BigInt(task.gid) << 32n) | BigInt(task.uid),
  }),
  defineHelper({
    id: 16,
    name: 'bpf_get_current_comm',
    since: '4.2',
    proto: int([MEM_OUT, SIZE]),
    run: (env, buf, size) => {
      const { u8 } = env.mem;
      const comm = encodeText(env.task.comm).subarray(0, Math.min(15, size - 1));
      u8.fill(0, buf, buf + size);
      u8.set(comm, buf);
      return 0;
    },
  }),
  // The device and inode of a PID namespace are nothing a machine has: no namespace matches.
  defineHelper({
    id: 120,
    name: 'bpf_get_ns_current_pid_tgid',
    since: '5.7',
    proto: int([ANY, ANY, MEM_OUT, SIZE]),
    run: (env, _dev, _ino, data, size) => {
      env.mem.u8.fill(0, data, data + size);
      return -ERRNO.EINVAL;
    },
  }),
  defineHelper({
    id: 35,
    name: 'bpf_get_current_task',
    since: '4.8',
    proto: int([], 'gplOnly'),
    run: env => currentTaskAddr(env),
  }),
  defineHelper({
    id: 158,
    name: 'bpf_get_current_task_btf',
    since: '5.11',
    proto: pointer(toBtf('task_struct', 'PTR_TRUSTED'), [], 'gplOnly'),
    run: env => currentTaskAddr(env),
  }),
  defineHelper({
    id: 80,
    name: 'bpf_get_current_cgroup_id',
    since: '4.18',
    proto: int(),
    run: env => env.task.cgroupId,
  }),
  defineHelper({
    id: 123,
    name: 'bpf_get_current_ancestor_cgroup_id',
    since: '5.7',
    proto: int([ANY]),
    run: (env, level) => ancestorCgroupId(env, level | 0),
  }),
  defineHelper({
    id: 37,
    name: 'bpf_current_task_under_cgroup',
    since: '4.9',
    proto: int([MAP, ANY]),
    run: underCgroup,
  }),
  defineHelper({
    id: 17,
    name: 'bpf_get_cgroup_classid',
    since: '4.3',
    proto: int([CTX]),
    variants: [
      {
        progTypes: [
          bpf_prog_type.BPF_PROG_TYPE_CGROUP_SKB,
          bpf_prog_type.BPF_PROG_TYPE_CGROUP_SOCK,
          bpf_prog_type.BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
          bpf_prog_type.BPF_PROG_TYPE_CGROUP_DEVICE,
          bpf_prog_type.BPF_PROG_TYPE_CGROUP_SYSCTL,
          bpf_prog_type.BPF_PROG_TYPE_CGROUP_SOCKOPT,
        ],
        proto: int(),
      },
    ],
    run: () => 0,
  }),
  // Signals reach nobody; Linux too only queues them (`bpf_send_signal_common`).
  defineHelper({
    id: 109,
    name: 'bpf_send_signal',
    since: '5.3',
    proto: int([ANY]),
    run: (_env, signal) => (signal >= 1 && signal <= 64 ? 0 : -ERRNO.EINVAL),
  }),
  defineHelper({
    id: 117,
    name: 'bpf_send_signal_thread',
    since: '5.6',
    proto: int([ANY]),
    run: (_env, signal) => (signal >= 1 && signal <= 64 ? 0 : -ERRNO.EINVAL),
  }),
];
