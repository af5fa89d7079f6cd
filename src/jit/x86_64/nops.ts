import type { CodeBuffer } from '../code-buffer.ts';

/** The recommended instructions that do nothing, by length (`x86_nops`, arch/x86/kernel/alternative.c). */
const NOPS: readonly (readonly number[])[] = [
  [],
  [0x90],
  [0x66, 0x90],
  [0x0f, 0x1f, 0x00],
  [0x0f, 0x1f, 0x40, 0x00],
  [0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
  [0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
  [0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];

/** So many bytes that do nothing, in instructions as long as there are. */
export function nops(c: CodeBuffer, count: number): void {
  for (let left = count; left > 0; ) {
    const nop = NOPS[Math.min(left, NOPS.length - 1)];
    for (const byte of nop) c.u8(byte);
    left -= nop.length;
  }
}

/** The same over what was written earlier. */
export function patchNops(c: CodeBuffer, off: number, count: number): void {
  for (let at = off; at < off + count; ) {
    const nop = NOPS[Math.min(off + count - at, NOPS.length - 1)];
    for (const byte of nop) c.patchU8(at++, byte);
  }
}
