import { type Engine, emulatorEngine, interpEngine, wasmEngine } from '../../engine/index.ts';
import { nativeEngine, unsupportedBecause } from '../../engine/native/index.ts';
import { TARGETS } from '../../jit/index.ts';
import { LAYOUTS } from '../../kernels/index.ts';
import type { ByteOrder } from '../../util/index.ts';
import type { OptionSpec } from '../command.ts';
import { usageError } from '../failure.ts';
import type { Options } from '../options.ts';

/** CPUs whose code farcall can execute itself. */
const EMULATED = TARGETS.filter(target => target.arch === 'ppc64').map(target => target.name);

/** Engines that are no CPU. */
const PLAIN = ['wasm', 'interp', 'native'] as const;
type PlainEngine = (typeof PLAIN)[number];
const isPlain = (name: string): name is PlainEngine => PLAIN.some(plain => plain === name);

/** What runs a program, and what it is compiled for. */
export const ENGINE_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'engine',
    short: 'e',
    value: 'ENGINE',
    kind: 'choice',
    choices: [...PLAIN, ...EMULATED],
    summary:
      'what executes the instructions: wasm compiles them to WebAssembly, interp takes them one by one and knows all ' +
      'registers when one faults, native runs what is verified in code of this CPU, a CPU compiles them and runs the code ' +
      'on an emulated one; default: wasm, but interp for what is not verified',
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

/** Every engine by name. */
export const ENGINE_NAMES: readonly string[] = [...PLAIN, ...EMULATED];

/** What an engine is called that options of CPUs say nothing to. */
const CALLED: Readonly<Record<PlainEngine, string>> = {
  wasm: 'WebAssembly',
  interp: 'the interpreter',
  native: "this computer's own CPU",
};

/** Throws `run.native-host` or `run.native-load` where programs do not run natively. */
function plainEngine(name: PlainEngine): Engine {
  if (name === 'native') return nativeEngine();
  return name === 'wasm' ? wasmEngine() : interpEngine;
}

/**
 * The engine of a name, for objects of a byte order. Throws `run.byte-order` where it has another.
 *
 * @param maybe undefined in place of that
 */
export function engineNamed(name: string, order: ByteOrder): Engine;
export function engineNamed(name: string, order: ByteOrder, maybe: true): Engine | undefined;
export function engineNamed(name: string, order: ByteOrder, maybe = false): Engine | undefined {
  if (name === 'interp') return interpEngine;
  if (maybe && name === 'native' && unsupportedBecause() !== undefined) return undefined;
  const own = TARGETS.find(row => row.name === name)?.order ?? 'little';
  if (own === order) return isPlain(name) ? plainEngine(name) : emulatorEngine({ target: name });
  if (maybe) return undefined;
  throw usageError(`${name} is ${own}-endian`, `an engine for ${order}-endian objects`, `--engine ${name}`);
}

/** The engine the options name. @param usual the one where they name none */
export function engineOf(options: Options, usual: PlainEngine): Engine {
  const name = options.text('engine') ?? usual;
  if (!isPlain(name)) {
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
      `--${unused} says nothing to ${CALLED[name]}`,
      `--engine ${EMULATED.join(' or ')}`,
      `--engine ${name}`,
    );
  return plainEngine(name);
}
