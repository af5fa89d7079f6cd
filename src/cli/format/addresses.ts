const OCTET = /^(?:0|[1-9]\d{0,2})$/;

function ipv4(text: string): number[] | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every(part => OCTET.test(part) && Number(part) < 256)) return undefined;
  return parts.map(Number);
}

/** Groups of an IPv6 address to bytes; the last group may be a dotted IPv4 address. */
function groups(text: string): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const bytes: number[] = [];
  for (const [i, part] of parts.entries()) {
    const dotted = i === parts.length - 1 ? ipv4(part) : undefined;
    if (dotted !== undefined) bytes.push(...dotted);
    else if (/^[0-9a-f]{1,4}$/i.test(part))
      bytes.push(Number.parseInt(part, 16) >> 8, Number.parseInt(part, 16) & 0xff);
    else return undefined;
  }
  return bytes;
}

function ipv6(text: string): number[] | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groups(halves[0]);
  const tail = halves.length === 2 ? groups(halves[1]) : [];
  if (head === undefined || tail === undefined) return undefined;
  const gap = 16 - head.length - tail.length;
  if (halves.length === 2 ? gap < 2 : gap !== 0) return undefined;
  return [...head, ...Array<number>(gap).fill(0), ...tail];
}

function mac(text: string): number[] | undefined {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)) return undefined;
  return text.split(/[:-]/).map(part => Number.parseInt(part, 16));
}

/** Notations of addresses by their size in bytes. */
const NOTATIONS: Readonly<Record<number, (text: string) => number[] | undefined>> = { 4: ipv4, 6: mac, 16: ipv6 };

/** Bytes of a dotted IPv4 address (4), a MAC address (6) or an IPv6 address (16), as the network has them. */
export function addressBytes(text: string, sizeBytes: number): Uint8Array | undefined {
  const bytes = NOTATIONS[sizeBytes]?.(text);
  return bytes === undefined ? undefined : Uint8Array.from(bytes);
}
