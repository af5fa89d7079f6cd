import type { Call, Command } from '../command.ts';
import { parallelMap } from '../parallel.ts';
import { Progress } from '../progress.ts';
import { BTF_FILE, JOBS } from './shared-options.ts';

async function run({ args, options, out }: Call): Promise<void> {
  const btf = options.text('btf');
  const inputs = args.map(file => ({ file, json: out.json, color: out.color, btf }));
  const progress = new Progress(out, 'files', inputs.length);
  const outcomes = parallelMap('obj-show', inputs, {
    jobs: options.integer('jobs'),
    onDone: done => progress.update(done),
  });
  let shown = 0;
  for await (const outcome of outcomes) {
    for (const description of outcome.ok ? outcome.value : [{ failure: outcome.failure }]) {
      if ('failure' in description) out.failure(description.failure);
      else if (out.json) out.raw(description.text);
      else out.text(`${shown++ > 0 ? '\n' : ''}${description.text}`);
    }
  }
  progress.end();
}

export const objShow: Command = {
  summary: 'Show programs, maps, externs and types of objects',
  description:
    'FILE is a BPF object, or any file with objects inside, such as an executable with libbpf skeletons. Objects inside ' +
    'others are named FILE:0xOFFSET, which every command accepts in place of a file. With --json one object a line.',
  args: [{ name: 'FILE', summary: 'object files', kind: 'file', required: true, variadic: true }],
  options: [{ ...BTF_FILE, summary: 'apply CO-RE relocations against this kernel and report them' }, JOBS],
  examples: [
    { line: 'farcall obj show examples/load_balancer.bpf.o', what: 'one object' },
    { line: 'farcall obj show /usr/sbin/biosnoop', what: 'the objects inside a program' },
    { line: 'farcall obj show --json *.o | jq .programs[].name', what: 'the names of all programs of many objects' },
    { line: 'farcall obj show --btf default examples/syscall_latency.bpf.o', what: 'how CO-RE fares on Linux 6.12' },
  ],
  run,
};
