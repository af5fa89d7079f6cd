import type { Call, Command } from '../command.ts';
import { makePlan } from '../run/plan.ts';
import { runCapture } from '../run/run-capture.ts';
import { runOnce } from '../run/run-once.ts';
import { RUN_OPTIONS } from '../run/run-options.ts';

async function run(call: Call): Promise<void> {
  const plan = await makePlan(call);
  if (plan.data?.capture === true) runCapture(call, plan);
  else runOnce(call, plan);
}

export const progRun: Command = {
  summary: 'Run a program on packets or contexts',
  description:
    'The program is verified first, by the rules of Linux 6.12; --unverified runs it as it is, and what it may not do ' +
    'ends in a fault that says where. CO-RE relocations are ' +
    'applied against the kernel types that come with farcall unless --btf names others. Time and random numbers are ' +
    'the same in every run.',
  args: [
    {
      name: 'FILE',
      summary: 'object file, or raw instructions (with --type)',
      kind: 'file',
      required: true,
    },
  ],
  options: RUN_OPTIONS,
  examples: [
    {
      line: 'farcall prog run examples/load_balancer.bpf.o --data-in examples/traffic.pcap',
      what: 'an XDP program on captured packets',
    },
    {
      line: 'farcall prog run prog.o --prog handle_ingress --data-in hex:ffffffffffff0011223344550800',
      what: 'one of several programs on a packet of your own',
    },
    { line: 'farcall prog run prog.o --prog on_exit --ctx-in ctx.bin --json | jq .maps', what: 'a tracing program' },
    {
      line: `farcall prog run examples/firewall.bpf.o -p ingress --data-in examples/traffic.pcap --map-set 'ingress_rules:{"prefix_len":16,"addr":"192.168.0.0"}=0'`,
      what: 'with a rule in a map',
    },
    {
      line: 'farcall prog run examples/load_balancer.bpf.o --data-in examples/traffic.pcap --set vip=10.0.0.7',
      what: 'with another constant',
    },
    {
      line: 'farcall prog run --type xdp hex:b7000000020000009500000000000000 --data-in packet.bin',
      what: 'raw instructions',
    },
  ],
  run,
};
