import { type Engine, emulatorEngine, interpEngine } from '../../engine/index.ts';
import { TARGETS } from '../../jit/index.ts';
import { LAYOUTS } from '../../kernels/index.ts';
import type { OptionSpec } from '../command.ts';
import { usageError } from '../failure.ts';
import type { Options } from '../options.ts';

/** CPUs whose code farcall can execute itself. */
const EMULATED = TARGETS.filter(target => target.arch === 'ppc64').map(target => target.name);

/** What runs a program, and what it is compiled for. */
export const ENGINE_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'engine',
    short: 'e',
    value: 'ENGINE',
    kind: 'choice',
    choices: ['interp', ...EMULATED],
    default: 'interp',
    summary: 'what executes the instructions; a CPU compiles them and runs the code on an emulated one',
  },
  {
    name: 'layout',
    value: 'LAYOUT',
    kind: 'choice',
    choices: LAYOUTS.map(layout => layout.name),
    summary: "with a CPU: where its kernel has text and images; default: the CPU's usual one",
  },
  { name: 'target-cpu', value: 'MODEL', kind: 'text', summary: 'with a CPU: which of its models, power8 or later' },
  { name: 'compat', summary: "with a CPU: the code Linux 6.12's JIT emits in place of farcall's own" },
];

/** The engine the options name. */
export function engineOf(options: Options): Engine {
  const name = options.text('engine') ?? 'interp';
  if (name !== 'interp') {
    return emulatorEngine({
      target: name,
      layout: options.text('layout'),
      cpu: options.text('target-cpu'),
      mode: options.flag('compat') ? 'compat' : 'own',
    });
  }
  const unused =
    ['layout', 'target-cpu'].find(option => options.has(option)) ?? (options.flag('compat') ? 'compat' : '');
  if (unused !== '')
    throw usageError(
      `--${unused} says nothing to the interpreter`,
      `--engine ${EMULATED.join(' or ')}`,
      '--engine interp',
    );
  return interpEngine;
}
