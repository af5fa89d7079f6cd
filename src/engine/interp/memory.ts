import type { AtomicOp, InsnDef } from '../../isa/index.ts';
import { addHi } from '../../util/index.ts';
import type { Exec, Op } from './program.ts';
import type { Vm } from './vm.ts';

type Load = (view: DataView, addr: number, little: boolean) => number;

const UNSIGNED: Readonly<Record<1 | 2 | 4, Load>> = {
  1: (view, addr) => view.getUint8(addr),
  2: (view, addr, little) => view.getUint16(addr, little),
  4: (view, addr, little) => view.getInt32(addr, little),
};
const SIGNED: Readonly<Record<1 | 2 | 4, Load>> = {
  1: (view, addr) => view.getInt8(addr),
  2: (view, addr, little) => view.getInt16(addr, little),
  4: (view, addr, little) => view.getInt32(addr, little),
};

/** Low and high words of a 64-bit value at `addr`, in the machine's order. */
const lowAt = (addr: number, little: boolean): number => (little ? addr : addr + 4);
const highAt = (addr: number, little: boolean): number => (little ? addr + 4 : addr);

function load64(vm: Vm, addr: number, dst: number): void {
  const { view, littleEndian } = vm.host.env.mem;
  const lo = view.getInt32(lowAt(addr, littleEndian), littleEndian);
  vm.r[dst + 1] = view.getInt32(highAt(addr, littleEndian), littleEndian);
  vm.r[dst] = lo;
}

function clear(vm: Vm, dst: number): void {
  vm.r[dst] = 0;
  vm.r[dst + 1] = 0;
}

function store64(vm: Vm, addr: number, hi: number, lo: number): void {
  const { view, littleEndian } = vm.host.env.mem;
  view.setInt32(lowAt(addr, littleEndian), lo, littleEndian);
  view.setInt32(highAt(addr, littleEndian), hi, littleEndian);
}

/** Handler of `ldx`, `ldxs` and `load_acq` rows. */
export function loadExec(def: InsnDef): Exec {
  const size = def.sizeBytes;
  if (size === 8) {
    return (vm, o) => {
      const addr = vm.loadAddress(o, o.src, 8);
      if (addr >= 0) load64(vm, addr, o.dst);
      else clear(vm, o.dst);
    };
  }
  const load = (def.kind === 'ldxs' ? SIGNED : UNSIGNED)[size as 1 | 2 | 4];
  const signed = def.kind === 'ldxs';
  return (vm, o) => {
    const addr = vm.loadAddress(o, o.src, size);
    if (addr < 0) {
      clear(vm, o.dst);
      return;
    }
    const { view, littleEndian } = vm.host.env.mem;
    const value = load(view, addr, littleEndian);
    vm.r[o.dst] = value;
    vm.r[o.dst + 1] = signed ? value >> 31 : 0;
  };
}

function store(vm: Vm, o: Op, size: number, hi: number, lo: number): void {
  const addr = vm.address(o, o.dst, size, 'write');
  const { view, littleEndian } = vm.host.env.mem;
  if (size === 8) store64(vm, addr, hi, lo);
  else if (size === 4) view.setInt32(addr, lo, littleEndian);
  else if (size === 2) view.setInt16(addr, lo, littleEndian);
  else view.setInt8(addr, lo);
}

/** Handler of `st`, `stx` and `store_rel` rows. */
export function storeExec(def: InsnDef): Exec {
  const size = def.sizeBytes;
  return def.source === 'imm'
    ? (vm, o) => store(vm, o, size, o.imm >> 31, o.imm)
    : (vm, o) => store(vm, o, size, vm.r[o.src + 1], vm.r[o.src]);
}

/** The value to store, from the old value (oh:ol) and the operand (bh:bl); results in `next`. */
type Modify = (oh: number, ol: number, bh: number, bl: number) => void;
const next = new Int32Array(2);
function put(hi: number, lo: number): void {
  next[0] = lo;
  next[1] = hi;
}

const MODIFY: Readonly<Record<Exclude<AtomicOp, 'cmpxchg'>, Modify>> = {
  add: (oh, ol, bh, bl) => put(addHi(oh, ol, bh, bl), (ol + bl) | 0),
  or: (oh, ol, bh, bl) => put(oh | bh, ol | bl),
  and: (oh, ol, bh, bl) => put(oh & bh, ol & bl),
  xor: (oh, ol, bh, bl) => put(oh ^ bh, ol ^ bl),
  xchg: (_oh, _ol, bh, bl) => put(bh, bl),
};

/** Handler of `atomic` rows. One thread runs a machine, so each is a plain read-modify-write. */
export function atomicExec(def: InsnDef): Exec {
  const wide = def.bits === 64;
  const size = wide ? 8 : 4;
  const modify = def.op === 'cmpxchg' ? undefined : MODIFY[def.op as Exclude<AtomicOp, 'cmpxchg'>];
  return (vm, o) => {
    const { r } = vm;
    const addr = vm.address(o, o.dst, size, 'write');
    const { view, littleEndian } = vm.host.env.mem;
    const ol = view.getInt32(wide ? lowAt(addr, littleEndian) : addr, littleEndian);
    const oh = wide ? view.getInt32(highAt(addr, littleEndian), littleEndian) : 0;
    if (modify !== undefined) modify(oh, ol, r[o.src + 1], r[o.src]);
    else if (r[0] === ol && (!wide || r[1] === oh)) put(r[o.src + 1], r[o.src]);
    else put(oh, ol);
    if (wide) store64(vm, addr, next[1], next[0]);
    else view.setInt32(addr, next[0], littleEndian);
    if (!def.fetch) return;
    const to = modify === undefined ? 0 : o.src;
    r[to] = ol;
    r[to + 1] = oh;
  };
}
