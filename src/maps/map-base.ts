import type { LinearMemory, Region, RegionInit } from '../mem/index.ts';
import { BPF_FLAGS, ERRNO } from '../uapi/index.ts';
import { encodeText, FarcallError } from '../util/index.ts';
import { KERNEL_MAP_BYTES, MAP_HANDLE, MAP_LOCKS } from './layout.ts';
import { type MapOpSet, type MapOps, mapOpSet } from './ops/index.ts';
import type { BpfMap, MapDef, MapHost } from './types.ts';
import { ValueFields } from './value-fields.ts';

/** `BPF_OBJ_NAME_LEN` without its NUL. */
const NAME_BYTES = 15;
const NO_NUMA_NODE = -1;
const NOT_SUPPORTED = -ERRNO.EOPNOTSUPP;

/** Flags and numbers as operations take them: what does not fit 32 bits is as wrong as all of them set. */
const word = (value: number): number => (value >= 0 && value <= 0xffffffff ? value : 0xffffffff);

/**
 * What all maps share: the handle, bookkeeping of blocks and regions, and the user side of `bpf(2)`, which stages keys
 * and values in the linear memory and calls the `sys*` methods. What programs call is the type's {@link MapOpSet}; a type overrides
 * what it has in JavaScript; the rest refuses.
 */
export abstract class MapBase implements BpfMap {
  readonly host: MapHost;
  readonly mem: LinearMemory;
  readonly def: MapDef;
  readonly id: number;
  readonly addr: number;
  protected readonly fields: ValueFields;
  protected readonly opSet: MapOpSet;
  /** Byte order of the machine's words, for DataView. */
  protected readonly little: boolean;
  readonly #blocks: number[] = [];
  readonly #regions: Region[] = [];
  #keyScratch = 0;
  #valueScratch = 0;

  /** @param handleBytes size of the handle, {@link MAP_HANDLE} included */
  constructor(host: MapHost, def: MapDef, id: number, handleBytes: number) {
    this.host = host;
    this.mem = host.mem;
    this.little = host.mem.littleEndian;
    this.def = def;
    this.id = id;
    this.fields = new ValueFields(def);
    this.opSet = mapOpSet(def);
    this.addr = this.block(handleBytes);
    const words: readonly (readonly [number, number])[] = [
      [MAP_HANDLE.type, def.type],
      [MAP_HANDLE.keySizeBytes, def.keySizeBytes],
      [MAP_HANDLE.valueSizeBytes, def.valueSizeBytes],
      [MAP_HANDLE.maxEntries, def.maxEntries],
      [MAP_HANDLE.flags, def.flags],
      [MAP_HANDLE.id, id],
      [MAP_HANDLE.numaNode, def.numaNode ?? NO_NUMA_NODE],
    ];
    for (const [off, word] of words) this.store(this.addr + off, word);
    this.mem.view.setBigUint64(this.addr + MAP_HANDLE.mapExtra, BigInt.asUintN(64, def.mapExtra ?? 0n), this.little);
    this.mem.write(this.addr + MAP_HANDLE.name, encodeText(def.name).subarray(0, NAME_BYTES));
    if (this.fields.all.length > 0) this.store(this.addr + MAP_HANDLE.fields, this.#words(this.fields.table()));
    if (host.mem.shared) {
      this.store(this.addr + MAP_HANDLE.locks, this.block(MAP_LOCKS.spares + MAP_LOCKS.spareBytes * host.cpuCount));
    }
    this.region({
      kind: 'map',
      name: def.name,
      start: this.addr,
      sizeBytes: handleBytes,
      // The one cell is what the kernel has there.
      strideBytes: handleBytes,
      cellBytes: KERNEL_MAP_BYTES,
      writable: false,
    });
  }

  /** A block that holds these words. */
  #words(words: Int32Array): number {
    const addr = this.block(words.byteLength);
    for (let i = 0; i < words.length; i++) this.store(addr + 4 * i, words[i]);
    return addr;
  }

  protected get ops(): MapOps {
    return this.host.ops;
  }

  /** Allocates storage; runs once, after construction, so that a failure can give everything back. */
  abstract setUp(): void;

  /** The word at `addr`, signed. */
  protected load(addr: number): number {
    return this.mem.view.getInt32(addr, this.little);
  }
  /** The word at `addr`, unsigned. */
  protected loadU32(addr: number): number {
    return this.mem.view.getUint32(addr, this.little);
  }
  protected store(addr: number, word: number): void {
    this.mem.view.setInt32(addr, word, this.little);
  }

  /** A block that {@link free} gives back. */
  protected block(sizeBytes: number): number {
    const addr = this.mem.alloc(sizeBytes);
    this.#blocks.push(addr);
    return addr;
  }
  /** A region that {@link free} removes. */
  protected region(init: RegionInit): Region {
    const region = this.mem.addRegion(init);
    this.#regions.push(region);
    return region;
  }
  /** Cells of values that programs may touch as the map's BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG say. */
  protected valueRegion(start: number, sizeBytes: number, strideBytes: number): Region {
    const flags = this.def.flags;
    return this.region({
      kind: 'map_value',
      name: this.def.name,
      start,
      sizeBytes,
      strideBytes,
      cellBytes: this.def.valueSizeBytes,
      readable: (flags & BPF_FLAGS.BPF_F_WRONLY_PROG) === 0,
      writable: (flags & BPF_FLAGS.BPF_F_RDONLY_PROG) === 0,
    });
  }

  lookup(keyAddr: number): number {
    const op = this.opSet.lookup;
    return op === undefined ? 0 : this.ops[op](this.addr, keyAddr);
  }
  update(keyAddr: number, valueAddr: number, flags: number): number {
    const op = this.opSet.update;
    return op === undefined ? NOT_SUPPORTED : this.ops[op](this.addr, keyAddr, valueAddr, word(flags));
  }
  delete(keyAddr: number): number {
    const op = this.opSet.delete;
    return op === undefined ? NOT_SUPPORTED : this.ops[op](this.addr, keyAddr);
  }
  lookupPercpu(keyAddr: number, cpu: number): number {
    const op = this.opSet.lookupPercpu;
    return op === undefined ? 0 : this.ops[op](this.addr, keyAddr, word(cpu));
  }
  push(valueAddr: number, flags: number): number {
    const op = this.opSet.push;
    return op === undefined ? NOT_SUPPORTED : this.ops[op](this.addr, valueAddr, word(flags));
  }
  pop(valueAddr: number): number {
    const op = this.opSet.pop;
    return op === undefined ? NOT_SUPPORTED : this.ops[op](this.addr, valueAddr);
  }
  peek(valueAddr: number): number {
    const op = this.opSet.peek;
    return op === undefined ? NOT_SUPPORTED : this.ops[op](this.addr, valueAddr);
  }
  forEach(_callback: (keyAddr: number, valueAddr: number) => number): number {
    return NOT_SUPPORTED;
  }
  directValueAddr(_offBytes: number): number {
    return 0;
  }

  /** Look-up by `bpf(2)` of the key staged at `keyAddr`. */
  protected sysLookup(keyAddr: number): Uint8Array | null | number {
    const at = this.lookup(keyAddr);
    return at === 0 ? null : this.readValue(at);
  }
  protected sysLookupAndDelete(_keyAddr: number): Uint8Array | null | number {
    return -ERRNO.ENOTSUPP;
  }
  protected sysUpdate(keyAddr: number, valueAddr: number, flags: number): number {
    return this.update(keyAddr, valueAddr, flags);
  }
  protected sysDelete(keyAddr: number): number {
    return this.delete(keyAddr);
  }
  /** Writes the key after the one at `keyAddr` (0: the first) to `nextAddr`; 0 or -errno, -ENOENT at the end. */
  protected sysNextKey(_keyAddr: number, _nextAddr: number): number {
    return NOT_SUPPORTED;
  }

  /** The value at `addr` as user space sees it. */
  protected readValue(addr: number): Uint8Array {
    return this.fields.read(this.mem, addr);
  }

  grow(_poolAddr: number): boolean {
    return false;
  }
  fieldDies(index: number, addr: number): void {
    const field = this.fields.all[index];
    if (field !== undefined) this.host.freeField?.(this, field, addr);
  }

  get userValueSizeBytes(): number {
    return this.def.valueSizeBytes;
  }
  /** Bytes of the key as the user side gives it to look-ups. */
  protected get userKeySizeBytes(): number {
    return this.def.keySizeBytes;
  }

  get frozen(): boolean {
    return this.load(this.addr + MAP_HANDLE.frozen) !== 0;
  }
  #mayRead(): boolean {
    return (this.def.flags & BPF_FLAGS.BPF_F_WRONLY) === 0;
  }
  #mayWrite(): boolean {
    return (this.def.flags & BPF_FLAGS.BPF_F_RDONLY) === 0 && !this.frozen;
  }

  userLookup(key: Uint8Array): Uint8Array | null | number {
    const at = this.#stageKey(key, this.userKeySizeBytes);
    return this.#mayRead() ? this.sysLookup(at) : -ERRNO.EPERM;
  }
  userLookupAndDelete(key: Uint8Array): Uint8Array | null | number {
    const at = this.#stageKey(key, this.def.keySizeBytes);
    return this.#mayRead() && this.#mayWrite() ? this.sysLookupAndDelete(at) : -ERRNO.EPERM;
  }
  userUpdate(key: Uint8Array, value: Uint8Array, flags = 0): number {
    const at = this.#stageKey(key, this.def.keySizeBytes);
    const valueAt = this.#stageValue(value);
    if (!this.#mayWrite()) return -ERRNO.EPERM;
    if ((flags & BPF_FLAGS.BPF_F_LOCK) !== 0 && !this.fields.hasSpinLock) return -ERRNO.EINVAL;
    return this.sysUpdate(at, valueAt, flags);
  }
  userDelete(key: Uint8Array): number {
    const at = this.#stageKey(key, this.def.keySizeBytes);
    return this.#mayWrite() ? this.sysDelete(at) : -ERRNO.EPERM;
  }
  userNextKey(key: Uint8Array | null): Uint8Array | null | number {
    const size = this.def.keySizeBytes;
    const at = this.#stageKey(key ?? new Uint8Array(size), size);
    if (!this.#mayRead()) return -ERRNO.EPERM;
    const next = at + Math.max(size, this.userKeySizeBytes);
    const errno = this.sysNextKey(key === null ? 0 : at, next);
    if (errno === -ERRNO.ENOENT) return null;
    return errno < 0 ? errno : this.mem.read(next, size);
  }

  freeze(): number {
    // kernel/bpf/syscall.c: map_freeze refuses maps whose values have special fields.
    if (this.fields.all.length > 0) return -ERRNO.ENOTSUPP;
    if (this.frozen) return -ERRNO.EBUSY;
    this.store(this.addr + MAP_HANDLE.frozen, 1);
    return 0;
  }

  #stageKey(key: Uint8Array, expected: number): number {
    if (key.length !== expected) throw this.#wrongSize('map.key-size', 'the key', expected, key.length);
    if (this.#keyScratch === 0) {
      this.#keyScratch = this.block(2 * Math.max(this.def.keySizeBytes, this.userKeySizeBytes));
    }
    this.mem.write(this.#keyScratch, key);
    return this.#keyScratch;
  }
  #stageValue(value: Uint8Array): number {
    const expected = this.userValueSizeBytes;
    if (value.length !== expected) throw this.#wrongSize('map.value-size', 'the value', expected, value.length);
    if (this.#valueScratch === 0) this.#valueScratch = this.block(expected);
    this.mem.write(this.#valueScratch, value);
    return this.#valueScratch;
  }
  /** A place for one value of the user side, for types whose look-up writes into memory. */
  protected valueScratch(): number {
    if (this.#valueScratch === 0) this.#valueScratch = this.block(this.userValueSizeBytes);
    return this.#valueScratch;
  }
  #wrongSize(code: 'map.key-size' | 'map.value-size', what: string, expected: number, found: number): FarcallError {
    return new FarcallError({
      code,
      message: `${what} has the wrong size`,
      expected: `${expected} bytes`,
      found: `${found} bytes`,
      where: { name: this.def.name },
    });
  }

  /** Called by {@link free} while all memory is still there. */
  protected tearDown(): void {}

  free(): void {
    if (this.#blocks.length === 0) return;
    this.tearDown();
    for (const region of this.#regions) this.mem.removeRegion(region);
    for (const block of this.#blocks) this.mem.free(block);
    this.#regions.length = 0;
    this.#blocks.length = 0;
  }
}

/** Finishes a new map; when its storage cannot be had, what it took is given back and the error passed on. */
export function setUp<T extends MapBase>(map: T): T {
  try {
    map.setUp();
    return map;
  } catch (error) {
    map.free();
    throw error;
  }
}
