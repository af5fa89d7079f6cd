import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { layoutHeader, sourceHash } from '../../../scripts/map-ops-header.mjs';
import { classifyInsn, isInsnProblem, isPseudoCall } from '../../isa/index.ts';
import * as uapi from '../../uapi/index.ts';
import { MAP_OPS_SOURCE } from '../generated/map-ops.ts';
import * as maps from '../index.ts';

const { MAP_GATES, MAP_OP_NAMES, mapOpProgram } = maps;
const here = fileURLToPath(new URL('.', import.meta.url));

describe('the code of operations', () => {
  it('is that of the sources: scripts/build-map-ops.mjs makes it anew', () => {
    expect(readFileSync(`${here}layout.h`, 'utf8')).toBe(layoutHeader(maps, uapi));
    expect(MAP_OPS_SOURCE).toBe(sourceHash(here));
  });

  it.each(['little', 'big'] as const)('is made of instructions that call one another and gates (%s)', order => {
    const outside = new Set<number>();
    for (const op of MAP_OP_NAMES) {
      const { insns, stackDepths } = mapOpProgram(op, order);
      let functions = 1;
      const starts = new Set([0]);
      for (let slot = 0; slot < insns.length; slot++) {
        const def = classifyInsn(insns, slot);
        if (isInsnProblem(def)) throw new Error(`${op} ${slot}: ${def.message}`);
        const insn = insns[slot];
        if (isPseudoCall(insn)) {
          const target = slot + 1 + insn.imm;
          if (!starts.has(target)) functions++;
          starts.add(target);
        } else if (def.kind === 'call') outside.add(insn.imm);
        if (def.slots === 2) slot++;
      }
      expect(stackDepths).toHaveLength(functions);
      for (const depth of stackDepths) expect(depth).toBeLessThanOrEqual(512);
    }
    const helpers = [1, 2, 3, 8, 195];
    expect([...outside].sort((a, b) => a - b)).toEqual([...helpers, MAP_GATES.grow, MAP_GATES.fieldDies]);
  });
});
