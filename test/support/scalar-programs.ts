import { type AluOp, type JumpOp, ProgramBuilder, R0, R1, type Reg } from '../../src/isa/index.ts';
import type { ProgFileEntry } from './prog-file.ts';
import { Random } from './random.ts';

const OPS: readonly AluOp[] = ['add', 'sub', 'mul', 'and', 'or', 'xor', 'lsh', 'rsh', 'arsh', 'mov'];
const RARE: readonly AluOp[] = ['div', 'mod', 'sdiv', 'smod'];
const JUMPS: readonly JumpOp[] = ['jeq', 'jne', 'jset', 'jgt', 'jge', 'jlt', 'jle', 'jsgt', 'jsge', 'jslt', 'jsle'];
const SIZES = ['b', 'h', 'w', 'dw'] as const;
const CONTEXT_FIELDS = [0, 4, 8, 16, 32];
const POOL = 6;

const reg = (n: number): Reg => ({ ...R0, reg: n });

/** An immediate of any magnitude, edges of every width first. */
function immediate(random: Random): number {
  const kind = random.below(5);
  if (kind === 0) return random.edgeI32();
  if (kind === 1) return (1 << random.below(32)) | 0;
  if (kind === 2) return ((1 << random.below(32)) - 1) | 0;
  if (kind === 3) return random.i32() >> random.below(32);
  return random.between(-20, 20);
}

function constant64(random: Random): bigint {
  const kind = random.below(4);
  if (kind === 0) return random.edgeU64();
  if (kind === 1) return BigInt.asUintN(64, (1n << BigInt(random.below(64))) + BigInt(random.between(-2, 2)));
  if (kind === 2) return random.u64() >> BigInt(random.below(64));
  return BigInt.asUintN(64, -(random.u64() >> BigInt(random.below(64))));
}

/** Something unknown, of a value's bytes or a context field; or a constant. r0 points to the value throughout. */
function source(b: ProgramBuilder, random: Random, to: Reg, context: boolean): void {
  const kind = random.below(context ? 8 : 6);
  if (kind < 3) b.load(random.pick(SIZES), to, R0, 8 * random.below(4));
  else if (kind < 4) b.loadSigned(random.pick(['b', 'h', 'w'] as const), to, R0, 8 * random.below(4));
  else if (kind < 5) b.mov(to, immediate(random));
  else if (kind < 6) b.imm64(to, constant64(random));
  else b.load(random.pick(['w', 'w', 'b', 'h'] as const), to, R1, random.pick(CONTEXT_FIELDS));
}

/** Few values, around 0 or around an edge, of either sign: where bounds meet and contradict each other. */
function narrow(b: ProgramBuilder, random: Random, at: Reg): void {
  const bits = random.chance(40) ? 32 : 64;
  const kind = random.below(4);
  if (kind === 0) b.alu(bits, 'and', at, random.pick([1, 2, 3, 5, 7, 8, 15, -2, -8]));
  else if (kind === 1) b.alu(bits, 'rsh', at, bits - 1 - random.below(5));
  else b.alu(bits, 'arsh', at, bits - 1 - random.below(5));
  if (random.chance(50))
    b.alu(random.chance(40) ? 32 : 64, 'add', at, random.pick([-4, -2, -1, 1, 2, 0x7ffffffd, -0x80000000]));
  if (random.chance(15)) b.alu64('lsh', at, random.pick([29, 31, 32, 61]));
}

/** r7 is a copy of the pointer, moved by numbers of less than 2^29, beyond which Linux refuses. r8 is one such number. */
function pointer(b: ProgramBuilder, random: Random, by: Reg): void {
  const r7 = reg(7);
  const r8 = reg(8);
  b.mov(r7, R0);
  for (let n = 1 + random.below(3); n > 0; n--) {
    if (random.chance(30)) {
      b.alu64(random.pick(['add', 'sub'] as const), r7, random.pick([1, 8, -3, 40000, -70000]));
      continue;
    }
    b.mov(r8, by);
    if (random.chance(50)) b.alu64('and', r8, random.pick([1, 6, 0xff, 0xfffff]));
    else b.alu64('arsh', r8, 64 - 1 - random.below(26));
    if (random.chance(50)) b.alu64('add', r8, random.between(-300, 300));
    b.alu64(random.pick(['add', 'sub'] as const), r7, r8);
  }
}

/** What Linux treats apart: registers a constant away from each other, and numbers that are -1 or 0. */
function idiom(b: ProgramBuilder, random: Random): void {
  const one = reg(1 + random.below(POOL));
  const other = reg(1 + random.below(POOL));
  if (random.chance(60)) {
    b.mov(other, one).alu64('add', other, random.chance(70) ? random.between(-3, 200) : immediate(random));
    return;
  }
  if (random.chance(50)) {
    pointer(b, random, one);
    return;
  }
  const bits = random.chance(40) ? 32 : 64;
  b.alu(bits, 'arsh', one, bits - 1).alu(
    random.chance(40) ? 32 : 64,
    random.pick(['and', 'or']),
    one,
    immediate(random),
  );
}

function arithmetic(b: ProgramBuilder, random: Random): void {
  if (random.chance(4)) {
    idiom(b, random);
    return;
  }
  const bits = random.chance(45) ? 32 : 64;
  const dst = reg(1 + random.below(POOL));
  const src = reg(1 + random.below(POOL));
  const kind = random.below(100);
  if (kind < 3) b.neg(bits, dst);
  else if (kind < 6) b.end(random.pick(['le', 'be', 'bswap'] as const), random.pick([16, 32, 64] as const), dst);
  else if (kind < 14) b.movsx(bits, random.pick(bits === 32 ? ([8, 16] as const) : ([8, 16, 32] as const)), dst, src);
  else if (kind < 20) source(b, random, dst, false);
  else {
    const op = kind < 23 ? random.pick(RARE) : random.pick(OPS);
    const shift = op === 'lsh' || op === 'rsh' || op === 'arsh';
    if (random.chance(shift ? 15 : 50)) b.alu(bits, op, dst, src);
    else if (shift)
      b.alu(bits, op, dst, random.chance(15) ? random.pick([0, 31, bits >> 1, bits - 1]) : random.below(bits));
    else {
      const imm = immediate(random);
      b.alu(bits, op, dst, imm === 0 && RARE.includes(op) ? 1 : imm);
    }
  }
}

function branch(b: ProgramBuilder, random: Random, label: string): void {
  const dst = reg(1 + random.below(POOL));
  const operand = random.chance(50) ? reg(1 + random.below(POOL)) : immediate(random);
  b.jumpIf(random.pick(JUMPS), dst, operand, label, random.chance(45) ? 32 : 64);
}

/** Ways that never meet again, so that the kernel shows the state at the start of each. */
function tree(b: ProgramBuilder, random: Random, depth: number): void {
  if (depth > 0 && random.chance(20)) idiom(b, random);
  for (let n = random.below(depth === 0 ? 3 : 6); n > 0; n--) arithmetic(b, random);
  if (depth > 0) {
    const label = `t${b.here}`;
    branch(b, random, label);
    tree(b, random, depth - 1);
    b.label(label);
    tree(b, random, depth - 1 - random.below(depth));
  } else b.mov(R0, 0).exit();
}

/** Ways that meet again; the kernel leaves many of them where it has seen a like state. */
function mesh(b: ProgramBuilder, random: Random): void {
  const steps = random.between(4, 14);
  const jumpAt = Array.from({ length: random.below(5) }, () => random.below(steps));
  const open: { label: string; at: number }[] = [];
  for (let step = 0; step < steps; step++) {
    for (const { label } of open.filter(({ at }) => at === step)) b.label(label);
    if (jumpAt.includes(step)) {
      open.push({ label: `l${step}`, at: step + 1 + random.below(Math.min(4, steps - step)) });
      branch(b, random, `l${step}`);
    }
    arithmetic(b, random);
  }
  for (const { label } of open.filter(({ at }) => at >= steps)) b.label(label);
  b.mov(R0, 0).exit();
}

/** A program of loads, arithmetic and forward branches on r1..r6, the same for a seed every time. r0 is a map's value. */
export function scalarProgram(seed: number): ProgFileEntry {
  const random = new Random(seed);
  const b = new ProgramBuilder();
  b.wide('lddw', R0, 0);
  const narrowPercent = random.pick([0, 0, 30, 80]);
  for (let n = POOL; n >= 1; n--) {
    source(b, random, reg(n), true);
    if (random.chance(narrowPercent)) narrow(b, random, reg(n));
  }
  if (random.chance(80)) tree(b, random, random.below(5));
  else mesh(b, random);
  return { name: `s${seed}`, type: 1, insns: b.build(), maps: ['2 4 64 1 0'], ldmaps: ['0 0 2 0'] };
}
