import { type Btf, kindName } from '../../btf/index.ts';

const MAX_RESOLVE_DEPTH = 32;
const U32_MAX = 0xffffffff;

/** Size of a type in bytes through qualifiers and arrays; -EINVAL where there is none. Source: `kernel/bpf/btf.c: btf_resolve_size`. */
export function btfResolveSize(btf: Btf, typeId: number): number {
  const { types } = btf;
  let id = typeId;
  let nelems = 1;
  for (let depth = 0; depth < MAX_RESOLVE_DEPTH; depth++) {
    switch (kindName(types.kind(id))) {
      case 'INT':
      case 'STRUCT':
      case 'UNION':
      case 'ENUM':
      case 'FLOAT':
      case 'ENUM64':
        return sized(nelems, types.third(id));
      case 'PTR':
        return sized(nelems, 8);
      case 'TYPEDEF':
      case 'VOLATILE':
      case 'CONST':
      case 'RESTRICT':
      case 'TYPE_TAG':
        id = types.third(id);
        break;
      case 'ARRAY': {
        const count = types.extra(id, 2);
        if (nelems !== 0 && count > Math.floor(U32_MAX / nelems)) return -22;
        nelems *= count;
        id = types.extra(id, 0);
        break;
      }
      default:
        return -22;
    }
  }
  return -22;
}

const sized = (nelems: number, size: number): number =>
  nelems !== 0 && size > Math.floor(U32_MAX / nelems) ? -22 : nelems * size;

/** A type's kind as the kernel's messages name it. Source: `btf_type_str`. */
export const btfTypeStr = (btf: Btf, id: number): string => (id === 0 ? 'UNKNOWN' : kindName(btf.types.kind(id)));
