import { type ProgramBuilder, R0, R1, R2, R3, R4, R6, R7, R8, R10 } from '../../../src/isa/index.ts';
import { fromHex } from '../../../src/util/index.ts';
import { id, put, type RunCase, stackAddr, tc } from './shared.ts';

/** `struct bpf_tunnel_key` at r10 - 64: id, remote, tos, ttl, ext, label, local. */
const TUNNEL_KEY = fromHex(`
  07000000 01020304050607080900000000000000 1040 0000 00000000 05060708111213141500000000000000`);
const KEY_AT = -64;

function tunnelCall(b: ProgramBuilder, helper: string, at: number, size: number, flags?: number): ProgramBuilder {
  b.mov(R1, R6);
  stackAddr(b, R2, at);
  b.mov(R3, size);
  if (flags !== undefined) b.mov(R4, flags);
  return b.helper(id(helper));
}

/** Sets a key and reads it back: both results in r0, what was read on the stack. */
function tunnel(
  name: string,
  set: { size: number; flags: number; label?: number; ext?: number },
  get: { size: number; flags: number },
): RunCase {
  return tc(`tunnel_key ${name}`, b => {
    put(b, KEY_AT, TUNNEL_KEY);
    if (set.label !== undefined) b.store('w', R10, KEY_AT + 24, set.label);
    if (set.ext !== undefined) b.store('h', R10, KEY_AT + 22, set.ext);
    tunnelCall(b, 'skb_set_tunnel_key', KEY_AT, set.size, set.flags).mov(R7, R0);
    tunnelCall(b, 'skb_get_tunnel_key', -112, get.size, get.flags).alu64('lsh', R7, 16).alu64('xor', R0, R7);
    for (let off = KEY_AT; off < KEY_AT + 44; off += 4) b.store('w', R10, off, 0);
  });
}

function tunnels(): RunCase[] {
  const cases: RunCase[] = [];
  for (const flags of [0, 1, 2, 4, 8, 16, 31, 32]) {
    const get = flags & 1;
    cases.push(tunnel(`set ${flags}`, { size: 44, flags }, { size: 44, flags: get | 16 }));
  }
  for (const size of [4, 8, 20, 22, 24, 28, 40, 44, 48]) {
    if (size <= 44) cases.push(tunnel(`set size ${size}`, { size, flags: 0 }, { size: 44, flags: 0 }));
    if (size <= 44) cases.push(tunnel(`set size ${size} of IPv6`, { size, flags: 1 }, { size: 44, flags: 1 }));
    cases.push(tunnel(`get size ${size}`, { size: 44, flags: 0 }, { size, flags: 0 }));
    cases.push(tunnel(`get size ${size} of IPv6`, { size: 44, flags: 1 }, { size, flags: 17 }));
  }
  cases.push(
    tunnel('get of another family', { size: 44, flags: 1 }, { size: 44, flags: 0 }),
    tunnel('get flags 2', { size: 44, flags: 0 }, { size: 44, flags: 2 }),
    tunnel('label', { size: 44, flags: 0, label: 5 }, { size: 44, flags: 0 }),
    tunnel('label of IPv6', { size: 44, flags: 1, label: 0x7fffffff }, { size: 44, flags: 1 }),
    tunnel('ext', { size: 44, flags: 0, ext: 1 }, { size: 44, flags: 0 }),
  );
  for (const [set, get] of [
    [8, 8],
    [8, 16],
    [16, 8],
    [6, 8],
    [32, 32],
  ]) {
    cases.push(
      tc(`tunnel_opt ${set} ${get}`, b => {
        put(b, KEY_AT, TUNNEL_KEY);
        tunnelCall(b, 'skb_set_tunnel_opt', KEY_AT, set).mov(R8, R0);
        tunnelCall(b, 'skb_set_tunnel_key', KEY_AT, 44, 0);
        tunnelCall(b, 'skb_get_tunnel_opt', -112, get).mov(R7, R0);
        tunnelCall(b, 'skb_set_tunnel_opt', KEY_AT, set).alu64('lsh', R8, 8).alu64('xor', R8, R0);
        tunnelCall(b, 'skb_get_tunnel_opt', -112, get).alu64('lsh', R7, 16).alu64('xor', R0, R7).alu64('xor', R0, R8);
        for (let off = KEY_AT; off < KEY_AT + 44; off += 4) b.store('w', R10, off, 0);
      }),
    );
  }
  return cases;
}

const TCP_AT = -104;
/** Ports, sequence number, no acknowledgement, length, SYN, and options of 8 bytes. */
const syn = (words: number, options: string): Uint8Array =>
  fromHex(`1f900050 000010ff 00000000 ${(words << 4).toString(16).padStart(2, '0')}02ffff 00000000 ${options}`);

/** The size a cookie says, and whether it is known when it comes back, `off` more than it should be. */
function cookie(name: string, family: 'ipv4' | 'ipv6', segment: Uint8Array, size: number, off: number): RunCase {
  return tc(`syncookie ${family} ${name}`, b => {
    put(b, KEY_AT, fromHex('4500003c00000000400600000a0000010a000002 20010db80000000000000000000000ff00000000'));
    put(b, TCP_AT, segment);
    stackAddr(b, R1, KEY_AT);
    stackAddr(b, R2, TCP_AT);
    b.mov(R3, size)
      .helper(id(`tcp_raw_gen_syncookie_${family}`))
      .mov(R7, R0)
      .mov(R8, R0);
    b.alu64('rsh', R7, 32)
      .alu32('add', R8, 1 + off)
      .emit('be32', { dst: R8.reg })
      .store('w', R10, TCP_AT + 8, R8);
    b.store('w', R10, TCP_AT + 4, 0)
      .store('b', R10, TCP_AT + 6, 0x11)
      .store('b', R10, TCP_AT + 7, 0);
    stackAddr(b, R1, KEY_AT);
    stackAddr(b, R2, TCP_AT);
    b.helper(id(`tcp_raw_check_syncookie_${family}`))
      .alu64('lsh', R0, 32)
      .alu64('or', R0, R7)
      .mov(R7, R0)
      .alu64('arsh', R0, 32);
    b.alu64('add', R0, R7);
    // The cookie is random: nothing of it may come back.
    for (let at = TCP_AT; at < TCP_AT + 32; at += 4) b.store('w', R10, at, 0);
  });
}

function cookies(): RunCase[] {
  const cases: RunCase[] = [];
  for (const family of ['ipv4', 'ipv6'] as const) {
    for (const mss of [0, 535, 536, 1219, 1220, 1299, 1300, 1420, 1440, 1459, 1460, 8940, 65535]) {
      const option = `0204${mss.toString(16).padStart(4, '0')}`;
      cases.push(cookie(`mss ${mss}`, family, syn(7, `${option} 00000000`), 28, 0));
    }
    cases.push(
      cookie('no options', family, syn(5, '00000000 00000000'), 20, 0),
      cookie('late mss', family, syn(7, '01010101 020405b4'), 28, 0),
      cookie('mss behind the end', family, syn(7, '00000000 020405b4'), 28, 0),
      cookie('a bad option', family, syn(7, '01010109 020405b4'), 28, 0),
      cookie('an option of another length', family, syn(7, '0203aa00 020405b4'), 28, 0),
      cookie('a wrong length', family, syn(6, '020405b4 00000000'), 28, 0),
      cookie('a short header', family, syn(4, '00000000 00000000'), 16, 0),
      cookie('another acknowledgement', family, syn(7, '020405b4 00000000'), 28, 0x1234567),
    );
  }
  return cases;
}

/** Helpers that give packets what is for the world outside. */
export const outside = (): RunCase[] => [...tunnels(), ...cookies()];
