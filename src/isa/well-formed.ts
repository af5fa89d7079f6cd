import { BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, BPF_REG_FP, type Insn } from './insn.ts';
import type { InsnDef } from './insn-table.ts';
import { classifyInsn, isInsnProblem } from './lookup.ts';

/** Something that makes a program unfit to run, whatever it is for. */
export interface FormProblem {
  readonly insnIdx: number;
  readonly message: string;
}

export interface FormOptions {
  /** Registers that hold something at the start besides r10; default r1. */
  readonly arguments?: readonly number[];
}

/** One function met from one place: its first slot and the registers set there. */
interface Entry {
  readonly slot: number;
  readonly main: boolean;
}

const bit = (reg: number): number => 1 << reg;
const CALLER_SAVED = 0b111111;
const ARGUMENTS = 0b111110;

/**
 * What can be said of a program without knowing its type, as the runtimes of RFC 9669 say it: every slot is an
 * instruction with its reserved fields zero, control stays inside, and no register is read that was not set on every
 * way there. Returns every problem of form, or, when there is none, the first unset register; empty for a sound program.
 *
 * The verifier's own rules (types, bounds, loops) are another matter and come with its messages.
 */
export function checkForm(insns: readonly Insn[], options: FormOptions = {}): FormProblem[] {
  if (insns.length === 0) return [{ insnIdx: 0, message: 'the program has no instructions' }];
  const defs: (InsnDef | undefined)[] = new Array(insns.length).fill(undefined);
  const problems: FormProblem[] = [];
  for (let idx = 0; idx < insns.length; idx++) {
    const def = classifyInsn(insns, idx);
    if (isInsnProblem(def)) {
      problems.push({ insnIdx: idx, message: `${def.message}: expected ${def.expected}, found ${def.found}` });
      continue;
    }
    defs[idx] = def;
    if (def.slots === 2) idx++;
  }
  for (let idx = 0; idx < insns.length; idx++) {
    const def = defs[idx];
    if (def === undefined) continue;
    const target = targetOf(insns[idx], def, idx);
    if (target !== undefined && (target < 0 || target >= insns.length)) {
      problems.push({
        insnIdx: idx,
        message: `${def.kind === 'call' ? 'call' : 'jump'} to slot ${target}, outside the program`,
      });
    } else if (target !== undefined && defs[target] === undefined && problems.length === 0) {
      problems.push({ insnIdx: idx, message: `jump into the second slot of the instruction at ${target - 1}` });
    }
    if (fallsThrough(def) && idx + def.slots >= insns.length) {
      problems.push({ insnIdx: idx, message: 'the last instruction is not an exit or a jump' });
    }
  }
  return problems.length > 0 ? problems : checkRegisters(insns, defs as InsnDef[], options);
}

const fallsThrough = (def: InsnDef): boolean => def.kind !== 'exit' && def.kind !== 'ja' && def.kind !== 'gotox';

/** Slot that a jump or local call names; undefined for other instructions. */
function targetOf(insn: Insn, def: InsnDef, idx: number): number | undefined {
  if (def.off === 'jump') return idx + 1 + insn.off;
  if (def.imm === 'jump' || def.imm === 'subprog') return idx + 1 + insn.imm;
  return undefined;
}

/** Forward flow of "which registers are set": states only lose registers, so it ends. */
function checkRegisters(insns: readonly Insn[], defs: readonly InsnDef[], options: FormOptions): FormProblem[] {
  const set = new Int32Array(insns.length).fill(-1);
  const inMain = new Uint8Array(insns.length);
  const work: number[] = [];
  const flow = ({ slot, main }: Entry, mask: number): void => {
    const known = set[slot] === -1 ? mask : set[slot] & mask;
    if (known === set[slot] && inMain[slot] >= (main ? 1 : 0)) return;
    set[slot] = known;
    if (main) inMain[slot] = 1;
    work.push(slot);
  };
  const start = (options.arguments ?? [1]).reduce((mask, reg) => mask | bit(reg), bit(BPF_REG_FP));
  flow({ slot: 0, main: true }, start);
  for (let idx = work.pop(); idx !== undefined; idx = work.pop()) {
    const insn = insns[idx];
    const def = defs[idx];
    const main = inMain[idx] === 1;
    const unset = readsOf(insn, def, main) & ~set[idx];
    if (unset !== 0) return [{ insnIdx: idx, message: `R${31 - Math.clz32(unset & -unset)} !read_ok` }];
    const after = set[idx] | writesOf(insn, def);
    const target = targetOf(insn, def, idx);
    if (def.kind === 'call' || def.kind === 'callx') {
      if (insn.src === BPF_PSEUDO_CALL && target !== undefined) {
        flow({ slot: target, main: false }, (set[idx] & ARGUMENTS) | bit(BPF_REG_FP));
      }
      flow({ slot: idx + 1, main }, (set[idx] & ~CALLER_SAVED) | bit(0));
      continue;
    }
    if (def.kind === 'ld_imm64' && insn.src === BPF_PSEUDO_FUNC && target !== undefined) {
      flow({ slot: target, main: false }, ARGUMENTS | bit(BPF_REG_FP));
    } else if (target !== undefined) flow({ slot: target, main }, after);
    const clobbered = def.kind === 'ld_abs' || def.kind === 'ld_ind' ? (after & ~CALLER_SAVED) | bit(0) : after;
    if (fallsThrough(def)) flow({ slot: idx + def.slots, main }, clobbered);
  }
  return [];
}

function readsOf(insn: Insn, def: InsnDef, main: boolean): number {
  let reads = 0;
  if (def.dst === 'read' || def.dst === 'readwrite') reads |= bit(insn.dst);
  if (def.src === 'read' || def.src === 'readwrite') reads |= bit(insn.src);
  if (def.op === 'cmpxchg' || (def.kind === 'exit' && main)) reads |= bit(0);
  return reads;
}

function writesOf(insn: Insn, def: InsnDef): number {
  let writes = 0;
  if (def.dst === 'write' || def.dst === 'readwrite') writes |= bit(insn.dst);
  if (def.src === 'write' || def.src === 'readwrite') writes |= bit(insn.src);
  if (def.op === 'cmpxchg') writes |= bit(0);
  return writes;
}
