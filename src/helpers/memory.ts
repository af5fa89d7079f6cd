import type { HelperEnv } from './types.ts';

// What helpers read and write without asking the contract: addresses that came in as plain numbers.

/** A 64-bit address as a place in the linear memory, or -1 when it cannot be one. */
function placeOf(env: HelperEnv, addr: bigint | number): number {
  const place = Number(addr);
  return place > 0 && place < env.mem.u8.length ? place : -1;
}

/** The address of `sizeBytes` readable bytes, or -1. Never faults: what `copy_from_kernel_nofault` is in Linux. */
export function readablePlace(env: HelperEnv, addr: bigint | number, sizeBytes: number): number {
  const place = placeOf(env, addr);
  return place >= 0 && env.mem.accessible(place, sizeBytes, 'read') !== undefined ? place : -1;
}

/**
 * The bytes of the string at `addr`, without NUL, at most `limit` of them; undefined when not even the first byte is
 * readable or the string leaves its region.
 */
export function readString(env: HelperEnv, addr: bigint | number, limit: number): Uint8Array | undefined {
  const place = placeOf(env, addr);
  if (place < 0) return undefined;
  if (limit <= 0) return new Uint8Array(0);
  const { u8 } = env.mem;
  const end = u8.subarray(place, place + limit).indexOf(0);
  const length = end < 0 ? limit : end;
  const needed = end < 0 ? limit : end + 1;
  return env.mem.accessible(place, needed, 'read') === undefined ? undefined : u8.slice(place, place + length);
}

export function readU64(env: HelperEnv, addr: number): bigint {
  return env.mem.view.getBigUint64(addr, env.mem.littleEndian);
}
export function writeU64(env: HelperEnv, addr: number, value: bigint): void {
  env.mem.view.setBigUint64(addr, BigInt.asUintN(64, value), env.mem.littleEndian);
}
export function readU32(env: HelperEnv, addr: number): number {
  return env.mem.view.getUint32(addr, env.mem.littleEndian);
}
export function writeU32(env: HelperEnv, addr: number, value: number): void {
  env.mem.view.setUint32(addr, value, env.mem.littleEndian);
}
/** 16 bits in network order, whatever the machine's. */
export function readBe16(env: HelperEnv, addr: number): number {
  return env.mem.view.getUint16(addr, false);
}
/** A 16-bit value as the machine's loads would see these network-order bytes. */
export function ntohs(env: HelperEnv, value: number): number {
  return env.mem.littleEndian ? ((value & 0xff) << 8) | ((value >> 8) & 0xff) : value & 0xffff;
}
