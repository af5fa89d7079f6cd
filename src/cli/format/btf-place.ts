import type { Btf, BtfComposite } from '../../btf/index.ts';

/** A part of a typed value. */
export interface BtfPlace {
  readonly typeId: number;
  readonly bitOffset: number;
  /** 0 unless it is a bitfield. */
  readonly bitSize: number;
}

/** Nesting no C compiler reaches. */
const MAX_DEPTH = 64;

/** The type under variables, typedefs and qualifiers. */
export function bareType(btf: Btf, typeId: number): number {
  const type = btf.typeById(typeId);
  return btf.skipModifiers(type.kind === 'VAR' ? type.typeId : typeId);
}

/** What a program's function says its argument points to; 0 where it says nothing. */
export function contextTypeId(btf: Btf, funcInfo: readonly { insnIdx: number; typeId: number }[]): number {
  const func = btf.typeById(funcInfo.find(({ insnIdx }) => insnIdx === 0)?.typeId ?? 0);
  const proto = func.kind === 'FUNC' ? btf.typeById(func.typeId) : undefined;
  const param = proto?.kind === 'FUNC_PROTO' ? proto.params[0] : undefined;
  const pointer = param === undefined ? undefined : btf.typeById(bareType(btf, param.typeId));
  return pointer?.kind === 'PTR' ? bareType(btf, pointer.typeId) : 0;
}

/** A member by name, also of the anonymous structs and unions inside. Offsets are from the start of `type`. */
export function memberPlace(btf: Btf, type: BtfComposite, name: string, depth = 0): BtfPlace | undefined {
  for (const member of type.members) {
    if (member.name === name) return member;
    if (member.name !== '' || depth >= MAX_DEPTH) continue;
    const inner = btf.typeById(bareType(btf, member.typeId));
    if (inner.kind !== 'STRUCT' && inner.kind !== 'UNION') continue;
    const found = memberPlace(btf, inner, name, depth + 1);
    if (found !== undefined) return { ...found, bitOffset: found.bitOffset + member.bitOffset };
  }
  return undefined;
}

/** Names of members as {@link memberPlace} knows them, at most `limit`. */
export function memberNames(btf: Btf, type: BtfComposite, limit: number, depth = 0): string[] {
  const names: string[] = [];
  for (const member of type.members) {
    if (names.length >= limit) break;
    if (member.name !== '') names.push(member.name);
    else if (depth < MAX_DEPTH) {
      const inner = btf.typeById(bareType(btf, member.typeId));
      if (inner.kind === 'STRUCT' || inner.kind === 'UNION') {
        names.push(...memberNames(btf, inner, limit - names.length, depth + 1));
      }
    }
  }
  return names;
}

/**
 * Follows `.member` and `[index]` steps into a type. Returns the place, or what was expected where the path goes wrong.
 *
 * @param steps text that begins with `.` or `[`, or is empty
 */
export function placeAt(btf: Btf, typeId: number, steps: string): BtfPlace | { readonly expected: string } {
  let place: BtfPlace = { typeId, bitOffset: 0, bitSize: 0 };
  const step = /\.([^.[\]]+)|\[(\d+)\]/y;
  while (step.lastIndex < steps.length) {
    const found = step.exec(steps);
    if (found === null) return { expected: '.member or [index]' };
    const type = btf.typeById(bareType(btf, place.typeId));
    let next: BtfPlace | undefined;
    if (found[1] === undefined) {
      if (type.kind !== 'ARRAY') return { expected: 'an array before [index]' };
      const index = Number(found[2]);
      const size = btf.trySizeOf(type.typeId);
      if (index >= type.nelems || typeof size !== 'number') return { expected: `an index below ${type.nelems}` };
      next = { typeId: type.typeId, bitOffset: 8 * size * index, bitSize: 0 };
    } else {
      if (type.kind !== 'STRUCT' && type.kind !== 'UNION') return { expected: 'a struct before .member' };
      next = memberPlace(btf, type, found[1]);
      if (next === undefined) return { expected: `one of ${memberNames(btf, type, 20).join(', ')}` };
    }
    place = { ...next, bitOffset: place.bitOffset + next.bitOffset };
  }
  return place;
}
