import { CodeBuffer } from '../../../src/jit/code-buffer.ts';
import * as e from '../../../src/jit/x86_64/encode.ts';
import { Random } from '../random.ts';

const NAMES64 = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');
const NAMES32 = 'eax ecx edx ebx esp ebp esi edi r8d r9d r10d r11d r12d r13d r14d r15d'.split(' ');
const NAMES16 = 'ax cx dx bx sp bp si di r8w r9w r10w r11w r12w r13w r14w r15w'.split(' ');
const NAMES8 = 'al cl dl bl spl bpl sil dil r8b r9b r10b r11b r12b r13b r14b r15b'.split(' ');

const r64 = (n: number): string => `%${NAMES64[n]}`;
const r32 = (n: number): string => `%${NAMES32[n]}`;
const r8 = (n: number): string => `%${NAMES8[n]}`;
const r16 = (n: number): string => `%${NAMES16[n]}`;
const rw = (w: number, n: number): string => (w === 0 ? r32(n) : r64(n));
const s = (w: number): string => (w === 0 ? 'l' : 'q');
const place = (base: number, disp: number, index = -1, scale = 0): string =>
  `${disp === 0 ? '' : disp}(${r64(base)}${index < 0 ? '' : `,${r64(index)},${1 << scale}`})`;

/**
 * Operands: `r` a register, `x` one that can be an index, `w` the width as encoders take it, `d` a displacement, `i` a
 * number of 32 bits, `i8` of eight, `n` 1 to 31, `s` a scale, `h` rax to rbx.
 */
type Kind = 'r' | 'x' | 'w' | 'd' | 'i' | 'i8' | 'n' | 's' | 'h';
type Row = readonly [
  name: string,
  kinds: string,
  emit: (c: CodeBuffer, ...ops: number[]) => void,
  text: (...ops: number[]) => string,
];

const ALU = { add: e.ADD, or: e.OR, and: e.AND, sub: e.SUB, xor: e.XOR, cmp: e.CMP };
const SHIFTS = { shl: e.SHL, shr: e.SHR, sar: e.SAR };
const half = 0x66000000;

const ROWS: readonly Row[] = [
  ['mov', 'w r r', e.mov, (w, a, b) => `mov${s(w)} ${rw(w, b)}, ${rw(w, a)}`],
  ['xchg', 'w r r', e.xchg, (w, a, b) => `xchg${s(w)} ${rw(w, b)}, ${rw(w, a)}`],
  ['movzx8', 'r r', e.movzx8, (a, b) => `movzbl ${r8(b)}, ${r32(a)}`],
  ['movzx16', 'r r', e.movzx16, (a, b) => `movzwl ${r16(b)}, ${r32(a)}`],
  ['movsx8', 'w r r', e.movsx8, (w, a, b) => `movsb${s(w)} ${r8(b)}, ${rw(w, a)}`],
  ['movsx16', 'w r r', e.movsx16, (w, a, b) => `movsw${s(w)} ${r16(b)}, ${rw(w, a)}`],
  ['movsxd', 'r r', e.movsxd, (a, b) => `movslq ${r32(b)}, ${r64(a)}`],
  ['lea', 'w r r d', (c, w, a, b, d) => e.lea(c, w, a, b, d), (w, a, b, d) => `lea${s(w)} ${place(b, d)}, ${rw(w, a)}`],
  [
    'leaIndex',
    'w r r d x s',
    (c, w, a, b, d, x, n) => e.lea(c, w, a, b, d, x, n),
    (w, a, b, d, x, n) => `lea${s(w)} ${place(b, d, x, n)}, ${rw(w, a)}`,
  ],
  ['leaRip', 'r i', e.leaRip, (a, d) => `leaq ${d}(%rip), ${r64(a)}`],
  ['movImm64', 'r i i', e.movImm64, (a, hi, lo) => `movabsq $${(BigInt(hi) << 32n) | BigInt(lo >>> 0)}, ${r64(a)}`],
  ...Object.entries(ALU).flatMap(([name, op]): Row[] => [
    [name, 'w r r', (c, w, a, b) => e.alu(c, w, op, a, b), (w, a, b) => `${name}${s(w)} ${rw(w, b)}, ${rw(w, a)}`],
    [`${name}Imm`, 'w r i', (c, w, a, n) => e.aluImm(c, w, op, a, n), (w, a, n) => `${name}${s(w)} $${n}, ${rw(w, a)}`],
    [
      `${name}Imm8`,
      'w r i8',
      (c, w, a, n) => e.aluImm(c, w, op, a, n),
      (w, a, n) => `${name}${s(w)} $${n}, ${rw(w, a)}`,
    ],
    [
      `${name}Mem`,
      'w r r d',
      (c, w, a, b, d) => e.rm(c, w, (op << 3) | 1, a, b, d),
      (w, a, b, d) => `${name}${s(w)} ${rw(w, a)}, ${place(b, d)}`,
    ],
  ]),
  ['inc', 'w r', e.inc, (w, a) => `inc${s(w)} ${rw(w, a)}`],
  ['dec', 'w r', e.dec, (w, a) => `dec${s(w)} ${rw(w, a)}`],
  ['not', 'w r', e.not, (w, a) => `not${s(w)} ${rw(w, a)}`],
  ['neg', 'w r', e.neg, (w, a) => `neg${s(w)} ${rw(w, a)}`],
  ['imul', 'w r r', e.imul, (w, a, b) => `imul${s(w)} ${rw(w, b)}, ${rw(w, a)}`],
  ['imulImm', 'w r r i', e.imulImm, (w, a, b, n) => `imul${s(w)} $${n}, ${rw(w, b)}, ${rw(w, a)}`],
  ['imulImm8', 'w r r i8', e.imulImm, (w, a, b, n) => `imul${s(w)} $${n}, ${rw(w, b)}, ${rw(w, a)}`],
  ['div', 'w r', e.div, (w, a) => `div${s(w)} ${rw(w, a)}`],
  ['idiv', 'w r', e.idiv, (w, a) => `idiv${s(w)} ${rw(w, a)}`],
  ['cqo', 'w', e.cqo, w => (w === 0 ? 'cltd' : 'cqto')],
  ['bswap', 'w r', e.bswap, (w, a) => `bswap${s(w)} ${rw(w, a)}`],
  ...Object.entries(SHIFTS).flatMap(([name, op]): Row[] => [
    [`${name}Cl`, 'w r', (c, w, a) => e.shiftCl(c, w, op, a), (w, a) => `${name}${s(w)} %cl, ${rw(w, a)}`],
    [
      `${name}Imm`,
      'w r n',
      (c, w, a, n) => e.shiftImm(c, w, op, a, n),
      (w, a, n) => `${name}${s(w)} ${n === 1 ? '' : `$${n}, `}${rw(w, a)}`,
    ],
    [
      `${name}x`,
      'w r r r',
      (c, w, a, b, n) => e.shiftX(c, w, op, a, b, n),
      (w, a, b, n) => `${name}x${s(w)} ${rw(w, n)}, ${rw(w, b)}, ${rw(w, a)}`,
    ],
  ]),
  ['test', 'w r r', e.test, (w, a, b) => `test${s(w)} ${rw(w, b)}, ${rw(w, a)}`],
  ['testImm', 'w r i', e.testImm, (w, a, n) => `test${s(w)} $${n}, ${rw(w, a)}`],
  ['testImm8', 'r i8', (c, a, n) => e.testImm8(c, a, n & 0xff), (a, n) => `testb $${n}, ${r8(a)}`],
  ['testHighImm8', 'h i8', (c, a, n) => e.testHighImm8(c, a, n & 0xff), (a, n) => `testb $${n}, %${'acdb'[a]}h`],
  ['bt', 'w r n', e.bt, (w, a, n) => `bt${s(w)} $${n}, ${rw(w, a)}`],
  ['jmpReg', 'r', e.jmpReg, a => `jmpq *${r64(a)}`],
  ['callReg', 'r', e.callReg, a => `callq *${r64(a)}`],
  ['ret', '', e.ret, () => 'retq'],
  ['push', 'r', e.push, a => `pushq ${r64(a)}`],
  ['pop', 'r', e.pop, a => `popq ${r64(a)}`],
  ['leave', '', e.leave, () => 'leave'],
  ['lfence', '', e.lfence, () => 'lfence'],
  ['nop2', '', e.nop2, () => 'xchgw %ax, %ax'],
  ['addGs', 'r d', e.addGs, (a, d) => `addq %gs:${d}, ${r64(a)}`],
  // Accesses, as their rows put them together.
  ['load8', 'r r d', (c, a, b, d) => e.rm(c, 0, 0x0fb6, a, b, d), (a, b, d) => `movzbl ${place(b, d)}, ${r32(a)}`],
  ['load16', 'r r d', (c, a, b, d) => e.rm(c, 0, 0x0fb7, a, b, d), (a, b, d) => `movzwl ${place(b, d)}, ${r32(a)}`],
  [
    'load',
    'w r r d',
    (c, w, a, b, d) => e.rm(c, w, 0x8b, a, b, d),
    (w, a, b, d) => `mov${s(w)} ${place(b, d)}, ${rw(w, a)}`,
  ],
  [
    'loadIndex',
    'w r r d x',
    (c, w, a, b, d, x) => e.rm(c, w, 0x8b, a, b, d, x),
    (w, a, b, d, x) => `mov${s(w)} ${place(b, d, x)}, ${rw(w, a)}`,
  ],
  ['loads8', 'r r d', (c, a, b, d) => e.rm(c, e.W, 0x0fbe, a, b, d), (a, b, d) => `movsbq ${place(b, d)}, ${r64(a)}`],
  ['loads16', 'r r d', (c, a, b, d) => e.rm(c, e.W, 0x0fbf, a, b, d), (a, b, d) => `movswq ${place(b, d)}, ${r64(a)}`],
  ['loads32', 'r r d', (c, a, b, d) => e.rm(c, e.W, 0x63, a, b, d), (a, b, d) => `movslq ${place(b, d)}, ${r64(a)}`],
  [
    'movbe',
    'w r r d',
    (c, w, a, b, d) => e.rm(c, w, 0x0f38f0, a, b, d),
    (w, a, b, d) => `movbe${s(w)} ${place(b, d)}, ${rw(w, a)}`,
  ],
  ['store8', 'r r d', (c, a, b, d) => e.rm(c, e.BYTE_REG, 0x88, a, b, d), (a, b, d) => `movb ${r8(a)}, ${place(b, d)}`],
  ['store16', 'r r d', (c, a, b, d) => e.rm(c, 0, half | 0x89, a, b, d), (a, b, d) => `movw ${r16(a)}, ${place(b, d)}`],
  [
    'store',
    'w r r d',
    (c, w, a, b, d) => e.rm(c, w, 0x89, a, b, d),
    (w, a, b, d) => `mov${s(w)} ${rw(w, a)}, ${place(b, d)}`,
  ],
  [
    'xchgMem',
    'w r r d',
    (c, w, a, b, d) => e.rm(c, w, 0x87, a, b, d),
    (w, a, b, d) => `xchg${s(w)} ${rw(w, a)}, ${place(b, d)}`,
  ],
  [
    'xaddMem',
    'w r r d',
    (c, w, a, b, d) => e.rm(c, w, 0x0fc1, a, b, d),
    (w, a, b, d) => `xadd${s(w)} ${rw(w, a)}, ${place(b, d)}`,
  ],
  [
    'cmpxchgMem',
    'w r r d',
    (c, w, a, b, d) => e.rm(c, w, 0x0fb1, a, b, d),
    (w, a, b, d) => `cmpxchg${s(w)} ${rw(w, a)}, ${place(b, d)}`,
  ],
  ['rolX', 'w r r n', e.rolX, (w, to, from, n) => `rorx${s(w)} $${32 * (w + 1) - n}, ${rw(w, from)}, ${rw(w, to)}`],
];

/** How an encoder is called, what an assembler calls the same, and the bytes our encoder makes. */
export interface Encoding {
  readonly call: string;
  readonly text: string;
  readonly hex: string;
}

function operand(random: Random, kind: Kind): number {
  switch (kind) {
    case 'r':
      return random.below(16);
    case 'x': {
      const reg = random.below(15);
      return reg >= 4 ? reg + 1 : reg;
    }
    case 'h':
      return random.below(4);
    case 'w':
      return random.below(2);
    case 's':
      return random.below(4);
    case 'n':
      return random.between(1, 31);
    case 'i8':
      return random.between(-128, 127);
    case 'd':
      return random.pick([0, 8, 127, 128, -128, -129, 0x12345, -0x12345, random.between(-0x8000, 0x7fff)]);
    default: {
      // Numbers of eight bits are another row's.
      const value = random.edgeI32();
      return e.isS8(value) ? value + 0x1000 : value;
    }
  }
}

/** Every encoder with drawn operands, `each` times. */
export function encodings(seed: number, each: number): Encoding[] {
  const random = new Random(seed);
  return ROWS.flatMap(([name, kinds, emit, text]) => {
    const list = kinds === '' ? [] : (kinds.split(' ') as Kind[]);
    return Array.from({ length: list.length === 0 ? 1 : each }, () => {
      const ops = list.map(kind => operand(random, kind));
      const c = new CodeBuffer('little');
      emit(c, ...ops);
      return { call: [name, ...ops].join(' '), text: text(...ops), hex: Buffer.from(c.finish()).toString('hex') };
    });
  });
}
