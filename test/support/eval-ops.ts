export type Width = 32 | 64;

const u = (width: Width, value: bigint): bigint => BigInt.asUintN(width, value);
const s = (width: Width, value: bigint): bigint => BigInt.asIntN(width, value);

/**
 * RFC 9669 §4.1 in BigInt. Undefined for a division a CPU would trap on: always for those by 0 and the least number by -1 unless
 * `total`.
 */
export function applyAlu(op: string, width: Width, dst: bigint, src: bigint, total: boolean): bigint | undefined {
  const a = u(width, dst);
  const b = u(width, src);
  const shift = b & BigInt(width - 1);
  const overflows = s(width, b) === -1n && s(width, a) === -(1n << BigInt(width - 1));
  if (
    !total &&
    (((op.endsWith('div') || op.endsWith('mod')) && b === 0n) ||
      (op.startsWith('s') && /^s(div|mod)$/.test(op) && overflows))
  ) {
    return undefined;
  }
  switch (op) {
    case 'add':
      return u(width, a + b);
    case 'sub':
      return u(width, a - b);
    case 'mul':
      return u(width, a * b);
    case 'div':
      return b === 0n ? 0n : a / b;
    case 'mod':
      return b === 0n ? a : a % b;
    case 'sdiv':
      return b === 0n ? 0n : u(width, s(width, a) / s(width, b));
    case 'smod':
      return b === 0n ? a : u(width, s(width, a) % s(width, b));
    case 'or':
      return a | b;
    case 'and':
      return a & b;
    case 'xor':
      return a ^ b;
    case 'mov':
      return b;
    case 'lsh':
      return u(width, a << shift);
    case 'rsh':
      return a >> shift;
    case 'arsh':
      return u(width, s(width, a) >> shift);
    default:
      throw new Error(`no such operator: ${op}`);
  }
}

export function compare(op: string, width: Width, dst: bigint, src: bigint): boolean {
  const isSigned = op.startsWith('js') && op !== 'jset';
  const a = isSigned ? s(width, dst) : u(width, dst);
  const b = isSigned ? s(width, src) : u(width, src);
  switch (op.replace(/^js(?=[gl])/, 'j')) {
    case 'jeq':
      return a === b;
    case 'jne':
      return a !== b;
    case 'jset':
      return (a & b) !== 0n;
    case 'jgt':
      return a > b;
    case 'jge':
      return a >= b;
    case 'jlt':
      return a < b;
    case 'jle':
      return a <= b;
    default:
      throw new Error(`no such comparison: ${op}`);
  }
}
