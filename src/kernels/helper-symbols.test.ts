import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { bpf_func_id, bpf_prog_type, helperName } from '../uapi/index.ts';
import { helperSymbol, kernelImage } from './index.ts';

const T = bpf_prog_type;
const id = (name: string): number => bpf_func_id[`BPF_FUNC_${name}` as keyof typeof bpf_func_id];
const dir = fileURLToPath(new URL('../../testdata/kernel/', import.meta.url));

/** `helper-symbols-6.12.107-amd64.tsv` → `6.12-amd64`, whose functions the answers name. */
function kernelOf(file: string): string {
  const [, version, arch] = /^helper-symbols-(\d+\.\d+)[.\d]*-(\w+)\.tsv$/.exec(file)!;
  return `${version}-${arch}`;
}

const FILES = readdirSync(dir).filter(name => name.startsWith('helper-symbols-'));

describe.each(FILES)('functions behind helpers, as the kernel of %s said', file => {
  const kernel = kernelImage(kernelOf(file));
  const lines = readFileSync(dir + file, 'utf8')
    .trim()
    .split('\n')
    .map(line => line.split('\t'));

  it.each(lines)('type %s, attach type %s, section %s', (type, attach, section, own, other) => {
    const sleepable = /\.s\b/.test(section) || section === 'syscall';
    const use = { attachType: Number(attach), sleepable, hook: section.split('/')[1] };
    const said = [
      ...own.split(' ').map(n => [Number(n), helperName(Number(n))!] as const),
      ...(other ?? '').split(' ').map(word => [Number(word.split('=')[0]), word.split('=')[1]] as const),
    ].filter(([n]) => n > 0);
    expect(said.length).toBeGreaterThan(0);
    const symbols = said.map(([n]) => `${n}=${kernel.helperSymbol(n, Number(type), use)}`);
    expect(symbols).toEqual(said.map(([n, symbol]) => `${n}=${symbol}`));
    expect(said.filter(([, symbol]) => !kernel.hasSymbol(symbol))).toEqual([]);
  });
});

describe('helperSymbol', () => {
  it('has answers of a kernel to stand on', () => {
    expect(FILES.length).toBeGreaterThan(1);
  });

  it.each([
    ['map_lookup_elem', T.BPF_PROG_TYPE_XDP, {}, 'bpf_map_lookup_elem'],
    ['get_prandom_u32', T.BPF_PROG_TYPE_XDP, {}, 'bpf_user_rnd_u32'],
    ['redirect', T.BPF_PROG_TYPE_XDP, {}, 'bpf_xdp_redirect'],
    ['redirect', T.BPF_PROG_TYPE_SCHED_CLS, {}, 'bpf_redirect'],
    ['get_stack', T.BPF_PROG_TYPE_KPROBE, { sleepable: true }, 'bpf_get_stack_sleepable'],
    ['get_func_ip', T.BPF_PROG_TYPE_KPROBE, {}, 'bpf_get_func_ip_kprobe'],
    ['get_func_ip', T.BPF_PROG_TYPE_TRACING, {}, 'bpf_get_func_ip_tracing'],
  ] as const)('%s in type %d is by its program', (name, type, use, symbol) => {
    expect(helperSymbol(id(name), type, use)).toBe(symbol);
  });

  it('names a function for every helper and type, and for numbers without a helper', () => {
    for (const helper of Object.values(bpf_func_id)) {
      for (const type of Object.values(T)) expect(helperSymbol(helper, type)).toMatch(/^(bpf_|sk_|get_func_)\w+$/);
    }
    expect(helperSymbol(100_000, T.BPF_PROG_TYPE_XDP)).toBe('bpf_unknown_100000');
  });

  it('falls back where a kernel has no such function', () => {
    const [old, now] = [kernelImage('6.1-amd64'), kernelImage('6.12-amd64')];
    const helper = id('task_storage_get');
    expect(old.helperSymbol(helper, T.BPF_PROG_TYPE_KPROBE)).toBe('bpf_task_storage_get');
    expect(now.helperSymbol(helper, T.BPF_PROG_TYPE_KPROBE)).toBe('bpf_task_storage_get_recur');
  });
});
