import { BPF_JMP, CALL, EXIT, findInsnDef, type Insn, isWide, makeInsn } from '../../src/isa/index.ts';

/** `goto +0`: does nothing, and every distance stays as it was. */
const NOP = makeInsn(BPF_JMP, 0, 0, 0, 0);

const MOV64_IMM = 0xb7;
const simpler = new WeakSet<Insn>([NOP]);

/** What may stand in an instruction's place without leaving a register or the stack uninitialised; undefined for nothing. */
function simplerThan(insn: Insn): Insn | undefined {
  if (insn.code === EXIT || simpler.has(insn)) return undefined;
  const def = findInsnDef(insn);
  if (def === undefined || def.kind === 'st' || def.kind === 'stx') return undefined;
  if (insn.code !== CALL && def.dst !== 'write' && def.dst !== 'readwrite') return NOP;
  const zero = makeInsn(MOV64_IMM, insn.code === CALL ? 0 : insn.dst, 0, 0, 0);
  simpler.add(zero);
  return zero;
}

/**
 * Puts as many instructions as it can out of action, largest pieces first, while `fails` still holds of what is left.
 * Exits stay, so that functions end, and stores, so that nothing reads what nobody wrote: registers are set to 0 instead.
 */
export function shrinkProgram(insns: readonly Insn[], fails: (insns: readonly Insn[]) => boolean): Insn[] {
  let best = [...insns];
  const removable = (): number[] => {
    const slots: number[] = [];
    for (let i = 0; i < best.length; i += isWide(best[i]) ? 2 : 1) {
      if (simplerThan(best[i]) !== undefined) slots.push(i);
    }
    return slots;
  };
  for (let size = Math.max(1, removable().length >> 1); ; ) {
    let progress = false;
    const slots = removable();
    for (let from = 0; from < slots.length; from += size) {
      const candidate = [...best];
      for (const slot of slots.slice(from, from + size)) {
        if (isWide(candidate[slot])) candidate[slot + 1] = NOP;
        candidate[slot] = simplerThan(candidate[slot]) ?? NOP;
      }
      if (fails(candidate)) {
        best = candidate;
        progress = true;
      }
    }
    if (size > 1) size >>= 1;
    else if (!progress) return best;
  }
}

/** Whether an instruction was put out of action. */
export function isShrunk(insn: Insn): boolean {
  return simpler.has(insn);
}
