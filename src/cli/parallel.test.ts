import { describe, expect, it } from 'vitest';
import type { DescribeInput } from './object/describe-file.ts';
import { parallelMap } from './parallel.ts';

const CRASHING = new URL('../../testdata/cli/crashing-worker.mjs', import.meta.url);
const input = (file: string): DescribeInput => ({ file, json: false, color: false, btf: undefined });

async function outcomesOf(files: readonly string[], jobs: number): Promise<unknown[]> {
  const outcomes: unknown[] = [];
  const all = parallelMap('obj-show', files.map(input), { jobs, workerUrl: CRASHING });
  for await (const outcome of all) outcomes.push(outcome.ok ? outcome.value : outcome.failure.message);
  return outcomes;
}

describe('worker threads', () => {
  it('keep the order of the inputs', async () => {
    const files = Array.from({ length: 40 }, (_, i) => `f${i}`);
    expect(await outcomesOf(files, 3)).toEqual(files);
  });

  it('that die become failures of their input, and the rest is done', async () => {
    expect(await outcomesOf(['a', 'exit', 'b', 'throw', 'c', 'exit'], 2)).toEqual([
      'a',
      'farcall bug: the worker died: it exited',
      'b',
      'farcall bug: the worker died: out of luck',
      'c',
      'farcall bug: the worker died: it exited',
    ]);
  });

  it('are told apart from a script that does not start', async () => {
    const outcomes = [];
    const workerUrl = new URL('nowhere.mjs', CRASHING);
    for await (const outcome of parallelMap('obj-show', [input('a'), input('b')], { jobs: 2, workerUrl })) {
      outcomes.push(outcome.ok);
    }
    expect(outcomes).toEqual([false, false]);
  });

  it('stop when the reader has had enough', async () => {
    for await (const outcome of parallelMap('obj-show', ['a', 'b', 'c'].map(input), { jobs: 2, workerUrl: CRASHING })) {
      expect(outcome).toEqual({ ok: true, value: 'a' });
      break;
    }
  });
});

it('without threads, failures stay with their input too', async () => {
  const outcomes = [];
  const done: number[] = [];
  const files = ['nowhere/a.o', 'examples', 'examples/checksum.bpf.o'].map(input);
  for await (const outcome of parallelMap('obj-show', files, { jobs: 1, onDone: n => done.push(n) })) {
    outcomes.push(outcome.ok || outcome.failure.message);
  }
  expect(outcomes).toEqual(['nowhere/a.o: no such file or directory', 'examples: is a directory', true]);
  expect(done).toEqual([1, 2, 3]);
});
