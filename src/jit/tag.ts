import {
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
  encodeInsns,
  INSN_SIZE_BYTES,
  type Insn,
  isWide,
} from '../isa/index.ts';
import { type ByteOrder, sha1, sha256, toHex } from '../util/index.ts';
import { Room } from './room.ts';
import type { TagHash } from './types.ts';

const HASHES = { sha1, sha256 } as const;
const TAG_BYTES = 8;
/** What is being hashed. */
const ENCODED = new Room();

/**
 * The tag of a program or of one function: the first 8 bytes of the hash of its instructions, with everything that
 * differs from one load to the next (descriptors and offsets in `ld_imm64` of maps) zeroed; 16 hex digits.
 *
 * A program's own tag is that of its instructions as loaded. A function's, in a program of several, is taken when its
 * calls hold the callee's number in `off` and 1 in `imm`, and its references to maps still say so in `src`.
 *
 * Source: `kernel/bpf/core.c: bpf_prog_calc_tag`.
 *
 * @param hash `sha1` up to Linux 6.17, `sha256` since
 * @param order byte order of the machine: instructions are hashed as they lie in its memory
 */
export function progTag(insns: readonly Insn[], hash: TagHash, order: ByteOrder = 'little'): string {
  let plain: Insn[] | undefined;
  for (let idx = 0; idx < insns.length; idx++) {
    const insn = insns[idx];
    if (!isWide(insn) || (insn.src !== BPF_PSEUDO_MAP_FD && insn.src !== BPF_PSEUDO_MAP_VALUE)) continue;
    plain ??= insns.slice();
    plain[idx] = { ...insn, imm: 0 };
    const second = insns[idx + 1];
    if (second === undefined || second.code !== 0 || second.dst !== 0 || second.src !== 0 || second.off !== 0) continue;
    plain[++idx] = { ...second, imm: 0 };
  }
  ENCODED.clear();
  const bytes = encodeInsns(plain ?? insns, order, ENCODED.bytes(insns.length * INSN_SIZE_BYTES));
  return toHex(HASHES[hash](bytes)).slice(0, 2 * TAG_BYTES);
}
