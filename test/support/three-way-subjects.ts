import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assemble } from '../../src/asm/index.ts';
import type { Btf } from '../../src/btf/index.ts';
import { decodeInsns, type Insn } from '../../src/isa/index.ts';
import type { Machine, MachineProgram, RunRequest, TestRunResult } from '../../src/machine/index.ts';
import type { BpfMap, MapDef } from '../../src/maps/index.ts';
import { openObject, relocateObject } from '../../src/object/index.ts';
import { progTypeRow } from '../../src/progtypes/index.ts';
import { FarcallError, fromHex, hex64, toHex } from '../../src/util/index.ts';
import { type CallGeneratorOptions, generateCallProgram } from './call-generator.ts';
import { type GeneratorOptions, generateProgram } from './program-generator.ts';
import type { Subject } from './three-way.ts';

const INSN_BUDGET = 2_000_000;
/** Elements of a map that are compared. */
const MOST_PAIRS = 4096;

/** Keys and values, without those of maps that hold addresses. */
function mapText(machine: Machine, map: BpfMap): string {
  const { keySizeBytes, valueSizeBytes, name } = map.def;
  const pairs: string[] = [];
  const take = (key: number, value: number): number =>
    pairs.push(`${toHex(machine.mem.read(key, keySizeBytes))}=${toHex(machine.mem.read(value, valueSizeBytes))}`) <
    MOST_PAIRS
      ? 0
      : 1;
  map.forEach(take);
  return `${name} ${pairs.join(' ')}`;
}

function resultText(result: TestRunResult): string {
  if (result.fault !== undefined) return `fault ${result.fault.kind}: ${result.fault.message}`;
  const data = result.dataOut === undefined ? '' : ` data ${toHex(result.dataOut)}`;
  return `r0 ${hex64(result.r0)}${data}`;
}

function runText(machine: Machine, program: MachineProgram, request: RunRequest, maps: readonly BpfMap[]): string {
  let result: TestRunResult;
  try {
    result = machine.run(program, { insnBudget: INSN_BUDGET, ...request });
  } catch (error) {
    // A packet too short for the program's type, as Linux says too.
    if (error instanceof FarcallError && error.code === 'run.data') return error.message;
    throw error;
  }
  return [resultText(result), ...maps.map(map => mapText(machine, map))].join('; ');
}

/** Raw instructions run once on a packet. */
export function insnSubject(
  name: string,
  type: number,
  insns: readonly Insn[],
  packet: Uint8Array,
  maps: readonly MapDef[],
): Subject & { readonly insns: readonly Insn[]; withInsns(insns: readonly Insn[]): Subject } {
  return {
    name,
    insns,
    withInsns: other => insnSubject(name, type, other, packet, maps),
    run(machine) {
      const made = maps.map(def => machine.createMap(def));
      const program = machine.loadInsns('main', type, insns, made);
      return [runText(machine, program, { dataIn: packet }, made)];
    },
  };
}

/** A generated program of many functions. */
export function callSubject(seed: number, options: CallGeneratorOptions = {}): Subject {
  const { type, insns, packet, maps } = generateCallProgram(seed, options);
  return insnSubject(`call program ${seed}`, type, insns, packet, maps);
}

/** A generated program of the other generator: contexts, packets, helpers and maps. */
export function plainSubject(seed: number, options: GeneratorOptions = {}): Subject {
  const { type, insns, packet, maps } = generateProgram(seed, options);
  return insnSubject(`program ${seed}`, type, insns, packet, maps);
}

/** One program of an object, on packets in turn. */
export function objectSubject(
  path: string,
  prog: string,
  packets: readonly Uint8Array[],
  targetBtf: Btf | undefined,
): Subject {
  const spec = relocateObject(openObject(new Uint8Array(readFileSync(path)), { name: path }), { targetBtf }).spec;
  return {
    name: `${path}: ${prog}`,
    run(machine) {
      const loaded = machine.loadObject(spec);
      const program = loaded.programs.get(prog);
      if (program === undefined) return ['fault: not loaded'];
      const maps = [...loaded.maps.values()];
      const inputs: RunRequest[] =
        progTypeRow(program.type)?.packet === true ? packets.map(dataIn => ({ dataIn })) : [{}, {}];
      return inputs.map(request => runText(machine, program, request, maps));
    },
  };
}

/** The programs of an object, one subject each. */
export function objectSubjects(path: string, packets: readonly Uint8Array[], targetBtf: Btf | undefined): Subject[] {
  const spec = openObject(new Uint8Array(readFileSync(path)), { name: path });
  return spec.programs
    .filter(program => program.problem === undefined && program.autoload)
    .map(program => objectSubject(path, program.name, packets, targetBtf));
}

/** bpf_conformance data: the files of a directory that assemble. */
export function conformanceSubjects(dir: string): Subject[] {
  return readdirSync(dir)
    .filter(file => file.endsWith('.data'))
    .sort()
    .flatMap(file => {
      const sections = new Map<string, string>();
      let current = '';
      for (const line of readFileSync(join(dir, file), 'utf8').split('\n')) {
        const header = /^--\s*(.*?)\s*$/.exec(line);
        if (header !== null) current = header[1];
        else if (current === 'asm' || !line.startsWith('#'))
          sections.set(current, `${sections.get(current) ?? ''}${line}\n`);
      }
      const [asm, raw] = [sections.get('asm'), sections.get('raw')];
      let insns: readonly Insn[];
      try {
        insns = asm === undefined ? decodeInsns(fromHex(raw ?? '')) : assemble(asm, { dialect: 'conformance' });
      } catch (error) {
        if (error instanceof FarcallError) return [];
        throw error;
      }
      const bytes = fromHex(sections.get('mem') ?? '');
      return [
        {
          name: file,
          run(machine: Machine) {
            const memory = bytes.slice();
            const program = machine.loadInsns('test', 0, insns);
            const result = machine.runOnMemory(program, memory, { insnBudget: INSN_BUDGET });
            return [
              result.ok
                ? `r0 ${hex64(result.r0)} mem ${toHex(memory)}`
                : `fault ${result.fault.kind}: ${result.fault.message}`,
            ];
          },
        },
      ];
    });
}
