import type { InsnDef } from '../isa/index.ts';
import type { LexRules } from './lexer.ts';
import { UNSIGNED_DECIMAL_MAX } from './operands.ts';
import { type RowSyntax, type Style, signedDecimal } from './style.ts';
import { ALU_SYMBOLS, addressSpaces, atomicSymbol, JUMP_SYMBOLS, memoryType, type SpellKinds } from './symbols.ts';

/**
 * The kernel's own text, as in verifier logs and `bpftool prog dump xlated` (`kernel/bpf/disasm.c: print_bpf_insn`,
 * `tools/bpf/bpftool/xlated_dumper.c: print_imm`), without the opcode in front of it.
 */
export const kernelLexRules: LexRules = {
  lineComments: [';'],
  blockComments: false,
  semicolonSeparates: false,
  percentNames: false,
  octal: false,
  hexPairs: true,
};

export const kernelStyle: Style = {
  reg: 'r',
  wreg: 'w',
  number: String,
  displacement: value => ` ${signedDecimal(value)}`,
  target: distance => `pc${signedDecimal(distance)}`,
  wide: value => `0x${BigInt.asUintN(64, value).toString(16)}`,
  targetWord: 'pc',
  decimalMax: UNSIGNED_DECIMAL_MAX,
  operators: false,
};

const same = (text: string): RowSyntax => ({ text });
const w = (def: InsnDef): string => (def.bits === 32 ? ':w' : '');

function atomic(def: InsnDef): RowSyntax {
  const address = `(${memoryType(def)} *)({dst}{off:disp})`;
  if (!def.fetch) return same(`lock *${address} ${atomicSymbol(def)} {src}`);
  const name = `atomic${def.bits === 64 ? '64' : ''}_`;
  if (def.op === 'cmpxchg') return same(`r0 = ${name}cmpxchg(${address}, r0, {src})`);
  return same(`{src} = ${name}${def.op === 'xchg' ? '' : 'fetch_'}${def.op}(${address}, {src})`);
}

/** By the row's name; bpftool's words where it has any. */
const LD_IMM64: Readonly<Record<string, string>> = {
  lddw: '{imm:wide}',
  lddw_map_fd: 'map[id:{imm:u}]',
  lddw_map_value: 'map[id:{imm:u}][0]+{imm2:u}',
  lddw_btf_id: 'btf[id:{imm:u}]+{imm2:u}',
  lddw_func: 'subprog[{imm:delta}]',
  lddw_map_idx: 'map[idx:{imm:u}]',
  lddw_map_idx_value: 'map[idx:{imm:u}]+{imm2:u}',
};

const CALLS: Readonly<Record<string, RowSyntax>> = {
  helper: same('call {imm:name}#{imm}'),
  subprog: { text: 'call {imm:call}', also: ['call {imm:call}#{imm:name}'] },
  btf_id: same('call {imm:kfunc}#{imm}{off:tail}'),
};

const KINDS: SpellKinds<RowSyntax> = {
  alu: def =>
    same(`{dst${w(def)}} ${ALU_SYMBOLS[def.op as 'add']} ${def.source === 'imm' ? '{imm}' : `{src${w(def)}}`}`),
  neg: def => same(`{dst${w(def)}} = -{dst${w(def)}}`),
  movsx: def => same(`{dst${w(def)}} = (${memoryType(def)}){src${w(def)}}`),
  end: def => same(`{dst} = ${def.op}${def.sizeBytes * 8} {dst}`),
  addr_space_cast: def => same(`{dst} = addr_space_cast({src}, ${addressSpaces(def).join(', ')})`),
  ldx: def => same(`{dst} = *(${memoryType(def)} *)({src}{off:disp})`),
  ldxs: def => same(`{dst} = *(${memoryType(def)} *)({src}{off:disp})`),
  st: def => same(`*(${memoryType(def)} *)({dst}{off:disp}) = {imm}`),
  stx: def => same(`*(${memoryType(def)} *)({dst}{off:disp}) = {src}`),
  atomic,
  load_acq: def => same(`{dst} = load_acquire((${memoryType(def)} *)({src}{off:disp}))`),
  store_rel: def => same(`store_release((${memoryType(def)} *)({dst}{off:disp}), {src})`),
  ld_abs: def => same(`r0 = *(${memoryType(def)} *)skb[{imm}]`),
  ld_ind: def => same(`r0 = *(${memoryType(def)} *)skb[{src} + {imm}]`),
  ld_imm64: def => same(`{dst} = ${LD_IMM64[def.name]}`),
  ja: def => same(def.imm === 'jump' ? 'gotol {imm:jump}' : 'goto {off:jump}'),
  gotox: () => same('gotox {dst}'),
  jcond: def => {
    const right = def.source === 'imm' ? '{imm:x}' : `{src${w(def)}}`;
    return same(`if {dst${w(def)}} ${JUMP_SYMBOLS[def.op as 'jeq']} ${right} goto {off:jump}`);
  },
  may_goto: () => same('may_goto {off:jump}'),
  call: def => CALLS[String(def.imm)],
  callx: () => same('callx {dst}'),
  exit: () => same('exit'),
};

export function spellKernel(def: InsnDef): RowSyntax {
  return KINDS[def.kind](def);
}
