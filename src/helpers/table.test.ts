import { describe, expect, it } from 'vitest';
import { bpf_func_id, helperName } from '../uapi/index.ts';
import { HELPERS, helperByName } from './index.ts';

describe('the table of helpers', () => {
  it('has every helper of Linux under its number and name', () => {
    for (let id = 1; id < bpf_func_id.__BPF_FUNC_MAX_ID; id++) {
      const def = HELPERS[id];
      expect(def?.id).toBe(id);
      expect(def?.name).toBe(helperName(id));
      expect(helperByName(def!.name)).toBe(def);
    }
    expect(HELPERS.length).toBe(bpf_func_id.__BPF_FUNC_MAX_ID);
  });

  it('has contracts of sound shape', () => {
    for (const def of HELPERS) {
      if (def === undefined) continue;
      for (const proto of [def.proto, ...(def.variants ?? []).map(variant => variant.proto)]) {
        expect(proto.args.length).toBeLessThanOrEqual(5);
        proto.args.forEach((arg, i) => {
          // A size argument follows the memory it measures.
          if (arg.type === 'ARG_CONST_SIZE' || arg.type === 'ARG_CONST_SIZE_OR_ZERO') {
            expect([def.name, proto.args[i - 1].type]).toEqual([def.name, 'ARG_PTR_TO_MEM']);
          }
          if (arg.flags?.includes('MEM_FIXED_SIZE')) expect(arg.sizeBytes).toBeGreaterThan(0);
        });
      }
      expect(def.since).toMatch(/^\d\.\d+$/);
    }
  });
});
