// What `npm start` shows: a real object opened, its program run on real packets, its maps afterwards.
//   npm start [-- OBJECT [PACKETS]]
import { spawnSync } from 'node:child_process';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = name => relative(process.cwd(), fileURLToPath(new URL(`../${name}`, import.meta.url)));
const object = process.argv[2] ?? path('examples/load_balancer.bpf.o');
const packets = process.argv[3] ?? path('examples/traffic.pcap');

const steps = [
  ['What the object holds', ['obj', 'show', object]],
  ['Its program on a minute of traffic, and its maps afterwards', ['prog', 'run', object, '--data-in', packets]],
];

for (const [title, args] of steps) {
  process.stdout.write(`\n── ${title}\n$ farcall ${args.join(' ')}\n\n`);
  const { status } = spawnSync(process.execPath, [path('bin/farcall'), ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
