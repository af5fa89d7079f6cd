import { ERRNO } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';

const code = (char: string): number => char.charCodeAt(0);
const PERCENT = code('%');
const ZERO = code('0');
const NINE = code('9');
const LOWER_L = code('l');
const LOWER_P = code('p');
const LOWER_S = code('s');
const LOWER_C = code('c');

const isOneOf = (chars: string): ((c: number) => boolean) => {
  const codes = new Set(Array.from(chars, code));
  return c => codes.has(c);
};
const isFlag = isOneOf('0+- ');
const isPlainPointer = isOneOf('KxsS');
const isInteger = isOneOf('iduxX');

/** As in the kernel's table of characters, which is Latin-1's: 160 is a space. Source: `lib/ctype.c`. */
const isSpace = (c: number): boolean => (c >= 9 && c <= 13) || c === 32 || c === 160;
const isPunct = (c: number): boolean =>
  (c >= 33 && c <= 47) ||
  (c >= 58 && c <= 64) ||
  (c >= 91 && c <= 96) ||
  (c >= 123 && c <= 126) ||
  (c >= 161 && c <= 191) ||
  c === 215 ||
  c === 247;
const isAscii = (c: number): boolean => c < 128;
const isPrint = (c: number): boolean => c >= 32 && c <= 126;
/** What may follow `%s` and `%p`. */
const endsSpec = (c: number): boolean => c === 0 || isSpace(c) || isPunct(c);

/** Where a `%p…` conversion ends (its last character), from that of the `p`; -1: refused. */
function pointerEnd(fmt: Uint8Array, at: number): number {
  const at1 = fmt[at + 1];
  if (endsSpec(at1)) return at;
  const at2 = fmt[at + 2];
  if ((at1 === code('k') || at1 === code('u')) && at2 === LOWER_S) return endsSpec(fmt[at + 3]) ? at + 2 : -1;
  if (isPlainPointer(at1) || at1 === code('B')) return at + 1;
  const isAddress = (at1 === code('i') || at1 === code('I')) && (at2 === code('4') || at2 === code('6'));
  return isAddress ? at + 2 : -1;
}

/** Where the conversion behind the `%` at `at - 1` ends (its last character); -1: refused. */
function conversionEnd(fmt: Uint8Array, at: number): number {
  if (!isAscii(fmt[at])) return -1;
  let i = at;
  while (isFlag(fmt[i])) i++;
  if (fmt[i] > ZERO && fmt[i] <= NINE) while (fmt[i] >= ZERO && fmt[i] <= NINE) i++;
  if (fmt[i] === LOWER_P) return pointerEnd(fmt, i);
  if (fmt[i] === LOWER_S) return endsSpec(fmt[i + 1]) ? i : -1;
  if (fmt[i] === LOWER_C) return i;
  if (fmt[i] === LOWER_L) i++;
  if (fmt[i] === LOWER_L) i++;
  return isInteger(fmt[i]) ? i : -1;
}

/**
 * Whether a format is one `bpf_snprintf` and its kin take with `numArgs` values. It begins at `start` and is closed by a
 * zero byte; one that is not closed is refused.
 *
 * Source: `kernel/bpf/helpers.c: bpf_bprintf_prepare`, as far as it looks at the format.
 */
export function formatIsValid(bytes: Uint8Array, start: number, numArgs: number): boolean {
  const end = bytes.indexOf(0, start);
  if (end < 0) return false;
  // With its zero: conversions look one character ahead of what they have seen to be none.
  const fmt = bytes.subarray(start, end + 1);
  const size = end - start;
  let numSpec = 0;
  for (let i = 0; i < size; i++) {
    const c = fmt[i];
    if (isAscii(c) && !isPrint(c) && !isSpace(c)) return false;
    if (c !== PERCENT) continue;
    if (fmt[i + 1] === PERCENT) {
      i++;
      continue;
    }
    if (numSpec >= numArgs) return false;
    i = conversionEnd(fmt, i + 1);
    if (i < 0) return false;
    numSpec++;
  }
  return true;
}

/**
 * A call of `bpf_snprintf` with a constant format: the format is checked here and not again at run time. Refuses.
 * Differs from Linux: a format in a map whose contents are not known is taken for good.
 *
 * Source: `kernel/bpf/verifier.c: check_bpf_snprintf_call`.
 */
export function checkBpfSnprintfCall(env: VerifierEnv): void {
  const { regs } = env;
  const fmt = regs[3];
  const { valueHi, valueLo } = regs[5].scalar;
  if ((valueLo & 7) !== 0) env.fail(ERRNO.EINVAL);
  const numArgs = ((valueHi << 29) | (valueLo >>> 3)) >>> 0;
  const data = fmt.info.map?.data;
  if (data === undefined) return;
  if (!formatIsValid(data, fmt.off + fmt.scalar.valueLo, numArgs)) env.refuse('formatInvalid');
}
