import * as fc from 'fast-check';
import { expect } from 'vitest';
import type { BpfMap } from '../../src/maps/index.ts';
import type { TestMapHost } from './map-host.ts';

/** Machines of threads are dear to make. */
export const sometimesShared = fc.constantFrom(false, false, false, true);

/** Where threads share the machine, no two CPUs' values of a key have a pair of cache lines in common. */
export function expectApart(host: TestMapHost, map: BpfMap, keyAddr: number): void {
  if (!host.mem.shared) return;
  const pairs = Array.from({ length: host.cpuCount }, (_, cpu) => {
    const at = map.lookupPercpu(keyAddr, cpu);
    return [at >> 7, (at + map.def.valueSizeBytes - 1) >> 7];
  });
  for (let cpu = 1; cpu < pairs.length; cpu++) expect(pairs[cpu][0]).toBeGreaterThan(pairs[cpu - 1][1]);
}
