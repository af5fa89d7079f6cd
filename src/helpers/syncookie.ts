import { ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { fixed, int, MEM, SIZE_OR_ZERO } from './proto.ts';
import type { HelperDef, HelperEnv } from './types.ts';

const { EINVAL, EACCES } = ERRNO;
const TCP_HEADER_BYTES = 20;
const TCPOPT_EOL = 0;
const TCPOPT_NOP = 1;
const TCPOPT_MSS = 2;
const TCPOLEN_MSS = 4;
const TCP_MSS_DEFAULT = 536;
/** `IPV6_MIN_MTU` less both headers. */
const IPV6_MSS_CLAMP = 1280 - 20 - 40;
const COOKIE_BITS = 24n;
const COOKIE_MASK = (1n << COOKIE_BITS) - 1n;
/** Minutes a cookie is good for. */
const MAX_SYNCOOKIE_AGE = 2n;
const NS_PER_MINUTE = 60_000_000_000n;
const U32 = 0xffffffffn;
const U64 = (1n << 64n) - 1n;

/** How a family hashes, where its addresses are, and the sizes its cookies can say. */
interface Family {
  readonly key: symbol;
  readonly addresses: readonly [from: number, bytes: number];
  readonly sizes: readonly number[];
  readonly defaultMss: number;
  /** The bytes hashed of addresses and ports, with the count where the kernel's struct has it. */
  hashed(addresses: Uint8Array, ports: Uint8Array, count: bigint, little: boolean): Uint8Array;
}

function word32(value: bigint, little: boolean): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, Number(value & U32), little);
  return bytes;
}
const join = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap(part => [...part]));

/** Source: `net/ipv4/syncookies.c`, `net/ipv6/syncookies.c`. */
const FAMILIES = {
  ipv4: {
    key: Symbol('syncookie secrets of IPv4'),
    addresses: [12, 8],
    sizes: [536, 1300, 1440, 1460],
    defaultMss: TCP_MSS_DEFAULT,
    // `siphash_4u32` of words; the ports are one, the source in its upper half.
    hashed: (addresses, ports, count, little) => {
      const swapped = little ? [ports[2], ports[3], ports[0], ports[1]] : [...ports];
      return join(addresses, Uint8Array.from(swapped), word32(count, little));
    },
  },
  ipv6: {
    key: Symbol('syncookie secrets of IPv6'),
    addresses: [8, 32],
    sizes: [1280 - 60, 1480 - 60, 1500 - 60, 9000 - 60],
    defaultMss: IPV6_MSS_CLAMP,
    hashed: (addresses, ports, count, little) => join(addresses, word32(count, little), ports),
  },
} as const satisfies Record<string, Family>;

const rotl = (value: bigint, bits: bigint): bigint => ((value << bits) | (value >> (64n - bits))) & U64;

/** SipHash-2-4 (Aumasson and Bernstein) of bytes read as little-endian words, as on little-endian machines. */
export function siphash(bytes: Uint8Array, k0: bigint, k1: bigint): bigint {
  let v0 = 0x736f6d6570736575n ^ k0;
  let v1 = 0x646f72616e646f6dn ^ k1;
  let v2 = 0x6c7967656e657261n ^ k0;
  let v3 = 0x7465646279746573n ^ k1;
  const rounds = (count: number): void => {
    for (let i = 0; i < count; i++) {
      v0 = (v0 + v1) & U64;
      v1 = rotl(v1, 13n) ^ v0;
      v0 = rotl(v0, 32n);
      v2 = (v2 + v3) & U64;
      v3 = rotl(v3, 16n) ^ v2;
      v0 = (v0 + v3) & U64;
      v3 = rotl(v3, 21n) ^ v0;
      v2 = (v2 + v1) & U64;
      v1 = rotl(v1, 17n) ^ v2;
      v2 = rotl(v2, 32n);
    }
  };
  const padded = new Uint8Array(8 * Math.floor(bytes.length / 8) + 8);
  padded.set(bytes);
  padded[padded.length - 1] = bytes.length & 0xff;
  const view = new DataView(padded.buffer);
  for (let at = 0; at < padded.length; at += 8) {
    const word = view.getBigUint64(at, true);
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
  v2 ^= 0xffn;
  rounds(4);
  return v0 ^ v1 ^ v2 ^ v3;
}

type Secrets = readonly (readonly [bigint, bigint])[];

function secretsOf(env: HelperEnv, family: Family): Secrets {
  const u64 = (): bigint => (BigInt(env.randomU32() >>> 0) << 32n) | BigInt(env.randomU32() >>> 0);
  return env.state<Secrets>(family.key, () => [
    [u64(), u64()],
    [u64(), u64()],
  ]);
}

const minutes = (env: HelperEnv): bigint => (env.now('monotonic') / NS_PER_MINUTE) & U32;

/** Hashes of one connection with each of the two secrets. */
function hasher(env: HelperEnv, family: Family, ip: number, tcp: number): (count: bigint, secret: 0 | 1) => bigint {
  const [from, size] = family.addresses;
  const addresses = env.mem.read(ip + from, size);
  const ports = env.mem.read(tcp, 4);
  const secrets = secretsOf(env, family);
  const { littleEndian } = env.mem;
  return (count, secret) => siphash(family.hashed(addresses, ports, count, littleEndian), ...secrets[secret]) & U32;
}

const be32 = (env: HelperEnv, addr: number): bigint => BigInt(env.mem.view.getUint32(addr, false));

/** The MSS option of a header, 0 for none. Source: `net/ipv4/tcp_input.c: tcp_parse_mss_option`. */
function mssOption(env: HelperEnv, tcp: number, headerBytes: number): number {
  const { u8, view } = env.mem;
  let at = tcp + TCP_HEADER_BYTES;
  for (let left = headerBytes - TCP_HEADER_BYTES; left > 0; ) {
    const kind = u8[at];
    if (kind === TCPOPT_EOL) return 0;
    if (kind === TCPOPT_NOP) {
      at++;
      left--;
      continue;
    }
    const size = left < 2 ? 0 : u8[at + 1];
    if (size < 2 || size > left) return 0;
    if (kind === TCPOPT_MSS && size === TCPOLEN_MSS) return view.getUint16(at + 2, false);
    at += size;
    left -= size;
  }
  return 0;
}

/** The cookie, and above it the MSS it says. Source: `net/core/filter.c: bpf_tcp_raw_gen_syncookie_ipv4`. */
function generate(family: Family): HelperDef['run'] {
  return (env, ip, tcp, size) => {
    if (size < TCP_HEADER_BYTES || size !== (env.mem.u8[tcp + 12] >> 4) * 4) return -EINVAL;
    const mss = mssOption(env, tcp, size) || family.defaultMss;
    let index = family.sizes.length - 1;
    while (index > 0 && mss < family.sizes[index]) index--;
    const hash = hasher(env, family, ip, tcp);
    const count = minutes(env);
    const sum = hash(0n, 0) + be32(env, tcp + 4) + (count << COOKIE_BITS);
    const cookie = (sum + ((hash(count, 1) + BigInt(index)) & COOKIE_MASK)) & U32;
    return cookie | (BigInt(family.sizes[index]) << 32n);
  };
}

/** 0 for a segment that acknowledges one of our cookies. Source: `check_tcp_syn_cookie`. */
function check(family: Family): HelperDef['run'] {
  return (env, ip, tcp) => {
    const hash = hasher(env, family, ip, tcp);
    const count = minutes(env);
    const sequence = be32(env, tcp + 4) - 1n;
    const cookie = (be32(env, tcp + 8) - 1n - hash(0n, 0) - sequence) & U32;
    const age = (count - (cookie >> COOKIE_BITS)) & (U32 >> COOKIE_BITS);
    if (age >= MAX_SYNCOOKIE_AGE) return -EACCES;
    const index = (cookie - hash((count - age) & U32, 1)) & COOKIE_MASK;
    return index < BigInt(family.sizes.length) ? 0 : -EACCES;
  };
}

const GENERATE = [MEM, SIZE_OR_ZERO] as const;

/**
 * SYN cookies of packets that no socket has seen (`net/core/filter.c`). Secrets are the machine's random numbers.
 *
 * Differs from Linux: on big-endian machines the hash is of the same words, but not the same hash.
 */
export const SYNCOOKIE_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 204,
    name: 'bpf_tcp_raw_gen_syncookie_ipv4',
    since: '6.0',
    proto: int([fixed(20), ...GENERATE], 'gplOnly', 'pktAccess'),
    run: generate(FAMILIES.ipv4),
  }),
  defineHelper({
    id: 205,
    name: 'bpf_tcp_raw_gen_syncookie_ipv6',
    since: '6.0',
    proto: int([fixed(40), ...GENERATE], 'gplOnly', 'pktAccess'),
    run: generate(FAMILIES.ipv6),
  }),
  defineHelper({
    id: 206,
    name: 'bpf_tcp_raw_check_syncookie_ipv4',
    since: '6.0',
    proto: int([fixed(20), fixed(20)], 'gplOnly', 'pktAccess'),
    run: check(FAMILIES.ipv4),
  }),
  defineHelper({
    id: 207,
    name: 'bpf_tcp_raw_check_syncookie_ipv6',
    since: '6.0',
    proto: int([fixed(40), fixed(20)], 'gplOnly', 'pktAccess'),
    run: check(FAMILIES.ipv6),
  }),
];
