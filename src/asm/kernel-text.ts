import { INSNS_BY_CODE, type Insn, type InsnDef } from '../isa/index.ts';

/**
 * What Linux prints for slots that are no legal instruction: the verifier prints an instruction before it refuses its
 * reserved fields, and `bpftool` prints instructions that exist only inside the kernel.
 */

interface Special {
  readonly code: number;
  readonly applies: (insn: Insn) => boolean;
  readonly text: (insn: Insn) => string;
}

const SPECIALS: readonly Special[] = [
  { code: 0xbf, applies: i => i.off === -1, text: i => `r${i.dst} = &(void __percpu *)(r${i.src})` },
  {
    code: 0xbf,
    applies: i => i.off === 1,
    text: i => `r${i.dst} = addr_space_cast(r${i.src}, ${i.imm >>> 16}, ${i.imm & 0xffff})`,
  },
  { code: 0xbc, applies: i => i.off === 32, text: i => `w${i.dst} = (s32)w${i.src}` },
  { code: 0xd4, applies: () => true, text: i => `r${i.dst} = le${i.imm} r${i.dst}` },
  { code: 0xdc, applies: () => true, text: i => `r${i.dst} = be${i.imm} r${i.dst}` },
  { code: 0xd7, applies: () => true, text: i => `r${i.dst} = bswap${i.imm} r${i.dst}` },
  // An operator Linux has no text for.
  {
    code: 0xe5,
    applies: i => i.src !== 0,
    text: i => `if r${i.dst} (null) 0x${(i.imm >>> 0).toString(16)} goto pc${i.off < 0 ? '' : '+'}${i.off}`,
  },
  { code: 0xc2, applies: () => true, text: () => 'nospec' },
];

/** The text of a slot that Linux prints in a way of its own, without the opcode; undefined for all others. */
export function kernelSpecialText(insn: Insn): string | undefined {
  return SPECIALS.find(special => special.code === insn.code && special.applies(insn))?.text(insn);
}

/** By instruction class; what Linux prints for an opcode it does not know. */
const BUG_PREFIXES = ['BUG_ld_', 'BUG_ldx_', 'BUG_st_', 'BUG_', 'BUG_', 'BUG_', 'BUG_', 'BUG_'];

export function kernelBugText(insn: Insn): string {
  return `${BUG_PREFIXES[insn.code & 7]}${insn.code.toString(16).padStart(2, '0')}`;
}

/**
 * The row Linux takes an illegal slot for: of the rows with its opcode the one whose selecting field fits, reserved
 * fields left aside; without any, the first. Undefined for unknown opcodes and unknown atomic operations.
 */
export function nearestRow(insn: Insn): InsnDef | undefined {
  const rows = INSNS_BY_CODE[insn.code];
  const fits = (def: InsnDef): boolean => {
    if (def.kind === 'atomic' || def.kind === 'load_acq' || def.kind === 'store_rel') return def.imm === insn.imm;
    if (def.kind === 'call') return def.src === insn.src;
    if (def.kind === 'addr_space_cast') return false;
    if (def.kind === 'alu' || def.kind === 'movsx') return def.off === insn.off;
    return true;
  };
  const row = rows.find(fits);
  if (row !== undefined) return row;
  return rows[0]?.kind === 'atomic' || rows[0]?.kind === 'load_acq' ? undefined : rows[0];
}
