import type { InsnDef } from '../isa/index.ts';
import type { LexRules } from './lexer.ts';
import { SIGNED_DECIMAL_MAX } from './operands.ts';
import { type RowSyntax, type Style, signedDecimal } from './style.ts';
import type { SpellKinds } from './symbols.ts';

/**
 * The assembly of the bpf_conformance test data (`-- asm` sections; github.com/Alan-Jowett/bpf_conformance,
 * src/bpf_assembler.cc): a mnemonic, then operands. Rows the suite does not use are spelled by their names in the
 * instruction table.
 */
export const conformanceLexRules: LexRules = {
  lineComments: ['#'],
  blockComments: false,
  semicolonSeparates: false,
  percentNames: true,
  octal: false,
  hexPairs: false,
};

export const conformanceStyle: Style = {
  reg: '%r',
  wreg: '%w',
  number: String,
  displacement: value => (value === 0 ? '' : signedDecimal(value)),
  target: signedDecimal,
  wide: value => `0x${BigInt.asUintN(64, value).toString(16)}`,
  targetWord: '',
  decimalMax: SIGNED_DECIMAL_MAX,
  operators: false,
};

const same = (text: string): RowSyntax => ({ text });
/** The 64-bit operation has the bare name. */
const width = (def: InsnDef): string => (def.bits === 32 ? '32' : '');
const operand = (def: InsnDef): string => (def.source === 'imm' ? '{imm}' : '{src}');

function lock(def: InsnDef): RowSyntax {
  const operands = `[{dst}{off:disp}], {src}`;
  const op = `${def.op}${width(def)}`;
  const fetch = def.fetch && def.op !== 'xchg' && def.op !== 'cmpxchg';
  return fetch
    ? { text: `lock fetch ${op} ${operands}`, also: [`lock fetch_${op} ${operands}`] }
    : same(`lock ${op} ${operands}`);
}

const LD_IMM64: Readonly<Record<string, string>> = {
  value: '{imm:wide}',
  map: '{imm}',
  btf_id: '{imm}',
  subprog: '{imm:jump}',
};

const CALLS: Readonly<Record<string, RowSyntax>> = {
  helper: { text: 'call {imm}', also: ['call helper {imm}'] },
  subprog: { text: 'call local {imm:jump}', also: ['call {imm:callee}', 'call helper {imm:callee}'] },
  btf_id: same('call runtime {imm}{off:tail}'),
};

const KINDS: SpellKinds<RowSyntax> = {
  alu: def => same(`${def.op}${width(def)} {dst}, ${operand(def)}`),
  neg: def => same(`neg${width(def)} {dst}`),
  movsx: def => same(`movsx${def.sizeBytes * 8}${def.bits} {dst}, {src}`),
  end: def =>
    def.op === 'bswap'
      ? { text: `bswap${def.sizeBytes * 8} {dst}`, also: [`swap${def.sizeBytes * 8} {dst}`] }
      : same(`${def.op}${def.sizeBytes * 8} {dst}`),
  addr_space_cast: def => same(`${def.name} {dst}, {src}`),
  ldx: def => same(`${def.name} {dst}, [{src}{off:disp}]`),
  ldxs: def => same(`${def.name} {dst}, [{src}{off:disp}]`),
  st: def => same(`${def.name} [{dst}{off:disp}], {imm}`),
  stx: def => same(`${def.name} [{dst}{off:disp}], {src}`),
  atomic: lock,
  load_acq: def => same(`${def.name} {dst}, [{src}{off:disp}]`),
  store_rel: def => same(`${def.name} [{dst}{off:disp}], {src}`),
  ld_abs: def => same(`${def.name} {imm}`),
  ld_ind: def => same(`${def.name} {src}, {imm}`),
  ld_imm64: def => {
    const second = def.src !== 0 && typeof def.imm2 === 'string' ? ', {imm2}' : '';
    return same(`${def.name} {dst}, ${LD_IMM64[String(def.imm)]}${second}`);
  },
  ja: def => same(def.imm === 'jump' ? 'ja32 {imm:jump}' : 'ja {off:jump}'),
  gotox: def => same(`${def.name} {dst}`),
  jcond: def => same(`${def.op}${width(def)} {dst}, ${operand(def)}, {off:jump}`),
  may_goto: def => same(`${def.name} {off:jump}`),
  call: def => CALLS[String(def.imm)],
  callx: () => ({ text: 'call {dst}', also: ['callx {dst}'] }),
  exit: () => same('exit'),
};

export function spellConformance(def: InsnDef): RowSyntax {
  return KINDS[def.kind](def);
}
