import { findTarget, type JitMode, type JitTarget } from '../jit/index.ts';
import {
  defaultKernelImage,
  defaultLayout,
  findLayout,
  type KernelArch,
  type KernelSpace,
  kernelImage,
  type LayoutRow,
  type Placement,
} from '../kernels/index.ts';
import { FarcallError } from '../util/index.ts';
import { createPpc64Cpu } from './emu-ppc64/index.ts';
import type { EmulatedCpu, EmulatorOptions } from './emu-types.ts';
import { type EngineXlate, type JitEngine, jitEngine } from './jited/index.ts';

/** Emulated CPUs by architecture. */
const CPUS: Partial<Record<KernelArch, (target: JitTarget, options: EmulatorOptions) => EmulatedCpu>> = {
  ppc64: (target, options) =>
    createPpc64Cpu({ ...options, order: target.order, abi: target.order === 'little' ? 'elfv2' : 'elfv1' }),
};

export interface CompileOptions {
  /** Name of a row of TARGETS. */
  readonly target: string;
  /** A layout, or the name of a row of LAYOUTS; default the architecture's. */
  readonly layout?: string | LayoutRow;
  /** One of the target's; default its first. */
  readonly cpu?: string;
  readonly mode?: JitMode;
  /** Name of a recorded kernel; default one of the architecture's. */
  readonly kernel?: string;
  readonly placement?: (program: string, index: number) => Placement | undefined;
  readonly inject?: (site: string) => number;
  /** What is compiled in place of what engines run, for programs that are looked at. */
  readonly xlate?: EngineXlate;
  /** Makes the CPU by `make` and may put something around it, or around the gates it is given; or makes another. */
  readonly wrapCpu?: (
    options: EmulatorOptions,
    space: KernelSpace,
    make: (options: EmulatorOptions) => EmulatedCpu,
  ) => EmulatedCpu;
}

function layoutOf(given: string | LayoutRow | undefined, target: JitTarget): LayoutRow {
  if (given === undefined) return defaultLayout(target.arch);
  return typeof given === 'string' ? findLayout(given) : given;
}

/** In place of a CPU nobody emulates: programs are compiled and may be looked at, and are refused when they are run. */
function absentCpu(target: JitTarget, { mem }: EmulatorOptions): EmulatedCpu {
  const refuse = (): never => {
    throw new FarcallError({
      code: 'arg.target',
      message: `there is no emulated ${target.arch}`,
      expected: Object.keys(CPUS).join(', '),
      found: target.name,
    });
  };
  return { mem, argLo: refuse, argHi: refuse, frames: refuse, call: refuse, resumeAt: refuse };
}

/** Whether there is an emulated CPU to run a target's code on. */
export function canEmulate(target: JitTarget): boolean {
  return CPUS[target.arch] !== undefined;
}

/**
 * The engine that compiles for a CPU and runs the code on an emulated one. Machines made with it must have the target's
 * byte order. Throws `arg.target`, `arg.layout`, `arg.cpu`. For CPUs that cannot be emulated programs are compiled, and
 * running them throws `arg.target`.
 */
export function emulatorEngine(options: CompileOptions): JitEngine {
  const target = findTarget(options.target);
  const makeCpu = CPUS[target.arch];
  const cpu = options.cpu ?? target.cpus[0];
  if (!target.cpus.includes(cpu)) {
    throw new FarcallError({
      code: 'arg.cpu',
      message: `${target.name} has no CPU ${cpu}`,
      expected: target.cpus.join(', '),
      found: cpu,
    });
  }
  const layout = layoutOf(options.layout, target);
  if (layout.arch !== target.arch) {
    throw new FarcallError({
      code: 'arg.layout',
      message: `layout ${layout.name} is not for ${target.name}`,
      expected: `a layout of ${target.arch}`,
      found: layout.arch,
    });
  }
  return jitEngine({
    target,
    layout,
    cpu,
    kernel: options.kernel === undefined ? defaultKernelImage(target.arch, target.order) : kernelImage(options.kernel),
    mode: options.mode ?? 'own',
    placement: options.placement,
    inject: options.inject,
    xlate: options.xlate,
    makeCpu: (emulatorOptions, space) => {
      if (emulatorOptions.mem.order !== target.order) {
        throw new FarcallError({
          code: 'run.byte-order',
          message: `${target.name} is ${target.order}-endian`,
          expected: `a ${target.order}-endian object and machine`,
          found: `${emulatorOptions.mem.order}-endian`,
        });
      }
      const make = (given: EmulatorOptions): EmulatedCpu => makeCpu?.(target, given) ?? absentCpu(target, given);
      return options.wrapCpu === undefined ? make(emulatorOptions) : options.wrapCpu(emulatorOptions, space, make);
    },
  });
}
