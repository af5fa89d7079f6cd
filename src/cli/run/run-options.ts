import type { OptionSpec } from '../command.ts';
import { BTF_FILE, ORDER, PROG } from '../commands/shared-options.ts';
import { ENGINE_OPTIONS } from './engines.ts';
import { UNVERIFIED } from './verify-first.ts';

/** What every command that runs a program takes. */
export const RUN_OPTIONS: readonly OptionSpec[] = [
  PROG,
  ...ENGINE_OPTIONS,
  {
    name: 'data-in',
    value: 'DATA',
    kind: 'file',
    summary:
      'the packet: hex:0011…, a file of its bytes, or a pcap or pcapng file, all of whose packets are run in order',
  },
  { name: 'ctx-in', value: 'DATA', kind: 'file', summary: 'the context: hex:… or a file' },
  {
    name: 'arg',
    short: 'a',
    value: 'N=VALUE',
    kind: 'text',
    repeat: true,
    summary:
      'an argument of the traced function, 1 the first (kprobe: in its register; else in the array of arguments); ' +
      'ret=VALUE is what it returned, FIELD=VALUE a field of the struct the context is. Text and hex:… become the ' +
      'address of a copy; may be repeated',
  },
  {
    name: 'repeat',
    value: 'N',
    kind: 'integer',
    min: 1n,
    max: 0xffffffffn,
    summary: 'run this often on each packet, as BPF_PROG_TEST_RUN does',
  },
  UNVERIFIED,
  BTF_FILE,
  { name: 'cpu', value: 'N', kind: 'integer', max: 1023n, summary: 'the CPU to run on; default 0' },
  {
    name: 'cpus',
    value: 'N',
    kind: 'integer',
    min: 1n,
    max: 1024n,
    summary: 'CPUs there are; default 1, or enough for --cpu',
  },
  { name: 'seed', value: 'N', kind: 'integer', max: 0xffffffffn, summary: 'seed of all random numbers; default 1' },
  {
    name: 'time',
    value: 'NS',
    kind: 'integer',
    max: (1n << 63n) - 1n,
    summary: 'CLOCK_MONOTONIC at the start; every reading is a microsecond later, so that runs repeat',
  },
  {
    name: 'insn-limit',
    value: 'N',
    kind: 'integer',
    min: 1n,
    summary: 'end a run after this many instructions, as a fault',
  },
  {
    name: 'type',
    value: 'TYPE',
    kind: 'text',
    summary: 'program type (xdp, sched_cls …) in place of the one the section names',
  },
  {
    name: 'kconfig',
    value: 'FILE|K=V',
    kind: 'file',
    repeat: true,
    summary: 'values of .kconfig variables: a kernel configuration, or CONFIG_HZ=250; may be repeated',
  },
  {
    name: 'map-entries',
    value: 'NAME=N',
    kind: 'text',
    repeat: true,
    summary: 'max_entries of a map, as its loader would set it; may be repeated',
  },
  {
    name: 'set',
    value: 'VAR=VALUE',
    kind: 'text',
    repeat: true,
    summary:
      'a variable of .data, .rodata or .bss, or a part of one (config.ports[0]=80), set before the object is loaded; ' +
      'may be repeated',
  },
  {
    name: 'map-set',
    value: 'MAP:KEY=VALUE',
    kind: 'text',
    repeat: true,
    summary:
      'an element, put into a map before the run; MAP:=VALUE for queues and stacks; @FILE or MAP:@FILE for the elements ' +
      'of a dump (map dump --json); may be repeated. KEY and VALUE are integers, hex:…, or as the types say: JSON, names ' +
      'of enumerators, addresses, names of programs and maps',
  },
  {
    name: 'event-type',
    value: '[MAP:]TYPE',
    kind: 'text',
    repeat: true,
    summary:
      'what the records of ring and perf buffers are, or of one of them; default: the one struct of their size that is ' +
      'named like an event; may be repeated, then sizes decide',
  },
  { ...ORDER, summary: 'byte order, when FILE is raw instructions' },
];
