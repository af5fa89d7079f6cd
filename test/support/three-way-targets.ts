import type { EmulatedCpu, EmulatorOptions } from '../../src/engine/index.ts';
import type { JitMode } from '../../src/jit/index.ts';
import { createArm64Cpu } from './arm64/cpu.ts';
import { createRiscvCpu } from './riscv64/cpu.ts';
import { createS390xCpu } from './s390x/cpu.ts';
import { NATIVE } from './three-way.ts';
import { findTool } from './tools.ts';
import { createX86Cpu } from './x86_64/cpu.ts';

/** A target whose executables something here can run. */
export interface ThreeWayTarget {
  /** A row of TARGETS. */
  readonly target: string;
  readonly cpus: readonly string[];
  readonly modes: readonly JitMode[];
  /** Directory of the examples' objects in its byte order. */
  readonly examples: string;
  /** Path of qemu-user, or {@link NATIVE}; undefined where there is neither. */
  runner(): string | undefined;
  /** The emulated CPU, where the library has none. */
  readonly makeCpu?: (options: EmulatorOptions) => EmulatedCpu;
}

/** One row a target. */
export const THREE_WAY_TARGETS: readonly ThreeWayTarget[] = [
  {
    target: 'ppc64le',
    cpus: ['power8', 'power10'],
    modes: ['own', 'compat'],
    examples: 'examples',
    runner: () => findTool('qemu-ppc64le'),
  },
  {
    target: 'ppc64',
    cpus: ['power8', 'power10'],
    modes: ['own', 'compat'],
    examples: 'testdata/bpfeb',
    runner: () => findTool('qemu-ppc64'),
  },
  {
    target: 'x86_64',
    cpus: ['x86-64-v1', 'x86-64-v3'],
    modes: ['own'],
    examples: 'examples',
    runner: () => (process.platform === 'linux' && process.arch === 'x64' ? NATIVE : undefined),
    makeCpu: createX86Cpu,
  },
  {
    target: 'arm64',
    cpus: ['armv8-a', 'armv8.1-a'],
    modes: ['own'],
    examples: 'examples',
    runner: () => findTool('qemu-aarch64'),
    makeCpu: createArm64Cpu,
  },
  {
    target: 'riscv64',
    cpus: ['rv64gc', 'rv64gc_zba_zbb'],
    modes: ['own'],
    examples: 'examples',
    runner: () => findTool('qemu-riscv64'),
    makeCpu: createRiscvCpu,
  },
  {
    target: 's390x',
    cpus: ['z13', 'z15'],
    modes: ['own'],
    examples: 'testdata/bpfeb',
    runner: () => findTool('qemu-s390x'),
    makeCpu: createS390xCpu,
  },
];
