import { sarHi, sarLo, shlHi, shlLo, shrHi, shrLo, subHi } from '../../../util/index.ts';
import { PairCache } from '../../pair-cache.ts';
import { compress } from '../compress.ts';
import { addi, addiw, addUw, lui, rori, slli, slliUw, srli, ZERO } from '../encode.ts';

const LUI = 0;
const LI = 1;
const ADDI = 2;
const ADDIW = 3;
const SLLI = 4;
const SRLI = 5;
const SLLI_UW = 6;
const ZEXT = 7;
const RORI = 8;

/** One instruction of a constant's sequence on register `rd`. */
const STEP: readonly ((rd: number, imm: number) => number)[] = [
  lui,
  (rd, imm) => addi(rd, ZERO, imm),
  (rd, imm) => addi(rd, rd, imm),
  (rd, imm) => addiw(rd, rd, imm),
  (rd, imm) => slli(rd, rd, imm),
  (rd, imm) => srli(rd, rd, imm),
  (rd, imm) => slliUw(rd, rd, imm),
  rd => addUw(rd, rd, ZERO),
  (rd, imm) => rori(rd, rd, imm),
];

/** Pairs of a step's number and its immediate. */
type Steps = readonly number[];

/** How a constant is made. */
export interface ConstantPlan {
  readonly steps: Steps;
  /** Code bytes, in a register without short shifts to the right. */
  readonly bytes: number;
  /** A number to add at the end, which an access or a jump may add itself: `steps` without it, or undefined. */
  readonly head: Steps | undefined;
  readonly tail: number;
}

/** A register nothing is special about. */
const SOME = 6;
const sizeOf = (word: number): number => (compress(word) !== 0 ? 2 : 4);

function bytesOf(steps: Steps): number {
  let bytes = 0;
  for (let k = 0; k < steps.length; k += 2) bytes += sizeOf(STEP[steps[k]](SOME, steps[k + 1]));
  return bytes;
}

const trailing = (hi: number, lo: number): number =>
  lo !== 0 ? 31 - Math.clz32(lo & -lo) : hi !== 0 ? 63 - Math.clz32(hi & -hi) : 64;
const leading = (hi: number, lo: number): number => (hi !== 0 ? Math.clz32(hi) : 32 + Math.clz32(lo));

/** The plain way: 12 bits at the end, the rest above them made the same way and shifted. */
function basic(high: number, low: number, zba: boolean, out: number[]): number[] {
  const last = (low << 20) >> 20;
  if (high === low >> 31) {
    const upper = ((low - last) >> 12) | 0;
    // 0x7ffff800 and above: addiw wraps.
    if (upper !== 0) out.push(LUI, upper);
    if (upper === 0) out.push(LI, last);
    else if (last !== 0) out.push(ADDIW, last);
    return out;
  }
  let lo = (low - last) | 0;
  let hi = subHi(high, low, last >> 31, last);
  let shift = 0;
  let unsigned = false;
  if (hi !== lo >> 31) {
    shift = trailing(hi, lo);
    const [h, l] = [sarHi(hi, shift), sarLo(hi, lo, shift)];
    [hi, lo] = [h, l];
    const small = hi === lo >> 31 && lo >= -2048 && lo < 2048;
    // lui makes a number whose low 12 bits are 0 in one instruction.
    if (shift > 12 && !small) {
      const [wideHi, wideLo] = [shlHi(hi, lo, 12), shlLo(lo, 12)];
      if (wideHi === wideLo >> 31 || (zba && wideHi === 0)) {
        [hi, lo] = [wideHi, wideLo];
        shift -= 12;
      }
    }
    if (zba && hi === 0 && lo < 0) {
      hi = -1;
      unsigned = true;
    }
  }
  basic(hi, lo, zba, out);
  if (shift > 0) out.push(unsigned ? SLLI_UW : SLLI, shift);
  if (last !== 0) out.push(ADDI, last);
  return out;
}

/** A sequence that is looked at. */
const TRIED: number[] = [];

function find(hi: number, lo: number, zba: boolean, zbb: boolean): Steps {
  let best: Steps = basic(hi, lo, zba, []);
  if (best.length <= 2) return best;
  let bytes = bytesOf(best);
  const zeros = trailing(hi, lo);
  if (best.length === 4 && bytes <= 6) {
    // Fewer bytes than 6 have only c.li and c.slli.
    const odd = sarLo(hi, lo, zeros & 63);
    const isShorter = bytes === 6 && zeros > 0 && odd >= -32 && odd < 32 && sarHi(hi, zeros & 63) === odd >> 31;
    return isShorter ? [LI, odd, SLLI, zeros] : best;
  }
  /** Another number, and a step that makes this one of it. */
  const consider = (high: number, low: number, step: number, imm: number): void => {
    TRIED.length = 0;
    basic(high, low, zba, TRIED).push(step, imm);
    const size = bytesOf(TRIED);
    if (size > bytes || (size === bytes && TRIED.length >= best.length)) return;
    best = TRIED.slice();
    bytes = size;
  };
  if (zeros > 0 && zeros < 64) consider(sarHi(hi, zeros), sarLo(hi, lo, zeros), SLLI, zeros);
  const lead = hi < 0 ? 0 : leading(hi, lo);
  if (lead > 0) {
    const [h, l] = [shlHi(hi, lo, lead), shlLo(lo, lead)];
    consider(h, l, SRLI, lead);
    const ones = lead < 32 ? (1 << lead) - 1 : -1;
    const onesHigh = lead <= 32 ? 0 : lead === 64 ? -1 : (1 << (lead - 32)) - 1;
    consider(h | onesHigh, l | ones, SRLI, lead);
    if (zba && lead === 32) consider(-1, lo, ZEXT, 0);
  }
  if (zbb && best.length > 4) {
    for (let by = 1; by < 64; by++) {
      const h = shlHi(hi, lo, by) | shrHi(hi, 64 - by);
      const l = shlLo(lo, by) | shrLo(hi, lo, 64 - by);
      if (h === l >> 31 && l >= -2048 && l < 2048) consider(h, l, RORI, by);
    }
  }
  return best;
}

/** Plans by value, for CPUs with and without Zba and Zbb. */
export class Constants {
  readonly #zba: boolean;
  readonly #zbb: boolean;
  readonly #plans = new PairCache((hi, lo) => this.#make(hi, lo));

  constructor(zba: boolean, zbb: boolean) {
    this.#zba = zba;
    this.#zbb = zbb;
  }

  plan(hi: number, lo: number): ConstantPlan {
    return this.#plans.get(hi, lo);
  }

  #make(hi: number, lo: number): ConstantPlan {
    const steps = find(hi, lo, this.#zba, this.#zbb);
    const bytes = bytesOf(steps);
    const op = steps[steps.length - 2];
    // addiw wraps where addi would not: only just below 2^31.
    const splits = op === ADDI || (op === ADDIW && (lo < 0x7ffff800 || hi !== 0));
    return splits && steps.length > 2
      ? { steps, bytes, head: steps.slice(0, -2), tail: steps[steps.length - 1] }
      : { steps, bytes, head: undefined, tail: 0 };
  }
}

/** The instruction of one step, on `rd`. */
export const stepWord = (step: number, rd: number, imm: number): number => STEP[step](rd, imm);

/** The instructions of a sequence, on `rd`. */
export function stepWords(steps: Steps, rd: number, each: (word: number) => void): void {
  for (let k = 0; k < steps.length; k += 2) each(STEP[steps[k]](rd, steps[k + 1]));
}
