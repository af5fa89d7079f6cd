import type { X86Cpu } from './cpu.ts';
import type { Decoded } from './decode.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RSP = 4;
const RBP = 5;
const CMP = 7;

const u = (bits: number, value: bigint): bigint => BigInt.asUintN(bits, value);
const s = (bits: number, value: bigint): bigint => BigInt.asIntN(bits, value);

type Handler = (cpu: X86Cpu, i: Decoded, bits: number) => void;

const store64 = (cpu: X86Cpu, register: number, value: bigint): void => {
  cpu.r[register] = value;
};
const shiftX: Handler = (cpu, i, bits) => {
  const operation = i.pp === 1 ? 4 : i.pp === 2 ? 7 : 5;
  load(cpu, i, bits, value => set(cpu, i.reg, bits, shifted(operation, value, cpu.r[i.vvvv], bits)));
};
/** A load and what it puts into the register. */
const loads =
  (size: number | undefined, make: (value: bigint, cpu: X86Cpu, i: Decoded, bits: number) => bigint): Handler =>
  (cpu, i, bits) =>
    load(cpu, i, size ?? bits, value => set(cpu, i.reg, bits, make(value, cpu, i, bits)));
const tests =
  (size: number | undefined, other: (cpu: X86Cpu, i: Decoded) => bigint): Handler =>
  (cpu, i, bits) =>
    load(cpu, i, size ?? bits, value => logic(cpu, size ?? bits, value & other(cpu, i)));

const HANDLERS: Readonly<Record<number, Handler>> = {
  99: loads(32, value => s(32, value)),
  105: loads(undefined, (value, _, i, bits) => s(bits, value) * i.imm),
  107: loads(undefined, (value, _, i, bits) => s(bits, value) * i.imm),
  4015: loads(undefined, (value, cpu, i, bits) => s(bits, value) * s(bits, cpu.r[i.reg])),
  129: (cpu, i, bits) => arithmetic(cpu, i, i.reg & 7, 8, bits),
  131: (cpu, i, bits) => arithmetic(cpu, i, i.reg & 7, 8, bits),
  132: tests(8, (cpu, i) => byteOf(cpu, i, i.reg)),
  133: tests(undefined, (cpu, i) => cpu.r[i.reg]),
  168: (cpu, i) => logic(cpu, 8, cpu.r[RAX] & i.imm),
  169: (cpu, i, bits) => logic(cpu, bits, cpu.r[RAX] & i.imm),
  246: tests(8, (_, i) => i.imm),
  247: (cpu, i, bits) => group3(cpu, i, bits),
  135: (cpu, i, bits) => exchange(cpu, i, bits),
  4033: (cpu, i, bits) => exchange(cpu, i, bits),
  4017: (cpu, i, bits) => compareExchange(cpu, i, bits),
  136: (cpu, i) => store(cpu, i, 8, byteOf(cpu, i, i.reg)),
  137: (cpu, i, bits) => store(cpu, i, bits, cpu.r[i.reg]),
  139: loads(undefined, value => value),
  997616: loads(undefined, (value, _cpu, _i, bits) => swap(value, bits / 8)),
  141: (cpu, i, bits) => set(cpu, i.reg, bits, address(cpu, i)),
  4022: loads(8, value => value),
  4023: loads(16, value => value),
  4030: loads(8, value => s(8, value)),
  4031: loads(16, value => s(16, value)),
  198: (cpu, i) => store(cpu, i, 8, i.imm),
  199: (cpu, i, bits) => store(cpu, i, bits, i.imm),
  153: (cpu, _, bits) => store64(cpu, RDX, s(bits, cpu.r[RAX]) < 0n ? u(bits, -1n) : 0n),
  193: (cpu, i, bits) => shift(cpu, i, bits, i.imm),
  209: (cpu, i, bits) => shift(cpu, i, bits, 1n),
  211: (cpu, i, bits) => shift(cpu, i, bits, cpu.r[RCX]),
  50423: shiftX,
  4026: (cpu, i, bits) => {
    cpu.cf = ((cpu.r[i.rm] >> (i.imm & BigInt(bits - 1))) & 1n) === 1n;
  },
  201: cpu => {
    cpu.r[RSP] = cpu.r[RBP];
    cpu.r[RBP] = cpu.pop();
  },
  195: cpu => cpu.ret(),
  232: (cpu, i) => cpu.callTo(cpu.next + i.imm),
  233: (cpu, i) => cpu.jump(cpu.next + i.imm),
  235: (cpu, i) => cpu.jump(cpu.next + i.imm),
  255: (cpu, i, bits) => group5(cpu, i, bits),
  // lfence
  4014: () => {},
};
/** Opcodes that hold a register or a condition: from, to, and what they do. */
const RANGES: readonly (readonly [from: number, to: number, handler: Handler])[] = [
  [0x00, 0x3f, (cpu, i, bits) => arithmetic(cpu, i, i.op >> 3, i.op & 7, bits)],
  [0x50, 0x57, (cpu, i) => cpu.push(cpu.r[i.rm])],
  [0x58, 0x5f, (cpu, i) => store64(cpu, i.rm, cpu.pop())],
  [0x70, 0x7f, (cpu, i) => jumpIf(cpu, i.op & 15, i.imm)],
  [0x0f80, 0x0f8f, (cpu, i) => jumpIf(cpu, i.op & 15, i.imm)],
  [0x90, 0x97, exchangeRax],
  [0xb8, 0xbf, (cpu, i, bits) => store64(cpu, i.rm, u(bits, i.imm))],
  [0x0fc8, 0x0fcf, (cpu, i, bits) => store64(cpu, i.rm, swap(cpu.r[i.rm], bits / 8))],
];

/** Executes an instruction; the CPU's `next` is already behind it. */
export function execute(cpu: X86Cpu, i: Decoded): void {
  const bits = i.wide ? 64 : i.half ? 16 : 32;
  const handler = HANDLERS[i.op] ?? RANGES.find(([from, to]) => i.op >= from && i.op <= to)?.[2];
  if (handler === undefined) throw cpu.fault('illegal-instruction', `opcode 0x${i.op.toString(16)}`);
  handler(cpu, i, bits);
}

function exchangeRax(cpu: X86Cpu, { rm, op }: Decoded, bits: number): void {
  if (op === 0x90 && rm === RAX) return;
  [cpu.r[RAX], cpu.r[rm]] = [u(bits, cpu.r[rm]), u(bits, cpu.r[RAX])];
}

function address(cpu: X86Cpu, i: Decoded): bigint {
  let at = i.disp;
  if (i.ripRelative) at += cpu.next;
  if (i.base >= 0) at += cpu.r[i.base];
  if (i.index >= 0) at += cpu.r[i.index] << BigInt(i.scale);
  // The per-CPU offset is 0, wherever it lies.
  return i.gs ? -1n : u(64, at);
}

function byteOf(cpu: X86Cpu, i: Decoded, register: number): bigint {
  if (!i.rex && register >= 4) return (cpu.r[register - 4] >> 8n) & 0xffn;
  return cpu.r[register] & 0xffn;
}

function load(cpu: X86Cpu, i: Decoded, bits: number, then: (value: bigint) => void): void {
  const value = i.memory
    ? cpu.read(address(cpu, i), bits / 8)
    : bits === 8
      ? byteOf(cpu, i, i.rm)
      : u(bits, cpu.r[i.rm]);
  if (value !== undefined) then(value);
}
function store(cpu: X86Cpu, i: Decoded, bits: number, value: bigint): void {
  if (i.memory) cpu.write(address(cpu, i), bits / 8, value);
  else set(cpu, i.rm, bits, value);
}
function set(cpu: X86Cpu, register: number, bits: number, value: bigint): void {
  cpu.r[register] = bits === 16 ? (cpu.r[register] & ~0xffffn) | u(16, value) : u(bits, value);
}

function logic(cpu: X86Cpu, bits: number, value: bigint): void {
  cpu.cf = false;
  cpu.of = false;
  result(cpu, bits, value);
}
function result(cpu: X86Cpu, bits: number, value: bigint): void {
  cpu.zf = u(bits, value) === 0n;
  cpu.sf = s(bits, value) < 0n;
}
function sum(cpu: X86Cpu, bits: number, a: bigint, b: bigint): bigint {
  const value = u(bits, a + b);
  cpu.cf = value < u(bits, a);
  cpu.of = s(bits, a) + s(bits, b) !== s(bits, value);
  result(cpu, bits, value);
  return value;
}
function difference(cpu: X86Cpu, bits: number, a: bigint, b: bigint): bigint {
  const value = u(bits, a - b);
  cpu.cf = u(bits, a) < u(bits, b);
  cpu.of = s(bits, a) - s(bits, b) !== s(bits, value);
  result(cpu, bits, value);
  return value;
}
/** add, or, and, sub, xor, cmp by number. */
function combine(cpu: X86Cpu, operation: number, bits: number, a: bigint, b: bigint): bigint {
  switch (operation) {
    case 0:
      return sum(cpu, bits, a, b);
    case 5:
    case CMP:
      return difference(cpu, bits, a, b);
    case 1:
    case 4:
    case 6: {
      const value = operation === 1 ? a | b : operation === 4 ? a & b : a ^ b;
      logic(cpu, bits, value);
      return u(bits, value);
    }
    default:
      throw cpu.fault('illegal-instruction', 'adc or sbb');
  }
}

/** form 1: rm, reg; 3: reg, rm; 5: rax, imm; 8: rm, imm. */
function arithmetic(cpu: X86Cpu, i: Decoded, operation: number, form: number, bits: number): void {
  if (form === 5) {
    const value = combine(cpu, operation, bits, cpu.r[RAX], i.imm);
    if (operation !== CMP) set(cpu, RAX, bits, value);
    return;
  }
  load(cpu, i, bits, value => {
    if (form === 3) {
      const made = combine(cpu, operation, bits, cpu.r[i.reg], value);
      if (operation !== CMP) set(cpu, i.reg, bits, made);
      return;
    }
    const made = combine(cpu, operation, bits, value, form === 8 ? i.imm : cpu.r[i.reg]);
    if (operation !== CMP) store(cpu, i, bits, made);
  });
}

function group3(cpu: X86Cpu, i: Decoded, bits: number): void {
  load(cpu, i, bits, value => {
    switch (i.reg & 7) {
      case 0:
        logic(cpu, bits, value & i.imm);
        break;
      case 2:
        store(cpu, i, bits, ~value);
        break;
      case 3:
        store(cpu, i, bits, difference(cpu, bits, 0n, value));
        break;
      case 6:
      case 7:
        divide(cpu, bits, value, (i.reg & 7) === 7);
        break;
      default:
        throw cpu.fault('illegal-instruction', 'mul');
    }
  });
}

function divide(cpu: X86Cpu, bits: number, by: bigint, signed: boolean): void {
  const size = BigInt(bits);
  const whole = (u(bits, cpu.r[RDX]) << size) | u(bits, cpu.r[RAX]);
  const a = signed ? s(2 * bits, whole) : whole;
  const b = signed ? s(bits, by) : u(bits, by);
  if (b === 0n) throw cpu.fault('trap', 'division by 0');
  const q = a / b;
  if (signed ? s(bits, q) !== q : u(bits, q) !== q) throw cpu.fault('trap', 'a quotient that does not fit');
  set(cpu, RAX, bits, q);
  set(cpu, RDX, bits, a % b);
}

function group5(cpu: X86Cpu, i: Decoded, bits: number): void {
  switch (i.reg & 7) {
    case 0:
    case 1:
      load(cpu, i, bits, value => {
        const { cf } = cpu;
        const made = (i.reg & 7) === 0 ? sum(cpu, bits, value, 1n) : difference(cpu, bits, value, 1n);
        cpu.cf = cf;
        store(cpu, i, bits, made);
      });
      break;
    case 2:
      cpu.callTo(cpu.r[i.rm]);
      break;
    case 4:
      cpu.jump(cpu.r[i.rm]);
      break;
    default:
      throw cpu.fault('illegal-instruction', 'group 5');
  }
}

function exchange(cpu: X86Cpu, i: Decoded, bits: number): void {
  load(cpu, i, bits, value => {
    const own = cpu.r[i.reg];
    const made = i.op === 0x87 ? own : u(bits, value + own);
    if (i.memory && !cpu.write(address(cpu, i), bits / 8, made)) return;
    set(cpu, i.reg, bits, value);
    if (!i.memory) set(cpu, i.rm, bits, made);
  });
}

function compareExchange(cpu: X86Cpu, i: Decoded, bits: number): void {
  load(cpu, i, bits, value => {
    difference(cpu, bits, cpu.r[RAX], value);
    if (cpu.zf) store(cpu, i, bits, cpu.r[i.reg]);
    else set(cpu, RAX, bits, value);
  });
}

function shifted(operation: number, value: bigint, count: bigint, bits: number): bigint {
  const by = count & BigInt(bits - 1);
  if (operation === 4) return u(bits, value << by);
  return operation === 5 ? u(bits, value) >> by : u(bits, s(bits, value) >> by);
}
function shift(cpu: X86Cpu, i: Decoded, bits: number, count: bigint): void {
  set(cpu, i.rm, bits, shifted(i.reg & 7, cpu.r[i.rm], count, bits));
}

function swap(value: bigint, bytes: number): bigint {
  let made = 0n;
  for (let n = 0; n < bytes; n++) made = (made << 8n) | ((value >> BigInt(8 * n)) & 0xffn);
  return made;
}

function jumpIf(cpu: X86Cpu, condition: number, distance: bigint): void {
  const { cf, zf, sf, of } = cpu;
  const table = [of, cf, zf, cf || zf, sf, undefined, sf !== of, zf || sf !== of];
  const holds = table[condition >> 1];
  if (holds === undefined) throw cpu.fault('illegal-instruction', 'parity');
  if (holds !== ((condition & 1) === 1)) cpu.jump(cpu.next + distance);
}
