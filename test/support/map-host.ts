import { mapOps } from '../../src/jit/index.ts';
import { type BpfMap, createMap, type MapDef, type MapHost, type MapOps } from '../../src/maps/index.ts';
import { LinearMemory } from '../../src/mem/index.ts';
import { bpf_map_type, ERRNO } from '../../src/uapi/index.ts';
import type { ByteOrder } from '../../src/util/index.ts';

export interface TestHostInit {
  readonly order?: ByteOrder;
  readonly cpuCount?: number;
  readonly seed?: number;
  readonly shared?: boolean;
}

/** A machine with nothing but maps, counting the blocks it has handed out. */
export class TestMapHost implements MapHost {
  readonly mem: LinearMemory;
  readonly ops: MapOps;
  readonly cpuCount: number;
  cpu = 0;
  readonly maps = new Map<number, BpfMap>();
  /** Program ids `checkProg` accepts. */
  readonly progs = new Set<number>();
  /** `kind@offset` of every special field that died. */
  readonly freedFields: string[] = [];
  readonly liveBlocks = new Set<number>();
  #seed: number;

  constructor(init: TestHostInit = {}) {
    this.mem = new LinearMemory(init.order ?? 'little', init.shared);
    this.cpuCount = init.cpuCount ?? 2;
    this.#seed = init.seed ?? 1;
    this.ops = mapOps(this.mem, this);
    const { mem, liveBlocks } = this;
    const alloc = mem.alloc.bind(mem);
    const free = mem.free.bind(mem);
    mem.alloc = (size, align) => {
      const addr = alloc(size, align);
      liveBlocks.add(addr);
      return addr;
    };
    mem.free = addr => {
      free(addr);
      liveBlocks.delete(addr);
    };
  }

  randomU32(): number {
    this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
    return this.#seed;
  }
  mapAt(addr: number): BpfMap | undefined {
    return [...this.maps.values()].find(map => map.addr === addr);
  }
  mapById(id: number): BpfMap | undefined {
    return this.maps.get(id);
  }
  checkProg(_map: BpfMap, progId: number): number {
    return this.progs.has(progId) ? 0 : -ERRNO.EBADF;
  }
  progHandle(progId: number): number {
    return progId;
  }
  progIdAt(addr: number): number {
    return addr;
  }
  freeField(_map: BpfMap, field: { kind: string; offBytes: number }): void {
    this.freedFields.push(`${field.kind}@${field.offBytes}`);
  }

  /** A map; fields left out of `def` are those of a small hash or array. */
  create(def: Partial<MapDef> & { readonly type: number }): BpfMap {
    const id = this.maps.size + 1;
    const map = createMap(this, mapDef(def), id);
    this.maps.set(id, map);
    return map;
  }

  /** Bytes at a new address outside all regions, as a program's stack would hold them. */
  place(bytes: Uint8Array): number {
    const addr = this.mem.alloc(Math.max(1, bytes.length));
    this.mem.write(addr, bytes);
    return addr;
  }
}

export function mapDef(def: Partial<MapDef> & { readonly type: number }): MapDef {
  return { name: 'm', keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 4, flags: 0, ...def };
}

/** The number in the machine's order, low bytes first on a little-endian one. */
export function numberBytes(value: number, sizeBytes: number, order: ByteOrder = 'little'): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  for (let i = 0; i < sizeBytes; i++) {
    bytes[order === 'little' ? i : sizeBytes - 1 - i] = i < 6 ? Math.floor(value / 256 ** i) % 256 : 0;
  }
  return bytes;
}

export function bytesNumber(bytes: Uint8Array, order: ByteOrder = 'little'): number {
  const low = order === 'little' ? [...bytes].slice(0, 6) : [...bytes].reverse().slice(0, 6);
  return low.reduce((sum, byte, i) => sum + byte * 256 ** i, 0);
}

/** Walks all keys with BPF_MAP_GET_NEXT_KEY, at most `limit`. */
export function allKeys(map: BpfMap, limit = 10_000): Uint8Array[] {
  const keys: Uint8Array[] = [];
  let key: Uint8Array | null = null;
  while (keys.length < limit) {
    const next: Uint8Array | null | number = map.userNextKey(key);
    if (next === null || typeof next === 'number') break;
    keys.push(next);
    key = next;
  }
  return keys;
}

export { bpf_map_type as T };
