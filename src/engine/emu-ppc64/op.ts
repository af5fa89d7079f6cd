import type { Region } from '../../mem/index.ts';
import type { Core } from './core.ts';

export type Exec = (m: Core, o: Op) => void;

/** An empty region: what an access that has not happened yet remembers. */
export const NO_REGION: Region = {
  kind: 'internal',
  name: 'none',
  start: 0,
  end: 0,
  strideBytes: 0,
  cellBytes: 0,
  readable: false,
  writable: false,
};

/**
 * A decoded instruction. Registers are indices of the low half in {@link Core.r}, twice the register's number; fields an
 * instruction does not have are 0.
 */
export class Op {
  exec: Exec;
  /** Index in words in its image. */
  readonly at: number;
  readonly word: number;
  /** The second word of a prefixed instruction. */
  suffix = 0;
  /** RT or RS. */
  rt = 0;
  /** RA; `ZERO` where 0 stands for the value 0. */
  ra = 0;
  rb = 0;
  /** A third source register. */
  rc = 0;
  /** Record form: CR0 is set from the result. */
  rec = 0;
  /** Overflow enabled. */
  oe = 0;
  /** Immediate or displacement, extended and shifted as the instruction uses it. */
  imm = 0;
  /** High half of a prefixed instruction's immediate. */
  immHi = 0;
  sh = 0;
  mb = 0;
  me = 0;
  maskHi = 0;
  maskLo = 0;
  /** Compares: 1 for 64 bits. */
  l = 0;
  /** CR field by the shift that brings it down: 28 for CR0, 0 for CR7. */
  bf = 0;
  bfa = 0;
  /** CR bits by the shift that brings them down. */
  bt = 0;
  ba = 0;
  bb = 0;
  bo = 0;
  bi = 0;
  aa = 0;
  lk = 0;
  to = 0;
  spr = 0;
  fxm = 0;
  /** Branches: index of the target in the image, or -1 when it lies outside. */
  target = -1;
  /** Where the last access of this instruction fell. */
  region: Region = NO_REGION;

  constructor(exec: Exec, at: number, word: number) {
    this.exec = exec;
    this.at = at;
    this.word = word;
  }
}
