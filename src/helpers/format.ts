import { ERRNO } from '../uapi/index.ts';
import { encodeText } from '../util/index.ts';
import { readablePlace, readString } from './memory.ts';
import type { HelperEnv } from './types.ts';

/** Bytes the arguments of one format may take once prepared (`kernel/bpf/helpers.c: MAX_BPRINTF_BIN_ARGS`). */
const MAX_BIN_ARGS_BYTES = 512;
/** Arguments a format may have. */
export const MAX_VARARGS = 12;

const CH = (text: string): number => text.charCodeAt(0);
const PERCENT = CH('%');

const isSpace = (byte: number): boolean => byte === 0x20 || (byte >= 9 && byte <= 13);
const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
const isPrintable = (byte: number): boolean => byte >= 0x20 && byte < 0x7f;
const isAlnum = (byte: number): boolean => isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a);
const isPunct = (byte: number): boolean => isPrintable(byte) && byte !== 0x20 && !isAlnum(byte);
/** Whether a conversion may end before this byte: NUL, white space or punctuation. */
const endsSpec = (byte: number): boolean => byte === 0 || isSpace(byte) || isPunct(byte);

interface Spec {
  left: boolean;
  plus: boolean;
  space: boolean;
  zero: boolean;
  width: number;
}

function pad(body: string, spec: Spec): string {
  return spec.left ? body.padEnd(spec.width) : body.padStart(spec.width);
}

/** `lib/vsprintf.c: number`, for the flags the checks let through. */
function formatNumber(value: bigint, signed: boolean, base: 10 | 16, upper: boolean, spec: Spec): string {
  const negative = signed && value < 0n;
  const digits = (negative ? -value : value).toString(base);
  const sign = negative ? '-' : signed && spec.plus ? '+' : signed && spec.space ? ' ' : '';
  const zeros = spec.zero && !spec.left ? Math.max(0, spec.width - sign.length - digits.length) : 0;
  const body = sign + '0'.repeat(zeros) + digits;
  return pad(upper ? body.toUpperCase() : body, spec);
}

/** Stands for the kernel's keyed hash of pointers printed with %p: any fixed one-to-one mix will do. */
function hashPointer(value: bigint): bigint {
  let x = Number(BigInt.asUintN(32, value ^ (value >> 32n))) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return BigInt((x ^ (x >>> 16)) >>> 0);
}

const isErrorPointer = (value: bigint): boolean => value >= (1n << 64n) - 4095n;

function formatPointer(value: bigint, spec: Spec): string {
  return spec.width < 0
    ? value.toString(16).padStart(16, '0')
    : formatNumber(value, false, 16, false, { ...spec, width: spec.width });
}

function formatIp(bytes: Uint8Array, kind: string): string {
  if (kind[1] === '4') return Array.from(bytes, byte => String(byte).padStart(kind[0] === 'i' ? 3 : 1, '0')).join('.');
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((bytes[2 * i] << 8) | bytes[2 * i + 1]).toString(16).padStart(4, '0'),
  );
  return groups.join(kind[0] === 'I' ? ':' : '');
}

/**
 * Formats as Linux does for BPF programs: checks the format first, then prints. Returns the text's bytes or -errno:
 * `EINVAL` for an unknown conversion, a missing argument, control bytes or a missing NUL, `ENOSPC` when strings and
 * addresses take more than 512 bytes together.
 *
 * Allowed: `%%`, `%c`, `%s`, `%d %i %u %x %X` with `l` or `ll`, `%p %px %pK %ps %pS %pB`, `%pks %pus`,
 * `%pI4 %pi4 %pI6 %pi6`; each with flags `0 + - space` and a width.
 *
 * Differs from Linux: `%p` hashes with a fixed key, and symbols (`%ps`) are printed as addresses.
 *
 * Source: `kernel/bpf/helpers.c: bpf_bprintf_prepare`, `lib/vsprintf.c: bstr_printf`.
 *
 * @param fmt the format with its terminating NUL somewhere inside
 * @param args one 64-bit value an argument
 */
export function formatForBpf(env: HelperEnv, fmt: Uint8Array, args: readonly bigint[]): Uint8Array | number {
  const length = fmt.indexOf(0);
  if (length < 0) return -ERRNO.EINVAL;
  const at = (i: number): number => (i < length ? fmt[i] : 0);
  const out: number[] = [];
  const put = (text: string): void => {
    for (const byte of encodeText(text)) out.push(byte);
  };
  let used = 0;
  let next = 0;
  /** Reserves `size` bytes, aligned to 4 for numbers; false when the arguments' buffer is full. */
  const reserve = (size: number, aligned: boolean): boolean => {
    if (aligned) used = Math.ceil(used / 4) * 4;
    if (MAX_BIN_ARGS_BYTES - used < size) return false;
    used += size;
    return true;
  };
  for (let i = 0; i < length; i++) {
    const byte = fmt[i];
    if (byte < 0x80 && !isPrintable(byte) && !isSpace(byte)) return -ERRNO.EINVAL;
    if (byte !== PERCENT) {
      out.push(byte);
      continue;
    }
    if (at(i + 1) === PERCENT) {
      out.push(PERCENT);
      i++;
      continue;
    }
    if (next >= args.length || at(i + 1) >= 0x80) return -ERRNO.EINVAL;
    i++;
    const spec: Spec = { left: false, plus: false, space: false, zero: false, width: -1 };
    for (; ; i++) {
      if (at(i) === CH('0')) spec.zero = true;
      else if (at(i) === CH('+')) spec.plus = true;
      else if (at(i) === CH('-')) spec.left = true;
      else if (at(i) === CH(' ')) spec.space = true;
      else break;
    }
    if (isDigit(at(i))) {
      spec.width = 0;
      for (; isDigit(at(i)); i++) spec.width = Math.min(spec.width * 10 + at(i) - 0x30, 32767);
    }
    const value = BigInt.asUintN(64, args[next++]);
    let kind = String.fromCharCode(at(i));
    if (kind === 'p') {
      const one = String.fromCharCode(at(i + 1));
      const two = String.fromCharCode(at(i + 2));
      if (endsSpec(at(i + 1))) {
        if (!reserve(8, true)) return -ERRNO.ENOSPC;
        put(formatPointer(value === 0n || isErrorPointer(value) ? value : hashPointer(value), spec));
        continue;
      }
      if ((one === 'k' || one === 'u') && two === 's') {
        i += 2;
        kind = 'pks';
      } else if ('KxsSB'.includes(one)) {
        const text =
          one === 'x'
            ? formatPointer(value, spec)
            : one === 'K'
              ? formatPointer(value === 0n ? value : hashPointer(value), spec)
              : `0x${value.toString(16)}`;
        if (!reserve(one === 'B' ? text.length + 1 : 8, one !== 'B')) return -ERRNO.ENOSPC;
        put(text);
        i++;
        continue;
      } else {
        const ip = one + two;
        if (!['i4', 'I4', 'i6', 'I6'].includes(ip)) return -ERRNO.EINVAL;
        i += 2;
        const size = two === '4' ? 4 : 16;
        if (MAX_BIN_ARGS_BYTES - used < size) return -ERRNO.ENOSPC;
        const place = readablePlace(env, value, size);
        const text = formatIp(place < 0 ? new Uint8Array(size) : env.mem.read(place, size), ip);
        used = Math.min(MAX_BIN_ARGS_BYTES, used + text.length + 1);
        put(text);
        continue;
      }
    }
    if (kind === 's' || kind === 'pks') {
      if (!endsSpec(at(i + 1))) return -ERRNO.EINVAL;
      if (used >= MAX_BIN_ARGS_BYTES) return -ERRNO.ENOSPC;
      const text = readString(env, value, MAX_BIN_ARGS_BYTES - used - 1) ?? new Uint8Array(0);
      used += text.length + 1;
      const fill = kind === 's' ? Math.max(0, spec.width - text.length) : 0;
      if (!spec.left) put(' '.repeat(fill));
      for (const item of text) out.push(item);
      if (spec.left) put(' '.repeat(fill));
      continue;
    }
    if (kind === 'c') {
      if (used >= MAX_BIN_ARGS_BYTES) return -ERRNO.ENOSPC;
      used++;
      const fill = ' '.repeat(Math.max(0, spec.width - 1));
      if (!spec.left) put(fill);
      out.push(Number(value & 0xffn));
      if (spec.left) put(fill);
      continue;
    }
    let wide = false;
    for (let ls = 0; ls < 2 && kind === 'l'; ls++) {
      wide = true;
      kind = String.fromCharCode(at(++i));
    }
    if (!'iduxX'.includes(kind) || kind === '\0') return -ERRNO.EINVAL;
    if (!reserve(wide ? 8 : 4, true)) return -ERRNO.ENOSPC;
    const signed = kind === 'd' || kind === 'i';
    const sized = signed ? BigInt.asIntN(wide ? 64 : 32, value) : BigInt.asUintN(wide ? 64 : 32, value);
    put(formatNumber(sized, signed, kind === 'x' || kind === 'X' ? 16 : 10, kind === 'X', spec));
  }
  return Uint8Array.from(out);
}
