import type { Engine } from '../../src/engine/index.ts';
import type { Insn } from '../../src/isa/index.ts';
import { createMachine, type Machine, type MachineProgram, type RunRequest } from '../../src/machine/index.ts';
import type { BpfMap, MapDef } from '../../src/maps/index.ts';
import type { ObjectSpec } from '../../src/object/index.ts';
import { FarcallError, toHex } from '../../src/util/index.ts';
import type { Verdict } from '../../src/verifier/index.ts';

/** Everything a run leaves, as text that two engines must agree on, and how many instructions it took where that is known. */
export interface Outcome {
  readonly parts: Readonly<Record<string, string>>;
  readonly insnCount: number | undefined;
  readonly fault: string | undefined;
  readonly r0: bigint;
}

/** Elements of a map, up to a limit, in the order of its keys. */
function contents(map: BpfMap, most = 2000): string {
  const value = map.userLookup(new Uint8Array(map.def.keySizeBytes));
  const lines: string[] = [`${value instanceof Uint8Array ? toHex(value) : value}`];
  for (let key = map.userNextKey(null), n = 0; key instanceof Uint8Array && n < most; key = map.userNextKey(key), n++) {
    const found = map.userLookup(key);
    lines.push(`${toHex(key)}=${found instanceof Uint8Array ? toHex(found) : found}`);
  }
  return lines.join(' ');
}

/** FNV-1a of all bytes programs can see, but for stacks and what engines keep for themselves. */
function memoryDigest(machine: Machine): string {
  const { mem } = machine;
  let hash = 0x811c9dc5;
  for (const region of mem.regions()) {
    if (region.kind === 'stack' || region.kind === 'func' || region.kind === 'prog' || region.kind === 'internal')
      continue;
    hash = Math.imul(hash ^ region.start, 0x01000193);
    const absent = (at: number): boolean => region.absent !== undefined && region.holds?.(at, 1, 'read') === false;
    for (let at = region.start; at < region.end; at++) if (!absent(at)) hash = Math.imul(hash ^ mem.u8[at], 0x01000193);
  }
  return (hash >>> 0).toString(16);
}

function outcome(machine: Machine, program: MachineProgram, request: RunRequest): Outcome {
  try {
    const { r0, fault, dataOut, ctxOut, redirects, insnCount, probedReads } = machine.run(program, request);
    const parts = {
      result:
        fault === undefined
          ? `r0 ${r0.toString(16)}`
          : `${fault.kind} at ${fault.prog}:${fault.insnIdx}: ${fault.message}`,
      dataOut: dataOut === undefined ? '' : toHex(dataOut),
      ctxOut: ctxOut === undefined ? '' : toHex(ctxOut),
      redirects:
        redirects.length === 0 ? '' : JSON.stringify(redirects, (_, v) => (typeof v === 'bigint' ? `${v}` : v)),
      probed: `${probedReads}`,
      trace: machine.readTrace().join('\n'),
      events: machine
        .readEvents()
        .map(event => `${event.map} ${toHex(event.data)}`)
        .join('\n'),
      maps: machine.maps.map(map => `${map.def.name}: ${contents(map)}`).join('\n'),
      memory: memoryDigest(machine),
    };
    return { parts, insnCount, fault: fault?.kind, r0 };
  } catch (error) {
    if (!(error instanceof FarcallError)) throw error;
    return { parts: { result: error.message }, insnCount: undefined, fault: 'refused', r0: 0n };
  }
}

export interface InsnsSubject {
  readonly type: number;
  readonly insns: readonly Insn[];
  readonly maps: readonly MapDef[];
  readonly proof?: Verdict;
  readonly request: RunRequest;
}

/** Instructions on a machine of their own. */
export function insnsOutcome(engine: Engine, { type, insns, maps, proof, request }: InsnsSubject): Outcome {
  const machine = createMachine({ engine });
  const made = maps.map(def => machine.createMap(def));
  return outcome(machine, machine.loadInsns('program', type, insns, made, proof), request);
}

export interface ObjectSubject {
  readonly spec: ObjectSpec;
  readonly program: string;
  /** Programs of the object that are loaded beside it. */
  readonly only: readonly string[];
  readonly proofs?: ReadonlyMap<string, Verdict>;
  readonly requests: readonly RunRequest[];
  /** What happens to its maps before it runs. */
  readonly before?: (maps: readonly BpfMap[]) => void;
}

/** A program of an object on a machine of its own, run on each request in turn. */
export function objectOutcomes(
  engine: Engine,
  { spec, program, only, proofs, requests, before }: ObjectSubject,
): readonly Outcome[] {
  const machine = createMachine({ engine, order: spec.order });
  const loaded = machine.loadObject(spec, { only, proofs }).programs.get(program);
  if (loaded === undefined) throw new Error(`${program} is not loaded`);
  before?.(machine.maps);
  return requests.map(request => outcome(machine, loaded, request));
}

/** Where two outcomes part: names of parts, and both texts; undefined where they do not. */
export function difference(wanted: Outcome, found: Outcome): string | undefined {
  const names = Object.keys({ ...wanted.parts, ...found.parts }).filter(
    name => wanted.parts[name] !== found.parts[name],
  );
  if (names.length === 0) return undefined;
  const short = (text = ''): string => (text.length > 400 ? `${text.slice(0, 400)}…` : text);
  return names
    .map(name => `${name}\n  wanted ${short(wanted.parts[name])}\n  found  ${short(found.parts[name])}`)
    .join('\n');
}
