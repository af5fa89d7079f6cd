import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { openBtf } from '../btf/index.ts';
import { isFunctionAbsent } from './absent-functions.ts';

const btf = openBtf(gunzipSync(readFileSync(new URL('../../assets/btf/vmlinux-6.12-amd64.btf.gz', import.meta.url))));

it('knows the functions of the BTF that the kernel has no symbol for', () => {
  const names = [...btf.ownTypes()].filter(type => type.kind === 'FUNC').map(type => type.name);
  expect(new Set(names.filter(name => isFunctionAbsent('6.12-amd64', name))).size).toBe(684);
  // Linux 6.12.107 for amd64 refused programs for these: "The address of function … cannot be found".
  for (const name of ['page_vma_mkclean_one', '__drain_all_pages', '__func_get_name', 'inet_valid_dump_ifaddr_req']) {
    expect(isFunctionAbsent('6.12-amd64', name)).toBe(true);
  }
  for (const name of ['vfs_open', 'tcp_v4_connect', 'bpf_lsm_file_open', 'no_such_function']) {
    expect(isFunctionAbsent('6.12-amd64', name)).toBe(false);
  }
  expect(isFunctionAbsent('generic-s390x', 'page_vma_mkclean_one')).toBe(false);
});
