import {
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  CALL,
  EXIT,
  GOTOL,
  type Insn,
  JA,
  LD_IMM64,
  MAX_BPF_STACK,
} from '../../isa/index.ts';

/** What one walk over a program finds, for all who would take one each before its first run. */
export interface Survey {
  /** Slots of calls, and of `ld_imm64`, ascending. */
  readonly calls: readonly number[];
  readonly constants: readonly number[];
  /** It has `ld_abs` or `ld_ind`. */
  readonly packetLoads: boolean;
  /** Pieces of code, ascending, that nothing runs out of at their end, and how far below R10 each names bytes; where it does. */
  readonly pieces: readonly { readonly start: number; readonly end: number; readonly depthBytes: number }[];
}

const LOADS = 1;
const STORES = 2;
const LEAVES = 3;
const CALLS = 4;
const TWO_SLOTS = 5;
const LOADS_PACKET = 6;
const GOTOX = 0x0d;

/** By `code`: what the walk does with an instruction; with most it does nothing. */
const SURVEYED = Uint8Array.from({ length: 256 }, (_, code) => {
  if (code === CALL) return CALLS;
  if (code === LD_IMM64) return TWO_SLOTS;
  if (code === EXIT || code === JA || code === GOTOL || code === GOTOX) return LEAVES;
  const class_ = code & 7;
  if (class_ === 1) return LOADS;
  if (class_ === 2 || class_ === 3) return STORES;
  return class_ === 0 && ((code & 0xe0) === 0x20 || (code & 0xe0) === 0x40) ? LOADS_PACKET : 0;
});

const STACK_POINTER = 10;
const SURVEYS = new WeakMap<readonly Insn[], Survey>();

/** The survey of a program's instructions, which do not change: taken once. */
export function surveyOf(insns: readonly Insn[]): Survey {
  let survey = SURVEYS.get(insns);
  if (survey === undefined) SURVEYS.set(insns, (survey = take(insns)));
  return survey;
}

function take(insns: readonly Insn[]): Survey {
  const calls: number[] = [];
  const constants: number[] = [];
  const pieces: Survey['pieces'][number][] = [];
  let packetLoads = false;
  let start = 0;
  let depthBytes = 0;
  const count = insns.length;
  for (let slot = 0; slot < count; slot++) {
    const insn = insns[slot];
    switch (SURVEYED[insn.code]) {
      case LOADS:
        if (insn.src === STACK_POINTER && -insn.off > depthBytes) depthBytes = -insn.off;
        break;
      case STORES:
        // Loads with acquire semantics have their base where stores have their operand.
        if ((insn.dst === STACK_POINTER || insn.src === STACK_POINTER) && -insn.off > depthBytes)
          depthBytes = -insn.off;
        break;
      case CALLS:
        calls.push(slot);
        break;
      case TWO_SLOTS:
        constants.push(slot++);
        break;
      case LOADS_PACKET:
        packetLoads = true;
        break;
      case LEAVES:
        if (depthBytes > 0) pieces.push({ start, end: slot + 1, depthBytes });
        depthBytes = 0;
        start = slot + 1;
        break;
    }
  }
  if (depthBytes > 0) pieces.push({ start, end: count, depthBytes });
  return { calls, constants, packetLoads, pieces };
}

/** Slots at which functions begin, ascending. */
export function functionStarts(insns: readonly Insn[], exceptionCallback = 0): readonly number[] {
  const { calls, constants } = surveyOf(insns);
  const starts = new Set([0, exceptionCallback]);
  for (const slot of calls) if (insns[slot].src === BPF_PSEUDO_CALL) starts.add(slot + 1 + insns[slot].imm);
  for (const slot of constants) if (insns[slot].src === BPF_PSEUDO_FUNC) starts.add(slot + 1 + insns[slot].imm);
  return [...starts].sort((a, b) => a - b);
}

/** How far below R10 each function names bytes, at most a stack's; of code that more than one has, that is said of all. */
export function namedDepths(insns: readonly Insn[], starts: readonly number[]): readonly number[] {
  const depths = starts.map(() => 0);
  let func = 0;
  for (const { start, end, depthBytes } of surveyOf(insns).pieces) {
    while (func + 1 < starts.length && starts[func + 1] <= start) func++;
    for (let k = func; k < starts.length && starts[k] < end; k++) {
      depths[k] = Math.max(depths[k], Math.min(depthBytes, MAX_BPF_STACK));
    }
  }
  return depths;
}
