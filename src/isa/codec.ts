import { type ByteOrder, FarcallError, type Where } from '../util/index.ts';
import type { Insn } from './insn.ts';

/** Bytes of one slot. */
export const INSN_SIZE_BYTES = 8;

/**
 * Bytes to slots, without judging them (see `classifyInsn` for that).
 *
 * @param bytes a whole number of 8-byte slots, else `insn.truncated`
 * @param order the program's byte order; big-endian swaps the register nibbles too (RFC 9669 §3.1)
 */
export function decodeInsns(bytes: Uint8Array, order: ByteOrder = 'little', where: Where = {}): Insn[] {
  if (bytes.length % INSN_SIZE_BYTES !== 0) {
    throw new FarcallError({
      code: 'insn.truncated',
      message: 'instructions end inside a slot',
      expected: 'a multiple of 8 bytes',
      found: `${bytes.length} bytes`,
      where,
    });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = order === 'little';
  const insns: Insn[] = new Array(bytes.length / INSN_SIZE_BYTES);
  for (let i = 0, at = 0; i < insns.length; i++, at += INSN_SIZE_BYTES) {
    const regs = bytes[at + 1];
    insns[i] = {
      code: bytes[at],
      dst: little ? regs & 15 : regs >> 4,
      src: little ? regs >> 4 : regs & 15,
      off: view.getInt16(at + 2, little),
      imm: view.getInt32(at + 4, little),
    };
  }
  return insns;
}

/**
 * Slots to bytes; the inverse of {@link decodeInsns} for every slot whose fields are in range.
 *
 * @param bytes where to, eight a slot; returned
 */
export function encodeInsns(
  insns: readonly Insn[],
  order: ByteOrder = 'little',
  bytes: Uint8Array = new Uint8Array(insns.length * INSN_SIZE_BYTES),
): Uint8Array {
  const little = order === 'little';
  for (let i = 0, at = 0; i < insns.length; i++, at += INSN_SIZE_BYTES) {
    const { code, dst, src, off, imm } = insns[i];
    bytes[at] = code;
    if (little) {
      bytes[at + 1] = dst | (src << 4);
      bytes[at + 2] = off;
      bytes[at + 3] = off >> 8;
      bytes[at + 4] = imm;
      bytes[at + 5] = imm >> 8;
      bytes[at + 6] = imm >> 16;
      bytes[at + 7] = imm >> 24;
    } else {
      bytes[at + 1] = (dst << 4) | src;
      bytes[at + 2] = off >> 8;
      bytes[at + 3] = off;
      bytes[at + 4] = imm >> 24;
      bytes[at + 5] = imm >> 16;
      bytes[at + 6] = imm >> 8;
      bytes[at + 7] = imm;
    }
  }
  return bytes;
}
