import type { Insn } from '../isa/index.ts';
import { bpfSymbolName, type ImageSlot, type KernelSpace, type Ksym } from '../kernels/index.ts';
import { InternalError } from '../util/index.ts';
import type { XlatedProgram } from '../verifier/index.ts';
import { dumpEncodingOf, encodeForDump } from './dump-form.ts';
import { offsetFrom } from './link.ts';
import type { ProgTags } from './prog-tags.ts';
import type { AuxFuncs, DumpEncoding, JitedFunc, JitedProgram } from './program.ts';
import type { Marked } from './split.ts';
import type {
  Callee,
  CallSite,
  CompiledFunc,
  ExtableEntry,
  FuncInput,
  JitMode,
  JitTarget,
  TargetEnv,
} from './types.ts';

/** What all functions of a program are published with. */
export interface Publication {
  readonly xlated: XlatedProgram;
  readonly marked: Marked;
  readonly env: TargetEnv;
  readonly tags: ProgTags;
}

/** A function at its address. Its tag and its symbol are made when somebody asks. */
export class PublishedFunc implements JitedFunc {
  readonly index: number;
  readonly name: string;
  readonly slot: ImageSlot;
  readonly addr: bigint;
  readonly bytes: Uint8Array;
  readonly jitedLen: number;
  readonly bpfFunc: bigint;
  readonly entry: bigint;
  readonly localEntry: bigint;
  readonly tailEntry: bigint;
  readonly insns: readonly Insn[];
  readonly start: number;
  readonly slotOffs: Int32Array;
  readonly lineOffs: Int32Array;
  readonly sites: readonly CallSite[];
  readonly extable: readonly ExtableEntry[];
  readonly #publication: Publication;
  readonly #isFunc: boolean;
  #tag: string | undefined;
  #symbol: string | undefined;

  constructor(publication: Publication, { index, isFunc, insns }: FuncInput, image: CompiledFunc, slot: ImageSlot) {
    if (image.slotOffs.length !== insns.length + 1)
      throw new InternalError(`${insns.length} slots, ${image.slotOffs.length} offsets`);
    const { xlated } = publication;
    const subprog = xlated.subprogs[index];
    const { addr } = slot;
    this.#publication = publication;
    this.#isFunc = isFunc;
    this.index = index;
    this.name = subprog.name !== '' ? subprog.name : index === 0 ? xlated.name : 'F';
    this.start = subprog.start;
    this.slot = slot;
    this.addr = addr;
    this.bytes = image.bytes;
    this.jitedLen = image.jitedLen ?? image.bytes.length;
    this.bpfFunc = addr;
    this.entry = offsetFrom(addr, image.entryOff);
    this.localEntry = offsetFrom(addr, image.localEntryOff);
    this.tailEntry = offsetFrom(addr, image.tailEntryOff);
    this.insns = insns;
    this.slotOffs = image.slotOffs;
    this.lineOffs = image.lineOffs ?? image.slotOffs;
    this.sites = image.sites;
    this.extable = image.extable;
  }

  get tag(): string {
    const { xlated, marked, tags } = this.#publication;
    return (this.#tag ??= this.#isFunc ? tags.ofFunc(marked, xlated.subprogs[this.index], this.insns) : tags.own);
  }

  get symbol(): string {
    const { tags } = this.#publication;
    return (this.#symbol ??= bpfSymbolName(this.index === 0 ? tags.own : this.tag, this.name));
  }
}

/** A function's line in kallsyms. */
export class FuncKsym implements Ksym {
  readonly addr: bigint;
  readonly sizeBytes: number;
  readonly kind = 't';
  readonly module = 'bpf';
  readonly #func: JitedFunc;

  constructor(func: JitedFunc) {
    this.addr = func.addr;
    this.sizeBytes = func.jitedLen;
    this.#func = func;
  }

  get name(): string {
    return this.#func.symbol;
  }
}

/** A program at its addresses. */
export class PublishedProgram implements JitedProgram {
  readonly jited = true;
  readonly xlated: XlatedProgram;
  readonly target: JitTarget;
  readonly cpu: string;
  readonly mode: JitMode;
  readonly space: KernelSpace;
  readonly aux: AuxFuncs;
  readonly funcs: readonly JitedFunc[];
  readonly rounds: number;
  readonly free: () => void;
  readonly #marked: Marked;
  readonly #tags: ProgTags;
  readonly #encoding: DumpEncoding | undefined;
  #insns: readonly Insn[] | undefined;

  constructor(
    { xlated, marked, env, tags }: Publication,
    target: JitTarget,
    funcs: readonly JitedFunc[],
    made: {
      readonly callees: readonly Callee[];
      readonly rounds: number;
      readonly encoding: DumpEncoding | undefined;
      readonly free: () => void;
    },
  ) {
    const multi = funcs.length > 1;
    this.xlated = xlated;
    this.target = target;
    this.cpu = env.cpu;
    this.mode = env.mode;
    this.space = env.space;
    this.aux = {
      func: made.callees,
      funcCount: multi ? funcs.length - xlated.hiddenSubprogCount : 0,
      realFuncCount: multi ? funcs.length : 0,
    };
    this.funcs = funcs;
    this.#tags = tags;
    this.#encoding = made.encoding;
    this.rounds = made.rounds;
    this.free = made.free;
    this.#marked = marked;
  }

  get tag(): string {
    return this.#tags.own;
  }

  get encoding(): DumpEncoding {
    return this.#encoding ?? dumpEncodingOf(this.xlated.kernel.version);
  }

  /** Made when somebody asks. */
  get insns(): readonly Insn[] {
    return (this.#insns ??= encodeForDump(this.xlated, this.#marked, this.encoding));
  }
}
