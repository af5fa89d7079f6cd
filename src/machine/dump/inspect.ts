import type { JitLoadedProgram } from '../../engine/index.ts';
import {
  type InterpretedProgram,
  type JitedProgram,
  type LoadFacts,
  loadedProgInfo,
  type ProgInfo,
} from '../../jit/index.ts';
import type { ObjectSpec, ProgramSpec } from '../../object/index.ts';
import { FarcallError } from '../../util/index.ts';
import type { LoadedObject } from '../types.ts';
import { progMemlockBytes } from './show.ts';
import { type DumpSource, type DumpSymbols, HIDDEN_SYMBOLS, symbolsOf } from './source.ts';

export interface InspectOptions extends Partial<Pick<LoadFacts, 'loadTimeNs' | 'createdByUid' | 'verifiedInsns'>> {
  /** Kernel symbols for programs without an address space of their own: interpreted ones. Default: none. */
  readonly symbols?: DumpSymbols;
}

/** A loaded program as its kernel knows it. */
export interface InspectedProgram {
  readonly name: string;
  readonly prog: JitedProgram | InterpretedProgram;
  readonly info: ProgInfo;
  readonly source: DumpSource;
  /** What it counts against the locked-memory limit. */
  readonly memlockBytes: number;
}

/** Licenses that let a program call helpers that are GPL only (`include/linux/license.h`). */
const GPL_LICENSES: readonly string[] = [
  'GPL',
  'GPL v2',
  'GPL and additional rights',
  'Dual BSD/GPL',
  'Dual MIT/GPL',
  'Dual MPL/GPL',
];

/**
 * What `BPF_OBJ_GET_INFO_BY_FD` says of a program of an object that a compiling engine loaded. Throws `run.no-program` for a
 * program that was not loaded, `arg.engine` for one of an engine that compiles nothing.
 */
export function inspectProgram(object: LoadedObject, name: string, options: InspectOptions = {}): InspectedProgram {
  const program = object.programs.get(name);
  if (program === undefined) {
    throw new FarcallError({
      code: 'run.no-program',
      message: `program ${name} is not loaded`,
      expected: [...object.programs.keys()].join(', ') || 'a loaded program',
      found: name,
    });
  }
  const prog = (program.loaded as Partial<JitLoadedProgram>).outcome;
  if (prog === undefined) {
    throw new FarcallError({
      code: 'arg.engine',
      message: `program ${name} was loaded by an engine that compiles nothing`,
      expected: 'a machine made with emulatorEngine',
    });
  }
  const { spec } = object;
  const facts: LoadFacts = {
    id: program.id,
    loadTimeNs: options.loadTimeNs ?? 0n,
    createdByUid: options.createdByUid ?? 0,
    btfId: spec.btf !== undefined && spec.btfExt !== undefined ? 1 : 0,
    verifiedInsns: options.verifiedInsns ?? 0,
    attachBtfObjId: 0,
    attachBtfId: 0,
  };
  const info: ProgInfo = {
    ...loadedProgInfo(prog, facts),
    gplCompatible: GPL_LICENSES.includes(spec.license),
    mapIds: usedMapIds(object, program.spec),
  };
  const pageBytes = prog.jited ? prog.space.layout.pageBytes : undefined;
  return {
    name,
    prog,
    info,
    source: {
      info,
      btf: spec.btf,
      symbols: prog.jited ? symbolsOf(prog.space) : (options.symbols ?? HIDDEN_SYMBOLS),
      order: spec.order,
    },
    memlockBytes: progMemlockBytes(Math.max(program.insns.length, info.xlated.length), pageBytes),
  };
}

/**
 * The maps a program holds: those its instructions name, in the order they do, then the object's constants, which libbpf
 * binds to every program.
 */
function usedMapIds({ spec, maps }: LoadedObject, program: ProgramSpec | undefined): number[] {
  const ids = new Set<number>();
  const add = (name: string): void => {
    const id = maps.get(name)?.id;
    if (id !== undefined) ids.add(id);
  };
  const refs = [...(program?.refs ?? [])].sort((a, b) => a.insnIdx - b.insnIdx);
  for (const ref of refs) if (ref.kind !== 'extern') add(ref.map);
  for (const map of constantsOf(spec)) add(map.def.name);
  return [...ids];
}

function constantsOf({ maps }: ObjectSpec): ObjectSpec['maps'] {
  return maps.filter(({ origin, section }) => origin === 'data' && /^\.rodata/.test(section));
}
