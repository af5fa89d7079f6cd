import { ProgramFault } from '../helpers/index.ts';
import type { Access, LinearMemory } from '../mem/index.ts';
import { u64Of } from '../util/index.ts';

/** A load or store that may not happen: what a program asked for. */
export interface DeniedAccess {
  /** The base register, by number and as halves. */
  readonly reg: number;
  readonly baseHigh: number;
  readonly baseLow: number;
  readonly offBytes: number;
  readonly sizeBytes: number;
  readonly access: Access;
}

/** The fault of such an access, in words that say what is at the address. */
export function accessFault(mem: LinearMemory, denied: DeniedAccess): ProgramFault {
  const { reg, offBytes, sizeBytes, access } = denied;
  const base = u64Of(denied.baseHigh, denied.baseLow);
  const addr = BigInt.asUintN(64, base + BigInt(offBytes));
  const region = addr < BigInt(mem.u8.length) ? mem.regionAt(Number(addr)) : undefined;
  const what = `${access} of ${sizeBytes} bytes at r${reg}${offBytes < 0 ? offBytes : `+${offBytes}`} = 0x${addr.toString(16)}`;
  if (region === undefined) {
    const null_ =
      base < 4096n ? `: r${reg} is ${base === 0n ? 'NULL' : `the small number ${base}`}` : ': nothing is there';
    return new ProgramFault('out-of-bounds', what + null_, addr, sizeBytes);
  }
  const at = `${region.kind} ${region.name}+${Number(addr) - region.start}`;
  const denies = access === 'read' ? !region.readable : !region.writable;
  if (denies) {
    const how = region.readable ? 'read-only' : 'not for programs to access';
    return new ProgramFault('write-protected', `${what} (${at}): ${how}`, addr, sizeBytes);
  }
  const cells = region.strideBytes === 0 ? `${region.end - region.start} bytes` : `cells of ${region.cellBytes} bytes`;
  return new ProgramFault('out-of-bounds', `${what} (${at}): outside its ${cells}`, addr, sizeBytes);
}
