import type { Btf } from '../../btf/index.ts';
import { progTypeRow } from '../../progtypes/index.ts';
import { progTypeName, bpf_prog_type as TYPE } from '../../uapi/index.ts';
import { encodeText, FarcallError, fromHex } from '../../util/index.ts';
import { usageError } from '../failure.ts';
import { type BtfPlace, bareType, contextTypeId, placeAt } from '../format/btf-place.ts';
import type { BtfValue } from '../format/btf-value.ts';
import { BtfValueWriter, fitsBits, integerOf, shownValue } from '../format/btf-value-writer.ts';
import { parseGiven } from '../format/given-value.ts';
import { ptRegsLayout } from './pt-regs.ts';
import type { Session } from './session.ts';

/** Types whose context is an array of u64 arguments. */
const ARRAY_TYPES: ReadonlySet<number> = new Set([
  TYPE.BPF_PROG_TYPE_RAW_TRACEPOINT,
  TYPE.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE,
  TYPE.BPF_PROG_TYPE_TRACING,
  TYPE.BPF_PROG_TYPE_LSM,
  TYPE.BPF_PROG_TYPE_STRUCT_OPS,
]);

/** `MAX_BPF_FUNC_ARGS` */
const MAX_ARGS = 12;

/** What a call's arguments come to. */
export interface CallArgs {
  readonly ctxIn: Uint8Array | undefined;
  readonly argCount?: number;
  readonly hasRet?: boolean;
}

interface GivenArg {
  readonly name: string;
  readonly value: BtfValue;
}

function readArg(arg: string): GivenArg {
  const equals = arg.indexOf('=');
  if (equals <= 0) throw usageError('--arg is not usable', 'N=VALUE, ret=VALUE or FIELD=VALUE', `'${arg}'`);
  return { name: arg.slice(0, equals), value: parseGiven(arg.slice(equals + 1)) };
}

const isNumbered = ({ name }: GivenArg): boolean => name === 'ret' || /^\d+$/.test(name);

/** A context as it is put together. */
class ContextBuilder {
  readonly #session: Session;
  #bytes: Uint8Array;

  constructor(session: Session, ctxIn: Uint8Array | undefined) {
    this.#session = session;
    this.#bytes = ctxIn?.slice() ?? new Uint8Array(0);
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }
  /** Makes it at least this long. */
  reach(sizeBytes: number): Uint8Array {
    if (this.#bytes.length < sizeBytes) {
      const longer = new Uint8Array(sizeBytes);
      longer.set(this.#bytes);
      this.#bytes = longer;
    }
    return this.#bytes;
  }

  /** The address of a copy the program may read and write. */
  addressOf(bytes: Uint8Array): number {
    const { mem } = this.#session.machine;
    const start = mem.alloc(Math.max(bytes.length, 1));
    mem.write(start, bytes);
    mem.addRegion({ kind: 'mem', name: 'an argument', start, sizeBytes: bytes.length });
    return start;
  }
  #pointerTo(text: string): bigint {
    const bytes = text.startsWith('hex:') ? fromHex(text.slice('hex:'.length)) : encodeText(`${text}\0`);
    return BigInt(this.addressOf(bytes));
  }

  /** What a register holds for a value: an integer, or the address of text. */
  register({ name, value }: GivenArg): bigint {
    const number = integerOf(value) ?? (typeof value === 'string' ? this.#pointerTo(value) : undefined);
    if (number !== undefined && fitsBits(number, 64)) return BigInt.asUintN(64, number);
    throw usageError(`--arg ${name} is not usable`, 'a 64-bit integer, text or hex:…', shownValue(value));
  }
  putWord(off: number, word: bigint): void {
    this.reach(off + 8);
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset);
    view.setBigUint64(off, word, this.#session.machine.mem.littleEndian);
  }

  /** A member of the context's struct. */
  putField(struct: ContextStruct, place: BtfPlace, { name, value }: GivenArg): void {
    const { btf, typeId } = struct;
    const bytes = this.reach(btf.sizeOf(typeId));
    const isPointer = btf.typeById(bareType(btf, place.typeId)).kind === 'PTR' && integerOf(value) === undefined;
    const given = isPointer && typeof value === 'string' ? this.#pointerTo(value) : value;
    new BtfValueWriter(btf, bytes, this.#session.machine.mem.order, true).writePlace(place, given, name);
  }
}

interface ContextStruct {
  readonly btf: Btf;
  readonly typeId: number;
}

/** The struct R1 points to: as the program declares it, or as its type has it; laid out as the kernel has it. */
function contextStruct({ program, spec }: Session, kernel: Btf | undefined): ContextStruct | undefined {
  const btf = spec?.btf;
  if (btf === undefined) return undefined;
  const declared = contextTypeId(btf, program.spec?.funcInfo ?? []);
  const usual = Math.max(0, btf.findByName(progTypeRow(program.type)?.ctxStruct || ' ', 'STRUCT'));
  const own = btf.typeById(declared).kind === 'STRUCT' ? declared : usual;
  if (own === 0) return undefined;
  const theirs = Math.max(0, kernel?.findByName(btf.nameOf(own).replace(/___.*$/, ''), 'STRUCT') ?? 0);
  return kernel !== undefined && theirs > 0 ? { btf: kernel, typeId: theirs } : { btf, typeId: own };
}

function checkNumbers(given: readonly GivenArg[], most: number): void {
  for (const { name } of given) {
    if (name === 'ret' || (Number(name) >= 1 && Number(name) <= most)) continue;
    throw usageError('--arg: there is no such argument', `1 to ${most}, or ret`, `'${name}'`);
  }
}

/** The array of u64 arguments, what the function returned behind the last. */
function putInArray(builder: ContextBuilder, given: readonly GivenArg[]): Omit<CallArgs, 'ctxIn'> {
  checkNumbers(given, MAX_ARGS);
  const numbered = given.filter(({ name }) => name !== 'ret');
  const ret = given.find(({ name }) => name === 'ret');
  const argCount = Math.max(builder.bytes.length >> 3, ...numbered.map(({ name }) => Number(name)));
  for (const arg of numbered) builder.putWord(8 * (Number(arg.name) - 1), builder.register(arg));
  if (ret !== undefined) builder.putWord(8 * argCount, builder.register(ret));
  return { argCount, hasRet: ret !== undefined };
}

/** The registers a function is called with. Those of system calls lie where the first argument of their wrapper points. */
function putInRegisters(
  builder: ContextBuilder,
  given: readonly GivenArg[],
  { machine, program }: Session,
  kernel: Btf | undefined,
): void {
  const layout = ptRegsLayout(kernel);
  const wrapped = /^\??ksyscall\b/.test(program.spec?.section ?? '') && layout.syscallArgs !== undefined;
  const args = wrapped ? (layout.syscallArgs ?? []) : layout.args;
  checkNumbers(given, args.length);
  builder.reach(layout.sizeBytes);
  const regs = wrapped ? builder.addressOf(new Uint8Array(layout.sizeBytes)) : 0;
  for (const arg of given) {
    const word = builder.register(arg);
    if (arg.name === 'ret') builder.putWord(layout.ret, word);
    else if (!wrapped) builder.putWord(args[Number(arg.name) - 1], word);
    else machine.mem.view.setBigUint64(regs + args[Number(arg.name) - 1], word, machine.mem.littleEndian);
  }
  if (wrapped) builder.putWord(layout.args[0], BigInt(regs));
}

/**
 * The context of a run with `--arg` arguments put in: `N=VALUE` is the N-th argument of the function a tracing program
 * hangs on, `ret=VALUE` what it returned, and `FIELD=VALUE` a member of the context's struct. Throws `arg.usage`,
 * `arg.json`, `map.value`.
 *
 * @param ctxIn what they are put into; zeros where there is none
 * @param kernel the types CO-RE relocations were applied against
 */
export function callArgs(
  session: Session,
  args: readonly string[],
  ctxIn: Uint8Array | undefined,
  kernel: Btf | undefined,
): CallArgs {
  if (args.length === 0) return { ctxIn };
  const { type } = session.program;
  const builder = new ContextBuilder(session, ctxIn);
  const given = args.map(readArg);
  const numbered = given.filter(isNumbered);
  let counts: Omit<CallArgs, 'ctxIn'> = {};
  if (numbered.length > 0) {
    if (ARRAY_TYPES.has(type)) counts = putInArray(builder, numbered);
    else if (type === TYPE.BPF_PROG_TYPE_KPROBE) putInRegisters(builder, numbered, session, kernel);
    else {
      const found = `'${numbered[0].name}'`;
      throw usageError(`--arg: ${progTypeName(type)} programs have no numbered arguments`, 'FIELD=VALUE', found);
    }
  }
  for (const arg of given.filter(item => !isNumbered(item))) {
    const struct = contextStruct(session, kernel);
    if (struct === undefined) {
      throw usageError('--arg: the struct of the context is not known', 'N=VALUE, or --ctx-in', `'${arg.name}'`);
    }
    const place = placeAt(struct.btf, struct.typeId, `.${arg.name}`);
    if ('expected' in place) {
      const name = struct.btf.nameOf(struct.typeId);
      throw new FarcallError({
        code: 'arg.usage',
        message: `--arg: struct ${name} has no such field`,
        expected: place.expected,
        found: `'${arg.name}'`,
      });
    }
    builder.putField(struct, place, arg);
  }
  return { ctxIn: builder.bytes, ...counts };
}
