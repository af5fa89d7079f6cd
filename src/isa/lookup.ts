import { FarcallError, InternalError, type Where } from '../util/index.ts';
import { type Insn, isWide } from './insn.ts';
import { INSN_BY_NAME, INSNS_BY_CODE, type InsnDef } from './insn-table.ts';

/** Why a slot is no instruction. */
export interface InsnProblem {
  readonly code: 'insn.unknown-opcode' | 'insn.reserved-field' | 'insn.bad-register' | 'insn.incomplete-wide';
  /** The offending field. */
  readonly field: 'code' | 'dst' | 'src' | 'off' | 'imm' | 'next';
  readonly message: string;
  readonly expected: string;
  readonly found: string;
}

const FIELDS = ['src', 'off', 'imm', 'dst'] as const;

// The common case must not allocate: most codes have one row, and its constants are compared directly.
function matches(def: InsnDef, insn: Insn): boolean {
  return (
    (typeof def.src === 'string' || def.src === insn.src) &&
    (typeof def.off === 'string' || def.off === insn.off) &&
    (typeof def.imm === 'string' || def.imm === insn.imm) &&
    (typeof def.dst === 'string' || def.dst === insn.dst)
  );
}

/** The row an instruction belongs to by code and selecting constants, or undefined. Registers are not checked. */
export function findInsnDef(insn: Insn): InsnDef | undefined {
  const rows = INSNS_BY_CODE[insn.code];
  for (let i = 0; i < rows.length; i++) if (matches(rows[i], insn)) return rows[i];
  return undefined;
}

/** The row called `name`; throws InternalError for a name that is not in the table. */
export function insnDef(name: string): InsnDef {
  const def = INSN_BY_NAME.get(name);
  if (def === undefined) throw new InternalError(`no instruction is called ${name}`);
  return def;
}

/**
 * Checks one instruction against the table: known opcode, reserved fields, register numbers and, for ld_imm64, its
 * second slot. Returns its row, or what is wrong.
 *
 * Source: RFC 9669 §3 (unused fields are zero), `kernel/bpf/verifier.c: check_alu_op, check_ld_imm, do_check`.
 *
 * @param insns the slots; @param idx slot index of the instruction, not of a second slot
 */
export function classifyInsn(insns: readonly Insn[], idx: number): InsnDef | InsnProblem {
  const insn = insns[idx];
  const def = findInsnDef(insn);
  if (def === undefined) return explainMismatch(insn);
  if (typeof def.dst === 'string' && (insn.dst > 10 || (insn.dst === 10 && def.dst !== 'read'))) {
    return badRegister('dst', insn.dst, def.dst !== 'read');
  }
  if (typeof def.src === 'string' && (insn.src > 10 || (insn.src === 10 && def.src !== 'read'))) {
    return badRegister('src', insn.src, def.src !== 'read');
  }
  return isWide(insn) ? (checkSecondSlot(def, insns[idx + 1]) ?? def) : def;
}

/** Whether `classifyInsn` found a problem. */
export function isInsnProblem(result: InsnDef | InsnProblem): result is InsnProblem {
  return 'field' in result;
}

/** Like {@link classifyInsn}, but throws a FarcallError for a problem. */
export function requireInsnDef(insns: readonly Insn[], idx: number, where: Where = {}): InsnDef {
  const result = classifyInsn(insns, idx);
  if (!isInsnProblem(result)) return result;
  const { code, message, expected, found } = result;
  throw new FarcallError({ code, message, expected, found, where: { ...where, insnIdx: idx } });
}

function badRegister(field: 'dst' | 'src', found: number, written: boolean): InsnProblem {
  return {
    code: 'insn.bad-register',
    field,
    message: found === 10 ? 'the frame pointer is read only' : `no such register in ${field}`,
    expected: written ? 'r0..r9' : 'r0..r10',
    found: `r${found}`,
  };
}

function explainMismatch(insn: Insn): InsnProblem {
  let rows = INSNS_BY_CODE[insn.code];
  const code = `0x${insn.code.toString(16).padStart(2, '0')}`;
  if (rows.length === 0) {
    return {
      code: 'insn.unknown-opcode',
      field: 'code',
      message: 'unknown opcode',
      expected: 'an opcode of the instruction table',
      found: code,
    };
  }
  for (const field of FIELDS) {
    const left = rows.filter(def => typeof def[field] === 'string' || def[field] === insn[field]);
    if (left.length === 0) {
      const allowed = [...new Set(rows.map(def => def[field]))].join(' or ');
      const names = [...new Set(rows.map(def => def.name))].slice(0, 4).join(', ');
      return {
        code: 'insn.reserved-field',
        field,
        message: `reserved field ${field} of opcode ${code} (${names}${rows.length > 4 ? ', …' : ''})`,
        expected: allowed,
        found: String(insn[field]),
      };
    }
    rows = left;
  }
  throw new InternalError(`opcode ${code} matched no row yet no field differs`);
}

function checkSecondSlot(def: InsnDef, next: Insn | undefined): InsnProblem | undefined {
  const common = { code: 'insn.incomplete-wide', field: 'next', message: `${def.name} needs a second slot` } as const;
  if (next === undefined) return { ...common, expected: 'a second slot', found: 'the end of the program' };
  if (next.code !== 0 || next.dst !== 0 || next.src !== 0 || next.off !== 0) {
    const found = `code=${next.code} dst=${next.dst} src=${next.src} off=${next.off}`;
    return { ...common, expected: 'code, dst, src and off 0 in the second slot', found };
  }
  if (typeof def.imm2 === 'number' && next.imm !== def.imm2) {
    return {
      ...common,
      code: 'insn.reserved-field',
      expected: `imm ${def.imm2} in the second slot`,
      found: String(next.imm),
    };
  }
  return undefined;
}
