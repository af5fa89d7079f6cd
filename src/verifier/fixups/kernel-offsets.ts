import type { Btf } from '../../btf/index.ts';
import type { KernelOffsets } from '../../progtypes/index.ts';
import { InternalError } from '../../util/index.ts';

interface Member {
  readonly offBytes: number;
  readonly sizeBytes: number;
}

/** Members of kernel structs by name, dotted for those of members, through structs and unions without names. */
export class BtfOffsets implements KernelOffsets {
  readonly #btf: Btf | undefined;
  readonly #known = new Map<string, Member>();

  constructor(btf: Btf | undefined) {
    this.#btf = btf;
  }

  offsetOf(struct: string, member: string): number {
    return this.#find(struct, member).offBytes;
  }
  sizeOf(struct: string, member: string): number {
    return this.#find(struct, member).sizeBytes;
  }

  #find(struct: string, member: string): Member {
    const key = `${struct}.${member}`;
    let found = this.#known.get(key);
    if (found === undefined) {
      found = this.#look(struct, member);
      this.#known.set(key, found);
    }
    return found;
  }

  #look(struct: string, path: string): Member {
    const btf = this.#btf;
    if (btf === undefined) throw new InternalError(`no BTF of the kernel to find ${struct}.${path} in`);
    let typeId = btf.findByName(struct, 'STRUCT');
    if (typeId <= 0) typeId = btf.findByName(struct, 'UNION');
    let offBytes = 0;
    for (const name of path.split('.')) {
      const found = typeId > 0 ? memberOf(btf, typeId, name) : undefined;
      if (found === undefined) throw new InternalError(`the kernel has no ${struct}.${path}`);
      offBytes += found.offBytes;
      typeId = found.typeId;
    }
    const size = btf.trySizeOf(typeId);
    return { offBytes, sizeBytes: typeof size === 'number' ? size : 0 };
  }
}

/** How deep structs without names may be nested. */
const MAX_NESTING = 16;

function memberOf(
  btf: Btf,
  structId: number,
  name: string,
  depth = 0,
): { readonly offBytes: number; readonly typeId: number } | undefined {
  const type = btf.typeById(btf.skipModifiers(structId));
  if ((type.kind !== 'STRUCT' && type.kind !== 'UNION') || depth > MAX_NESTING) return undefined;
  for (const member of type.members) {
    const offBytes = member.bitOffset >>> 3;
    if (member.name === name) return { offBytes, typeId: member.typeId };
    if (member.name !== '') continue;
    const inner = memberOf(btf, member.typeId, name, depth + 1);
    if (inner !== undefined) return { offBytes: offBytes + inner.offBytes, typeId: inner.typeId };
  }
  return undefined;
}
