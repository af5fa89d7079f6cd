import type { Btf } from '../btf/index.ts';
import type { LocalType, LocalTypes } from '../helpers/index.ts';
import { objectFieldPlaces } from '../verifier/index.ts';

/** The structs of a program's BTF, as kernel functions that make objects of them see them. */
export function localTypes(btf: Btf): LocalTypes {
  const known = new Map<number, LocalType | undefined>();
  const read = (typeId: number): LocalType | undefined => {
    if (typeId <= 0 || typeId >= btf.typeCount) return undefined;
    const id = btf.skipModifiers(typeId);
    const sizeBytes = btf.kindOf(id) === 'STRUCT' ? btf.trySizeOf(id) : undefined;
    if (typeof sizeBytes !== 'number') return undefined;
    return { name: btf.nameOf(id), sizeBytes, fields: objectFieldPlaces(btf, id) };
  };
  return {
    struct(typeId) {
      if (!known.has(typeId)) known.set(typeId, read(typeId));
      return known.get(typeId);
    },
  };
}
