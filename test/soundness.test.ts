import { expect, it } from 'vitest';
import { ProgramBuilder, R0 } from '../src/isa/index.ts';
import { kernelImage } from '../src/kernels/index.ts';
import { verify } from '../src/verifier/index.ts';
import { AbstractStates } from './support/abstract-states.ts';
import { generateProgram, progEntryOf } from './support/program-generator.ts';
import { checkSoundness } from './support/soundness.ts';
import { kernelBtf } from './support/structure-answer.ts';
import { typedProgram } from './support/typed-programs.ts';
import { verifyInputOf } from './support/verify-input.ts';

const image = kernelImage('6.12-amd64');
const kernel = { version: '6.12', arch: image.arch, btf: kernelBtf(undefined), image };

it('accepted programs never fault, and every register lies in a state the verifier recorded', () => {
  let accepted = 0;
  for (let seed = 900_001; accepted < 150; seed++) {
    const result = checkSoundness(typedProgram(seed), seed, 2, kernel);
    expect(result.problem, `seed ${seed}`).toBeUndefined();
    if (result.accepted && !result.leftOut) accepted++;
  }
});

it('slots of the stack that nobody comes to but through R10 are left alone by everybody else', () => {
  let accepted = 0;
  for (let seed = 1; accepted < 60; seed++) {
    const program = generateProgram(seed, { functions: [1, 3, 8][seed % 3], frames: true });
    const result = checkSoundness(progEntryOf(program), seed, 2, kernel);
    expect(result.problem, `seed ${seed}`).toBeUndefined();
    if (result.accepted && !result.leftOut) accepted++;
  }
});

it('a value that no recorded state has is noticed', () => {
  const insns = new ProgramBuilder().mov(R0, 5).exit().build();
  const states = new AbstractStates(insns);
  const regs = new Int32Array(22);
  const step = { program: { name: 'p', type: 1, id: 1, handle: 0, insns }, insnIdx: 1, regs, depth: 1 };
  expect(states.problem(step, 0)).toMatch(/never checked/);
  const verdict = verify(verifyInputOf({ name: 'p', type: 1, insns }), {
    kernel,
    exactScalars: true,
    observer: states,
  });
  expect(verdict.ok).toBe(true);
  expect(states.problem(step, 0)).toMatch(/R0=0x0000000000000000 in none of 1 states/);
  regs[0] = 5;
  expect(states.problem(step, 0)).toBeUndefined();
});
