import { describe, expect, it } from 'vitest';
import { decodeInsns } from '../isa/index.ts';
import { bpf_attach_type as A, bpf_map_type as M, bpf_prog_type as P } from '../uapi/index.ts';
import { fromHex } from '../util/index.ts';
import type { VerifierMap, VerifyInput } from './input.ts';
import { minimalVersion, minimalVersionText } from './minimal-version.ts';

const EXIT = 'b700000000000000 9500000000000000';

function program(hex: string, more: Partial<VerifyInput> = {}): VerifyInput {
  const insns = decodeInsns(fromHex(`${hex} ${EXIT}`));
  return {
    name: 'p',
    type: P.BPF_PROG_TYPE_SOCKET_FILTER,
    attachType: 0,
    flags: 0,
    gplCompatible: true,
    insns,
    maps: [],
    ...more,
  };
}

function map(type: number): VerifierMap {
  const sizes = { keySize: 4, valueSize: 8, maxEntries: 1, flags: 0, mapExtra: 0n };
  const types = { btf: undefined, keyTypeId: 0, valueTypeId: 0, record: undefined };
  return { name: 'm', type, ...sizes, ...types, inner: undefined, frozen: false, data: undefined };
}

const LOAD_MAP = '1811000000000000 0000000000000000';

describe('the oldest release that has what a program uses', () => {
  it.each<[string, VerifyInput, string, string]>([
    ['nothing new', program(''), '3.19', 'program type socket_filter'],
    ['a sign-extending move', program('bf01080000000000'), '6.6', 'instruction movsx8_64'],
    ['may_goto', program('e500010000000000 b700000000000000'), '6.9', 'instruction may_goto'],
    ['a jump back', program('b700000000000000 a500feff0a000000'), '5.3', 'loops'],
    ['a helper', program('85000000d3000000'), '6.2', 'helper bpf_cgrp_storage_delete'],
    ['a function', program('8510000001000000 9500000000000000'), '4.16', 'instruction call_local'],
    ['a map', program(LOAD_MAP, { maps: [map(M.BPF_MAP_TYPE_ARENA)] }), '6.9', 'map type arena'],
    [
      'a type',
      program('', { type: P.BPF_PROG_TYPE_NETFILTER, attachType: A.BPF_NETFILTER }),
      '6.4',
      'program type netfilter',
    ],
    ['a flag', program('', { type: P.BPF_PROG_TYPE_XDP, flags: 32 }), '5.18', 'load flag 0x20'],
  ])('%s', (_what, input, version, feature) => {
    const minimal = minimalVersion(input);
    expect(minimal.version).toBe(version);
    expect(minimal.needs[0].feature).toBe(feature);
  });

  it('says why, with the slot of the first use', () => {
    const minimal = minimalVersion(program('b701000001000000 bf01080000000000 bf01080000000000'));
    expect(minimalVersionText(minimal)).toBe('needs at least Linux 6.6: instruction movsx8_64');
    expect(minimal.needs[0].insnIdx).toBe(1);
  });
});
