import { i64Of, u64Of } from '../../util/index.ts';
import { S32_MAX, S32_MIN, type Scalar, tnumIsConst } from '../domain/index.ts';

/** How far a number reaches, in the reading that says most. */
export interface NumberRange {
  readonly min: bigint;
  readonly max: bigint;
  /** Neither end says anything. */
  readonly unknown: boolean;
}

const U32_MAX = 0xffff_ffffn;

/** The unsigned reading, unless only the signed one has limits. */
export function rangeOf(s: Scalar): NumberRange {
  const umin = u64Of(s.uminHi, s.uminLo);
  const umax = u64Of(s.umaxHi, s.umaxLo);
  const smin = i64Of(s.sminHi, s.sminLo);
  const smax = i64Of(s.smaxHi, s.smaxLo);
  const signedFree = s.sminHi === S32_MIN && s.sminLo === 0 && s.smaxHi === S32_MAX && s.smaxLo === -1;
  const unsignedFree = umin === 0n && s.umaxHi === -1 && s.umaxLo === -1;
  if (signedFree && unsignedFree) return { min: smin, max: smax, unknown: true };
  // A number that may be negative has an enormous unsigned reading.
  if (!signedFree && smin < 0n && (smax - smin <= umax - umin || unsignedFree))
    return { min: smin, max: smax, unknown: false };
  if (unsignedFree) return { min: smin, max: smax, unknown: false };
  return { min: umin, max: umax, unknown: false };
}

const SMALL = 10_000n;
const NEAR = 4096n;
/** `65535`, and large ones also as powers of two where they are near one. */
export function numberText(value: bigint): string {
  if (value >= -SMALL * SMALL && value <= SMALL * SMALL) return String(value);
  for (const bits of [31n, 32n, 48n, 63n, 64n]) {
    const power = 1n << bits;
    const below = power - value;
    if (below === 0n) return `2^${bits}`;
    if (below > 0n && below < NEAR) return `2^${bits} - ${below}`;
    const above = power + value;
    if (above === 0n) return `-2^${bits}`;
    if (above > 0n && above < NEAR) return `-2^${bits} + ${above}`;
  }
  return String(value);
}

/** `any 32-bit number (0 to 4294967295)`, `a number from 0 to 255`, `the number 5`. */
export function numberWords(s: Scalar): string {
  if (tnumIsConst(s)) return `the number ${numberText(i64Of(s.valueHi, s.valueLo))}`;
  const { min, max, unknown } = rangeOf(s);
  if (unknown) return 'a number with no known limits';
  if (min === 0n && max === U32_MAX) return 'any 32-bit number (0 to 2^32 - 1)';
  if (min === 0n && max === 0xffn) return 'any byte (0 to 255)';
  if (min === 0n && max === 0xffffn) return 'any 16-bit number (0 to 65535)';
  const lowest = min === -(1n << 63n);
  const highest = max === (1n << 63n) - 1n || max === (1n << 64n) - 1n;
  if (lowest) return `a number of at most ${numberText(max)}, and as negative as can be`;
  if (highest) return `a number of at least ${numberText(min)}, with no upper limit`;
  return `a number from ${numberText(min)} to ${numberText(max)}${stepWords(s)}`;
}

/** Trailing bits known to be 0 make it a multiple of something. */
function stepWords(s: Scalar): string {
  let zeros = 0;
  while (zeros < 16 && (((s.valueLo | s.maskLo) >>> zeros) & 1) === 0) zeros++;
  return zeros > 0 && zeros < 16 ? ` in steps of ${1 << zeros}` : '';
}
