/**
 * What the estimate knows of one register or stack slot: lower bounds only, since the stack grows down.
 *
 * A value may be a number, a pointer into some stack frame, or the address of a function, and after a join more than one
 * of these. Values are immutable.
 */
export interface Value {
  /** As a number: the constant it is, not negative, anything, or never a number. */
  readonly scalar: number | 'nonneg' | 'any' | 'never';
  /** As a pointer: lowest offset in bytes from each {@link BASES base}, Infinity where it is none; undefined for no pointer. */
  readonly lows: readonly number[] | undefined;
  /** It points to exactly `lows[OWN]` and nowhere else. */
  readonly exact: boolean;
  /** As functions: their ids. */
  readonly funcs: readonly number[] | undefined;
}

/** The function's own R10. */
export const OWN = 0;
/** What R1..R5 held at entry: 1..5. Then pointers read from memory that another function wrote. */
export const ESCAPED = 6;
export const BASES = 7;

const NEVER = Number.POSITIVE_INFINITY;
const NO_BOUND = Number.NEGATIVE_INFINITY;

export const ANY: Value = { scalar: 'any', lows: undefined, exact: false, funcs: undefined };
export const NONNEG: Value = { scalar: 'nonneg', lows: undefined, exact: false, funcs: undefined };
export const FRAME: Value = pointer(OWN, 0, 'never');

/** Constants beyond this are not followed: no offset is. */
const MAX_CONST = 2 ** 40;

export function constant(value: number): Value {
  if (Math.abs(value) > MAX_CONST) return value < 0 ? ANY : NONNEG;
  return { scalar: value, lows: undefined, exact: false, funcs: undefined };
}

export function pointer(base: number, low: number, scalar: Value['scalar']): Value {
  const lows = new Array<number>(BASES).fill(NEVER);
  lows[base] = low;
  return { scalar, lows, exact: scalar === 'never', funcs: undefined };
}

export const functionAddress = (id: number): Value => ({ scalar: 'never', lows: undefined, exact: false, funcs: [id] });

export const isNonneg = (value: Value): boolean =>
  value.scalar === 'nonneg' || (typeof value.scalar === 'number' && value.scalar >= 0);

function joinScalars(a: Value['scalar'], b: Value['scalar']): Value['scalar'] {
  if (a === b || b === 'never') return a;
  if (a === 'never') return b;
  const low = (s: Value['scalar']): boolean => s === 'nonneg' || (typeof s === 'number' && s >= 0);
  return low(a) && low(b) ? 'nonneg' : 'any';
}

function joinFuncs(a: readonly number[] | undefined, b: readonly number[] | undefined): readonly number[] | undefined {
  if (a === undefined || a === b) return b;
  if (b === undefined) return a;
  const all = b.filter(id => !a.includes(id));
  return all.length === 0 ? a : [...a, ...all];
}

/** What is true of both; `widen` drops bounds that still move. Returns `a` itself where `b` adds nothing. */
export function join(a: Value, b: Value, widen = false): Value {
  if (a === b) return a;
  const scalar = joinScalars(a.scalar, b.scalar);
  const funcs = joinFuncs(a.funcs, b.funcs);
  let lows = a.lows;
  let exact = a.exact && b.exact;
  if (b.lows !== undefined) {
    if (a.lows === undefined) lows = b.lows;
    else {
      for (let base = 0; base < BASES; base++) {
        if (b.lows[base] === a.lows[base]) continue;
        exact = false;
        if (b.lows[base] > a.lows[base]) continue;
        if (lows === a.lows) lows = [...a.lows];
        (lows as number[])[base] = widen && a.lows[base] !== NEVER ? NO_BOUND : b.lows[base];
      }
    }
  }
  if (scalar === a.scalar && funcs === a.funcs && lows === a.lows && exact === a.exact) return a;
  return { scalar, lows, exact, funcs };
}

/** Lowest number it can be, as an offset; nothing where it never is one. */
function lowest(scalar: Value['scalar']): number {
  if (typeof scalar === 'number') return scalar;
  return scalar === 'nonneg' ? 0 : scalar === 'any' ? NO_BOUND : NEVER;
}

function addScalars(a: Value['scalar'], b: Value['scalar']): Value['scalar'] {
  if (a === 'never' || b === 'never') return 'never';
  if (typeof a === 'number' && typeof b === 'number') return constant(a + b).scalar;
  return lowest(a) >= 0 && lowest(b) >= 0 ? 'nonneg' : 'any';
}

/** 64-bit a + b. */
export function add(a: Value, b: Value): Value {
  const scalar = addScalars(a.scalar, b.scalar);
  if (a.lows === undefined && b.lows === undefined) return number(scalar);
  const lows = new Array<number>(BASES).fill(NEVER);
  for (let base = 0; base < BASES; base++) {
    const left = a.lows === undefined ? NEVER : sum(a.lows[base], lowest(b.scalar));
    const right = b.lows === undefined ? NEVER : sum(b.lows[base], lowest(a.scalar));
    lows[base] = Math.min(left, right);
  }
  const exact = (a.exact && typeof b.scalar === 'number') || (b.exact && typeof a.scalar === 'number');
  return { scalar, lows, exact: exact && scalar === 'never', funcs: undefined };
}

/** 64-bit a - b. */
export function subtract(a: Value, b: Value): Value {
  if (typeof b.scalar === 'number' && b.lows === undefined) return add(a, constant(-b.scalar));
  if (a.lows === undefined || b.scalar === 'never') return ANY;
  return { scalar: 'any', lows: a.lows.map(low => (low === NEVER ? NEVER : NO_BOUND)), exact: false, funcs: undefined };
}

// Infinity plus anything is "no pointer"; only then comes "no bound".
function sum(low: number, by: number): number {
  return low === NEVER || by === NEVER ? NEVER : low + by;
}

export function number(scalar: Value['scalar']): Value {
  if (scalar === 'any' || scalar === 'never') return ANY;
  return scalar === 'nonneg' ? NONNEG : constant(scalar);
}
