import { describe, expect, it } from 'vitest';
import { findTarget, TARGETS } from './targets.ts';

describe('targets', () => {
  it('are found by name', () => {
    for (const target of TARGETS) expect(findTarget(target.name)).toBe(target);
    expect(new Set(TARGETS.map(target => target.name)).size).toBe(TARGETS.length);
  });

  it('that are none are an error that lists those there are', () => {
    expect(() => findTarget('vax')).toThrow(expect.objectContaining({ code: 'arg.target', found: 'vax' }));
    expect(() => findTarget('vax')).toThrow(/ppc64le/);
  });

  it('fill with an instruction', () => {
    for (const { trap, cpus } of TARGETS) {
      expect(trap.length).toBeGreaterThan(0);
      expect(cpus.length).toBeGreaterThan(0);
    }
  });
});
