import { ProgramFault } from '../../helpers/index.ts';
import { INSN_TABLE, type InsnDef, type InsnKind } from '../../isa/index.ts';
import { addrSpaceCastExec, aluExec, endExec, ldImm64Exec, movsxExec, negExec } from './alu.ts';
import {
  callHelperExec,
  callKfuncExec,
  callLocalExec,
  callxExec,
  exitExec,
  gotoxExec,
  jaExec,
  jcondExec,
  mayGotoExec,
  packetLoadExec,
} from './control.ts';
import { atomicExec, loadExec, storeExec } from './memory.ts';
import type { Exec } from './program.ts';

const CALLS: Readonly<Record<string, Exec>> = {
  call_helper: callHelperExec,
  call_local: callLocalExec,
  call_kfunc: callKfuncExec,
};

// Values and function addresses are plain by now; a map or BTF object left here was never resolved.
const wideExec = (def: InsnDef): Exec =>
  def.imm2 === 'hi' || def.imm === 'subprog'
    ? ldImm64Exec
    : () => {
        throw new ProgramFault('bad-instruction', `${def.name} was not resolved to an address before the run`);
      };

const BY_KIND: Readonly<Record<InsnKind, (def: InsnDef) => Exec>> = {
  alu: aluExec,
  neg: negExec,
  movsx: movsxExec,
  end: endExec,
  addr_space_cast: () => addrSpaceCastExec,
  ldx: loadExec,
  ldxs: loadExec,
  load_acq: loadExec,
  st: storeExec,
  stx: storeExec,
  store_rel: storeExec,
  atomic: atomicExec,
  ld_abs: packetLoadExec,
  ld_ind: packetLoadExec,
  ld_imm64: wideExec,
  ja: () => jaExec,
  gotox: () => gotoxExec,
  jcond: jcondExec,
  may_goto: () => mayGotoExec,
  call: def => CALLS[def.name],
  callx: () => callxExec,
  exit: () => exitExec,
};

/** The handler of each row of the instruction table, by row id. */
export const HANDLERS: readonly Exec[] = INSN_TABLE.map(def => BY_KIND[def.kind](def));
