import { bswap16, bswap32, hi32, lo32, u64Of } from '../../util/index.ts';
import type { Core } from './core.ts';
import type { Exec, Op } from './op.ts';
import { type Row, row } from './row.ts';

function put(m: Core, o: Op, hi: number, lo: number): void {
  m.r[o.ra] = lo;
  m.r[o.ra + 1] = hi;
  if (o.rec !== 0) m.record(o.ra);
}

/** Trailing zeros of a word; 32 of 0. */
const trailing = (word: number): number => (word === 0 ? 32 : 31 - Math.clz32(word & -word));

const cntlzw: Exec = (m, o) => put(m, o, 0, Math.clz32(m.r[o.rt]));
const cntlzd: Exec = (m, o) => {
  const hi = m.r[o.rt + 1];
  put(m, o, 0, hi !== 0 ? Math.clz32(hi) : 32 + Math.clz32(m.r[o.rt]));
};
const cnttzw: Exec = (m, o) => put(m, o, 0, trailing(m.r[o.rt]));
const cnttzd: Exec = (m, o) => {
  const lo = m.r[o.rt];
  put(m, o, 0, lo !== 0 ? trailing(lo) : 32 + trailing(m.r[o.rt + 1]));
};

/** Ones in each byte, in that byte. */
function bytePopulation(word: number): number {
  const pairs = word - ((word >>> 1) & 0x55555555);
  const nibbles = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return (nibbles + (nibbles >>> 4)) & 0x0f0f0f0f;
}
const population = (word: number): number => Math.imul(bytePopulation(word), 0x01010101) >>> 24;

const popcntb: Exec = (m, o) => put(m, o, bytePopulation(m.r[o.rt + 1]), bytePopulation(m.r[o.rt]));
const popcntw: Exec = (m, o) => put(m, o, population(m.r[o.rt + 1]), population(m.r[o.rt]));
const popcntd: Exec = (m, o) => put(m, o, 0, population(m.r[o.rt + 1]) + population(m.r[o.rt]));

const byteParity = (word: number): number => population(word & 0x01010101) & 1;
const prtyw: Exec = (m, o) => put(m, o, byteParity(m.r[o.rt + 1]), byteParity(m.r[o.rt]));
const prtyd: Exec = (m, o) => put(m, o, 0, byteParity(m.r[o.rt + 1]) ^ byteParity(m.r[o.rt]));

/** 0xff in every byte that is equal. */
function equalBytes(a: number, b: number): number {
  const diff = a ^ b;
  let out = 0;
  for (let i = 0; i < 32; i += 8) if (((diff >>> i) & 255) === 0) out |= 255 << i;
  return out;
}
const cmpb: Exec = (m, o) => put(m, o, equalBytes(m.r[o.rt + 1], m.r[o.rb + 1]), equalBytes(m.r[o.rt], m.r[o.rb]));

/** Eight bits of RB chosen by the bytes of RS, each a bit number from the highest. */
const bpermd: Exec = (m, o) => {
  let out = 0;
  for (let i = 0; i < 8; i++) {
    const index = (m.r[o.rt + (i >> 2)] >>> (8 * (i & 3))) & 255;
    if (index < 64) out |= ((m.r[o.rb + (index < 32 ? 1 : 0)] >>> (31 - (index & 31))) & 1) << i;
  }
  put(m, o, 0, out);
};

const brh: Exec = (m, o) => put(m, o, swapHalves(m.r[o.rt + 1]), swapHalves(m.r[o.rt]));
const swapHalves = (word: number): number => bswap16(word & 0xffff) | (bswap16(word >>> 16) << 16);
const brw: Exec = (m, o) => put(m, o, bswap32(m.r[o.rt + 1]), bswap32(m.r[o.rt]));
const brd: Exec = (m, o) => put(m, o, bswap32(m.r[o.rt]), bswap32(m.r[o.rt + 1]));

type Pick64 = (value: bigint, mask: bigint) => bigint;

/** Rare ones, on BigInt: RA = f(RS, RB). */
function wide(pick: Pick64): Exec {
  return (m, o) => {
    const out = pick(u64Of(m.r[o.rt + 1], m.r[o.rt]), u64Of(m.r[o.rb + 1], m.r[o.rb]));
    put(m, o, hi32(out), lo32(out));
  };
}
function deposit(value: bigint, mask: bigint): bigint {
  let out = 0n;
  let from = 0n;
  for (let i = 0n; i < 64n; i++) {
    if ((mask >> i) & 1n) out |= ((value >> from++) & 1n) << i;
  }
  return out;
}
function extract(value: bigint, mask: bigint): bigint {
  let out = 0n;
  let to = 0n;
  for (let i = 0n; i < 64n; i++) {
    if ((mask >> i) & 1n) out |= ((value >> i) & 1n) << to++;
  }
  return out;
}
/** Bits where the mask is 1 to the right, the others to the left. */
function centrifuge(value: bigint, mask: bigint): bigint {
  const zeros = ~mask & 0xffffffffffffffffn;
  let ones = 0n;
  for (let i = 0n; i < 64n; i++) ones += (mask >> i) & 1n;
  return extract(value, mask) | (ones === 64n ? 0n : extract(value, zeros) << ones);
}
/** Leading zeros of the bits the mask selects. */
function leadingUnder(value: bigint, mask: bigint): bigint {
  let count = 0n;
  for (let i = 63n; i >= 0n; i--) {
    if (((mask >> i) & 1n) === 0n) continue;
    if ((value >> i) & 1n) break;
    count++;
  }
  return count;
}
function trailingUnder(value: bigint, mask: bigint): bigint {
  let count = 0n;
  for (let i = 0n; i < 64n; i++) {
    if (((mask >> i) & 1n) === 0n) continue;
    if ((value >> i) & 1n) break;
    count++;
  }
  return count;
}

/** Counting, permuting and reversing bits and bytes. */
export function bitRows(): Row[] {
  return [
    row('cntlzw', '31 rs ra /:5 26:10 Rc', cntlzw),
    row('cntlzd', '31 rs ra /:5 58:10 Rc', cntlzd),
    row('cnttzw', '31 rs ra /:5 538:10 Rc', cnttzw, { since: 9 }),
    row('cnttzd', '31 rs ra /:5 570:10 Rc', cnttzd, { since: 9 }),
    row('popcntb', '31 rs ra /:5 122:10 /:1', popcntb),
    row('popcntw', '31 rs ra /:5 378:10 /:1', popcntw),
    row('popcntd', '31 rs ra /:5 506:10 /:1', popcntd),
    row('prtyw', '31 rs ra /:5 154:10 /:1', prtyw),
    row('prtyd', '31 rs ra /:5 186:10 /:1', prtyd),
    row('cmpb', '31 rs ra rb 508:10 /:1', cmpb),
    row('bpermd', '31 rs ra rb 252:10 /:1', bpermd),
    row('brh', '31 rs ra /:5 219:10 /:1', brh, { since: 10 }),
    row('brw', '31 rs ra /:5 155:10 /:1', brw, { since: 10 }),
    row('brd', '31 rs ra /:5 187:10 /:1', brd, { since: 10 }),
    row('cntlzdm', '31 rs ra rb 59:10 /:1', wide(leadingUnder), { since: 10 }),
    row('cnttzdm', '31 rs ra rb 571:10 /:1', wide(trailingUnder), { since: 10 }),
    row('pdepd', '31 rs ra rb 156:10 /:1', wide(deposit), { since: 10 }),
    row('pextd', '31 rs ra rb 188:10 /:1', wide(extract), { since: 10 }),
    row('cfuged', '31 rs ra rb 220:10 /:1', wide(centrifuge), { since: 10 }),
  ];
}
