import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FarcallError } from '../util/index.ts';
import { createKernelSpace, defaultKernelImage, findLayout, KERNEL_IMAGES, kernelImage } from './index.ts';

describe.each(KERNEL_IMAGES.map(row => row.name))('kernel %s', name => {
  const kernel = kernelImage(name);

  it('has its symbols in text, ascending, each found by name and by place', () => {
    const symbols = kernel.symbols();
    expect(symbols.length).toBeGreaterThan(1000);
    // Static functions of two files may have one name.
    const names = symbols.map(symbol => symbol.name);
    const twice = new Set(names.filter((symbol, i) => names.indexOf(symbol) !== i));
    expect(twice.size).toBeLessThan(20);
    let last = kernel.textOffset;
    for (const { name: symbol, offset, sizeBytes } of symbols) {
      expect(offset).toBeGreaterThanOrEqual(last);
      expect(sizeBytes).toBeGreaterThan(0);
      last = offset;
      // Another of that name or at that place may stand for it, but then that one is there.
      expect(kernel.hasSymbol(symbol)).toBe(true);
      const there = kernel.symbolAt(offset)!;
      if (!twice.has(there)) expect(kernel.symbolOffset(there)).toBe(offset);
    }
    expect(last).toBeLessThan(kernel.etextOffset);
    expect(kernel.textOffset).toBeLessThan(0);
  });

  it('has __bpf_call_base at distance 0', () => {
    expect(kernel.symbolOffset('__bpf_call_base')).toBe(0);
    expect(kernel.symbolAt(0)).toBe('__bpf_call_base');
    expect(kernel.symbolOffset('__bpf_call_base_args')).toBe(0);
  });

  it.each(['bpf_user_rnd_u32', 'bpf_ktime_get_ns', 'bpf_skb_event_output', 'sk_skb_pull_data'])('knows %s', symbol => {
    expect(kernel.hasSymbol(symbol)).toBe(true);
    expect(kernel.symbolAt(kernel.symbolOffset(symbol))).toBe(symbol);
  });

  it('has struct offsets that a struct can have', () => {
    const { arrayMaxEntries, arrayPtrs, arrayValue, progBpfFunc, htabElemKey, htabElemLruRef } = kernel.structs;
    expect(arrayMaxEntries % 4).toBe(0);
    expect(arrayPtrs).toBe(arrayValue);
    expect(arrayPtrs % 8).toBe(0);
    // 7.x keeps a longer digest before it.
    expect(progBpfFunc).toBe(kernel.version === '7.2' ? 72 : 48);
    expect(htabElemKey % 8).toBe(0);
    expect(htabElemLruRef).toBeLessThan(htabElemKey);
  });
});

describe('functions nobody recorded', () => {
  const names = fc.uniqueArray(
    fc.string({ minLength: 1, maxLength: 20 }).map(text => `~${text}`),
    { maxLength: 40 },
  );

  it('get a place of their own behind text, the same whatever was asked before, and back', () => {
    fc.assert(
      fc.property(names, list => {
        const [one, other] = [kernelImage('6.12-ppc64el'), kernelImage('6.12-ppc64el')];
        const offsets = list.map(name => one.symbolOffset(name));
        expect(new Set(offsets).size).toBe(list.length);
        for (const [i, offset] of offsets.entries()) {
          expect(offset > one.etextOffset && offset + 16 <= one.syntheticEndOffset && offset % 16 === 0).toBe(true);
          expect(one.symbolAt(offset)).toBe(list[i]);
          expect(one.symbolOffset(list[i])).toBe(offset);
          expect(one.hasSymbol(list[i])).toBe(false);
        }
        expect(list.toReversed().map(name => other.symbolOffset(name))).toEqual(offsets.toReversed());
      }),
    );
  });

  it('keep apart when their hashes agree', () => {
    const kernel = kernelImage('6.12-amd64');
    const count = 20_000;
    const offsets = Array.from({ length: count }, (_, i) => kernel.symbolOffset(`f${i}`));
    expect(new Set(offsets).size).toBe(count);
    expect(offsets.every((offset, i) => kernel.symbolAt(offset) === `f${i}`)).toBe(true);
  });
});

describe('the kernel of 6.12-ppc64el', () => {
  const space = createKernelSpace(findLayout('ppc64-recorded'), kernelImage('6.12-ppc64el'));

  it('has its functions where the kernel said', () => {
    expect(space.callBase).toBe(0xc00000000037be00n);
    expect(space.symbolAddr('bpf_user_rnd_u32')).toBe(0xc0000000003884c0n);
    expect(space.symbolAddr('sk_skb_pull_data')).toBe(0xc000000000d1e4e0n);
  });

  it('has the TOC that its compiled programs reckon with', () => {
    expect(space.kernelToc).toBe(0xc000000001930100n);
    // addis r12,r2,0xfea2; addi r12,r12,0x32c8, as its JIT emitted for bpf_probe_read_kernel.
    const entry = space.kernelToc + (-0x15en << 16n) + 0x32c8n;
    expect(entry).toBe(space.symbolAddr('bpf_probe_read_kernel') + 8n);
  });

  // Differences of helper addresses in xlated and jited dumps of 238 programs on that kernel.
  it.each([
    ['__htab_map_lookup_elem', 8],
    ['array_map_update_elem', 8],
    ['bpf_get_current_comm', 8],
    ['bpf_get_stackid_raw_tp', 8],
    ['bpf_ktime_get_ns', 8],
    ['bpf_perf_event_output', 8],
    ['bpf_probe_read_kernel', 8],
    ['bpf_ringbuf_reserve', 8],
    ['bpf_skb_load_bytes', 8],
    ['bpf_trace_printk', 8],
    ['htab_map_update_elem', 8],
    ['bpf_current_task_under_cgroup', 0],
    ['bpf_get_current_pid_tgid', 0],
    ['bpf_get_current_task', 0],
    ['bpf_get_smp_processor_id', 0],
    ['percpu_array_map_lookup_elem', 0],
    ['trie_lookup_elem', 0],
    ['nobody_recorded_me', 0],
  ])('%s has its local entry %d bytes on', (name, bytes) => {
    expect(space.kernel.localEntryBytes(name)).toBe(bytes);
  });

  it('has no local entries in big-endian ELFv1', () => {
    const generic = kernelImage('generic-ppc64');
    expect(generic.symbols().every(symbol => generic.localEntryBytes(symbol.name) === 0)).toBe(true);
    expect(generic.symbolOffset('bpf_ktime_get_ns')).toBe(space.kernel.symbolOffset('bpf_ktime_get_ns'));
  });
});

describe('kernelImage', () => {
  it.each(['6.12-sparc64', '', '__proto__'])('names the kernels there are when asked for %j', name => {
    expect(() => kernelImage(name)).toThrow(FarcallError);
    expect(() => kernelImage(name)).toThrow(/6\.12-ppc64el, .*generic-s390x/);
  });

  it('has one for every CPU and byte order in use', () => {
    expect(defaultKernelImage('ppc64', 'little').name).toBe('6.12-ppc64el');
    expect(defaultKernelImage('ppc64', 'big').name).toBe('generic-ppc64');
    expect(defaultKernelImage('x86_64', 'little').name).toBe('6.12-amd64');
    expect(() => defaultKernelImage('x86_64', 'big')).toThrow(FarcallError);
  });

  it('gives each caller one of its own', () => {
    const [one, other] = [kernelImage('6.12-amd64'), kernelImage('6.12-amd64')];
    const offset = one.symbolOffset('mine_alone');
    expect(one.symbolAt(offset)).toBe('mine_alone');
    expect(other.symbolAt(offset)).toBeUndefined();
  });
});
