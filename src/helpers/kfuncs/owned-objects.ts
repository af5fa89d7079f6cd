import type { MapField, MapFieldKind } from '../../maps/index.ts';
import type { Region } from '../../mem/index.ts';
import { FarcallError } from '../../util/index.ts';
import { readU32, writeU32 } from '../memory.ts';
import { type HelperEnv, ProgramFault } from '../types.ts';
import { releaseCpumask } from './cpumask.ts';
import { readLink, writeLink } from './links.ts';
import { initList, listNodes } from './list-links.ts';
import { clearNode, treeNodes } from './rb-tree.ts';

/** A struct of a program's own, as far as making objects of it goes. */
export interface LocalType {
  readonly name: string;
  readonly sizeBytes: number;
  readonly fields: readonly MapField[];
}

/** Types of a program's BTF by their ids there. */
export interface LocalTypes {
  struct(typeId: number): LocalType | undefined;
}

interface OwnedObject {
  readonly addr: number;
  readonly type: LocalType;
  readonly region: Region;
  /** Bytes from one CPU's copy to the next; 0 for objects that exist once. */
  readonly cpuBytes: number;
}

/** Bytes objects may take together: an allocation beyond is one that fails. */
const MOST_BYTES = 64 << 20;
/** Objects that were freed and stay readable for a while, as memory does until readers in RCU sections are done. */
const MOST_FREED = 256;

interface Objects {
  readonly live: Map<number, OwnedObject>;
  readonly freed: OwnedObject[];
  bytes: number;
}
type StateHost = Pick<HelperEnv, 'state' | 'mem'>;

const OBJECTS = Symbol('objects of own types');
const objectsOf = (env: Pick<HelperEnv, 'state'>): Objects =>
  env.state<Objects>(OBJECTS, () => ({ live: new Map(), freed: [], bytes: 0 }));

const sizeOf = ({ region }: OwnedObject): number => region.end - region.start;

/** The object `addr` lies in; 0 and what is no object's memory give undefined. */
function ownedObjectAt(env: StateHost, addr: number): OwnedObject | undefined {
  const region = addr > 0 ? env.mem.regionAt(addr) : undefined;
  return region === undefined ? undefined : objectsOf(env).live.get(region.start);
}

/** Bytes from one CPU's copy of the object at `addr` to the next, 0 for anything else. */
export const percpuStride = (env: StateHost, addr: number): number => objectsOf(env).live.get(addr)?.cpuBytes ?? 0;

/**
 * A zeroed object with its special fields set up (`bpf_obj_init`); 0 when there is no memory.
 *
 * @param cpus copies it has, 0 for objects that exist once
 */
export function newObject(env: HelperEnv, type: LocalType, cpus: number): number {
  const objects = objectsOf(env);
  const one = Math.max(8, Math.ceil(type.sizeBytes / 8) * 8);
  const sizeBytes = one * Math.max(1, cpus);
  if (objects.bytes + sizeBytes > MOST_BYTES) return 0;
  const addr = allocate(env, sizeBytes);
  if (addr === 0) return 0;
  const strided = cpus > 1 ? { strideBytes: one, cellBytes: type.sizeBytes } : {};
  const bytes = cpus > 1 ? sizeBytes : type.sizeBytes;
  const region = env.mem.addRegion({ kind: 'mem', name: type.name, start: addr, sizeBytes: bytes, ...strided });
  objects.live.set(addr, { addr, type, region, cpuBytes: cpus === 0 ? 0 : one });
  objects.bytes += sizeOf(objects.live.get(addr)!);
  for (const { kind, offBytes } of type.fields) INIT[kind]?.(env, addr + offBytes);
  return addr;
}

function allocate(env: HelperEnv, sizeBytes: number): number {
  try {
    return env.mem.alloc(sizeBytes);
  } catch (error) {
    if (error instanceof FarcallError) return 0;
    throw error;
  }
}

const INIT: Readonly<Partial<Record<MapFieldKind, (env: HelperEnv, addr: number) => void>>> = {
  refcount: (env, addr) => writeU32(env, addr, 1),
  list_head: initList,
  list_node: initList,
  rb_node: clearNode,
};

const refcountOf = ({ addr, type }: OwnedObject): number => {
  const field = type.fields.find(({ kind }) => kind === 'refcount');
  return field === undefined ? 0 : addr + field.offBytes;
};

/** One reference more; 0 for an object nobody holds any more. Source: `bpf_refcount_acquire_impl`. */
export function acquireObject(env: HelperEnv, addr: number): number {
  const object = objectsOf(env).live.get(addr);
  const at = object === undefined ? 0 : refcountOf(object);
  if (at === 0) throw noObject('bpf_refcount_acquire_impl', addr);
  const count = readU32(env, at);
  if (count === 0) return 0;
  writeU32(env, at, count + 1);
  return addr;
}

/**
 * Gives up a reference to the object `addr` lies in; the last one frees it and all that it owns.
 * Source: `kernel/bpf/helpers.c: __bpf_obj_drop_impl`.
 */
export function dropObject(env: StateHost & HelperEnv, addr: number): void {
  // Not by recursion: lists can hold objects that hold lists.
  const dying = [addr];
  for (let at = dying.pop(); at !== undefined; at = dying.pop()) {
    const object = ownedObjectAt(env, at);
    if (object === undefined) throw noObject('bpf_obj_drop_impl', at);
    const count = refcountOf(object);
    if (count !== 0) {
      const left = readU32(env, count) - 1;
      writeU32(env, count, left);
      if (left !== 0) continue;
    }
    for (const { kind, offBytes } of object.type.fields) dying.push(...ownedBy(env, kind, object.addr + offBytes));
    retire(env, object);
  }
}

const noObject = (name: string, addr: number): ProgramFault =>
  new ProgramFault('bad-argument', `${name}: no object of the program's own is there`, BigInt(addr));

/** Objects a special field holds, which it holds no longer; kernel objects are released. Source: `bpf_obj_free_fields`. */
function ownedBy(env: StateHost & HelperEnv, kind: MapFieldKind, addr: number): number[] {
  const most = objectsOf(env).live.size;
  if (kind === 'list_head') return listNodes(env, addr, most);
  if (kind === 'rb_root') return treeNodes(env, addr, most);
  if (kind !== 'kptr') return [];
  const held = readLink(env, addr);
  writeLink(env, addr, 0);
  if (ownedObjectAt(env, held) !== undefined) return [held];
  if (held !== 0) releaseCpumask(env, held);
  return [];
}

/** What a special field of a map's value held is given up, as its value dies. */
export function dropFieldObjects(env: StateHost & HelperEnv, kind: MapFieldKind, addr: number): void {
  for (const held of ownedBy(env, kind, addr)) dropObject(env, held);
}

function retire(env: StateHost, object: OwnedObject): void {
  const objects = objectsOf(env);
  objects.live.delete(object.addr);
  objects.bytes -= sizeOf(object);
  objects.freed.push(object);
  if (objects.freed.length <= MOST_FREED) return;
  const gone = objects.freed.shift();
  if (gone === undefined) return;
  env.mem.removeRegion(gone.region);
  env.mem.free(gone.addr);
}
