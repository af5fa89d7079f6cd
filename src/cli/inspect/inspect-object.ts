import { emulatorEngine } from '../../engine/index.ts';
import { type JitTarget, TARGETS } from '../../jit/index.ts';
import type { KernelSpace, LayoutRow, Placement } from '../../kernels/index.ts';
import {
  createMachine,
  type InspectedProgram,
  inspectProgram,
  type LoadedObject,
  symbolsOf,
  type VerifiedPrograms,
} from '../../machine/index.ts';
import type { ObjectSpec, ProgramSpec } from '../../object/index.ts';
import { FarcallError } from '../../util/index.ts';
import type { Call } from '../command.ts';
import { objectImage, openImage } from '../input/object-file.ts';
import { programsNamed } from '../object/select-program.ts';
import type { Options } from '../options.ts';
import { relocate } from '../run/session.ts';
import { verifiedPrograms } from './verified.ts';

/** An object loaded into a simulated kernel. */
export interface Inspection {
  readonly label: string;
  readonly spec: ObjectSpec;
  readonly target: JitTarget;
  /** The programs asked for, as far as they could be loaded. */
  readonly programs: readonly InspectedProgram[];
  /** Where their images are. */
  readonly space: KernelSpace;
  /** Why programs that were asked for are missing. */
  readonly failures: readonly FarcallError[];
  /** Undefined with --unverified. */
  readonly verified: VerifiedPrograms | undefined;
}

export interface InspectChoices {
  /** Default: what `--layout` says. */
  readonly layout?: string | LayoutRow | ((target: JitTarget) => LayoutRow | undefined);
  /** Where the functions of programs go; default one behind the other. */
  readonly placement?: (program: string, index: number) => Placement | undefined;
  /** Compile for this where no target is named and the byte order allows it. */
  readonly usually?: string;
  /** What an inspection of the same object with the same options has verified already. */
  readonly verified?: VerifiedPrograms | undefined;
}

/** Nanoseconds from one load to the next. */
const LOAD_STEP_NS = 1_000_000n;

/** Opens, relocates and loads an object as the options say, and looks at its programs. */
export function inspectObject({ args, options, out }: Call, choices: InspectChoices = {}): Inspection {
  const image = objectImage(args[0]);
  const opened = openImage(image);
  const names = options.texts('prog');
  const wanted =
    names.length === 0
      ? opened.programs
      : opened.programs.filter(prog => names.some(name => programsNamed(opened, name, image.label).includes(prog)));
  if (wanted.length === 0) {
    throw new FarcallError({
      code: 'run.no-program',
      message: 'the object holds no program',
      where: { file: image.label },
    });
  }
  const spec = relocate(opened, options, image.label);
  const target = targetOf(spec, options, choices.usually);
  const verified = choices.verified ?? verifiedPrograms(spec, target, options, image.label);
  const failures: FarcallError[] = [];
  // All of them share one kernel, so that numbers and addresses do not depend on which are shown.
  const candidates = spec.programs.filter((prog, i) => prog.autoload || wanted.includes(opened.programs[i]));
  const loaded = loadAll(spec, candidates, options, { ...choices, verified }, failures);
  if (loaded instanceof FarcallError) {
    // Each program has reasons of its own: all but the last are told here.
    const told = failures.filter(({ where }) => wanted.some(({ name }) => name === where?.name));
    for (const failure of told.slice(0, -1)) out.error(failure.at({ file: image.label }));
    throw told.at(-1) ?? loaded;
  }
  const { object, space } = loaded;
  const chosen = new Set(wanted.map(prog => prog.name));
  const symbols = symbolsOf(space);
  const programs = [...object.programs.values()]
    .filter(program => chosen.has(program.name))
    .map(program =>
      inspectProgram(object, program.name, {
        symbols,
        loadTimeNs: BigInt(program.id) * LOAD_STEP_NS,
        verifiedInsns: verified?.verdictOf(program.name)?.stats?.processedInsns,
      }),
    );
  const shown = failures.filter(failure => failure.where?.name === undefined || chosen.has(failure.where.name));
  return {
    label: image.label,
    spec,
    target,
    programs,
    space,
    failures: shown.map(failure => failure.at({ file: image.label })),
    verified,
  };
}

export function targetOf(spec: ObjectSpec, options: Options, usually?: string): JitTarget {
  const name = options.text('target');
  const usual = TARGETS.find(row => row.name === usually && row.order === spec.order);
  if (name === undefined && usual !== undefined) return usual;
  const target = TARGETS.find(row => (name === undefined ? row.order === spec.order : row.name === name));
  if (target === undefined) {
    throw new FarcallError({
      code: 'arg.target',
      message: `nothing can be compiled for ${name ?? `${spec.order}-endian machines`}`,
      expected: TARGETS.map(row => row.name).join(', '),
      found: name,
    });
  }
  return target;
}

function chosenLayout({ layout }: InspectChoices, target: JitTarget): string | LayoutRow | undefined {
  return typeof layout === 'function' ? layout(target) : layout;
}

interface Loaded {
  readonly object: LoadedObject;
  readonly space: KernelSpace;
}

function load(spec: ObjectSpec, names: readonly string[], options: Options, choices: InspectChoices): Loaded {
  let space: KernelSpace | undefined;
  const target = targetOf(spec, options, choices.usually);
  const engine = emulatorEngine({
    target: target.name,
    layout: chosenLayout(choices, target) ?? options.text('layout'),
    cpu: options.text('cpu'),
    kernel: options.text('kernel'),
    mode: options.flag('compat') ? 'compat' : 'own',
    placement: choices.placement,
    xlate: choices.verified?.xlate,
    wrapCpu(cpuOptions, made, make) {
      space = made;
      return make(cpuOptions);
    },
  });
  const object = createMachine({ order: target.order, engine }).loadObject(spec, { only: names });
  if (space === undefined) {
    throw new FarcallError({ code: 'run.no-program', message: 'no program of the object can be loaded' });
  }
  return { object, space };
}

/** Loads all that can be loaded; what stands in the way of the others goes to `failures`. An error where nothing can be. */
function loadAll(
  spec: ObjectSpec,
  programs: readonly ProgramSpec[],
  options: Options,
  choices: InspectChoices,
  failures: FarcallError[],
): Loaded | FarcallError {
  const tryLoad = (names: readonly string[]): Loaded | FarcallError => {
    try {
      return load(spec, names, options, choices);
    } catch (error) {
      if (error instanceof FarcallError) return error;
      throw error;
    }
  };
  const all = tryLoad(programs.map(({ name }) => name));
  if (!(all instanceof FarcallError)) return all;
  const sound = programs.filter(({ name }) => {
    const alone = tryLoad([name]);
    if (!(alone instanceof FarcallError)) return true;
    failures.push(alone.at({ name }));
    return false;
  });
  // With all of it sound, the object itself is at fault.
  if (sound.length === programs.length) throw all;
  if (sound.length === 0) {
    const reasons = new Set(failures.map(({ problem }) => problem));
    if (reasons.size === 1) throw all;
    return all;
  }
  return load(
    spec,
    sound.map(({ name }) => name),
    options,
    choices,
  );
}
