import { describe, expect, it } from 'vitest';
import { xlatedOf } from '../../test/support/xlated.ts';
import { ProgramBuilder, R0, R1, R2 } from '../isa/index.ts';
import { createKernelSpace, defaultLayout, kernelImage } from '../kernels/index.ts';
import { toHex } from '../util/index.ts';
import { type JitOptions, jitProgram } from './driver.ts';
import { plainFunc } from './func-input.ts';
import { PPC64LE } from './ppc64/target.ts';
import type { TargetEnv } from './types.ts';

const space = () => createKernelSpace(defaultLayout('ppc64'), kernelImage('6.12-ppc64el'));

function program(seed: number) {
  const b = new ProgramBuilder().mov(R0, seed).mov(R2, R1);
  for (let n = 0; n < seed; n++) {
    b.imm64(R1, 0x1234_5678_9abcn * BigInt(seed + n))
      .alu64('xor', R0, R1)
      .jumpIf('jgt', R0, n, 'out')
      .call('leaf');
  }
  return xlatedOf(b.label('out').exit().label('leaf').mov(R0, R1).alu64('mul', R0, seed).exit().build());
}

function images(seed: number, more: Partial<JitOptions> = {}): string[] {
  const result = jitProgram(program(seed), { target: PPC64LE, space: space(), ...more });
  if (!result.ok || !result.prog.jited) throw new Error('not jited');
  return result.prog.funcs.map(func => `${toHex(func.bytes)} ${func.slotOffs.join()}`);
}

describe('functions on one desk', () => {
  it('come out as if each had its own, also when a program is compiled between two steps of another', () => {
    const alone = [3, 40, 1, 700].map(seed => images(seed));
    let inner = 0;
    for (const [at, seed] of [3, 40, 1, 700].entries()) {
      const inject = (): number => {
        expect(images([700, 1, 40, 3][inner % 4])).toEqual(alone[3 - (inner % 4)]);
        inner++;
        return 0;
      };
      expect(images(seed, { inject: seed === 700 ? undefined : inject })).toEqual(alone[at]);
    }
    expect(inner).toBeGreaterThan(50);
  });

  it('may be emitted in turns', () => {
    const env: TargetEnv = { cpu: 'power8', mode: 'own', space: space(), userLimit: 1n << 63n, pcrel: false };
    const one = PPC64LE.compiler(plainFunc(new ProgramBuilder().mov(R0, 1).exit().build()), env);
    const other = PPC64LE.compiler(plainFunc(new ProgramBuilder().mov(R0, 2).mov(R1, 3).exit().build()), env);
    const first = toHex(one.emit(0n, []).bytes);
    const second = toHex(other.emit(0n, []).bytes);
    expect(first).not.toBe(second);
    expect(toHex(one.emit(0n, []).bytes)).toBe(first);
    expect(toHex(other.emit(0n, []).bytes)).toBe(second);
  });
});
