import { type InterpStep, tracingInterpEngine } from '../../src/engine/index.ts';
import { createMachine } from '../../src/machine/index.ts';
import type { BpfMap } from '../../src/maps/index.ts';
import { bpf_map_type as M, bpf_prog_type as T } from '../../src/uapi/index.ts';
import { type VerifierKernel, verify } from '../../src/verifier/index.ts';
import { AbstractStates } from './abstract-states.ts';
import type { ProgFileEntry } from './prog-file.ts';
import { Random } from './random.ts';
import { ReachLaw } from './reach-law.ts';
import { verifyInputOf } from './verify-input.ts';

/** What running a program on random inputs showed. */
export interface SoundnessResult {
  readonly accepted: boolean;
  /** It takes the verifier too long without forgetting, or its loops are bounded by may_goto's millions alone. */
  readonly leftOut: boolean;
  readonly runs: number;
  readonly steps: number;
  readonly problem: string | undefined;
}

const INSN_LIMIT = 30_000;
const INSN_BUDGET = 1_000_000;
const MAY_GOTO = 0xe5;
const FILLED: ReadonlySet<number> = new Set([
  M.BPF_MAP_TYPE_ARRAY,
  M.BPF_MAP_TYPE_PERCPU_ARRAY,
  M.BPF_MAP_TYPE_HASH,
  M.BPF_MAP_TYPE_LRU_HASH,
]);
/** Bytes of the context a run is given; other types are given a packet. */
const CTX_BYTES: Readonly<Record<number, number>> = {
  [T.BPF_PROG_TYPE_KPROBE]: 168,
  [T.BPF_PROG_TYPE_TRACEPOINT]: 168,
  [T.BPF_PROG_TYPE_RAW_TRACEPOINT]: 96,
};

function fill(map: BpfMap, random: Random): void {
  const { def } = map;
  if (!FILLED.has(def.type)) return;
  for (let i = 0; i < def.maxEntries && i < 6; i++) {
    const key = new Uint8Array(def.keySizeBytes);
    key[0] = i;
    const size = map.userValueSizeBytes;
    map.userUpdate(key, random.chance(20) ? new Uint8Array(size) : random.bytes(size));
  }
}

/** A frame of random bytes; not IPv4's, as a run refuses those whose header is not whole. */
function frame(random: Random): Uint8Array {
  const bytes = random.bytes(random.between(14, 120));
  if (bytes[12] === 8 && bytes[13] === 0) bytes[13] = 1;
  return bytes;
}

/**
 * Verifies a program, and if it is accepted runs it in the checking interpreter on random maps, packets and contexts: no
 * fault, an end, in every register an instruction reads a value that the verifier thought of there, and no way to slots of the stack that
 * is not in `stackReach`.
 */
export function checkSoundness(
  entry: ProgFileEntry,
  seed: number,
  runs: number,
  kernel: VerifierKernel,
): SoundnessResult {
  const input = verifyInputOf(entry);
  const states = new AbstractStates(entry.insns);
  const verdict = verify(input, { kernel, exactScalars: true, insnLimit: INSN_LIMIT, observer: states });
  if (!verdict.ok) {
    return { accepted: false, leftOut: verdict.messageId === 'tooLarge', runs: 0, steps: 0, problem: undefined };
  }
  const random = new Random(seed ^ 0x5bd1e995);
  let ctxAddr = 0;
  let steps = 0;
  let problem: string | undefined;
  let reach: ReachLaw | undefined;
  const engine = tracingInterpEngine((step: InterpStep) => {
    steps++;
    if (step.insnIdx === 0 && step.depth === 1) ctxAddr = step.regs[2];
    problem ??= states.problem(step, ctxAddr) ?? reach?.problem(step);
  });
  const machine = createMachine({ engine, seed });
  const maps = input.maps.map(map => {
    if (map === undefined) throw new Error('a generated program names a map it does not have');
    const { name, type, keySize, valueSize, maxEntries, flags } = map;
    return machine.createMap({ name, type, keySizeBytes: keySize, valueSizeBytes: valueSize, maxEntries, flags });
  });
  const insns = entry.insns.map(insn => ({ ...insn }));
  for (const text of entry.ldmaps ?? []) {
    const [slot, map, src = 1] = text.split(' ').map(Number);
    insns[slot] = { ...insns[slot], src, imm: map };
  }
  const program = machine.loadInsns('p', entry.type, insns, maps);
  // As engines get it: from a verification that prunes as Linux does.
  const { stats } = verify(input, { kernel, insnLimit: INSN_LIMIT });
  let run = 0;
  for (; run < runs && problem === undefined; run++) {
    for (const map of maps) fill(map, random);
    reach = new ReachLaw(entry.insns, stats.stackReach, machine.mem);
    const ctxBytes = CTX_BYTES[entry.type];
    const given = ctxBytes === undefined ? { dataIn: frame(random) } : { ctxIn: random.bytes(ctxBytes) };
    const { fault } = machine.run(program, { ...given, insnBudget: INSN_BUDGET });
    if (fault === undefined) continue;
    if (fault.kind === 'step-budget' && insns.some(insn => insn.code === MAY_GOTO))
      return { accepted: true, leftOut: true, runs: run + 1, steps, problem };
    problem ??= `fault at ${fault.insnIdx}: ${fault.message}`;
  }
  return { accepted: true, leftOut: false, runs: run, steps, problem };
}
