import type { CtxAccess, ProgFacts } from '../contract.ts';

/** Whether an access is allowed; it may note in `access` what a load gives. Offsets and sizes are in bytes. */
export type AccessRule = (off: number, size: number, write: boolean, prog: ProgFacts, access: CtxAccess) => boolean;

/** A range of a context, from `from` up to and without `end`, and the rule for accesses that begin there. */
export interface AccessRow {
  readonly from: number;
  readonly end: number;
  readonly rule: AccessRule;
}

export const refused: AccessRule = () => false;

/** Accesses of exactly that many bytes. */
export const sized =
  (bytes: number): AccessRule =>
  (_off, size) =>
    size === bytes;

/** Loads of exactly that many bytes, which give a pointer. */
export const pointerOf =
  (regType: number, bytes = 8): AccessRule =>
  (_off, size, _write, _prog, access) => {
    access.regType = regType;
    return size === bytes;
  };

/** Loads no longer than the field; the shorter are cut out of a load of all of it. */
export const narrow =
  (fieldBytes: number): AccessRule =>
  (_off, size, _write, _prog, access) => {
    access.ctxFieldSizeBytes = fieldBytes;
    return narrowAccessOk(size, fieldBytes);
  };

export const onRead =
  (rule: AccessRule): AccessRule =>
  (off, size, write, prog, access) =>
    !write && rule(off, size, write, prog, access);

/** Source: `include/linux/filter.h: bpf_ctx_narrow_access_ok`. */
export const narrowAccessOk = (size: number, fieldBytes: number): boolean =>
  size <= fieldBytes && (size & (size - 1)) === 0;

/** Two words of four at once. Source: `bpf_ctx_wide_access_ok`. */
export const wideAccessOk = (off: number, size: number, from: number, bytes: number): boolean =>
  size === 8 && off >= from && off + 8 <= from + bytes && off % 8 === 0;

/** A field and where it is; `count` bytes from `from`. */
export const field = (from: number, bytes: number, rule: AccessRule): AccessRow => ({ from, end: from + bytes, rule });

/** Accesses that begin at that very byte. */
export const at = (from: number, rule: AccessRule): AccessRow => ({ from, end: from + 1, rule });

/** The rule of the first row that has the offset, `otherwise` where none has; aligned accesses inside the struct only. */
export function structRule(sizeBytes: number, rows: readonly AccessRow[], otherwise: AccessRule): AccessRule {
  const rules: AccessRule[] = new Array(sizeBytes).fill(otherwise);
  for (const { from, end, rule } of [...rows].reverse()) rules.fill(rule, from, end);
  return (off, size, write, prog, access) =>
    off >= 0 && off < sizeBytes && off % size === 0 && rules[off](off, size, write, prog, access);
}
