import { type ByteOrder, ByteView, FarcallError, type Where } from '../util/index.ts';

export const BTF_MAGIC = 0xeb9f;
export const BTF_VERSION = 1;
/** Bytes of the header every BTF has. */
export const BTF_HEADER_LEN = 24;
/** Bytes of the header that also places a layout section. */
const LAYOUT_HEADER_LEN = 32;

/** How many bytes a kind occupies after its three common words, told by the file itself. */
export interface KindLayout {
  readonly infoBytes: number;
  readonly itemBytes: number;
}

/** Where things lie inside raw BTF bytes. Offsets are absolute. */
export interface BtfHeader {
  readonly order: ByteOrder;
  readonly flags: number;
  readonly headerLen: number;
  readonly typeOff: number;
  readonly typeLen: number;
  readonly strOff: number;
  readonly strLen: number;
  /** Indexed by kind number; empty when the file has no layout section. */
  readonly layouts: readonly KindLayout[];
}

export function btfError(
  code: `btf.${string}`,
  where: Where,
  message: string,
  expected?: string,
  found?: string,
): FarcallError {
  return new FarcallError({ code, message, expected, found, where });
}

/** Reads the magic number alone; undefined if the bytes are not BTF. */
export function btfByteOrder(bytes: Uint8Array): ByteOrder | undefined {
  if (bytes.length < 2) return undefined;
  if (bytes[0] === 0x9f && bytes[1] === 0xeb) return 'little';
  if (bytes[0] === 0xeb && bytes[1] === 0x9f) return 'big';
  return undefined;
}

/**
 * Reads and checks the header: magic, version, lengths, sections inside the bytes, types before strings, types aligned.
 * A longer header than known is accepted when the excess is zero; a layout section, as BTF of 2026 and later has it,
 * is read. Throws `btf.magic`, `btf.header`. Source: `kernel/bpf/btf.c: btf_parse_hdr`, `tools/lib/bpf/btf.c:
 * btf_parse_hdr`.
 */
export function parseHeader(bytes: Uint8Array, where: Where): BtfHeader {
  const order = btfByteOrder(bytes);
  if (order === undefined) {
    const found = bytes.length < 2 ? `${bytes.length} bytes` : `0x${((bytes[1] << 8) | bytes[0]).toString(16)}`;
    throw btfError('btf.magic', where, 'not BTF', 'magic 0xeb9f in either byte order', found);
  }
  if (bytes.length < BTF_HEADER_LEN) {
    throw btfError('btf.header', where, 'header is cut off', `${BTF_HEADER_LEN} bytes`, `${bytes.length} bytes`);
  }
  const view = new ByteView(bytes, order, where);
  const version = view.u8(2);
  if (version !== BTF_VERSION) {
    throw btfError('btf.header', { ...where, offBytes: 2 }, 'unknown BTF version', `${BTF_VERSION}`, `${version}`);
  }
  const headerLen = view.u32(4);
  if (headerLen < BTF_HEADER_LEN || headerLen > bytes.length) {
    const range = `${BTF_HEADER_LEN} to ${bytes.length} bytes`;
    throw btfError('btf.header', { ...where, offBytes: 4 }, 'bad header length', range, `${headerLen}`);
  }
  const [typeOff, typeLen, strOff, strLen] = [8, 12, 16, 20].map(off => view.u32(off));
  const bodyLen = bytes.length - headerLen;
  if (strOff + strLen > bodyLen) {
    const found = `string section at ${strOff} of ${strLen} bytes`;
    throw btfError('btf.header', { ...where, offBytes: 16 }, 'sections reach outside', `${bodyLen} bytes`, found);
  }
  if (typeOff + typeLen > strOff) {
    const found = `type section at ${typeOff} of ${typeLen} bytes, strings at ${strOff}`;
    throw btfError('btf.header', { ...where, offBytes: 8 }, 'sections overlap', 'types before strings', found);
  }
  if (typeOff % 4 !== 0 || typeLen % 4 !== 0) {
    const found = `offset ${typeOff}, length ${typeLen}`;
    throw btfError('btf.header', { ...where, offBytes: 8 }, 'type section is not aligned', 'multiples of 4', found);
  }
  return {
    order,
    flags: view.u8(3),
    headerLen,
    typeOff: headerLen + typeOff,
    typeLen,
    strOff: headerLen + strOff,
    strLen,
    layouts: parseLayouts(view, headerLen, where),
  };
}

function parseLayouts(view: ByteView, headerLen: number, where: Where): KindLayout[] {
  const layouts: KindLayout[] = [];
  if (headerLen >= LAYOUT_HEADER_LEN) {
    const off = headerLen + view.u32(BTF_HEADER_LEN);
    const len = view.u32(BTF_HEADER_LEN + 4);
    if (off + len > view.length || off % 4 !== 0 || len % 4 !== 0) {
      const found = `offset ${off}, length ${len}`;
      const place = { ...where, offBytes: BTF_HEADER_LEN };
      throw btfError('btf.header', place, 'bad layout section', `aligned, inside ${view.length} bytes`, found);
    }
    for (let at = off; at < off + len; at += 4) layouts.push({ infoBytes: view.u8(at), itemBytes: view.u8(at + 1) });
  }
  const known = headerLen >= LAYOUT_HEADER_LEN ? LAYOUT_HEADER_LEN : BTF_HEADER_LEN;
  for (let at = known; at < headerLen; at++) {
    if (view.u8(at) !== 0) {
      const place = { ...where, offBytes: at };
      throw btfError(
        'btf.header',
        place,
        'unknown header fields are in use',
        'zeroes',
        `0x${view.u8(at).toString(16)}`,
      );
    }
  }
  return layouts;
}
