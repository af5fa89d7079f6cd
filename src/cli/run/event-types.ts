import type { Btf } from '../../btf/index.ts';
import type { MachineEvent } from '../../machine/index.ts';
import type { ProgramSpec } from '../../object/index.ts';
import { type ByteOrder, FarcallError } from '../../util/index.ts';
import { bareType, contextTypeId } from '../format/btf-place.ts';
import { type BtfValue, BtfValueReader } from '../format/btf-value.ts';
import type { Session } from './session.ts';

/** Names people give to what they send to user space. */
const EVENT_NAME = /(^|_)(events?|evt|samples?|records?|msg|data)(_t|_s)?$|^(event|evt)_/i;

interface ForcedType {
  /** undefined: of any map. */
  readonly map: string | undefined;
  readonly typeId: number;
}

/** A record read as its type. */
export interface TypedEvent {
  readonly typeName: string;
  readonly value: BtfValue;
  /** Bytes behind it. */
  readonly restBytes: number;
}

/** The structs programs are called with. */
function contextStructs(btf: Btf, programs: readonly ProgramSpec[]): Set<number> {
  const structs = new Set<number>();
  for (const { funcInfo } of programs) {
    const context = contextTypeId(btf, funcInfo);
    if (context !== 0) structs.add(context);
  }
  return structs;
}

/** Structs by size; a size that several have leads nowhere. */
class BySize {
  readonly #types = new Map<number, number>();

  add(size: number, typeId: number): void {
    const known = this.#types.get(size);
    this.#types.set(size, known === undefined || known === typeId ? typeId : 0);
  }
  /** undefined: none has this size; 0: several. */
  of(size: number): number | undefined {
    return this.#types.get(size);
  }
}

/**
 * What the records of ring and perf buffers are. Nothing in an object says so. A struct is taken for a record's type when it
 * has the record's size (and is no program's context) and the object points it out with a variable that is a pointer to it, as authors do to keep its
 * type (`const struct event *unused`), or else when its name is that of an event; and only when no other does likewise.
 */
export class EventTypes {
  readonly #btf: Btf | undefined;
  readonly #order: ByteOrder;
  readonly #forced: readonly ForcedType[];
  readonly #pointedOut = new BySize();
  readonly #named = new BySize();

  /** @param names `--event-type` arguments. Throws `arg.event-type` for one that is not there. */
  constructor({ spec, machine }: Session, names: readonly string[]) {
    this.#btf = spec?.btf;
    this.#order = machine.mem.order;
    this.#forced = names.map(name => this.#force(name));
    if (spec?.btf === undefined) return;
    try {
      this.#look(spec.btf, contextStructs(spec.btf, spec.programs));
    } catch (error) {
      // Types that lead nowhere are no reason not to run.
      if (!(error instanceof FarcallError)) throw error;
    }
  }

  #look(btf: Btf, contexts: ReadonlySet<number>): void {
    for (const type of btf.ownTypes()) {
      if (type.kind === 'STRUCT' && EVENT_NAME.test(type.name) && !contexts.has(type.id)) {
        this.#named.add(type.sizeBytes, type.id);
      }
      if (type.kind !== 'VAR') continue;
      const pointer = btf.typeById(bareType(btf, type.typeId));
      if (pointer.kind !== 'PTR') continue;
      const target = btf.typeById(bareType(btf, pointer.typeId));
      if (target.kind === 'STRUCT') this.#pointedOut.add(target.sizeBytes, target.id);
    }
  }

  #force(arg: string): ForcedType {
    const colon = arg.indexOf(':');
    const name = arg.slice(colon + 1);
    const btf = this.#btf;
    const typeId = btf?.allByName(name).find(id => typeof btf.trySizeOf(id) === 'number');
    if (typeId !== undefined) return { map: colon < 0 ? undefined : arg.slice(0, colon), typeId };
    throw new FarcallError({
      code: 'arg.event-type',
      message: 'no such type',
      expected: btf === undefined ? 'an object with BTF' : 'the name of a struct, union, enum or typedef of the object',
      found: `'${name}'`,
    });
  }

  #typeOf(btf: Btf, { map, data }: MachineEvent): number {
    const forced = this.#forced.filter(type => type.map === undefined || type.map === map);
    // Of several the one that fits; a single one may be the head of something longer.
    const fits = forced.find(({ typeId }) => {
      const size = btf.sizeOf(typeId);
      return size === data.length || (forced.length === 1 && size < data.length);
    });
    if (forced.length > 0) return fits?.typeId ?? 0;
    return this.#pointedOut.of(data.length) ?? this.#named.of(data.length) ?? 0;
  }

  /** @param network `__be16` and `__be32` as people write them */
  read(event: MachineEvent, network: boolean): TypedEvent | undefined {
    const btf = this.#btf;
    const typeId = btf === undefined || event.data.length === 0 ? 0 : this.#typeOf(btf, event);
    if (btf === undefined || typeId === 0) return undefined;
    const value = new BtfValueReader(btf, event.data, this.#order, network).read(typeId);
    return { typeName: btf.nameOf(typeId), value, restBytes: event.data.length - btf.sizeOf(typeId) };
  }
}
