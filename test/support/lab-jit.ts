import {
  BPF_ADDR_SPACE_CAST,
  BPF_ATOMIC,
  BPF_JMP32,
  BPF_LDX,
  BPF_MEM,
  BPF_MEMSX,
  BPF_PROBE_ATOMIC,
  BPF_PROBE_MEM,
  BPF_PROBE_MEM32,
  BPF_PROBE_MEMSX,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
  BPF_ST,
  BPF_STX,
  CALL,
  decodeInsns,
  EXIT,
  type Insn,
  LD_IMM64,
  makeInsn,
  TAIL_CALL,
} from '../../src/isa/index.ts';
import { findTarget } from '../../src/jit/index.ts';
import { funcInput, markCalls } from '../../src/jit/split.ts';
import type { Callee, CompiledFunc, FuncInput, TargetEnv } from '../../src/jit/types.ts';
import type { KernelSpace } from '../../src/kernels/index.ts';
import { fromHex, hi32, lo32, toHex } from '../../src/util/index.ts';
import { type XlatedKfunc, type XlatedMap, type XlatedProgram, xlatedFromKernel } from '../../src/verifier/index.ts';
import { isJump, type LabTarget, labTarget } from './lab-targets.ts';

/** What a kernel said of a program it compiled. */
export interface JitAnswer {
  readonly name: string;
  /** The dump, hex. */
  readonly xlated: string;
  /** All images one after another, hex. */
  readonly jited: string;
  /** Addresses of the images, hex. */
  readonly ksyms: readonly string[];
  readonly funcLens: readonly number[];
  /** By function, from the line `stack depth a+b` of the verifier's log. */
  readonly stackDepths: readonly number[];
  /** Slots where functions begin, as function records say. */
  readonly funcStarts?: readonly number[];
  /** Slots that line records name, and what `jited_line_info` says of each, hex. */
  readonly lineSlots?: readonly number[];
  readonly lineAddrs?: readonly string[];
}

export interface Kfunc {
  readonly addr: bigint;
  readonly name?: string;
  readonly args: readonly { readonly sizeBytes: number; readonly signed: boolean }[];
}

export interface JitSubject {
  readonly space: KernelSpace;
  /** Default: the lab's ppc64el. */
  readonly lab?: LabTarget;
  /** Default: what the lab's machine is. */
  readonly cpu?: string;
  /** By what the dump's calls have in `imm`. */
  kfunc?(imm: number): Kfunc | undefined;
}

export interface Difference {
  readonly func: number;
  /** Byte offset in the function's image. */
  readonly offBytes: number;
  readonly insn: Insn | undefined;
  readonly slot: number;
  readonly ours: string;
  readonly theirs: string;
}

/** Bytes shown of a difference. */
const SHOWN_BYTES = 4;

const isMapRef = ({ code, src }: Insn): boolean =>
  code === LD_IMM64 && (src === BPF_PSEUDO_MAP_FD || src === BPF_PSEUDO_MAP_VALUE);

/** First slot of the function that nobody calls or takes the address of: what `bpf_throw` goes to. */
export function exceptionCallback({ funcStarts }: JitAnswer, dump: readonly Insn[]): number | undefined {
  const named = new Set([0]);
  for (const [slot, insn] of dump.entries()) {
    if (insn.code === CALL && insn.src === BPF_PSEUDO_CALL) named.add(slot + 1 + insn.off);
    else if (insn.code === LD_IMM64 && insn.src === BPF_PSEUDO_FUNC) named.add(slot + 1 + insn.imm);
  }
  return funcStarts?.find(start => !named.has(start));
}

/** Everything of a program but what its dump hides: maps lie where nobody lies. */
function withoutHidden(answer: JitAnswer, dump: readonly Insn[], subject: JitSubject, guess: bigint): XlatedProgram {
  const { space, kfunc } = subject;
  const ids = new Set<number>();
  for (const insn of dump) if (isMapRef(insn)) ids.add(insn.imm);
  const calls = new Set(
    dump.filter(({ code, src }) => code === CALL && src === BPF_PSEUDO_KFUNC_CALL).map(insn => insn.imm),
  );
  return xlatedFromKernel({
    name: 'p',
    type: 1,
    insns: dump,
    kernel: space.kernel,
    stackDepths: answer.stackDepths,
    exceptionCallback: exceptionCallback(answer, dump),
    maps: [...ids].map(
      (id): XlatedMap => ({ id, name: `${id}`, addr: guess, values: { start: guess, sizeBytes: 0x100000000 } }),
    ),
    kfuncs: [...calls].map((imm): XlatedKfunc => {
      const known = kfunc?.(imm);
      const name = known?.name ?? (known && space.kernel.symbolAt(Number(known.addr - space.callBase)));
      return { imm, off: 0, name: name ?? `kfunc ${imm}`, args: known?.args };
    }),
    lineInfo: answer.lineSlots?.map(insnIdx => ({ insnIdx, fileNameOff: 0, lineOff: 0, line: 1, column: 1 })),
  });
}

/** A function as the kernel and as the compatible mode compiled it. */
interface Pair {
  readonly insns: readonly Insn[];
  /** Its first slot in the program. */
  readonly start: number;
  readonly compiled: CompiledFunc;
  /** The kernel's bytes. */
  readonly image: Uint8Array;
}

interface Alike {
  readonly pairs: readonly Pair[];
  readonly xlated: XlatedProgram;
  /** Addresses by map id, with `+` of its values. */
  readonly addrs: ReadonlyMap<string, bigint>;
}

/** An arena as images show it. */
interface Arena {
  readonly base: bigint | undefined;
  /** Upper half of its user address. */
  high: number | undefined;
}

const isCastUser = ({ code, off, imm }: Insn): boolean =>
  code === 0xbf && off === BPF_ADDR_SPACE_CAST && imm === 1 << 16;

/** What a slot of a dump may have been when it was compiled, the dump's own form first. */
function originalsOf(insn: Insn): Insn[] {
  const { code } = insn;
  const mode = code & 0xe0;
  const cls = code & 7;
  const as = (other: number): Insn => ({ ...insn, code: (code & 0x1f) | other });
  if (code === TAIL_CALL) return [insn, { ...insn, imm: 1 }];
  if (cls === BPF_LDX && mode === BPF_MEM) return [insn, as(BPF_PROBE_MEM), as(BPF_PROBE_MEM32)];
  if (cls === BPF_LDX && mode === BPF_MEMSX) return [insn, as(BPF_PROBE_MEMSX)];
  if ((cls === BPF_ST || cls === BPF_STX) && mode === BPF_MEM) return [insn, as(BPF_PROBE_MEM32)];
  if (cls === BPF_STX && mode === BPF_ATOMIC) return [insn, as(BPF_PROBE_ATOMIC)];
  return [insn];
}

/** One function whose hidden parts are found by walking its image slot by slot. */
class Walk {
  readonly insns: Insn[];
  readonly #image: Uint8Array;
  readonly #lab: LabTarget;
  readonly #compile: (insns: readonly Insn[]) => CompiledFunc;
  readonly #arena: Arena;
  #made: CompiledFunc;

  constructor(
    insns: readonly Insn[],
    image: Uint8Array,
    lab: LabTarget,
    compile: (insns: readonly Insn[]) => CompiledFunc,
    arena: Arena,
  ) {
    this.insns = insns.slice();
    this.#image = image;
    this.#lab = lab;
    this.#compile = compile;
    this.#arena = arena;
    this.#made = compile(this.insns);
  }

  #bytesOf(slot: number): number {
    const { slotOffs } = this.#made;
    return slotOffs[slot + 1] - slotOffs[slot];
  }

  #put(slot: number, insn: Insn): void {
    if (this.insns[slot] === insn) return;
    this.insns[slot] = insn;
    this.#made = this.#compile(this.insns);
  }

  /** How many bytes of what the slot was compiled to here the image has at `at`; all: Infinity. */
  #matching(slot: number, at: number): number {
    const { slotOffs, bytes } = this.#made;
    const length = this.#bytesOf(slot);
    for (let i = 0; i < length; i++) if (bytes[slotOffs[slot] + i] !== this.#image[at + i]) return i;
    return Number.POSITIVE_INFINITY;
  }

  /** Takes the form of the slot that the image has most of; of several, the dump's. */
  #choose(slot: number, at: number): void {
    const forms = originalsOf(this.insns[slot]);
    let best = forms[0];
    let most = forms.length === 1 ? Number.POSITIVE_INFINITY : this.#matching(slot, at);
    for (const form of forms.slice(1)) {
      if (most === Number.POSITIVE_INFINITY) break;
      this.#put(slot, form);
      const bytes = this.#matching(slot, at);
      if (bytes > most) [best, most] = [form, bytes];
    }
    this.#put(slot, best);
  }

  /**
   * Puts back what a dump hides, as the kernel's image shows it: addresses behind map references, which accesses may fault,
   * which tail calls know their entry. Nothing else is taken from the image.
   *
   * @param addrs addresses of maps seen so far, by `id` and `id+`; a second reference has to agree
   */
  recover(dump: readonly Insn[], addrs: Map<string, bigint>): string | undefined {
    const image = this.#image;
    const lab = this.#lab;
    let at = this.#made.slotOffs[0];
    for (let slot = 0; slot < this.insns.length; slot++) {
      const insn = this.insns[slot];
      if (isMapRef(dump[slot])) {
        const found = lab.readConstant(image, at, insn.dst, this.insns[slot + 2]);
        if (found === undefined) return `no constant for the map at slot ${slot}`;
        const value = BigInt.asUintN(64, found.value);
        const isValue = dump[slot].src === BPF_PSEUDO_MAP_VALUE;
        const key = `${dump[slot].imm}${isValue ? '+' : ''}`;
        const base = value - (isValue ? BigInt(dump[slot + 1].imm >>> 0) : 0n);
        const known = addrs.get(key);
        if (known !== undefined && known !== base) return `map ${key} at slot ${slot} lies elsewhere`;
        addrs.set(key, base);
        this.insns[slot] = makeInsn(LD_IMM64, insn.dst, 0, 0, lo32(value));
        this.insns[++slot] = makeInsn(0, 0, 0, 0, hi32(value));
        at += found.bytes;
      } else if (insn.code === LD_IMM64) {
        at += this.#bytesOf(slot) + this.#bytesOf(slot + 1);
        slot++;
      } else if (isJump(insn) && lab.jumpBytes !== undefined) {
        at += lab.jumpBytes(image, at, { insn, bytes: this.#bytesOf(slot), distance: this.#distance(slot) });
      } else {
        if (isCastUser(insn) && this.#arena.high === undefined) {
          this.#arena.high = lab.userHigh?.(image, at, insn);
          this.#made = this.#compile(this.insns);
        }
        this.#choose(slot, at);
        at += this.#bytesOf(slot);
      }
    }
    return undefined;
  }

  #distance(slot: number): number {
    const { slotOffs } = this.#made;
    const { code, off, imm } = this.insns[slot];
    if (code === EXIT) return 0;
    return slotOffs[slot + 1 + (code === BPF_JMP32 ? imm : off)] - slotOffs[slot + 1];
  }
}

/** Compiles a program the kernel compiled, at the same addresses; a text: it could not be made ready for that. */
function compileAlike(answer: JitAnswer, subject: JitSubject): Alike | string {
  const lab = subject.lab ?? labTarget('ppc64el');
  const target = findTarget(lab.target);
  const dump = decodeInsns(fromHex(answer.xlated));
  const count = answer.ksyms.length;
  if (answer.stackDepths.length < count) return `${answer.stackDepths.length} stack depths, ${count} images`;
  const xlated = withoutHidden(answer, dump, subject, lab.guess);
  const shown = xlated.subprogs.length - xlated.hiddenSubprogCount;
  if (shown !== count) return `${shown} functions in the dump, ${count} images`;
  const marked = markCalls(xlated, () => {});
  const theirs = fromHex(answer.jited);
  const at = answer.ksyms.map(text => BigInt(`0x${text}`));
  // Hidden ones have no place anybody is told; nothing calls them.
  while (at.length < xlated.subprogs.length) at.push(at[0]);
  const callees = at.map((addr): Callee => ({ bpfFunc: addr, entry: addr, localEntry: addr + 4n }));
  const env: TargetEnv = {
    cpu: subject.cpu ?? lab.cpu,
    mode: 'compat',
    space: subject.space,
    userLimit: subject.space.layout.userLimit,
    pcrel: false,
  };
  const arena: Arena = { base: lab.arenaBase?.(theirs.subarray(0, answer.funcLens[0])), high: undefined };
  const addrs = new Map<string, bigint>();
  const pairs: Pair[] = [];
  let base = 0;
  for (let index = 0; index < count; index++) {
    const image = theirs.subarray(base, base + answer.funcLens[index]);
    base += answer.funcLens[index];
    const input = funcInput(xlated, marked, index, imm => subject.kfunc?.(imm)?.addr);
    const compile = (insns: readonly Insn[]): CompiledFunc => {
      const bases = { kernVmStart: arena.base ?? 0n, userVmStart: BigInt(arena.high ?? 0) << 32n };
      const func: FuncInput = { ...input, insns, arena: arena.base === undefined ? undefined : bases };
      return target.compiler(func, env).emit(at[index], callees);
    };
    const { start, end } = xlated.subprogs[index];
    const walk = new Walk(input.insns, image, lab, compile, arena);
    const problem = walk.recover(dump.slice(start, end), addrs);
    if (problem !== undefined) return `function ${index}: ${problem}`;
    pairs.push({ insns: walk.insns, start, compiled: compile(walk.insns), image });
  }
  return { pairs, xlated, addrs };
}

/** What a dump hides and the images show. */
export interface Hidden {
  readonly maps: readonly XlatedMap[];
  /** Slots of loads that may fault. */
  readonly probes: readonly number[];
  /** Slots of tail calls that know their entry. */
  readonly directTailCalls: readonly number[];
}

export function hiddenByDump(answer: JitAnswer, subject: JitSubject): Hidden {
  const alike = compileAlike(answer, subject);
  if (typeof alike === 'string') throw new Error(alike);
  const ids = new Set([...alike.addrs.keys()].map(key => Number.parseInt(key, 10)));
  const slotsOf = (wanted: (insn: Insn) => boolean): number[] =>
    alike.pairs.flatMap(({ insns, start }) => insns.flatMap((insn, slot) => (wanted(insn) ? [start + slot] : [])));
  return {
    maps: [...ids].map(id => {
      const start = alike.addrs.get(`${id}+`);
      // How long the value is the dump does not say; no other map's begins in it.
      const others = [...alike.addrs.values()].filter(addr => start !== undefined && addr > start);
      const sizeBytes = Number(
        others.reduce((least, addr) => (addr - start! < least ? addr - start! : least), 0x10000n),
      );
      const values = start === undefined ? {} : { values: { start, sizeBytes } };
      return { id, name: `${id}`, addr: alike.addrs.get(`${id}`) ?? 0n, ...values };
    }),
    probes: slotsOf(({ code }) => (code & 7) === BPF_LDX && (code & 0xe0) === BPF_PROBE_MEM),
    directTailCalls: slotsOf(({ code, imm }) => code === TAIL_CALL && imm !== 0),
  };
}

/** Where the images of a program differ, first place of each function; a text: they could not be compared. */
export function compareWithKernel(answer: JitAnswer, subject: JitSubject): readonly Difference[] | string {
  const alike = compileAlike(answer, subject);
  if (typeof alike === 'string') return alike;
  return alike.pairs.flatMap(({ insns, compiled, image }, func) => {
    const ours = compiled.bytes.subarray(0, compiled.jitedLen);
    const wrong = firstDifference(ours, image);
    if (wrong < 0) return [];
    const { slotOffs } = compiled;
    let slot = 0;
    while (slot + 1 < insns.length && slotOffs[slot + 1] <= wrong) slot++;
    const insn = wrong < slotOffs[0] ? undefined : insns[slot];
    const from = compiled.slotOffs[0] % 4 === 0 ? wrong & ~3 : wrong;
    const shown = (bytes: Uint8Array): string => toHex(bytes.subarray(from, from + SHOWN_BYTES)) || '-';
    return [{ func, offBytes: from, slot, insn, ours: shown(ours), theirs: shown(image) }];
  });
}

/** Jited line records of the lines an answer has, hex: what `jited_line_info` should say. */
export function lineAddresses(answer: JitAnswer, subject: JitSubject): readonly string[] {
  const alike = compileAlike(answer, subject);
  if (typeof alike === 'string') throw new Error(alike);
  const { pairs } = alike;
  return (answer.lineSlots ?? []).map(slot => {
    const func = pairs.findLastIndex(({ start }) => start <= slot);
    const { compiled, start } = pairs[func];
    const offs = compiled.lineOffs ?? compiled.slotOffs;
    return (BigInt(`0x${answer.ksyms[func]}`) + BigInt(slot === start ? 0 : offs[slot - start])).toString(16);
  });
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const length = Math.max(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return -1;
}
