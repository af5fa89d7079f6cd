import { InternalError, i64Of, u64Of } from '../util/index.ts';
import { type BtfKind, kindName } from './kind.ts';
import type { StringTable } from './string-table.ts';
import { BTF_INT_BOOL, BTF_INT_CHAR, BTF_INT_SIGNED, type BtfMember, type BtfType } from './type.ts';
import type { TypeTable } from './type-table.ts';

/** What a kind's reader works with. */
interface Source {
  readonly types: TypeTable;
  readonly id: number;
  readonly name: string;
  readonly text: (off: number) => string;
}

type Reader = (source: Source) => BtfType;

function items<T>({ types, id }: Source, read: (index: number) => T): T[] {
  const out: T[] = new Array(types.vlen(id));
  for (let i = 0; i < out.length; i++) out[i] = read(i);
  return out;
}

function composite(kind: 'STRUCT' | 'UNION'): Reader {
  return source => {
    const { types, id, name, text } = source;
    const members = items<BtfMember>(source, i => ({
      name: text(types.item(id, i, 0)),
      typeId: types.item(id, i, 1),
      bitOffset: types.memberBitOffset(id, i),
      bitSize: types.memberBitSize(id, i),
    }));
    return { kind, id, name, sizeBytes: types.third(id), members, kindFlag: types.kindFlag(id) };
  };
}

function qualifier(kind: 'VOLATILE' | 'CONST' | 'RESTRICT'): Reader {
  return ({ types, id, name }) => ({ kind, id, name, typeId: types.third(id) });
}

const READERS: Readonly<Record<BtfKind, Reader>> = {
  VOID: ({ id, name }) => ({ kind: 'VOID', id, name }),
  INT: ({ types, id, name }) => {
    const data = types.extra(id, 0);
    const encoding = (data >>> 24) & 0xf;
    return {
      kind: 'INT',
      id,
      name,
      sizeBytes: types.third(id),
      signed: (encoding & BTF_INT_SIGNED) !== 0,
      char: (encoding & BTF_INT_CHAR) !== 0,
      bool: (encoding & BTF_INT_BOOL) !== 0,
      encoding,
      bitOffset: (data >>> 16) & 0xff,
      bits: data & 0xff,
    };
  },
  PTR: ({ types, id, name }) => ({ kind: 'PTR', id, name, typeId: types.third(id) }),
  ARRAY: ({ types, id, name }) => ({
    kind: 'ARRAY',
    id,
    name,
    typeId: types.extra(id, 0),
    indexTypeId: types.extra(id, 1),
    nelems: types.extra(id, 2),
  }),
  STRUCT: composite('STRUCT'),
  UNION: composite('UNION'),
  ENUM: source => {
    const { types, id, name, text } = source;
    const signed = types.kindFlag(id);
    const values = items(source, i => {
      const value = types.item(id, i, 1);
      return { name: text(types.item(id, i, 0)), value: signed ? value | 0 : value };
    });
    return { kind: 'ENUM', id, name, sizeBytes: types.third(id), signed, values };
  },
  ENUM64: source => {
    const { types, id, name, text } = source;
    const signed = types.kindFlag(id);
    const of = signed ? i64Of : u64Of;
    const values = items(source, i => ({
      name: text(types.item(id, i, 0)),
      value: of(types.item(id, i, 2), types.item(id, i, 1)),
    }));
    return { kind: 'ENUM64', id, name, sizeBytes: types.third(id), signed, values };
  },
  FWD: ({ types, id, name }) => ({ kind: 'FWD', id, name, of: types.kindFlag(id) ? 'union' : 'struct' }),
  TYPEDEF: ({ types, id, name }) => ({ kind: 'TYPEDEF', id, name, typeId: types.third(id) }),
  VOLATILE: qualifier('VOLATILE'),
  CONST: qualifier('CONST'),
  RESTRICT: qualifier('RESTRICT'),
  FUNC: ({ types, id, name }) => ({ kind: 'FUNC', id, name, typeId: types.third(id), linkage: types.vlen(id) }),
  FUNC_PROTO: source => {
    const { types, id, name, text } = source;
    const params = items(source, i => ({ name: text(types.item(id, i, 0)), typeId: types.item(id, i, 1) }));
    return { kind: 'FUNC_PROTO', id, name, returnTypeId: types.third(id), params };
  },
  VAR: ({ types, id, name }) => ({ kind: 'VAR', id, name, typeId: types.third(id), linkage: types.extra(id, 0) }),
  DATASEC: source => {
    const { types, id, name } = source;
    const vars = items(source, i => ({
      typeId: types.item(id, i, 0),
      offBytes: types.item(id, i, 1),
      sizeBytes: types.item(id, i, 2),
    }));
    return { kind: 'DATASEC', id, name, sizeBytes: types.third(id), vars };
  },
  FLOAT: ({ types, id, name }) => ({ kind: 'FLOAT', id, name, sizeBytes: types.third(id) }),
  DECL_TAG: ({ types, id, name }) => ({
    kind: 'DECL_TAG',
    id,
    name,
    typeId: types.third(id),
    componentIdx: types.extra(id, 0) | 0,
    isAttribute: types.kindFlag(id),
  }),
  TYPE_TAG: ({ types, id, name }) => ({
    kind: 'TYPE_TAG',
    id,
    name,
    typeId: types.third(id),
    isAttribute: types.kindFlag(id),
  }),
  UNKNOWN: ({ types, id, name }) => ({ kind: 'UNKNOWN', id, name, kindNumber: types.kind(id) }),
};

/** The object for one type. `id` must exist. */
export function materialise(types: TypeTable, strings: StringTable, id: number): BtfType {
  const text = (off: number): string => {
    const found = strings.at(off);
    if (found === undefined) throw new InternalError(`BTF string offset ${off} was not checked`);
    return found;
  };
  return READERS[kindName(types.kind(id))]({ types, id, name: text(types.nameOff(id)), text });
}
