import {
  baseType,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_PACKET,
  PTR_TO_PACKET_META,
} from '../../../helpers/index.ts';
import { i64Of } from '../../../util/index.ts';
import { tnumIsConst } from '../../domain/index.ts';
import type { ExplainCase } from '../case.ts';
import type { Held } from '../held.ts';
import { rangeOf } from '../number-words.ts';
import { accessBytes, roleOf } from '../operands.ts';

export const bytesWords = (n: number | bigint): string => (Number(n) === 1 ? '1 byte' : `${n} bytes`);

/** What the refused instruction does with memory. */
export interface Access {
  /** `reads`, `writes`, `reads and writes`; of calls `accesses`. */
  readonly verb: string;
  readonly write: boolean;
  /** Bytes; 0 where nobody said. */
  readonly size: number;
  /** Constant offset of the instruction. */
  readonly off: number;
  /** Name of the function called with the pointer, if it is a call. */
  readonly callee: string | undefined;
}

export function accessOf(c: ExplainCase): Access {
  const { insn } = c;
  const said =
    c.argsOf('mapValueAccess') ??
    c.argsOf('memoryAccess') ??
    c.argsOf('mapKeyAccess') ??
    shift(c.argsOf('packetAccess'));
  const size = said === undefined ? 0 : Number(said[2]);
  if (insn === undefined) return { verb: 'accesses', write: false, size, off: 0, callee: undefined };
  switch (roleOf(insn)) {
    case 'load':
      return { verb: 'reads', write: false, size: accessBytes(insn), off: insn.off, callee: undefined };
    case 'store':
      return { verb: 'writes', write: true, size: accessBytes(insn), off: insn.off, callee: undefined };
    case 'atomic':
      return { verb: 'reads and writes', write: true, size: accessBytes(insn), off: insn.off, callee: undefined };
    case 'call':
      return { verb: 'accesses', write: false, size, off: 0, callee: calleeOf(c) };
    default:
      return { verb: 'accesses', write: false, size, off: 0, callee: undefined };
  }
}
const shift = (args: readonly (string | number)[] | undefined): readonly (string | number)[] | undefined =>
  args === undefined ? undefined : [0, ...args];

export function calleeOf(c: ExplainCase): string {
  const { insn, insnIdx } = c;
  if (insn === undefined || insnIdx === undefined) return 'the function';
  return c.words.calleeName(insn) ?? (c.sources.functionOf(insnIdx + insn.imm + 1) || 'the function');
}

/** `The instruction reads 4 bytes through r1` */
export function accessWords(c: ExplainCase, regno: number): string {
  const { verb, size, callee } = accessOf(c);
  if (callee === undefined)
    return `The instruction ${verb} ${size === 0 ? 'memory' : bytesWords(size)} through r${regno}`;
  const what = size === 0 ? 'the memory' : `${bytesWords(size)} of the memory`;
  return `${callee}() is given r${regno} and would access ${what} it points to`;
}

/** Bytes the pointer may be used for, from where its offsets count. */
export function regionSize(held: Held): number | undefined {
  switch (baseType(held.type)) {
    case PTR_TO_MAP_VALUE:
      return held.info.map?.valueSize;
    case PTR_TO_MAP_KEY:
      return held.info.map?.keySize;
    case PTR_TO_MEM:
      return held.info.memSize;
    case PTR_TO_PACKET:
    case PTR_TO_PACKET_META:
      return Math.max(held.info.range, 0);
    default:
      return undefined;
  }
}

/** First and last byte that may be touched, counted from the beginning of what is pointed to. */
export interface Reach {
  readonly first: bigint;
  readonly last: bigint;
  /** Fixed part: of pointer and instruction. */
  readonly fixed: bigint;
  readonly constant: boolean;
  readonly unlimited: boolean;
}

export function reachOf(held: Held, { off, size }: Access): Reach {
  const constant = tnumIsConst(held.scalar);
  const { valueHi, valueLo } = held.scalar;
  const fixed = BigInt(held.off) + BigInt(off);
  if (constant) {
    const first = fixed + i64Of(valueHi, valueLo);
    return { first, last: first + BigInt(Math.max(size, 1)) - 1n, fixed, constant, unlimited: false };
  }
  const { min, max, unknown } = rangeOf(held.scalar);
  return {
    first: fixed + min,
    last: fixed + max + BigInt(Math.max(size, 1)) - 1n,
    fixed,
    constant,
    unlimited: unknown || max >= 1n << 29n,
  };
}

/** `byte 20`, `bytes 20 to 23` */
export function rangeWords({ first, last, unlimited }: Reach): string {
  if (unlimited) return 'bytes of any number';
  return first === last ? `byte ${first}` : `bytes ${first} to ${last}`;
}
