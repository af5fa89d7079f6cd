import { SCALAR_VALUE } from '../../helpers/index.ts';
import { BPF_REG_FP } from '../../isa/index.ts';
import { scalarOffset } from '../domain/index.ts';
import { clearScalarId } from '../state/marks.ts';
import { BPF_ADD_CONST, copyRegisterState, type RegState } from '../state/reg.ts';
import { isSpilledReg } from '../state/stack.ts';
import type { VerifierState } from '../state/verifier-state.ts';
import { linkedRegFrameno, linkedRegIsReg, linkedRegSpi, linkedRegsPush } from './history.ts';

function collect(linked: number[], reg: RegState, id: number, frameno: number, place: number, isReg: boolean): void {
  if (reg.type !== SCALAR_VALUE || (reg.id & ~BPF_ADD_CONST) !== id) return;
  if (!linkedRegsPush(linked, frameno, place, isReg)) clearScalarId(reg);
}

/** Adds every scalar of a state with that id to `linked`. Source: `collect_linked_regs`. */
export function collectLinkedRegs(vstate: VerifierState, id: number, linked: number[]): void {
  id &= ~BPF_ADD_CONST;
  for (let i = vstate.curframe; i >= 0; i--) {
    const { regs, stack } = vstate.frames[i];
    for (let j = 0; j < BPF_REG_FP; j++) collect(linked, regs[j], id, i, j, true);
    for (let j = 0; j < stack.length; j++) if (isSpilledReg(stack[j])) collect(linked, stack[j], id, i, j, false);
  }
}

/** What is now known of a register goes to those still linked to it. Source: `sync_linked_regs`. */
export function syncLinkedRegs(vstate: VerifierState, knownReg: RegState, linked: readonly number[]): void {
  for (const entry of linked) {
    const frame = vstate.frames[linkedRegFrameno(entry)];
    const reg = (linkedRegIsReg(entry) ? frame.regs : frame.stack)[linkedRegSpi(entry)];
    if (reg.type !== SCALAR_VALUE || reg === knownReg) continue;
    if (((reg.id ^ knownReg.id) & ~BPF_ADD_CONST) !== 0) continue;
    const { subregDef, off, id } = reg;
    copyRegisterState(reg, knownReg);
    reg.subregDef = subregDef;
    const neitherMoved = ((id | knownReg.id) & BPF_ADD_CONST) === 0;
    if (neitherMoved || off === knownReg.off) continue;
    reg.off = off;
    reg.id = id;
    reg.scalar = scalarOffset(knownReg.scalar, (off - knownReg.off) | 0);
  }
}
