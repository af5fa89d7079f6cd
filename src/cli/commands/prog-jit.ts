import type { Call, Command } from '../command.ts';
import { JIT_OPTIONS, type JitFormat, WASM } from '../jit/jit-options.ts';
import { writeCode } from '../jit/write-code.ts';
import { writeExe } from '../jit/write-executable.ts';
import { writeShared } from '../jit/write-shared.ts';
import { writeWasm } from '../jit/write-wasm.ts';

async function run(call: Call): Promise<void> {
  const format = (call.options.text('format') ?? 'exe') as JitFormat;
  if (call.options.text('target') === WASM) await writeWasm(call, format);
  else if (format === 'exe') await writeExe(call);
  else if (format === 'so') await writeShared(call);
  else writeCode(call, format);
}

export const progJit: Command = {
  summary: 'Compile programs for a CPU or WebAssembly',
  description:
    'An executable holds the code at its addresses, the memory the program runs on, and what the functions of the kernel ' +
    'answered when the program ran here, on an emulated CPU. It runs on that CPU or under qemu-user, checks each call ' +
    'against what was recorded, and prints what the program returns; with a capture a line for each packet: its number, ' +
    'the result, and a digest (64-bit FNV-1a) of contexts, packet and map values. It exits with 0; with 2 when a call or a ' +
    'register differs, with 3 when it faults. Programs are verified first. An executable reads contexts as programs are written; ' +
    'a shared object reads them likewise: it has one C function a program and the arrays and variables they use, and calls helpers ' +
    'through a table that whoever embeds it fills in, with other maps as structs of their sizes; its pointers are those of the process; ' +
    'in the other formats code for x86_64 is that of a kernel: contexts converted, helpers inlined.',
  args: [{ name: 'FILE', summary: 'object file, or raw instructions (with --type)', kind: 'file', required: true }],
  options: JIT_OPTIONS,
  examples: [
    {
      line: 'farcall prog jit examples/xdp_counter.bpf.o --target ppc64le --data-in examples/traffic.pcap -o counter',
      what: 'then: qemu-ppc64le counter',
    },
    {
      line: 'farcall prog jit examples/checksum.bpf.o --target ppc64le --layout user-far --apart 0x40000000 --data-in examples/traffic.pcap -o far',
      what: 'functions 1 GB from each other, 112 TB from the kernel',
    },
    {
      line: 'farcall prog jit examples/checksum.bpf.o --target ppc64le --format elf -o checksum.elf',
      what: 'then: llvm-objdump -d checksum.elf',
    },
    {
      line: 'farcall prog jit examples/checksum.bpf.o -p checksum --target wasm -o checksum.wasm',
      what: 'a WebAssembly module, as farcall runs it',
    },
    {
      line: 'farcall prog jit examples/checksum.bpf.o --target ppc64le --format json',
      what: 'functions, calls and code as data',
    },
  ],
  run,
};
