import { type EngineHost, type EngineProgram, type EngineXlate, xlateForEngine } from '../../engine/index.ts';
import { defaultLayout } from '../../kernels/index.ts';
import type { ObjectSpec, ProgramSpec } from '../../object/index.ts';
import { bpf_map_type } from '../../uapi/index.ts';
import type { VerifyOptions, XlatedMap, XlatedPlaces } from '../../verifier/index.ts';
import { type PreparedObject, prepareObject } from './prepare-object.ts';
import { FIRST_MAP_FD } from './references.ts';
import { type ProgramVerdict, verifyPrepared } from './verify-prepared.ts';

export interface VerifiedProgramsOptions {
  /** The kernel that judges, and how. */
  readonly verify: VerifyOptions;
  /**
   * Programs become what the kernel's JIT gets: contexts converted, helpers inlined, dead code gone. Otherwise they are
   * judged alone and stay as engines run them. Only for kernels whose xlated programs are known exactly.
   */
  readonly converted: boolean;
  /** Makes an error of a verdict that is no acceptance. */
  readonly refused: (program: ProgramSpec, verdict: ProgramVerdict) => Error;
}

const MAP_SPACING = 1n << 16n;
const VALUES_SPACING = 1n << 33n;
const PAGE_BYTES = 4096n;
/** Where a loader's arena may be mapped; behind the kernel's end of the linear mapping, where the kernel may have it. */
const ARENA_USER_START = 0x7f0000000000n;
const ARENA_BELOW_END = 1n << 35n;

/**
 * The programs of a relocated object, verified one by one as a compiling engine asks for them: `engine({ xlate: programs.xlate })`.
 * Each is verified once, however often it is loaded. Such programs can be shown and compiled, not run: their contexts
 * are the kernel's structs, and addresses are those of a kernel.
 */
export class VerifiedPrograms {
  readonly #prepared: PreparedObject;
  readonly #options: VerifiedProgramsOptions;
  readonly #verdicts = new Map<string, ProgramVerdict>();

  constructor(spec: ObjectSpec, options: VerifiedProgramsOptions) {
    const { kernel, caps } = options.verify;
    this.#options = options;
    this.#prepared = prepareObject(spec, { kernelBtf: kernel.btf, image: kernel.image, caps, relocated: true });
  }

  /** What became of a program that was asked for; undefined for others. */
  verdictOf(name: string): ProgramVerdict | undefined {
    return this.#verdicts.get(name);
  }

  /** Throws what `refused` makes of a program that is not accepted. */
  readonly xlate: EngineXlate = (program, host, how) => {
    const { spec } = program;
    if (spec === undefined) return xlateForEngine(program, host, how);
    const verdict = this.#verify(spec, program, host);
    if (verdict.verdict !== 'accept') throw this.#options.refused(spec, verdict);
    return (this.#options.converted ? verdict.full?.xlated : undefined) ?? xlateForEngine(program, host, how);
  };

  #verify(spec: ProgramSpec, { name }: EngineProgram, host: EngineHost): ProgramVerdict {
    let verdict = this.#verdicts.get(name);
    if (verdict === undefined) {
      const prepared = this.#prepared;
      const { verify } = this.#options;
      const places = placesOf(prepared, host, verify);
      verdict = verifyPrepared(prepared.prepare(spec), prepared.spec, { ...verify, places });
      this.#verdicts.set(name, verdict);
    }
    return verdict;
  }
}

/** Maps by the ids a machine gave them, at addresses as a kernel has them. */
function placesOf({ maps, spec }: PreparedObject, host: EngineHost, { kernel }: VerifyOptions): XlatedPlaces {
  const { linearMap } = defaultLayout(kernel.arch);
  const arenaMap = maps.find(map => map?.type === bpf_map_type.BPF_MAP_TYPE_ARENA);
  const userVmStart = arenaMap === undefined || arenaMap.mapExtra === 0n ? ARENA_USER_START : arenaMap.mapExtra;
  const placed = maps.map((map, place): XlatedMap => {
    // Nothing refers to a descriptor that is no map, and no constant has this address.
    if (map === undefined) return { id: 0, name: '', addr: -1n };
    const at = BigInt(place);
    const { name } = spec.maps[place - FIRST_MAP_FD].def;
    const values =
      map === arenaMap
        ? { start: userVmStart, sizeBytes: Number(BigInt(map.maxEntries) * PAGE_BYTES) }
        : { start: linearMap.start + (1n << 40n) + at * VALUES_SPACING, sizeBytes: map.valueSize };
    const id = host.maps.find(({ def }) => def.name === name)?.id ?? 0;
    return { id, name, addr: linearMap.start + (1n << 28n) + at * MAP_SPACING, values };
  });
  if (arenaMap === undefined) return { maps: placed };
  return { maps: placed, arena: { kernVmStart: linearMap.end - ARENA_BELOW_END, userVmStart } };
}
