/**
 * PowerPC instructions as words: one pure function each, operands in the order an assembler takes them
 * (`ld(rt, off, ra)` is `ld rt,off(ra)`). A word is an int32 bit pattern, so that no number is boxed; `>>> 0` makes it
 * unsigned. Operands are not checked: a field keeps its low bits. Which operands a field takes is `FORMS`, in forms.ts.
 *
 * ```
 *        0      6     11     16     21             31      bit 0 is the most significant
 *  D    | op   | rt   | ra   |          si            |
 *  DS   | op   | rt   | ra   |          ds        |xo |
 *  X    | op   | rt   | ra   | rb   |       xo      |rc|
 *  M    | op   | rs   | ra   | sh   | mb  | me     |rc|
 *  MD   | op   | rs   | ra   | sh   | mb..  |xo |sh5|rc|   mb: its low five bits first, then the high one
 *  B    | op   | bo   | bi   |          bd        |aa|lk|
 *  I    | op   |               li               |aa|lk|
 *  XL   | op   | bo   | bi   |   |bh|      xo      |lk|
 *  DX   | op   | rt   | d1   |      d0     | xo   |d2|
 * ```
 *
 * Source: Power ISA 3.1, book I; a name ends in `Dot` where the mnemonic ends in a dot. Instructions of later versions
 * say so: P9 is 3.0, P10 is 3.1, all others are 2.07 (POWER8) or earlier.
 */

const d = (op: number, rt: number, ra: number, si: number) => (op << 26) | (rt << 21) | (ra << 16) | (si & 0xffff);
const ds = (op: number, rt: number, ra: number, si: number, xo: number) =>
  (op << 26) | (rt << 21) | (ra << 16) | (si & 0xfffc) | xo;
const x = (rt: number, ra: number, rb: number, xo: number) =>
  (31 << 26) | (rt << 21) | (ra << 16) | (rb << 11) | (xo << 1);
const m = (op: number, rs: number, ra: number, sh: number, mb: number, me: number) =>
  (op << 26) | (rs << 21) | (ra << 16) | (sh << 11) | (mb << 6) | (me << 1);
const md = (rs: number, ra: number, sh: number, mb: number, xo: number) =>
  (30 << 26) |
  (rs << 21) |
  (ra << 16) |
  ((sh & 31) << 11) |
  ((mb & 31) << 6) |
  (mb & 32) |
  (xo << 2) |
  ((sh & 32) >> 4);
const xs = (rs: number, ra: number, sh: number, xo: number) =>
  (31 << 26) | (rs << 21) | (ra << 16) | ((sh & 31) << 11) | (xo << 2) | ((sh & 32) >> 4);
const xl = (bo: number, bi: number, bh: number, xo: number) =>
  (19 << 26) | (bo << 21) | (bi << 16) | (bh << 11) | (xo << 1);

/** Bit 0 of a word that also sets CR0 from its result: `rc(add(…))` is `add.`; not for D and DS forms. */
export const rc = (word: number) => word | 1;

// ---- constants and sums

/** ra 0 means the value 0: `li rt,si`. */
export const addi = (rt: number, ra: number, si: number) => d(14, rt, ra, si);
export const addis = (rt: number, ra: number, si: number) => d(15, rt, ra, si);
export const li = (rt: number, si: number) => d(14, rt, 0, si);
export const lis = (rt: number, si: number) => d(15, rt, 0, si);
export const addic = (rt: number, ra: number, si: number) => d(12, rt, ra, si);
export const addicDot = (rt: number, ra: number, si: number) => d(13, rt, ra, si);
export const subfic = (rt: number, ra: number, si: number) => d(8, rt, ra, si);
export const mulli = (rt: number, ra: number, si: number) => d(7, rt, ra, si);
export const add = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 266);
export const addc = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 10);
export const adde = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 138);
export const addze = (rt: number, ra: number) => x(rt, ra, 0, 202);
export const addme = (rt: number, ra: number) => x(rt, ra, 0, 234);
/** rt = rb − ra */
export const subf = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 40);
/** rt = ra − rb */
export const sub = (rt: number, ra: number, rb: number) => x(rt, rb, ra, 40);
export const subfc = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 8);
export const subfe = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 136);
export const subfze = (rt: number, ra: number) => x(rt, ra, 0, 200);
export const neg = (rt: number, ra: number) => x(rt, ra, 0, 104);
/** P9: rt = address of the next instruction + (si << 16). */
export const addpcis = (rt: number, si: number) =>
  (19 << 26) | (rt << 21) | ((si & 0x3e) << 15) | (si & 0xffc0) | 4 | (si & 1);

// ---- products, quotients, remainders

export const mulld = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 233);
export const mullw = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 235);
export const mulhd = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 73);
export const mulhdu = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 9);
export const mulhw = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 75);
export const mulhwu = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 11);
export const divd = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 489);
export const divdu = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 457);
export const divw = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 491);
export const divwu = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 459);
/** P9, as the three below. */
export const modsd = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 777);
export const modud = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 265);
export const modsw = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 779);
export const moduw = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 267);
/** P9: rt = ra · rb + rc */
export const maddld = (rt: number, ra: number, rb: number, rcReg: number) =>
  (4 << 26) | (rt << 21) | (ra << 16) | (rb << 11) | (rcReg << 6) | 51;

// ---- logic: the destination ra comes first

export const andiDot = (ra: number, rs: number, ui: number) => d(28, rs, ra, ui);
export const andisDot = (ra: number, rs: number, ui: number) => d(29, rs, ra, ui);
export const ori = (ra: number, rs: number, ui: number) => d(24, rs, ra, ui);
export const oris = (ra: number, rs: number, ui: number) => d(25, rs, ra, ui);
export const xori = (ra: number, rs: number, ui: number) => d(26, rs, ra, ui);
export const xoris = (ra: number, rs: number, ui: number) => d(27, rs, ra, ui);
export const and = (ra: number, rs: number, rb: number) => x(rs, ra, rb, 28);
export const andc = (ra: number, rs: number, rb: number) => x(rs, ra, rb, 60);
export const or = (ra: number, rs: number, rb: number) => x(rs, ra, rb, 444);
export const orc = (ra: number, rs: number, rb: number) => x(rs, ra, rb, 412);
export const xor = (ra: number, rs: number, rb: number) => x(rs, ra, rb, 316);
export const nand = (ra: number, rs: number, rb: number) => x(rs, ra, rb, 476);
export const nor = (ra: number, rs: number, rb: number) => x(rs, ra, rb, 124);
export const eqv = (ra: number, rs: number, rb: number) => x(rs, ra, rb, 284);
export const mr = (ra: number, rs: number) => x(rs, ra, rs, 444);
export const not = (ra: number, rs: number) => x(rs, ra, rs, 124);
export const extsb = (ra: number, rs: number) => x(rs, ra, 0, 954);
export const extsh = (ra: number, rs: number) => x(rs, ra, 0, 922);
export const extsw = (ra: number, rs: number) => x(rs, ra, 0, 986);
export const cntlzw = (ra: number, rs: number) => x(rs, ra, 0, 26);
export const cntlzd = (ra: number, rs: number) => x(rs, ra, 0, 58);
/** P9, as cnttzd. */
export const cnttzw = (ra: number, rs: number) => x(rs, ra, 0, 538);
export const cnttzd = (ra: number, rs: number) => x(rs, ra, 0, 570);
export const popcntd = (ra: number, rs: number) => x(rs, ra, 0, 506);
/** P10: bytes of each halfword, of each word, of the doubleword reversed. */
export const brh = (ra: number, rs: number) => x(rs, ra, 0, 219);
export const brw = (ra: number, rs: number) => x(rs, ra, 0, 155);
export const brd = (ra: number, rs: number) => x(rs, ra, 0, 187);

// ---- shifts and rotates

export const slw = (ra: number, rs: number, rb: number) => x(rs, ra, rb, 24);
export const srw = (ra: number, rs: number, rb: number) => x(rs, ra, rb, 536);
export const sraw = (ra: number, rs: number, rb: number) => x(rs, ra, rb, 792);
export const srawi = (ra: number, rs: number, sh: number) => x(rs, ra, sh, 824);
export const sld = (ra: number, rs: number, rb: number) => x(rs, ra, rb, 27);
export const srd = (ra: number, rs: number, rb: number) => x(rs, ra, rb, 539);
export const srad = (ra: number, rs: number, rb: number) => x(rs, ra, rb, 794);
export const sradi = (ra: number, rs: number, sh: number) => xs(rs, ra, sh, 413);
/** P9: sign-extend the low word, then shift left. */
export const extswsli = (ra: number, rs: number, sh: number) => xs(rs, ra, sh, 445);
export const rlwimi = (ra: number, rs: number, sh: number, mb: number, me: number) => m(20, rs, ra, sh, mb, me);
export const rlwinm = (ra: number, rs: number, sh: number, mb: number, me: number) => m(21, rs, ra, sh, mb, me);
export const rlwnm = (ra: number, rs: number, rb: number, mb: number, me: number) => m(23, rs, ra, rb, mb, me);
export const rldicl = (ra: number, rs: number, sh: number, mb: number) => md(rs, ra, sh, mb, 0);
export const rldicr = (ra: number, rs: number, sh: number, me: number) => md(rs, ra, sh, me, 1);
export const rldic = (ra: number, rs: number, sh: number, mb: number) => md(rs, ra, sh, mb, 2);
export const rldimi = (ra: number, rs: number, sh: number, mb: number) => md(rs, ra, sh, mb, 3);
export const rldcl = (ra: number, rs: number, rb: number, mb: number) => md(rs, ra, rb, mb, 4);
export const rldcr = (ra: number, rs: number, rb: number, me: number) => md(rs, ra, rb, me, 4) | 2;
export const sldi = (ra: number, rs: number, sh: number) => md(rs, ra, sh, 63 - sh, 1);
export const srdi = (ra: number, rs: number, sh: number) => md(rs, ra, (64 - sh) & 63, sh, 0);
export const slwi = (ra: number, rs: number, sh: number) => m(21, rs, ra, sh, 0, 31 - sh);
export const srwi = (ra: number, rs: number, sh: number) => m(21, rs, ra, (32 - sh) & 31, sh, 31);
/** Keeps the low 64 − mb bits. */
export const clrldi = (ra: number, rs: number, mb: number) => md(rs, ra, 0, mb, 0);

// ---- comparisons: into condition field bf

export const cmpwi = (bf: number, ra: number, si: number) => d(11, bf << 2, ra, si);
export const cmpdi = (bf: number, ra: number, si: number) => d(11, (bf << 2) | 1, ra, si);
export const cmplwi = (bf: number, ra: number, ui: number) => d(10, bf << 2, ra, ui);
export const cmpldi = (bf: number, ra: number, ui: number) => d(10, (bf << 2) | 1, ra, ui);
export const cmpw = (bf: number, ra: number, rb: number) => x(bf << 2, ra, rb, 0);
export const cmpd = (bf: number, ra: number, rb: number) => x((bf << 2) | 1, ra, rb, 0);
export const cmplw = (bf: number, ra: number, rb: number) => x(bf << 2, ra, rb, 32);
export const cmpld = (bf: number, ra: number, rb: number) => x((bf << 2) | 1, ra, rb, 32);
/** rt = CR bit bc ? ra : rb; ra 0 means the value 0. */
export const isel = (rt: number, ra: number, rb: number, bc: number) => x(rt, ra, rb, 15) | (bc << 6);
/** P9: −1, 0 or 1 as field bfa says less, equal, greater. */
export const setb = (rt: number, bfa: number) => x(rt, bfa << 2, 0, 128);
/** P10: 1 where CR bit bi is set, else 0; `setbcr` the other way round, the `n` twins −1. */
export const setbc = (rt: number, bi: number) => x(rt, bi, 0, 384);
export const setbcr = (rt: number, bi: number) => x(rt, bi, 0, 416);
export const setnbc = (rt: number, bi: number) => x(rt, bi, 0, 448);
export const setnbcr = (rt: number, bi: number) => x(rt, bi, 0, 480);
export const crand = (bt: number, ba: number, bb: number) => xl(bt, ba, bb, 257);
export const cror = (bt: number, ba: number, bb: number) => xl(bt, ba, bb, 449);
export const crxor = (bt: number, ba: number, bb: number) => xl(bt, ba, bb, 193);
export const crnor = (bt: number, ba: number, bb: number) => xl(bt, ba, bb, 33);
export const mfcr = (rt: number) => x(rt, 0, 0, 19);

// ---- loads

export const lbz = (rt: number, off: number, ra: number) => d(34, rt, ra, off);
export const lhz = (rt: number, off: number, ra: number) => d(40, rt, ra, off);
export const lha = (rt: number, off: number, ra: number) => d(42, rt, ra, off);
export const lwz = (rt: number, off: number, ra: number) => d(32, rt, ra, off);
/** DS form, as ld: off has to be a multiple of 4. */
export const lwa = (rt: number, off: number, ra: number) => ds(58, rt, ra, off, 2);
export const ld = (rt: number, off: number, ra: number) => ds(58, rt, ra, off, 0);
export const lbzu = (rt: number, off: number, ra: number) => d(35, rt, ra, off);
export const lhzu = (rt: number, off: number, ra: number) => d(41, rt, ra, off);
export const lwzu = (rt: number, off: number, ra: number) => d(33, rt, ra, off);
export const ldu = (rt: number, off: number, ra: number) => ds(58, rt, ra, off, 1);
export const lbzx = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 87);
export const lhzx = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 279);
export const lhax = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 343);
export const lwzx = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 23);
export const lwax = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 341);
export const ldx = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 21);
export const lhbrx = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 790);
export const lwbrx = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 534);
export const ldbrx = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 532);
export const lbarx = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 52);
export const lharx = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 116);
export const lwarx = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 20);
export const ldarx = (rt: number, ra: number, rb: number) => x(rt, ra, rb, 84);

// ---- stores

export const stb = (rs: number, off: number, ra: number) => d(38, rs, ra, off);
export const sth = (rs: number, off: number, ra: number) => d(44, rs, ra, off);
export const stw = (rs: number, off: number, ra: number) => d(36, rs, ra, off);
/** DS form: off has to be a multiple of 4. */
export const std = (rs: number, off: number, ra: number) => ds(62, rs, ra, off, 0);
export const stbu = (rs: number, off: number, ra: number) => d(39, rs, ra, off);
export const sthu = (rs: number, off: number, ra: number) => d(45, rs, ra, off);
export const stwu = (rs: number, off: number, ra: number) => d(37, rs, ra, off);
export const stdu = (rs: number, off: number, ra: number) => ds(62, rs, ra, off, 1);
export const stdux = (rs: number, ra: number, rb: number) => x(rs, ra, rb, 181);
export const stbx = (rs: number, ra: number, rb: number) => x(rs, ra, rb, 215);
export const sthx = (rs: number, ra: number, rb: number) => x(rs, ra, rb, 407);
export const stwx = (rs: number, ra: number, rb: number) => x(rs, ra, rb, 151);
export const stdx = (rs: number, ra: number, rb: number) => x(rs, ra, rb, 149);
export const sthbrx = (rs: number, ra: number, rb: number) => x(rs, ra, rb, 918);
export const stwbrx = (rs: number, ra: number, rb: number) => x(rs, ra, rb, 662);
export const stdbrx = (rs: number, ra: number, rb: number) => x(rs, ra, rb, 660);
export const stbcxDot = (rs: number, ra: number, rb: number) => rc(x(rs, ra, rb, 694));
export const sthcxDot = (rs: number, ra: number, rb: number) => rc(x(rs, ra, rb, 726));
export const stwcxDot = (rs: number, ra: number, rb: number) => rc(x(rs, ra, rb, 150));
export const stdcxDot = (rs: number, ra: number, rb: number) => rc(x(rs, ra, rb, 214));

// ---- barriers

export const sync = () => x(0, 0, 0, 598);
export const lwsync = () => x(1, 0, 0, 598);
export const eieio = () => x(0, 0, 0, 854);
export const isync = () => xl(0, 0, 0, 150);

// ---- branches: distances in bytes from the branch itself

/** ±32 MB. */
export const b = (off: number) => (18 << 26) | (off & 0x3fffffc);
export const bl = (off: number) => b(off) | 1;
/** ±32 KB. `bo` 12 branches where CR bit `bi` is set, 4 where it is clear, 16 counts CTR down, 20 always. */
export const bc = (bo: number, bi: number, off: number) => (16 << 26) | (bo << 21) | (bi << 16) | (off & 0xfffc);
export const bcl = (bo: number, bi: number, off: number) => bc(bo, bi, off) | 1;
export const bclr = (bo: number, bi: number) => xl(bo, bi, 0, 16);
export const bcctr = (bo: number, bi: number) => xl(bo, bi, 0, 528);
export const blr = () => xl(20, 0, 0, 16);
export const blrl = () => xl(20, 0, 0, 16) | 1;
export const bctr = () => xl(20, 0, 0, 528);
export const bctrl = () => xl(20, 0, 0, 528) | 1;

// ---- special registers

const spr = (rt: number, number: number, xo: number) => x(rt, number & 31, number >> 5, xo);
export const mtctr = (rs: number) => spr(rs, 9, 467);
export const mfctr = (rt: number) => spr(rt, 9, 339);
export const mtlr = (rs: number) => spr(rs, 8, 467);
export const mflr = (rt: number) => spr(rt, 8, 339);

// ---- traps and fillers

export const nop = () => 0x60000000;
export const trap = () => 0x7fe00008;
/** What the kernel puts behind a load to stop speculation: `ori 31,31,0`. */
export const specBarrier = () => ori(31, 31, 0);

// ---- prefixed, P10: two words, the prefix at the lower address in both byte orders; never across 64 bytes

/** The distance's low 16 bits go to the suffix, the next 18 to the prefix; `pcrel` 1 counts from the prefix (ra 0). */
const mls = (op: number, rt: number, ra: number, si: number, pcrel: number): [number, number] => [
  0x06000000 | (pcrel << 20) | (Math.floor(si / 0x10000) & 0x3ffff),
  d(op, rt, ra, si % 0x100000000),
];
const mls8 = (op: number, rt: number, ra: number, si: number, pcrel: number): [number, number] => [
  0x04000000 | (pcrel << 20) | (Math.floor(si / 0x10000) & 0x3ffff),
  d(op, rt, ra, si % 0x100000000),
];
/** si: 34 bits, signed. */
export const paddi = (rt: number, ra: number, si: number, pcrel: number) => mls(14, rt, ra, si, pcrel);
export const pli = (rt: number, si: number) => mls(14, rt, 0, si, 0);
export const pla = (rt: number, off: number) => mls(14, rt, 0, off, 1);
export const plbz = (rt: number, off: number, ra: number, pcrel: number) => mls(34, rt, ra, off, pcrel);
export const plhz = (rt: number, off: number, ra: number, pcrel: number) => mls(40, rt, ra, off, pcrel);
export const plha = (rt: number, off: number, ra: number, pcrel: number) => mls(42, rt, ra, off, pcrel);
export const plwz = (rt: number, off: number, ra: number, pcrel: number) => mls(32, rt, ra, off, pcrel);
export const plwa = (rt: number, off: number, ra: number, pcrel: number) => mls8(41, rt, ra, off, pcrel);
export const pld = (rt: number, off: number, ra: number, pcrel: number) => mls8(57, rt, ra, off, pcrel);
export const pstb = (rs: number, off: number, ra: number, pcrel: number) => mls(38, rs, ra, off, pcrel);
export const psth = (rs: number, off: number, ra: number, pcrel: number) => mls(44, rs, ra, off, pcrel);
export const pstw = (rs: number, off: number, ra: number, pcrel: number) => mls(36, rs, ra, off, pcrel);
export const pstd = (rs: number, off: number, ra: number, pcrel: number) => mls8(61, rs, ra, off, pcrel);
