/** An instruction, decoded as far as all have the same shape. */
export interface Decoded {
  readonly size: number;
  /** Escape bytes and opcode: 0x89, 0x0fb6, 0x0f38f0; 0xc4f7 for the shifts of BMI2. */
  readonly op: number;
  readonly wide: boolean;
  /** 66 in front. */
  readonly half: boolean;
  readonly gs: boolean;
  /** A REX prefix: byte registers 4 to 7 are spl to dil. */
  readonly rex: boolean;
  readonly reg: number;
  /** A register, or memory when `memory`. */
  readonly rm: number;
  readonly memory: boolean;
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  readonly disp: bigint;
  readonly ripRelative: boolean;
  readonly imm: bigint;
  /** BMI2: the count's register, and which of f2, f3 or 66 is meant. */
  readonly vvvv: number;
  readonly pp: number;
}

const GROUP1 = [0x01, 0x03, 0x05];
/** Whether a ModRM byte follows, and how many bytes of immediate: -1 as the operand, 4 at most. */
function shapeOf(op: number): readonly [modrm: boolean, immBytes: number] | undefined {
  if (op >= 0x50 && op <= 0x5f) return [false, 0];
  if (op >= 0x70 && op <= 0x7f) return [false, 1];
  if (op >= 0x90 && op <= 0x97) return [false, 0];
  if (op >= 0xb8 && op <= 0xbf) return [false, 8];
  if (op >= 0x0f80 && op <= 0x0f8f) return [false, 4];
  if (op >= 0x0fc8 && op <= 0x0fcf) return [false, 0];
  if (op < 0x40 && GROUP1.includes(op & 7)) return (op & 7) === 5 ? [false, 4] : [true, 0];
  switch (op) {
    case 0x63:
    case 0x84:
    case 0x85:
    case 0x87:
    case 0x88:
    case 0x89:
    case 0x8b:
    case 0x8d:
    case 0xd1:
    case 0xd3:
    case 0xff:
    case 0x0faf:
    case 0x0fb1:
    case 0x0fb6:
    case 0x0fb7:
    case 0x0fbe:
    case 0x0fbf:
    case 0x0fc1:
    case 0x0fae:
    case 0x0f38f0:
    case 0xc4f7:
      return [true, 0];
    case 0x6b:
    case 0x83:
    case 0xc1:
    case 0xc6:
    case 0x0fba:
      return [true, 1];
    case 0x69:
    case 0x81:
    case 0xc7:
      return [true, -1];
    case 0xf6:
    case 0xf7:
      return [true, -2];
    case 0x99:
    case 0xc3:
    case 0xc9:
      return [false, 0];
    case 0xa8:
    case 0xeb:
      return [false, 1];
    case 0xa9:
    case 0xe8:
    case 0xe9:
      return [false, 4];
    default:
      return undefined;
  }
}

export function decodeInsn(bytes: Uint8Array, start: number): Decoded | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = start;
  let half = false;
  let gs = false;
  for (; ; at++) {
    if (bytes[at] === 0x66) half = true;
    else if (bytes[at] === 0x65) gs = true;
    else if (bytes[at] !== 0xf0) break;
  }
  let rex = 0;
  let vvvv = 0;
  let pp = 0;
  let op: number;
  if (bytes[at] === 0xc4) {
    const [, b1, b2] = bytes.subarray(at, at + 3);
    if ((b1 & 31) !== 2) return undefined;
    rex = 0x40 | ((~b1 >> 5) & 7) | ((b2 >> 7) << 3);
    vvvv = (~b2 >> 3) & 15;
    pp = b2 & 3;
    op = 0xc400 | bytes[at + 3];
    at += 4;
  } else {
    if ((bytes[at] & 0xf0) === 0x40) rex = bytes[at++];
    op = bytes[at++];
    if (op === 0x0f) op = 0x0f00 | bytes[at++];
    if (op === 0x0f38) op = 0x0f3800 | bytes[at++];
  }
  const shape = shapeOf(op);
  if (shape === undefined || at > bytes.length) return undefined;
  const wide = (rex & 8) !== 0;
  let reg = 0;
  let rm = 0;
  let memory = false;
  let base = -1;
  let index = -1;
  let scale = 0;
  let disp = 0n;
  let ripRelative = false;
  if (shape[0]) {
    const modrm = bytes[at++];
    const mod = modrm >> 6;
    reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
    rm = (modrm & 7) | ((rex & 1) << 3);
    memory = mod !== 3;
    if (memory) {
      base = rm;
      if ((modrm & 7) === 4) {
        const sib = bytes[at++];
        scale = sib >> 6;
        index = ((sib >> 3) & 7) | ((rex & 2) << 2);
        if (index === 4) index = -1;
        base = (sib & 7) | ((rex & 1) << 3);
        if ((sib & 7) === 5 && mod === 0) base = -1;
      } else if ((modrm & 7) === 5 && mod === 0) {
        base = -1;
        ripRelative = true;
      }
      if (mod === 1) disp = BigInt(view.getInt8(at++));
      else if (mod === 2 || base < 0) {
        disp = BigInt(view.getInt32(at, true));
        at += 4;
      }
    }
  } else rm = (op & 7) | ((rex & 1) << 3);
  let immBytes = shape[1];
  if (immBytes === -2) immBytes = (reg & 7) === 0 ? (op === 0xf6 ? 1 : -1) : 0;
  if (immBytes === -1) immBytes = half ? 2 : 4;
  if (immBytes === 8 && !wide) immBytes = 4;
  let imm = 0n;
  if (immBytes === 1) imm = BigInt(view.getInt8(at));
  else if (immBytes === 2) imm = BigInt(view.getInt16(at, true));
  else if (immBytes === 4) imm = BigInt(view.getInt32(at, true));
  else if (immBytes === 8) imm = view.getBigInt64(at, true);
  at += immBytes;
  return {
    size: at - start,
    op,
    wide,
    half,
    gs,
    rex: rex !== 0,
    reg,
    rm,
    memory,
    base,
    index,
    scale,
    disp,
    ripRelative,
    imm,
    vvvv,
    pp,
  };
}
