import { type ByteOrder, ByteWriter, encodeText, FarcallError, hi32, lo32 } from '../util/index.ts';
import { type Btf, type OpenBtfOptions, openBtf } from './btf.ts';
import { BTF_HEADER_LEN, BTF_MAGIC, BTF_VERSION } from './header.ts';
import { kindNumber } from './kind.ts';
import type { BtfComposite, BtfType, BtfUnknown, BtfVoid } from './type.ts';

type WithoutId<T> = T extends BtfType ? Omit<T, 'id'> : never;

/** A struct or union to be written; `kindFlag` is set by itself where bitfields need it. */
export type BtfCompositeInit = Omit<BtfComposite, 'id' | 'kindFlag'> & { readonly kindFlag?: boolean };
/** A type to be written: like the materialised shapes, without an id. Materialised types can be given as they are. */
export type BtfTypeInit = WithoutId<Exclude<BtfType, BtfVoid | BtfUnknown | BtfComposite>> | BtfCompositeInit;

/** The kernel reads 16 bits of `vlen`. */
const MAX_WRITTEN_VLEN = 0xffff;

interface Encoded {
  /** Word 2: size or type id. */
  readonly third: number;
  readonly vlen?: number;
  readonly kindFlag?: boolean;
  /** Everything after the three common words. */
  readonly rest?: readonly number[];
}

type Encoder<T> = (type: T, string: (text: string) => number) => Encoded;
type InitOf<Kind> = Extract<BtfTypeInit, { readonly kind: Kind }>;

const ref = (type: { readonly typeId: number }): Encoded => ({ third: type.typeId });

const tag = (type: { readonly typeId: number; readonly isAttribute: boolean }): Encoded => ({
  third: type.typeId,
  kindFlag: type.isAttribute,
});

const composite: Encoder<BtfCompositeInit> = (type, string) => {
  const kindFlag = type.kindFlag === true || type.members.some(member => member.bitSize !== 0);
  const rest: number[] = [];
  for (const { name, typeId, bitOffset, bitSize } of type.members) {
    if (kindFlag) {
      inRange('member bit offset', bitOffset, 0, 0xffffff, name);
      inRange('bitfield size', bitSize, 0, 0xff, name);
    }
    rest.push(string(name), typeId, kindFlag ? (bitSize * 0x1000000 + bitOffset) >>> 0 : bitOffset);
  }
  return { third: type.sizeBytes, vlen: type.members.length, kindFlag, rest };
};

const ENCODERS: { readonly [Kind in BtfTypeInit['kind']]: Encoder<InitOf<Kind>> } = {
  INT: type => ({
    third: type.sizeBytes,
    rest: [(type.encoding * 0x1000000 + type.bitOffset * 0x10000 + type.bits) >>> 0],
  }),
  PTR: ref,
  ARRAY: type => ({ third: 0, rest: [type.typeId, type.indexTypeId, type.nelems] }),
  STRUCT: composite,
  UNION: composite,
  ENUM: (type, string) => ({
    third: type.sizeBytes,
    vlen: type.values.length,
    kindFlag: type.signed,
    rest: type.values.flatMap(({ name, value }) => [string(name), value >>> 0]),
  }),
  ENUM64: (type, string) => ({
    third: type.sizeBytes,
    vlen: type.values.length,
    kindFlag: type.signed,
    rest: type.values.flatMap(({ name, value }) => [string(name), lo32(value) >>> 0, hi32(value) >>> 0]),
  }),
  FWD: type => ({ third: 0, kindFlag: type.of === 'union' }),
  TYPEDEF: ref,
  VOLATILE: ref,
  CONST: ref,
  RESTRICT: ref,
  FUNC: type => ({ third: type.typeId, vlen: type.linkage }),
  FUNC_PROTO: (type, string) => ({
    third: type.returnTypeId,
    vlen: type.params.length,
    rest: type.params.flatMap(({ name, typeId }) => [string(name), typeId]),
  }),
  VAR: type => ({ third: type.typeId, rest: [type.linkage] }),
  DATASEC: type => ({
    third: type.sizeBytes,
    vlen: type.vars.length,
    rest: type.vars.flatMap(({ typeId, offBytes, sizeBytes }) => [typeId, offBytes, sizeBytes]),
  }),
  FLOAT: type => ({ third: type.sizeBytes }),
  DECL_TAG: type => ({ ...tag(type), rest: [type.componentIdx >>> 0] }),
  TYPE_TAG: tag,
};

function inRange(what: string, value: number, min: number, max: number, name: string): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new FarcallError({
    code: 'btf.build',
    message: `${what} cannot be written`,
    expected: `${min} to ${max}`,
    found: `${value}`,
    where: { name },
  });
}

/**
 * Builds BTF: types get the ids in which they are added, may refer to ids added later, and may be replaced until the
 * bytes are made. Equal strings are stored once. With a base, ids and strings continue the base's (split BTF).
 */
export class BtfBuilder {
  readonly base: Btf | undefined;
  readonly #types: BtfTypeInit[] = [];
  readonly #startId: number;
  readonly #startStrOff: number;
  readonly #offs = new Map<string, number>();
  readonly #strings = new ByteWriter('little', 1024);

  constructor(base?: Btf) {
    this.base = base;
    this.#startId = base?.typeCount ?? 1;
    this.#startStrOff = base?.strings.endOff ?? 0;
    this.#offs.set('', 0);
    if (base === undefined) this.#strings.put(Uint8Array.of(0));
  }

  /**
   * A builder holding a copy of a BTF's own types under the same ids; string offsets may differ. Throws `btf.build` for
   * kinds it cannot write.
   */
  static from(btf: Btf): BtfBuilder {
    const builder = new BtfBuilder(btf.base);
    for (const type of btf.ownTypes()) {
      if (type.kind !== 'UNKNOWN' && type.kind !== 'VOID') builder.add(type);
      else inRange('a type of unknown kind', kindNumber(type.kind), 1, 19, `[${type.id}]`);
    }
    return builder;
  }

  /** One more than the highest id. */
  get typeCount(): number {
    return this.#startId + this.#types.length;
  }

  /** Adds a type and returns its id. */
  add(type: BtfTypeInit): number {
    this.#types.push(type);
    return this.typeCount - 1;
  }

  /** Puts another type in the place of one added before. Throws `btf.build`. */
  replace(id: number, type: BtfTypeInit): void {
    inRange('replaced type id', id, this.#startId, this.typeCount - 1, type.name);
    this.#types[id - this.#startId] = type;
  }

  /** The type added under an id; undefined for void and the base's. */
  typeAt(id: number): BtfTypeInit | undefined {
    return this.#types[id - this.#startId];
  }

  /** The offset of a string, adding it if it is new. */
  string(text: string): number {
    let off = this.#offs.get(text);
    if (off === undefined) {
      if (text.includes('\0')) {
        throw new FarcallError({ code: 'btf.build', message: 'a string holds a NUL', found: JSON.stringify(text) });
      }
      off = this.#startStrOff + this.#strings.length;
      this.#offs.set(text, off);
      this.#strings.put(encodeText(`${text}\0`));
    }
    return off;
  }

  /** The bytes. Throws `btf.build` where a value does not fit its field or an id does not exist. */
  encode(order: ByteOrder = 'little'): Uint8Array {
    const words: number[] = [];
    const string = (text: string): number => this.string(text);
    this.#types.forEach((type, index) => {
      const label = `${type.kind} [${this.#startId + index}] ${type.name}`;
      // The table has the right encoder for each kind; the compiler cannot follow the pairing.
      const encoder = ENCODERS[type.kind] as Encoder<BtfTypeInit>;
      const nameOff = this.string(type.name);
      const { third, vlen = 0, kindFlag = false, rest = [] } = encoder(type, string);
      inRange('count', vlen, 0, MAX_WRITTEN_VLEN, label);
      const info = ((kindFlag ? 0x80000000 : 0) + kindNumber(type.kind) * 0x1000000 + vlen) >>> 0;
      for (const word of [nameOff, info, third, ...rest]) {
        inRange('value', word, 0, 0xffffffff, label);
        words.push(word);
      }
    });
    const typeLen = 4 * words.length;
    const strings = this.#strings.finish();
    const out = new ByteWriter(order, BTF_HEADER_LEN + typeLen + strings.length);
    out.u16(BTF_MAGIC).u8(BTF_VERSION).u8(0).u32(BTF_HEADER_LEN);
    out.u32(0).u32(typeLen).u32(typeLen).u32(strings.length);
    for (const word of words) out.u32(word);
    return out.put(strings).finish();
  }

  /** The bytes, opened and so checked. */
  build(order: ByteOrder = 'little', options: Omit<OpenBtfOptions, 'base'> = {}): Btf {
    return openBtf(this.encode(order), { ...options, base: this.base });
  }
}
