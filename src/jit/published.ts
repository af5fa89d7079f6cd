import type { Insn } from '../isa/index.ts';
import { bpfSymbolName, type ImageSlot, type KernelSpace, type Ksym } from '../kernels/index.ts';
import { InternalError } from '../util/index.ts';
import type { Subprog, XlatedProgram } from '../verifier/index.ts';
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
  readonly env: Pick<TargetEnv, 'cpu' | 'mode' | 'space'>;
  readonly tags: ProgTags;
}

/** A function at its address. Its tag and its symbol are made when somebody asks. */
export class PublishedFunc implements JitedFunc {
  readonly slot: ImageSlot;
  readonly addr: bigint;
  readonly entry: bigint;
  readonly localEntry: bigint;
  readonly #publication: Publication;
  readonly #input: FuncInput;
  readonly #image: CompiledFunc;
  #tag: string | undefined;
  #symbol: string | undefined;

  /** @param callee the same function in the table that all share */
  constructor(publication: Publication, input: FuncInput, image: CompiledFunc, slot: ImageSlot, callee: Callee) {
    if (image.slotOffs.length !== input.insns.length + 1)
      throw new InternalError(`${input.insns.length} slots, ${image.slotOffs.length} offsets`);
    this.slot = slot;
    this.addr = slot.addr;
    this.entry = callee.entry;
    this.localEntry = callee.localEntry;
    this.#publication = publication;
    this.#input = input;
    this.#image = image;
  }

  get index(): number {
    return this.#input.index;
  }
  get #subprog(): Subprog {
    return this.#publication.xlated.subprogs[this.index];
  }
  get name(): string {
    const { name } = this.#subprog;
    return name !== '' ? name : this.index === 0 ? this.#publication.xlated.name : 'F';
  }
  get start(): number {
    return this.#subprog.start;
  }
  get insns(): readonly Insn[] {
    return this.#input.insns;
  }
  get bpfFunc(): bigint {
    return this.addr;
  }
  get tailEntry(): bigint {
    return offsetFrom(this.addr, this.#image.tailEntryOff);
  }
  get bytes(): Uint8Array {
    return this.#image.bytes;
  }
  get jitedLen(): number {
    return this.#image.jitedLen ?? this.#image.bytes.length;
  }
  get slotOffs(): Int32Array {
    return this.#image.slotOffs;
  }
  get lineOffs(): Int32Array {
    return this.#image.lineOffs ?? this.#image.slotOffs;
  }
  get sites(): readonly CallSite[] {
    return this.#image.sites;
  }
  get extable(): readonly ExtableEntry[] {
    return this.#image.extable;
  }

  get tag(): string {
    const { marked, tags } = this.#publication;
    return (this.#tag ??= this.#input.isFunc ? tags.ofFunc(marked, this.#subprog, this.insns) : tags.own);
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
  readonly #marked: Marked;
  readonly #tags: ProgTags;
  readonly #encoding: DumpEncoding | undefined;
  #insns: readonly Insn[] | undefined;

  #freed = false;

  constructor(
    { xlated, marked, env, tags }: Publication,
    target: JitTarget,
    funcs: readonly JitedFunc[],
    callees: readonly Callee[],
    rounds: number,
    encoding: DumpEncoding | undefined,
  ) {
    const multi = funcs.length > 1;
    this.xlated = xlated;
    this.target = target;
    this.cpu = env.cpu;
    this.mode = env.mode;
    this.space = env.space;
    this.aux = {
      func: callees,
      funcCount: multi ? funcs.length - xlated.hiddenSubprogCount : 0,
      realFuncCount: multi ? funcs.length : 0,
    };
    this.funcs = funcs;
    this.#tags = tags;
    this.#encoding = encoding;
    this.rounds = rounds;
    this.#marked = marked;
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    // Last in, first out: what came last is found at once.
    for (let i = this.funcs.length - 1; i >= 0; i--) {
      const { addr, slot } = this.funcs[i];
      this.space.removeKsym(addr);
      this.space.release(slot);
    }
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
