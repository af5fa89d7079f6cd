import type { InsnDef } from '../isa/index.ts';
import type { LexRules } from './lexer.ts';
import { UNSIGNED_DECIMAL_MAX } from './operands.ts';
import { type RowSyntax, type Style, signedHex } from './style.ts';
import { ALU_SYMBOLS, addressSpaces, atomicSymbol, JUMP_SYMBOLS, memoryType, type SpellKinds } from './symbols.ts';

/**
 * The text of LLVM's BPF assembler and of `llvm-objdump` (19; `llvm/lib/Target/BPF/BPFInstrInfo.td`, BPFInstPrinter.cpp).
 * What LLVM cannot print, or prints so that it does not read back, is spelled after its fashion; docs/spec/asm.md lists it.
 */
export const llvmLexRules: LexRules = {
  lineComments: ['#', '//'],
  blockComments: true,
  semicolonSeparates: true,
  percentNames: false,
  octal: true,
  hexPairs: false,
};

export const llvmStyle: Style = {
  reg: 'r',
  wreg: 'w',
  number: signedHex,
  displacement: value => (value < 0 ? ` - 0x${(-value).toString(16)}` : ` + 0x${value.toString(16)}`),
  target: distance => `${distance < 0 ? '' : '+'}${signedHex(distance)}`,
  wide: value => signedHex(BigInt.asIntN(64, value)),
  targetWord: 'pc',
  decimalMax: UNSIGNED_DECIMAL_MAX,
  operators: true,
};

const same = (text: string): RowSyntax => ({ text });
const w = (def: InsnDef): string => (def.bits === 32 ? ':w' : '');
const at = (base: 'dst' | 'src'): string => `{${base}}{off:disp}`;

/** With 32-bit registers a load or store of less than 8 bytes names one; both spellings are read. */
function narrow(def: InsnDef, spell: (w: string) => string): RowSyntax {
  return def.sizeBytes === 8 ? same(spell('')) : { text: spell(''), alu32: spell(':w') };
}

function atomic(def: InsnDef): RowSyntax {
  const type = `u${def.bits}`;
  const address = `(${type} *)(${at('dst')})`;
  const src = `{src${w(def)}}`;
  // LLVM's names: xchg_64, xchg32_32.
  const suffix = def.bits === 64 ? '_64' : '32_32';
  if (def.op === 'cmpxchg') {
    const r0 = def.bits === 64 ? 'r0' : 'w0';
    return same(`${r0} = cmpxchg${suffix}(${at('dst')}, ${r0}, ${src})`);
  }
  if (def.op === 'xchg') return same(`${src} = xchg${suffix}(${at('dst')}, ${src})`);
  if (def.fetch) return same(`${src} = atomic_fetch_${def.op}(${address}, ${src})`);
  const plain = `lock *${address} ${atomicSymbol(def)} `;
  // Without 32-bit registers LLVM has the 32-bit add alone.
  return def.op === 'add' && def.bits === 32
    ? { text: `${plain}{src}`, alu32: `${plain}{src:w}` }
    : { text: `${plain}${src}`, also: [`${plain}{src}`] };
}

/** The immediate of ld_pseudo is all 64 bits: imm below, the second slot's imm above. */
function ldImm64(def: InsnDef): RowSyntax {
  if (def.src === 0) return { text: '{dst} = {imm:wide} ll', also: ['ld_pseudo {dst}, 0, {imm:wide}'] };
  const kind = `ld_pseudo\t{dst}, 0x${Number(def.src).toString(16)}, `;
  if (def.imm === 'subprog') return { text: `${kind}{imm:xjump}`, also: ['{dst} = {imm:jump} ll'] };
  return same(`${kind}${def.imm2 === 0 ? '{imm:x}' : '{imm:wide}'}`);
}

const CALLS: Readonly<Record<string, RowSyntax>> = {
  helper: same('call {imm}'),
  // `call 5` would be a helper again, so the word pc marks the distance.
  subprog: same('call {imm:pccall}'),
  btf_id: same('call kfunc({imm}, {off})'),
};

const KINDS: SpellKinds<RowSyntax> = {
  alu: def =>
    same(`{dst${w(def)}} ${ALU_SYMBOLS[def.op as 'add']} ${def.source === 'imm' ? '{imm}' : `{src${w(def)}}`}`),
  neg: def => same(`{dst${w(def)}} = -{dst${w(def)}}`),
  movsx: def => same(`{dst${w(def)}} = (${memoryType(def)}){src${w(def)}}`),
  end: def => same(`{dst} = ${def.op}${def.sizeBytes * 8} {dst}`),
  addr_space_cast: def => {
    const [to, from] = addressSpaces(def).map(space => signedHex(space));
    return same(`{dst} = addr_space_cast({src}, ${to}, ${from})`);
  },
  ldx: def => narrow(def, w => `{dst${w}} = *(${memoryType(def)} *)(${at('src')})`),
  ldxs: def => same(`{dst} = *(${memoryType(def)} *)(${at('src')})`),
  st: def => same(`*(${memoryType(def)} *)(${at('dst')}) = {imm}`),
  stx: def => narrow(def, w => `*(${memoryType(def)} *)(${at('dst')}) = {src${w}}`),
  atomic,
  load_acq: def => {
    const spell = (w: string): string => `{dst${w}} = load_acquire((${memoryType(def)} *)(${at('src')}))`;
    return def.sizeBytes === 8 ? same(spell('')) : { text: spell(':w'), also: [spell('')] };
  },
  store_rel: def => {
    const spell = (w: string): string => `store_release((${memoryType(def)} *)(${at('dst')}), {src${w}})`;
    return def.sizeBytes === 8 ? same(spell('')) : { text: spell(':w'), also: [spell('')] };
  },
  ld_abs: def => same(`r0 = *(${memoryType(def)} *)skb[{imm}]`),
  ld_ind: def => same(`r0 = *(${memoryType(def)} *)skb[{src}{imm:index}]`),
  ld_imm64: ldImm64,
  ja: def => same(def.imm === 'jump' ? 'gotol {imm:jump}' : 'goto {off:jump}'),
  gotox: () => same('gotox {dst}'),
  jcond: def => {
    const right = def.source === 'imm' ? '{imm}' : `{src${w(def)}}`;
    return same(`if {dst${w(def)}} ${JUMP_SYMBOLS[def.op as 'jeq']} ${right} goto {off:jump}`);
  },
  may_goto: () => same('may_goto {off:jump}'),
  call: def => CALLS[String(def.imm)],
  callx: () => same('callx {dst}'),
  exit: () => same('exit'),
};

export function spellLlvm(def: InsnDef): RowSyntax {
  return KINDS[def.kind](def);
}
