import { isElf } from '../../elf/index.ts';
import type { Engine } from '../../engine/index.ts';
import { decodeInsns } from '../../isa/index.ts';
import { createMachine, type Machine, type MachineProgram, StepClock } from '../../machine/index.ts';
import { type ObjectSpec, type ProgramSpec, relocateObject } from '../../object/index.ts';
import { progTypeName } from '../../uapi/index.ts';
import { FarcallError } from '../../util/index.ts';
import type { Call } from '../command.ts';
import { usageError } from '../failure.ts';
import { kernelBtf } from '../input/btf-file.ts';
import { readFileBytes } from '../input/files.ts';
import { byteOrderOf, readInsnBytes } from '../input/insn-input.ts';
import { readKconfig } from '../input/kconfig.ts';
import { objectImage, openImage } from '../input/object-file.ts';
import { progTypeNamed } from '../input/prog-type.ts';
import { oneProgram } from '../object/select-program.ts';
import type { Options } from '../options.ts';
import { engineOf } from './engines.ts';
import { fillMaps } from './fill-maps.ts';
import { readMapSettings } from './map-settings.ts';
import { withMapSizes } from './map-sizes.ts';
import { isMapOfMaps, type MapView } from './map-view.ts';
import { withVariables } from './variables.ts';
import { verifyInsnsFirst, verifyObjectFirst } from './verify-first.ts';

/** A machine with a program ready to run. */
export interface Session {
  readonly machine: Machine;
  readonly program: MachineProgram;
  /** undefined for raw instructions. */
  readonly spec: ObjectSpec | undefined;
  readonly maps: readonly MapView[];
  readonly notes: readonly string[];
}

/** Whether an argument is an object (or holds one) rather than raw instructions. */
export function isObjectArg(file: string): boolean {
  return file !== '-' && !file.startsWith('hex:') && (/:0x[0-9a-f]+$/i.test(file) || isElf(readFileBytes(file)));
}

function makeMachine(options: Options, order: ObjectSpec['order'], engine: EngineFor | undefined): Machine {
  const cpu = options.integer('cpu') ?? 0;
  const cpuCount = options.integer('cpus') ?? cpu + 1;
  if (cpu >= cpuCount) throw usageError('--cpu is not among the CPUs', `at most ${cpuCount - 1}`, `${cpu}`);
  return createMachine({
    order,
    cpuCount,
    clock: new StepClock(options.bigint('time')),
    seed: options.integer('seed'),
    engine: engine === undefined ? engineOf(options, options.flag('unverified') ? 'interp' : 'wasm') : engine(order),
  });
}

/** Fits the object to the kernel: CO-RE where anything asks for it, .kconfig. Throws `object.kconfig`. */
export function relocate(spec: ObjectSpec, options: Options, file: string): ObjectSpec {
  const wantsCore = spec.programs.some(prog => prog.coreRelos.length > 0);
  const wantsKconfig = spec.externs.some(extern => extern.kind === 'kconfig');
  const btf = options.text('btf');
  const targetBtf = wantsCore || btf !== undefined ? kernelBtf(btf) : undefined;
  const kconfig = wantsKconfig ? readKconfig(options.texts('kconfig')) : undefined;
  const { spec: fitted, problems } = relocateObject(spec, { targetBtf, kconfig });
  if (problems.length === 0) return fitted;
  throw new FarcallError({
    code: 'object.kconfig',
    message: problems.join('; '),
    expected: '--kconfig FILE or --kconfig NAME=VALUE',
    where: { file },
  });
}

/** The same object with one program of another type. */
function withType(spec: ObjectSpec, prog: ProgramSpec, type: number): ObjectSpec {
  return { ...spec, programs: spec.programs.map(other => (other === prog ? { ...prog, type } : other)) };
}

/** The engine for a byte order. */
export type EngineFor = (order: ObjectSpec['order']) => Engine;

/**
 * Opens, relocates and loads what a command line names.
 *
 * @param engine default: what the options say
 */
export async function openSession({ args, options, io }: Call, engine?: EngineFor): Promise<Session> {
  const [file] = args;
  const typeName = options.text('type');
  const type = typeName === undefined ? undefined : progTypeNamed(typeName);
  if (!isObjectArg(file)) {
    if (type === undefined) throw usageError('raw instructions need a program type', '--type TYPE');
    const setting = [...options.texts('map-set'), ...options.texts('set')];
    if (setting.length > 0) throw usageError('raw instructions have no maps', 'an object file', `'${setting[0]}'`);
    const order = byteOrderOf(options.text('order'));
    const insns = decodeInsns(await readInsnBytes(file, io), order, { file });
    const proof = verifyInsnsFirst(insns, type, order, options);
    const machine = makeMachine(options, order, engine);
    const program = machine.loadInsns('prog', type, insns, [], proof);
    return { machine, program, spec: undefined, maps: [], notes: [] };
  }
  const image = objectImage(file);
  const opened = openImage(image);
  const chosen = oneProgram(opened, options.text('prog'), image.label);
  const notes = [...opened.notes];
  const settings = await readMapSettings(options.texts('map-set'), io);
  const sized = withMapSizes(relocate(opened, options, image.label), options.texts('map-entries'), notes);
  const fitted = withVariables(sized, options.texts('set'), settings);
  const index = opened.programs.indexOf(chosen);
  const spec = type === undefined ? fitted : withType(fitted, fitted.programs[index], type);
  const prog = spec.programs[index];
  if (prog.problem !== undefined) throw prog.problem.at({ file: image.label });
  const machine = makeMachine(options, spec.order, engine);
  // Others of the object are loaded too: prog arrays may lead to them.
  const wanted = spec.programs.filter(other => other.problem === undefined && (other.autoload || other === prog));
  const { programs, proofs } = verifyObjectFirst(spec, wanted, [prog], options, image.label, notes);
  const object = machine.loadObject(spec, { only: programs.map(other => other.name), proofs });
  const program = object.programs.get(prog.name);
  if (program === undefined) {
    throw new FarcallError({
      code: 'run.no-program',
      message: 'the program was not loaded',
      where: { file, name: prog.name },
    });
  }
  const maps = [...object.maps].map(([name, map]): MapView => {
    const source = spec.maps.find(other => other.def.name === name);
    return {
      map,
      name: source?.origin === 'data' ? source.section : name,
      source,
      btf: spec.btf,
      order: spec.order,
      nameOfId: id => (isMapOfMaps(map) ? machine.maps[id - 1]?.def.name : machine.programs[id - 1]?.name),
      idOfName: name =>
        isMapOfMaps(map)
          ? machine.maps.find(({ def }) => def.name === name)?.id
          : machine.programs.find(other => other.name === name)?.id,
    };
  });
  notes.push(...object.notes);
  fillMaps(maps, settings, notes);
  return { machine, program, spec, maps, notes };
}

/** `xdp` */
export function typeNameOf(program: MachineProgram): string {
  return progTypeName(program.type);
}
