// What `npm start` shows: a real object opened, verified as Linux verifies it, its program run on real packets, its maps afterwards; then the same program
// compiled for a PowerPC kernel under two address layouts, its symbols and calls there, and the same results from that code.
//   npm start [-- OBJECT [PACKETS]]
import { spawnSync } from 'node:child_process';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = name => relative(process.cwd(), fileURLToPath(new URL(`../${name}`, import.meta.url)));
const object = process.argv[2] ?? path('examples/load_balancer.bpf.o');
const packets = process.argv[3] ?? path('examples/traffic.pcap');

const TARGET = 'ppc64le';
const LAYOUTS = ['ppc64-radix', 'ppc64-hash'];
const layouts = LAYOUTS.flatMap(layout => ['--layout', layout]);

/** Runs farcall; its output goes to the screen or, with `quiet`, is returned. */
function farcall(args, quiet = false) {
  const stdio = quiet ? ['ignore', 'pipe', 'inherit'] : 'inherit';
  const { status, stdout } = spawnSync(process.execPath, [path('bin/farcall'), ...args], { stdio, maxBuffer: 1 << 28 });
  if (status !== 0) process.exit(status ?? 1);
  return stdout?.toString() ?? '';
}

function step(title, ...args) {
  process.stdout.write(`\n── ${title}\n$ farcall ${args.join(' ')}\n\n`);
  farcall(args);
}

step('What the object holds', 'obj', 'show', object);
step('What Linux 6.12 would say of it', 'prog', 'verify', object);
step('Its program on a minute of traffic, and its maps afterwards', 'prog', 'run', object, '--data-in', packets);
for (const layout of LAYOUTS) {
  step(
    `Compiled for PowerPC: its functions in /proc/kallsyms, ${layout}`,
    'kallsyms',
    object,
    '--target',
    TARGET,
    '--layout',
    layout,
  );
}
step('How its calls reach their callees in both', 'prog', 'calls', object, '--target', TARGET, ...layouts);

const run = ['prog', 'run', object, '--data-in', packets, '--json'];
/** Everything a run says but how long it took, and in which instructions. */
const results = args =>
  farcall([...run, ...args], true).replaceAll(/"(duration_ns|insn_count|probed_reads)":[0-9]+,?/g, '');
const wanted = results([]);
process.stdout.write('\n── The same packets through that code, on an emulated POWER8 at those addresses\n');
for (const layout of LAYOUTS) {
  const args = ['--engine', TARGET, '--layout', layout];
  const same = results(args) === wanted;
  process.stdout.write(
    `$ farcall ${[...run, ...args].join(' ')}\n  ${same ? "packets, verdicts and maps equal the interpreter's" : 'DIFFERENT from the interpreter'}\n`,
  );
  if (!same) process.exit(1);
}
