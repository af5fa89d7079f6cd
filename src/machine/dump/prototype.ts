import type { Btf, BtfFunc, BtfFuncProto, BtfType } from '../../btf/index.ts';

/** Bytes bpftool has for a prototype, the NUL included; it prints none that does not fit. */
const MAX_BYTES = 1024;
/** More pointers and qualifiers on top of each other no compiler writes; a loop has no end. */
const MAX_DEPTH = 200;

/**
 * A function's prototype as `bpftool prog dump` writes it: `int handle(struct xdp_md * ctx, u64 * flags)`. Empty when there
 * is no such type, when it is of a kind bpftool has no words for (type tags), or when it does not fit 1023 bytes.
 *
 * Source: `tools/bpf/bpftool/btf_dumper.c: btf_dumper_type_only`.
 */
export function prototypeText(btf: Btf | undefined, typeId: number): string {
  if (btf === undefined) return '';
  const text = typeText(btf, typeId, 0);
  return text !== undefined && new TextEncoder().encode(text).length < MAX_BYTES ? text : '';
}

const KEYWORDS = {
  STRUCT: 'struct',
  UNION: 'union',
  ENUM: 'enum',
  ENUM64: 'enum',
  VOLATILE: 'volatile',
  CONST: 'const',
  RESTRICT: 'restrict',
} as const;

function typeText(btf: Btf, id: number, depth: number): string | undefined {
  if (id === 0) return 'void ';
  if (id >= btf.typeCount || depth > MAX_DEPTH) return undefined;
  const type = btf.typeById(id);
  const inner = (innerId: number): string | undefined => typeText(btf, innerId, depth + 1);
  const around = (before: string, innerId: number, after: string): string | undefined => {
    const text = inner(innerId);
    return text === undefined || before.length + text.length + after.length > MAX_BYTES
      ? undefined
      : before + text + after;
  };
  switch (type.kind) {
    case 'INT':
    case 'TYPEDEF':
    case 'FLOAT':
      return `${type.name} `;
    case 'STRUCT':
    case 'UNION':
    case 'ENUM':
    case 'ENUM64':
      return `${KEYWORDS[type.kind]} ${type.name} `;
    case 'FWD':
      return `${type.of} ${type.name} `;
    case 'ARRAY':
      return around('', type.typeId, `[${type.nelems | 0}]`);
    case 'PTR':
      return around('', type.typeId, '* ');
    case 'VOLATILE':
    case 'CONST':
    case 'RESTRICT':
      return around(`${KEYWORDS[type.kind]} `, type.typeId, '');
    case 'VAR':
      return around(type.linkage === 0 ? 'static ' : '', type.typeId, ` ${type.name}`);
    case 'DATASEC':
      return `section ("${type.name}") `;
    case 'FUNC_PROTO':
      return funcText(type, undefined, inner);
    case 'FUNC': {
      const proto: BtfType = btf.typeById(type.typeId);
      return proto.kind === 'FUNC_PROTO' ? funcText(proto, type, inner) : undefined;
    }
    default:
      return undefined;
  }
}

function funcText(
  proto: BtfFuncProto,
  func: BtfFunc | undefined,
  inner: (id: number) => string | undefined,
): string | undefined {
  const result = inner(proto.returnTypeId);
  if (result === undefined) return undefined;
  let text = `${result}${func?.name ?? ''}(`;
  for (const [i, param] of proto.params.entries()) {
    if (i > 0) text += ', ';
    if (param.typeId === 0) {
      text += '...';
      continue;
    }
    const type = inner(param.typeId);
    if (type === undefined) return undefined;
    text += param.name === '' && type.endsWith(' ') ? type.slice(0, -1) : type + param.name;
    if (text.length > MAX_BYTES) return undefined;
  }
  return `${text})`;
}
