import { addHi } from '../../util/index.ts';
import type { Core } from './core.ts';
import { illegal } from './illegal.ts';
import type { Image } from './image.ts';
import { type Fetch, fetch8, fetch16, fetch32, fetch64, fetchS16, fetchS32 } from './load.ts';
import { type Exec, Op } from './op.ts';
import { ZERO } from './regs.ts';
import { type Put, put8, put16, put32, put64 } from './store.ts';

/**
 * Two words. The prefix, with type 0 (8LS) or 2 (MLS) and the high 18 bits of a 34-bit displacement:
 *
 * ```
 *   0      6    8       11  12  14                31
 *   | 1    |type| 0     | R | 0 | d (high)         |
 * ```
 *
 * and a suffix laid out as a D-form instruction. R = 1: relative to the address of the prefix, and RA is 0.
 */
export interface PrefixedRow {
  readonly name: string;
  readonly type: 0 | 2;
  /** Primary opcode of the suffix. */
  readonly opcode: number;
  readonly sizeBytes: number;
  readonly exec: Exec;
}

const RESERVED = 0x00ec0000;
/** No operation, whatever non-branch word follows. */
const PNOP = 0x07000000;
/** A prefixed instruction may not cross a boundary of this many bytes. */
const BLOCK_BYTES = 64;

/** The address or sum; low half in `m.out[1]`, high in `m.out[0]`. */
function sum(m: Core, o: Op): void {
  const lo = m.r[o.ra];
  m.out[0] = addHi(m.r[o.ra + 1], lo, o.immHi, o.imm);
  m.out[1] = lo + o.imm;
}

const paddi: Exec = (m, o) => {
  m.idx = o.at + 2;
  sum(m, o);
  m.r[o.rt] = m.out[1];
  m.r[o.rt + 1] = m.out[0];
};
const pnop: Exec = (m, o) => {
  m.idx = o.at + 2;
};
function load(sizeBytes: number, fetch: Fetch): Exec {
  return (m, o) => {
    m.idx = o.at + 2;
    sum(m, o);
    const addr = m.addrAt(o, m.out[0], m.out[1], sizeBytes, 'read');
    if (addr >= 0) fetch(m, o.rt, addr);
  };
}
function store(sizeBytes: number, put: Put): Exec {
  return (m, o) => {
    m.idx = o.at + 2;
    sum(m, o);
    const addr = m.addrAt(o, m.out[0], m.out[1], sizeBytes, 'write');
    if (addr >= 0) put(m, o.rt, addr);
  };
}

/** Every prefixed instruction but `pnop`. */
export const PREFIXED_ROWS: readonly PrefixedRow[] = [
  { name: 'paddi', type: 2, opcode: 14, sizeBytes: 0, exec: paddi },
  { name: 'plbz', type: 2, opcode: 34, sizeBytes: 1, exec: load(1, fetch8) },
  { name: 'plhz', type: 2, opcode: 40, sizeBytes: 2, exec: load(2, fetch16) },
  { name: 'plha', type: 2, opcode: 42, sizeBytes: 2, exec: load(2, fetchS16) },
  { name: 'plwz', type: 2, opcode: 32, sizeBytes: 4, exec: load(4, fetch32) },
  { name: 'plwa', type: 0, opcode: 41, sizeBytes: 4, exec: load(4, fetchS32) },
  { name: 'pld', type: 0, opcode: 57, sizeBytes: 8, exec: load(8, fetch64) },
  { name: 'pstb', type: 2, opcode: 38, sizeBytes: 1, exec: store(1, put8) },
  { name: 'psth', type: 2, opcode: 44, sizeBytes: 2, exec: store(2, put16) },
  { name: 'pstw', type: 2, opcode: 36, sizeBytes: 4, exec: store(4, put32) },
  { name: 'pstd', type: 0, opcode: 61, sizeBytes: 8, exec: store(8, put64) },
];

/** Decodes the prefixed instruction whose prefix is word `at`. */
export function decodePrefixed(image: Image, at: number, prefix: number): Op {
  if (image.level < 10) return illegal(at, prefix, `a prefixed instruction needs POWER10, this is POWER${image.level}`);
  if (((image.lo + 4 * at) & (BLOCK_BYTES - 1)) === BLOCK_BYTES - 4) {
    return new Op(
      (m, o) => {
        throw m.fault(o, 'misaligned', `a prefixed instruction crosses a boundary of ${BLOCK_BYTES} bytes`);
      },
      at,
      prefix,
    );
  }
  if (at + 1 >= image.words) return illegal(at, prefix, 'a prefix without its suffix');
  if (prefix === PNOP) return new Op(pnop, at, prefix);
  const suffix = image.word(at + 1);
  const type = (prefix >>> 24) & 3;
  const row = PREFIXED_ROWS.find(choice => choice.type === type && choice.opcode === suffix >>> 26);
  if (row === undefined || (prefix & RESERVED) !== 0) {
    return illegal(at, prefix, `no prefixed instruction with 0x${(suffix >>> 0).toString(16).padStart(8, '0')}`);
  }
  const op = new Op(row.exec, at, prefix);
  op.suffix = suffix;
  op.rt = 2 * ((suffix >>> 21) & 31);
  const ra = (suffix >>> 16) & 31;
  op.ra = ra === 0 ? ZERO : 2 * ra;
  const high = (prefix << 14) >> 14;
  op.imm = (high << 16) | (suffix & 0xffff);
  op.immHi = high >> 16;
  if (((prefix >>> 20) & 1) === 1) {
    if (ra !== 0) return illegal(at, prefix, `${row.name} relative to its own address with a base register`);
    const by = 4 * at;
    const lo = (image.lo + by) | 0;
    const hi = addHi(image.hi, image.lo, 0, by);
    op.immHi = addHi(hi, lo, op.immHi, op.imm);
    op.imm = (lo + op.imm) | 0;
  }
  return op;
}
