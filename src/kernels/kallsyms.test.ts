import { describe, expect, it } from 'vitest';
import { bpfSymbolName, formatKallsyms, formatKsym, type Ksym } from './index.ts';

const prog: Ksym = {
  addr: 0xffffffffc0201064n,
  sizeBytes: 100,
  kind: 't',
  name: 'bpf_prog_6deef7357e7b4530_sd_fw_ingress',
  module: 'bpf',
};
const base: Ksym = { addr: 0xc00000000037be00n, sizeBytes: 16, kind: 'T', name: '__bpf_call_base', module: '' };

describe('kallsyms', () => {
  it('prints lines as the kernel does', () => {
    expect(formatKsym(prog)).toBe('ffffffffc0201064 t bpf_prog_6deef7357e7b4530_sd_fw_ingress\t[bpf]');
    expect(formatKallsyms([base, prog])).toBe(
      'c00000000037be00 T __bpf_call_base\n' + 'ffffffffc0201064 t bpf_prog_6deef7357e7b4530_sd_fw_ingress\t[bpf]\n',
    );
    expect(formatKallsyms([])).toBe('');
  });

  it('hides addresses', () => {
    expect(formatKallsyms([base, prog], { hide: true })).toBe(
      '0000000000000000 T __bpf_call_base\n' + '0000000000000000 t bpf_prog_6deef7357e7b4530_sd_fw_ingress\t[bpf]\n',
    );
  });

  it('pads low addresses', () => {
    expect(formatKsym({ ...base, addr: 0x1000n })).toBe('0000000000001000 T __bpf_call_base');
  });

  it.each([
    ['cf418ac8b67bebd9', 'F', 'bpf_prog_cf418ac8b67bebd9_F'],
    ['cf418ac8b67bebd9', undefined, 'bpf_prog_cf418ac8b67bebd9'],
    ['cf418ac8b67bebd9', '', 'bpf_prog_cf418ac8b67bebd9'],
    ['cf418ac8b67bebd9', 'x'.repeat(600), `bpf_prog_cf418ac8b67bebd9_${'x'.repeat(485)}`],
  ])('names functions after tag %s and name %j', (tag, name, symbol) => {
    expect(bpfSymbolName(tag, name)).toBe(symbol);
  });
});
