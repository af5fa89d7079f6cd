import { InternalError } from '../../util/index.ts';
import type { Exec, Op } from './op.ts';
import { ZERO } from './regs.ts';

/** POWER generations by number; 8 is the oldest. */
export type Level = 8 | 9 | 10;

interface Field {
  readonly width: number;
  put(o: Op, value: number): void;
}

const signed = (value: number, width: number): number => (value << (32 - width)) >> (32 - width);

/** Operand fields by the names layouts use. Bits of one field lie together; halves of split ones have names of their own. */
export const FIELDS: Readonly<Record<string, Field>> = {
  rt: { width: 5, put: (o, v) => (o.rt = 2 * v) },
  rs: { width: 5, put: (o, v) => (o.rt = 2 * v) },
  ra: { width: 5, put: (o, v) => (o.ra = 2 * v) },
  /** 0 stands for the value 0. */
  ra0: { width: 5, put: (o, v) => (o.ra = v === 0 ? ZERO : 2 * v) },
  rb: { width: 5, put: (o, v) => (o.rb = 2 * v) },
  rc: { width: 5, put: (o, v) => (o.rc = 2 * v) },
  Rc: { width: 1, put: (o, v) => (o.rec = v) },
  oe: { width: 1, put: (o, v) => (o.oe = v) },
  si: { width: 16, put: (o, v) => (o.imm = signed(v, 16)) },
  ui: { width: 16, put: (o, v) => (o.imm = v) },
  /** Shifted: `addis`, `oris`. */
  is: { width: 16, put: (o, v) => (o.imm = v << 16) },
  ds: { width: 14, put: (o, v) => (o.imm = signed(v, 14) << 2) },
  sh: { width: 5, put: (o, v) => (o.sh |= v) },
  /** Bit 5 of a shift, at the other end of the word. */
  sh5: { width: 1, put: (o, v) => (o.sh |= v << 5) },
  mb: { width: 5, put: (o, v) => (o.mb = v) },
  me: { width: 5, put: (o, v) => (o.me = v) },
  /** Six bits, the highest stored last. */
  mb6: { width: 6, put: (o, v) => (o.mb = (v >> 1) | ((v & 1) << 5)) },
  l: { width: 1, put: (o, v) => (o.l = v) },
  bf: { width: 3, put: (o, v) => (o.bf = 28 - 4 * v) },
  bfa: { width: 3, put: (o, v) => (o.bfa = 28 - 4 * v) },
  bt: { width: 5, put: (o, v) => (o.bt = 31 - v) },
  ba: { width: 5, put: (o, v) => (o.ba = 31 - v) },
  bb: { width: 5, put: (o, v) => (o.bb = 31 - v) },
  bo: { width: 5, put: (o, v) => (o.bo = v) },
  bi: { width: 5, put: (o, v) => (o.bi = 31 - v) },
  bd: { width: 14, put: (o, v) => (o.imm = signed(v, 14) << 2) },
  li: { width: 24, put: (o, v) => (o.imm = signed(v, 24) << 2) },
  aa: { width: 1, put: (o, v) => (o.aa = v) },
  lk: { width: 1, put: (o, v) => (o.lk = v) },
  to: { width: 5, put: (o, v) => (o.to = v) },
  /** Its two halves are stored the other way round. */
  spr: { width: 10, put: (o, v) => (o.spr = (v >> 5) | ((v & 31) << 5)) },
  fxm: { width: 8, put: (o, v) => (o.fxm = v) },
  /** `addpcis`: d0, d1 and d2 of a 16-bit shifted immediate. */
  d1: { width: 5, put: (o, v) => (o.imm |= v << 17) },
  d0: { width: 10, put: (o, v) => (o.imm |= v << 22) },
  d2: { width: 1, put: (o, v) => (o.imm |= v << 16) },
  /** Prefixed: the high 18 bits come from the prefix. */
  d: { width: 16, put: (o, v) => (o.imm = v) },
  /** Hints, which change nothing here. */
  bh: { width: 2, put: () => {} },
  th: { width: 5, put: () => {} },
  eh: { width: 1, put: () => {} },
  sy: { width: 3, put: () => {} },
  sc: { width: 2, put: () => {} },
};

interface Placed {
  readonly name: string;
  /** Of its lowest bit, from the least significant bit of the word. */
  readonly shift: number;
  readonly mask: number;
  readonly put: Field['put'];
}

export interface RowInit {
  /** First generation that has it. */
  readonly since?: Level;
  /** Finishes decoding; false for a combination of fields that is not valid. */
  readonly prep?: (o: Op) => boolean;
  /** Bytes accessed. */
  readonly sizeBytes?: number;
}

/** An instruction: where its bits are and what it does. */
export interface Row {
  readonly name: string;
  /**
   * Fields from the most significant bit: the primary opcode, `name` of an operand, `value:width` of fixed bits,
   * `/:width` of reserved ones, which must be 0.
   */
  readonly layout: string;
  /** Fixed and reserved bits. */
  readonly mask: number;
  readonly value: number;
  readonly fields: readonly Placed[];
  readonly since: Level;
  readonly exec: Exec;
  readonly prep: RowInit['prep'];
  readonly sizeBytes: number;
}

/** Reads a layout; throws InternalError when its widths do not add up to a word. */
export function row(name: string, layout: string, exec: Exec, init: RowInit = {}): Row {
  let left = 32;
  let mask = 0;
  let value = 0;
  const fields: Placed[] = [];
  for (const [i, part] of layout.split(' ').entries()) {
    const [text, bits] = i === 0 ? [part, '6'] : part.split(':');
    const field = bits === undefined ? FIELDS[text] : undefined;
    const width = field?.width ?? Number(bits);
    left -= width;
    const ones = 2 ** width - 1;
    if (field !== undefined) {
      fields.push({ name: text, shift: left, mask: ones, put: field.put });
    } else {
      mask |= ones << left;
      if (text !== '/') value |= Number(text) << left;
    }
  }
  if (left !== 0) throw new InternalError(`layout of ${name} has ${32 - left} bits`);
  return {
    name,
    layout,
    mask,
    value,
    fields,
    since: init.since ?? 8,
    exec,
    prep: init.prep,
    sizeBytes: init.sizeBytes ?? 0,
  };
}
