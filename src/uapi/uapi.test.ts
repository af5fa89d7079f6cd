import { expect, it } from 'vitest';
import {
  attachTypeName,
  bpf_func_id,
  errnoName,
  helperId,
  helperName,
  linkTypeName,
  mapTypeName,
  progTypeName,
} from './index.ts';

it('names are those bpftool prints', () => {
  expect([1, 2, 5, 8, 19, 21, 27, 33].map(mapTypeName)).toEqual([
    'hash',
    'array',
    'percpu_hash',
    'cgroup_array',
    'cgroup_storage',
    'percpu_cgroup_storage',
    'ringbuf',
    'arena',
  ]);
  expect([1, 3, 6, 26, 31].map(progTypeName)).toEqual(['socket_filter', 'sched_cls', 'xdp', 'tracing', 'syscall']);
  expect(attachTypeName(24)).toBe('trace_fentry');
  expect(linkTypeName(6)).toBe('xdp');
  expect(mapTypeName(999)).toBe('bpf_map_type 999');
});

it('every helper has a number and every number its helper', () => {
  for (const [name, id] of Object.entries(bpf_func_id)) {
    if (name.startsWith('__')) continue;
    expect(helperName(id)).toBe(`bpf_${name.slice('BPF_FUNC_'.length)}`);
    expect(helperId(`bpf_${name.slice('BPF_FUNC_'.length)}`)).toBe(id);
  }
  expect(helperName(100000)).toBeUndefined();
});

it('errnos have their names, negative or not', () => {
  expect([22, -22, 524, 12345].map(errnoName)).toEqual(['EINVAL', 'EINVAL', 'ENOTSUPP', '12345']);
});
