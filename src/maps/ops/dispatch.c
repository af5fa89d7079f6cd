// Operations on a map that is known only when the program runs. Types without operations here go through the helper.

OP u64 map_lookup(u64 map, u64 key) {
  switch (W(map, MAP_HANDLE_type)) {
    case BPF_MAP_TYPE_ARRAY: return array_elem(map, key);
    case BPF_MAP_TYPE_PERCPU_ARRAY: return percpu_array_lookup(map, key);
    case BPF_MAP_TYPE_HASH: return hash_lookup(map, key);
    case BPF_MAP_TYPE_PERCPU_HASH: return percpu_hash_lookup(map, key);
    case BPF_MAP_TYPE_LRU_HASH: return lru_lookup(map, key);
    case BPF_MAP_TYPE_LRU_PERCPU_HASH: return lru_percpu_lookup(map, key);
    case BPF_MAP_TYPE_LPM_TRIE: return lpm_lookup(map, key);
    case BPF_MAP_TYPE_ARRAY_OF_MAPS: return array_of_maps_lookup(map, key);
    case BPF_MAP_TYPE_HASH_OF_MAPS: return hash_of_maps_lookup(map, key);
    default: return bpf_map_lookup_elem(map, key);
  }
}

OP s64 map_update(u64 map, u64 key, u64 value, u64 flags) {
  switch (W(map, MAP_HANDLE_type)) {
    case BPF_MAP_TYPE_ARRAY: return array_update(map, key, value, flags);
    case BPF_MAP_TYPE_PERCPU_ARRAY: return percpu_array_update(map, key, value, flags);
    case BPF_MAP_TYPE_HASH: return hash_update(map, key, value, flags);
    case BPF_MAP_TYPE_PERCPU_HASH: return percpu_hash_update(map, key, value, flags);
    case BPF_MAP_TYPE_LRU_HASH: return lru_update(map, key, value, flags);
    case BPF_MAP_TYPE_LRU_PERCPU_HASH: return lru_percpu_update(map, key, value, flags);
    case BPF_MAP_TYPE_LPM_TRIE: return lpm_update(map, key, value, flags);
    default: return bpf_map_update_elem(map, key, value, flags);
  }
}

OP s64 map_delete(u64 map, u64 key) {
  switch (W(map, MAP_HANDLE_type)) {
    case BPF_MAP_TYPE_HASH:
    case BPF_MAP_TYPE_PERCPU_HASH: return hash_delete(map, key);
    case BPF_MAP_TYPE_LRU_HASH:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH: return lru_delete(map, key);
    case BPF_MAP_TYPE_LPM_TRIE: return lpm_delete(map, key);
    default: return bpf_map_delete_elem(map, key);
  }
}

OP u64 map_lookup_percpu(u64 map, u64 key, u64 cpu) {
  switch (W(map, MAP_HANDLE_type)) {
    case BPF_MAP_TYPE_PERCPU_ARRAY: return percpu_array_lookup_percpu(map, key, cpu);
    case BPF_MAP_TYPE_PERCPU_HASH: return percpu_hash_lookup_percpu(map, key, cpu);
    case BPF_MAP_TYPE_LRU_PERCPU_HASH: return lru_percpu_lookup_percpu(map, key, cpu);
    default: return bpf_map_lookup_percpu_elem(map, key, cpu);
  }
}
