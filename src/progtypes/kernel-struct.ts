import type { Btf } from '../btf/index.ts';

const IDS = new WeakMap<Btf, Map<string, number>>();

/** Id of the kernel's struct of that name, 0 if it has none. Looked up once a BTF. */
export function kernelStructId(btf: Btf | undefined, name: string): number {
  if (btf === undefined) return 0;
  let ids = IDS.get(btf);
  if (ids === undefined) IDS.set(btf, (ids = new Map()));
  let id = ids.get(name);
  if (id === undefined) ids.set(name, (id = btf.findByName(name, 'STRUCT')));
  return id;
}

/** Size of the kernel's struct of that name; undefined if it has none. */
export function kernelStructBytes(btf: Btf | undefined, name: string): number | undefined {
  const id = kernelStructId(btf, name);
  if (id === 0) return undefined;
  const type = btf?.typeById(id);
  return type?.kind === 'STRUCT' ? type.sizeBytes : undefined;
}

/** Byte offset of a member of the kernel's struct; undefined if there is none. Does not look into anonymous members. */
export function kernelMemberOffset(btf: Btf | undefined, struct: string, member: string): number | undefined {
  const id = kernelStructId(btf, struct);
  const type = id === 0 ? undefined : btf?.typeById(id);
  if (type?.kind !== 'STRUCT') return undefined;
  const found = type.members.find(({ name }) => name === member);
  return found === undefined ? undefined : found.bitOffset / 8;
}
