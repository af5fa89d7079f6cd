import type { Insn } from '../isa/index.ts';
import { bpfSymbolName, type ImageSlot, type KernelSpace } from '../kernels/index.ts';
import { InternalError } from '../util/index.ts';
import type { XlatedProgram } from '../verifier/index.ts';
import { dumpEncodingOf, encodeForDump } from './dump-form.ts';
import { offsetFrom } from './link.ts';
import { funcTag } from './prog-tags.ts';
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
  TagHash,
  TargetEnv,
} from './types.ts';

/** What all functions of a program are published with. */
export interface Publication {
  readonly xlated: XlatedProgram;
  readonly marked: Marked;
  readonly env: TargetEnv;
  readonly hash: TagHash;
  /** Of the program as loaded. */
  readonly tag: string;
}

/** A function at its address. */
export class PublishedFunc implements JitedFunc {
  readonly index: number;
  readonly name: string;
  readonly symbol: string;
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
  #tag: string | undefined;

  constructor(publication: Publication, { index, isFunc, insns }: FuncInput, image: CompiledFunc, slot: ImageSlot) {
    if (image.slotOffs.length !== insns.length + 1)
      throw new InternalError(`${insns.length} slots, ${image.slotOffs.length} offsets`);
    const { xlated, tag } = publication;
    const subprog = xlated.subprogs[index];
    const { addr } = slot;
    this.#publication = publication;
    this.#tag = isFunc ? undefined : tag;
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
    this.symbol = bpfSymbolName(index === 0 ? tag : this.tag, this.name);
    this.slotOffs = image.slotOffs;
    this.lineOffs = image.lineOffs ?? image.slotOffs;
    this.sites = image.sites;
    this.extable = image.extable;
  }

  /** Main's own has no part in any symbol: it is made when somebody asks. */
  get tag(): string {
    if (this.#tag === undefined) {
      const { xlated, marked, hash, env } = this.#publication;
      const { start } = env.space.layout.modules;
      this.#tag = funcTag(xlated, marked, xlated.subprogs[this.index], hash, start, this.insns);
    }
    return this.#tag;
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
  readonly tag: string;
  readonly rounds: number;
  readonly free: () => void;
  readonly #marked: Marked;
  readonly #encoding: DumpEncoding | undefined;
  #insns: readonly Insn[] | undefined;

  constructor(
    { xlated, marked, env, tag }: Publication,
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
    this.tag = tag;
    this.#encoding = made.encoding;
    this.rounds = made.rounds;
    this.free = made.free;
    this.#marked = marked;
  }

  get encoding(): DumpEncoding {
    return this.#encoding ?? dumpEncodingOf(this.xlated.kernel.version);
  }

  /** Made when somebody asks. */
  get insns(): readonly Insn[] {
    return (this.#insns ??= encodeForDump(this.xlated, this.#marked, this.encoding));
  }
}
