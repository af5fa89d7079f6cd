import { bpf_func_id, bpf_map_type } from '../../uapi/index.ts';

const M = bpf_map_type;
const F = bpf_func_id;

/** The kernel's functions for one map type (`struct bpf_map_ops`), as far as programs call them. */
interface MapOps {
  readonly lookup?: string;
  readonly update?: string;
  readonly delete?: string;
  readonly push?: string;
  readonly pop?: string;
  readonly peek?: string;
  readonly redirect?: string;
  readonly forEach?: string;
  readonly lookupPercpu?: string;
}

/** Source: `include/linux/bpf_types.h` and the `*_ops` it names. */
const MAP_OPS: ReadonlyMap<number, MapOps> = new Map<number, MapOps>([
  [
    M.BPF_MAP_TYPE_ARRAY,
    {
      lookup: 'array_map_lookup_elem',
      update: 'array_map_update_elem',
      delete: 'array_map_delete_elem',
      forEach: 'bpf_for_each_array_elem',
    },
  ],
  [
    M.BPF_MAP_TYPE_PERCPU_ARRAY,
    {
      lookup: 'percpu_array_map_lookup_elem',
      update: 'array_map_update_elem',
      delete: 'array_map_delete_elem',
      forEach: 'bpf_for_each_array_elem',
      lookupPercpu: 'percpu_array_map_lookup_percpu_elem',
    },
  ],
  [M.BPF_MAP_TYPE_PROG_ARRAY, { lookup: 'fd_array_map_lookup_elem', delete: 'fd_array_map_delete_elem' }],
  [M.BPF_MAP_TYPE_PERF_EVENT_ARRAY, { lookup: 'fd_array_map_lookup_elem', delete: 'fd_array_map_delete_elem' }],
  [M.BPF_MAP_TYPE_CGROUP_ARRAY, { lookup: 'fd_array_map_lookup_elem', delete: 'fd_array_map_delete_elem' }],
  [
    M.BPF_MAP_TYPE_CGRP_STORAGE,
    {
      lookup: 'bpf_cgrp_storage_lookup_elem',
      update: 'bpf_cgrp_storage_update_elem',
      delete: 'bpf_cgrp_storage_delete_elem',
    },
  ],
  [
    M.BPF_MAP_TYPE_CGROUP_STORAGE,
    {
      lookup: 'cgroup_storage_lookup_elem',
      update: 'cgroup_storage_update_elem',
      delete: 'cgroup_storage_delete_elem',
    },
  ],
  [
    M.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
    {
      lookup: 'cgroup_storage_lookup_elem',
      update: 'cgroup_storage_update_elem',
      delete: 'cgroup_storage_delete_elem',
    },
  ],
  [
    M.BPF_MAP_TYPE_HASH,
    {
      lookup: 'htab_map_lookup_elem',
      update: 'htab_map_update_elem',
      delete: 'htab_map_delete_elem',
      forEach: 'bpf_for_each_hash_elem',
    },
  ],
  [
    M.BPF_MAP_TYPE_PERCPU_HASH,
    {
      lookup: 'htab_percpu_map_lookup_elem',
      update: 'htab_percpu_map_update_elem',
      delete: 'htab_map_delete_elem',
      forEach: 'bpf_for_each_hash_elem',
      lookupPercpu: 'htab_percpu_map_lookup_percpu_elem',
    },
  ],
  [
    M.BPF_MAP_TYPE_LRU_HASH,
    {
      lookup: 'htab_lru_map_lookup_elem',
      update: 'htab_lru_map_update_elem',
      delete: 'htab_lru_map_delete_elem',
      forEach: 'bpf_for_each_hash_elem',
    },
  ],
  [
    M.BPF_MAP_TYPE_LRU_PERCPU_HASH,
    {
      lookup: 'htab_lru_percpu_map_lookup_elem',
      update: 'htab_lru_percpu_map_update_elem',
      delete: 'htab_lru_map_delete_elem',
      forEach: 'bpf_for_each_hash_elem',
      lookupPercpu: 'htab_lru_percpu_map_lookup_percpu_elem',
    },
  ],
  [M.BPF_MAP_TYPE_LPM_TRIE, { lookup: 'trie_lookup_elem', update: 'trie_update_elem', delete: 'trie_delete_elem' }],
  [
    M.BPF_MAP_TYPE_STACK_TRACE,
    { lookup: 'stack_map_lookup_elem', update: 'stack_map_update_elem', delete: 'stack_map_delete_elem' },
  ],
  [M.BPF_MAP_TYPE_ARRAY_OF_MAPS, { lookup: 'array_of_map_lookup_elem', delete: 'fd_array_map_delete_elem' }],
  [M.BPF_MAP_TYPE_HASH_OF_MAPS, { lookup: 'htab_of_map_lookup_elem', delete: 'htab_map_delete_elem' }],
  [
    M.BPF_MAP_TYPE_INODE_STORAGE,
    {
      lookup: 'bpf_fd_inode_storage_lookup_elem',
      update: 'bpf_fd_inode_storage_update_elem',
      delete: 'bpf_fd_inode_storage_delete_elem',
    },
  ],
  [
    M.BPF_MAP_TYPE_TASK_STORAGE,
    {
      lookup: 'bpf_pid_task_storage_lookup_elem',
      update: 'bpf_pid_task_storage_update_elem',
      delete: 'bpf_pid_task_storage_delete_elem',
    },
  ],
  [
    M.BPF_MAP_TYPE_DEVMAP,
    {
      lookup: 'dev_map_lookup_elem',
      update: 'dev_map_update_elem',
      delete: 'dev_map_delete_elem',
      redirect: 'dev_map_redirect',
    },
  ],
  [
    M.BPF_MAP_TYPE_DEVMAP_HASH,
    {
      lookup: 'dev_map_hash_lookup_elem',
      update: 'dev_map_hash_update_elem',
      delete: 'dev_map_hash_delete_elem',
      redirect: 'dev_hash_map_redirect',
    },
  ],
  [
    M.BPF_MAP_TYPE_SK_STORAGE,
    {
      lookup: 'bpf_fd_sk_storage_lookup_elem',
      update: 'bpf_fd_sk_storage_update_elem',
      delete: 'bpf_fd_sk_storage_delete_elem',
    },
  ],
  [
    M.BPF_MAP_TYPE_CPUMAP,
    {
      lookup: 'cpu_map_lookup_elem',
      update: 'cpu_map_update_elem',
      delete: 'cpu_map_delete_elem',
      redirect: 'cpu_map_redirect',
    },
  ],
  [
    M.BPF_MAP_TYPE_XSKMAP,
    {
      lookup: 'xsk_map_lookup_elem',
      update: 'xsk_map_update_elem',
      delete: 'xsk_map_delete_elem',
      redirect: 'xsk_map_redirect',
    },
  ],
  [
    M.BPF_MAP_TYPE_SOCKMAP,
    { lookup: 'sock_map_lookup', update: 'sock_map_update_elem', delete: 'sock_map_delete_elem' },
  ],
  [
    M.BPF_MAP_TYPE_SOCKHASH,
    { lookup: 'sock_hash_lookup', update: 'sock_map_update_elem', delete: 'sock_hash_delete_elem' },
  ],
  [
    M.BPF_MAP_TYPE_REUSEPORT_SOCKARRAY,
    { lookup: 'reuseport_array_lookup_elem', delete: 'reuseport_array_delete_elem' },
  ],
  [
    M.BPF_MAP_TYPE_QUEUE,
    {
      lookup: 'queue_stack_map_lookup_elem',
      update: 'queue_stack_map_update_elem',
      delete: 'queue_stack_map_delete_elem',
      push: 'queue_stack_map_push_elem',
      pop: 'queue_map_pop_elem',
      peek: 'queue_map_peek_elem',
    },
  ],
  [
    M.BPF_MAP_TYPE_STACK,
    {
      lookup: 'queue_stack_map_lookup_elem',
      update: 'queue_stack_map_update_elem',
      delete: 'queue_stack_map_delete_elem',
      push: 'queue_stack_map_push_elem',
      pop: 'stack_map_pop_elem',
      peek: 'stack_map_peek_elem',
    },
  ],
  [
    M.BPF_MAP_TYPE_STRUCT_OPS,
    {
      lookup: 'bpf_struct_ops_map_lookup_elem',
      update: 'bpf_struct_ops_map_update_elem',
      delete: 'bpf_struct_ops_map_delete_elem',
    },
  ],
  [
    M.BPF_MAP_TYPE_RINGBUF,
    { lookup: 'ringbuf_map_lookup_elem', update: 'ringbuf_map_update_elem', delete: 'ringbuf_map_delete_elem' },
  ],
  [
    M.BPF_MAP_TYPE_BLOOM_FILTER,
    {
      lookup: 'bloom_map_lookup_elem',
      update: 'bloom_map_update_elem',
      delete: 'bloom_map_delete_elem',
      push: 'bloom_map_push_elem',
      pop: 'bloom_map_pop_elem',
      peek: 'bloom_map_peek_elem',
    },
  ],
  [
    M.BPF_MAP_TYPE_USER_RINGBUF,
    { lookup: 'ringbuf_map_lookup_elem', update: 'ringbuf_map_update_elem', delete: 'ringbuf_map_delete_elem' },
  ],
  [
    M.BPF_MAP_TYPE_ARENA,
    {
      lookup: 'arena_map_lookup_elem',
      update: 'arena_map_update_elem',
      delete: 'arena_map_delete_elem',
      push: 'arena_map_push_elem',
      pop: 'arena_map_pop_elem',
      peek: 'arena_map_peek_elem',
    },
  ],
]);

const OPERATION: ReadonlyMap<number, keyof MapOps> = new Map<number, keyof MapOps>([
  [F.BPF_FUNC_map_lookup_elem, 'lookup'],
  [F.BPF_FUNC_map_update_elem, 'update'],
  [F.BPF_FUNC_map_delete_elem, 'delete'],
  [F.BPF_FUNC_map_push_elem, 'push'],
  [F.BPF_FUNC_map_pop_elem, 'pop'],
  [F.BPF_FUNC_map_peek_elem, 'peek'],
  [F.BPF_FUNC_redirect_map, 'redirect'],
  [F.BPF_FUNC_for_each_map_elem, 'forEach'],
  [F.BPF_FUNC_map_lookup_percpu_elem, 'lookupPercpu'],
]);

/** Whether a helper is an operation of its map's type, so that a call of it may go there at once. */
export const isMapOperation = (helperId: number): boolean => OPERATION.has(helperId);

/** The kernel's function that does a map helper's work for a map type; undefined where the type has none. */
export function mapOperation(helperId: number, mapType: number): string | undefined {
  const operation = OPERATION.get(helperId);
  return operation === undefined ? undefined : MAP_OPS.get(mapType)?.[operation];
}
