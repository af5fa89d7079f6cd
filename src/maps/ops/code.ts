import { type Insn, makeInsn } from '../../isa/index.ts';
import { type ByteOrder, InternalError } from '../../util/index.ts';
import { MAP_OPS_ARITY, MAP_OPS_CODE } from '../generated/map-ops.ts';

/** Name of a function of `src/maps/ops`. */
export type MapOp = keyof typeof MAP_OPS_ARITY;

/**
 * The functions of a machine, for JavaScript: arguments are addresses and other numbers below 2^32, the result is the low half
 * of R0, signed. Address and -errno alike come out right.
 */
export type MapOps = Readonly<Record<MapOp, (...args: number[]) => number>>;

/** What {@link MapOps} asks of the machine. */
export interface MapOpsHost {
  /** The CPU the running program is on. */
  readonly cpu: number;
  mapAt(addr: number): MapOpsClient | undefined;
}

/** What operations ask of a map's object: see `MAP_GATES`. */
export interface MapOpsClient {
  /** Makes more nodes in the pool whose words are at `poolAddr`; whether there are any now. */
  grow(poolAddr: number): boolean;
  /** Special field `index` of `def.fields` dies with the value that holds it; its bytes are at `addr` and zeroed afterwards. */
  fieldDies(index: number, addr: number): void;
}

/** A function of operations, as BPF. */
export interface OpFunction {
  /** Its first slot among all functions: calls are by distance. */
  readonly start: number;
  readonly insns: readonly Insn[];
}

/** All functions of one byte order, unpacked when they are asked for. */
export class OpFunctions {
  readonly #packed: (typeof MAP_OPS_CODE)[ByteOrder];
  readonly #starts: number[] = [];
  readonly #made = new Map<number, OpFunction>();

  constructor(order: ByteOrder) {
    this.#packed = MAP_OPS_CODE[order];
    let start = 0;
    for (const [, slots] of this.#packed) {
      this.#starts.push(start);
      start += slots;
    }
  }

  named(name: MapOp): OpFunction {
    return this.#at(this.#packed.findIndex(entry => entry[0] === name));
  }
  /** The function that begins at a slot. */
  from(start: number): OpFunction {
    return this.#at(this.#starts.indexOf(start));
  }

  #at(index: number): OpFunction {
    let found = this.#made.get(index);
    if (found === undefined) {
      const packed = this.#packed[index];
      if (packed === undefined) throw new InternalError('no such function of map operations');
      found = { start: this.#starts[index], insns: unpack(packed[2]) };
      this.#made.set(index, found);
    }
    return found;
  }
}

/** Instructions as scripts/build-map-ops.mjs packs them. */
function unpack(text: string): Insn[] {
  const bytes = atob(text);
  const insns: Insn[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes.charCodeAt(at++);
      value |= (byte & 127) << shift;
      if (byte < 128) return (value >>> 1) ^ -(value & 1);
    }
  };
  while (at < bytes.length) {
    const code = bytes.charCodeAt(at);
    const regs = bytes.charCodeAt(at + 1);
    at += 2;
    const off = varint();
    insns.push(makeInsn(code, regs & 15, regs >> 4, off, varint()));
  }
  return insns;
}

/** Arguments of an operation. */
export function mapOpArity(op: MapOp): number {
  return MAP_OPS_ARITY[op];
}

/** Names of all operations. */
export const MAP_OP_NAMES: readonly MapOp[] = Object.keys(MAP_OPS_ARITY) as MapOp[];
