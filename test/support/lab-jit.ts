import {
  BPF_LDX,
  BPF_MEM,
  BPF_MEMSX,
  BPF_PROBE_MEM,
  BPF_PROBE_MEMSX,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
  CALL,
  decodeInsns,
  type Insn,
  isPseudoCall,
  isPseudoFunc,
  LD_IMM64,
  makeInsn,
  TAIL_CALL,
} from '../../src/isa/index.ts';
import { compatCompiler } from '../../src/jit/ppc64/compat/index.ts';
import type { Callee, CompiledFunc, TargetEnv } from '../../src/jit/types.ts';
import type { KernelSpace } from '../../src/kernels/index.ts';
import { fromHex } from '../../src/util/index.ts';
import type { XlatedMap } from '../../src/verifier/index.ts';

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
  /** Slots that line records name, and what `jited_line_info` says of each, hex. */
  readonly lineSlots?: readonly number[];
  readonly lineAddrs?: readonly string[];
}

export interface Kfunc {
  readonly addr: bigint;
  readonly args: readonly { readonly sizeBytes: number; readonly signed: boolean }[];
}

export interface JitSubject {
  readonly space: KernelSpace;
  /** Default power9. */
  readonly cpu?: string;
  kfunc?(btfId: number): Kfunc | undefined;
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

/** Unlike any address: takes all five instructions to load. */
const GUESS = 0x11112222;

const hexWord = (word: number | undefined) => (word === undefined ? '-' : (word >>> 0).toString(16).padStart(8, '0'));

function words(bytes: Uint8Array): Int32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int32Array.from({ length: bytes.length / 4 }, (_, i) => view.getInt32(4 * i, true));
}

/** Reads a constant's load back: `li` or `lis`, `ori`, `sldi`, `oris`, `ori`, each but the first optional. */
function readConstant(image: Int32Array, at: number, reg: number): { value: bigint; count: number } | undefined {
  const first = image[at] >>> 0;
  if (((first >>> 21) & 31) !== reg || ((first >>> 16) & 31) !== 0) return undefined;
  let value = BigInt((first << 16) >> 16);
  if (first >>> 26 === 15) value <<= 16n;
  else if (first >>> 26 !== 14) return undefined;
  let count = 1;
  const logical = (op: number) => {
    const word = image[at + count] >>> 0;
    if (word >>> 26 !== op || ((word >>> 21) & 31) !== reg || ((word >>> 16) & 31) !== reg) return;
    value |= BigInt(word & 0xffff) << (op === 25 ? 16n : 0n);
    count++;
  };
  const shifted = () => image[at + count] >>> 0 === (0x780007c6 | (reg << 21) | (reg << 16)) >>> 0;
  const before = count;
  logical(24);
  if (shifted()) {
    count++;
    value <<= 32n;
    logical(25);
    logical(24);
  } else if (first >>> 26 === 14) {
    // A number of 16 bits ends here; an `ori` behind it is the next instruction's.
    count = before;
    value = BigInt((first << 16) >> 16);
  }
  return { value: BigInt.asUintN(64, value), count };
}

const MAPPED = [8, 3, 4, 5, 6, 7, 27, 28, 29, 30, 31, 12];

/** Starts of functions, ascending: what local calls and function addresses name. */
function functionStarts(insns: readonly Insn[]): number[] {
  const starts = new Set([0]);
  for (let slot = 0; slot < insns.length; slot++) {
    const insn = insns[slot];
    if (isPseudoCall(insn)) starts.add(slot + insn.off + 1);
    else if (isPseudoFunc(insn)) starts.add(slot + insn.imm + 1);
    if (insn.code === LD_IMM64) slot++;
  }
  return [...starts].sort((a, b) => a - b);
}

interface Piece {
  readonly insns: Insn[];
  readonly funcRefs: Map<number, number>;
}

/** The dump as the JIT had it, save what the dump hides. */
function split(insns: readonly Insn[], starts: readonly number[]): Piece[] {
  return starts.map((start, i) => {
    const piece: Piece = { insns: [], funcRefs: new Map() };
    for (let slot = start; slot < (starts[i + 1] ?? insns.length); slot++) {
      const insn = insns[slot];
      if (insn.code === CALL && insn.src === 1) {
        piece.insns.push(makeInsn(CALL, 0, 1, starts.indexOf(slot + insn.off + 1), 1));
      } else if (insn.code === CALL && insn.src === 0 && insn.imm === 12) {
        piece.insns.push(makeInsn(TAIL_CALL, 0, 0, 0, 0));
      } else if (insn.code === LD_IMM64) {
        if (isPseudoFunc(insn)) piece.funcRefs.set(slot - start, starts.indexOf(slot + insn.imm + 1));
        piece.insns.push(insn, insns[++slot]);
      } else {
        piece.insns.push(insn);
      }
    }
    return piece;
  });
}

/**
 * Puts back what a dump hides, as the kernel's image shows it: the addresses behind map references, and which loads
 * are probes. Nothing else is taken from the image.
 *
 * @param addrs addresses of maps seen so far, by `id` and `id+offset`; a second reference has to agree
 */
function recover(
  piece: Piece,
  image: Int32Array,
  compile: (insns: readonly Insn[]) => Int32Array,
  addrs: Map<string, bigint>,
): string | undefined {
  const hidden = (insn: Insn) =>
    insn.code === LD_IMM64 && (insn.src === BPF_PSEUDO_MAP_FD || insn.src === BPF_PSEUDO_MAP_VALUE);
  const { insns } = piece;
  const refs: { slot: number; key: string; offset: number }[] = [];
  for (let slot = 0; slot < insns.length; slot++) {
    const insn = insns[slot];
    if (insn.code !== LD_IMM64) continue;
    if (hidden(insn)) {
      const value = insn.src === BPF_PSEUDO_MAP_VALUE;
      refs.push({ slot, key: `${insn.imm}${value ? '+' : ''}`, offset: value ? insns[slot + 1].imm : 0 });
      insns[slot] = makeInsn(LD_IMM64, insn.dst, 0, 0, GUESS);
      insns[slot + 1] = makeInsn(0, 0, 0, 0, GUESS);
    }
    slot++;
  }
  const slotOffs = compile(insns);
  let shift = 0;
  let ref = 0;
  for (let slot = 0; slot < insns.length; slot++) {
    const insn = insns[slot];
    const at = slotOffs[slot] / 4 + shift;
    if (refs[ref]?.slot === slot) {
      const found = readConstant(image, at, MAPPED[insn.dst]);
      if (found === undefined) return `no constant for the map at slot ${slot}`;
      insns[slot] = makeInsn(LD_IMM64, insn.dst, 0, 0, Number(BigInt.asIntN(32, found.value)));
      insns[slot + 1] = makeInsn(0, 0, 0, 0, Number(BigInt.asIntN(32, found.value >> 32n)));
      const base = found.value - BigInt(refs[ref].offset);
      const known = addrs.get(refs[ref].key);
      if (known !== undefined && known !== base) return `map ${refs[ref].key} at slot ${slot} lies elsewhere`;
      addrs.set(refs[ref].key, base);
      shift += found.count - 5;
      ref++;
    }
    if (insn.code === LD_IMM64) slot++;
    const mode = insn.code & 0xe0;
    if ((insn.code & 7) !== BPF_LDX || (mode !== BPF_MEM && mode !== BPF_MEMSX)) continue;
    const guard = 0x39200000 | (MAPPED[insn.src] << 16) | (insn.off & 0xffff);
    // addi r9,src,off; lis r10,0xc000; sldi r10,r10,32; cmpld r9,r10; bgt; li dst,0; b
    if (image[at] === guard && image[at + 1] === 0x3d40c000 && image[at + 2] === 0x794a07c6) {
      const probe = mode === BPF_MEM ? BPF_PROBE_MEM : BPF_PROBE_MEMSX;
      insns[slot] = makeInsn((insn.code & 0x1f) | probe, insn.dst, insn.src, insn.off, insn.imm);
      shift += 7;
    }
  }
  return undefined;
}

/** A function as the kernel and as the compatible mode compiled it. */
interface Pair {
  readonly insns: readonly Insn[];
  /** Its first slot in the program. */
  readonly start: number;
  readonly compiled: CompiledFunc;
  /** The kernel's words. */
  readonly image: Int32Array;
}

interface Alike {
  readonly pairs: readonly Pair[];
  /** Addresses by map id, with `+` of its values. */
  readonly addrs: ReadonlyMap<string, bigint>;
}

/** Compiles a program the kernel compiled, at the same addresses; a text: it could not be made ready for that. */
function compileAlike(answer: JitAnswer, subject: JitSubject): Alike | string {
  const dump = decodeInsns(fromHex(answer.xlated));
  const starts = functionStarts(dump);
  const count = answer.ksyms.length;
  if (starts.length !== count) return `${starts.length} functions in the dump, ${count} images`;
  if (answer.stackDepths.length !== count) return `${answer.stackDepths.length} stack depths, ${count} images`;
  const theirs = fromHex(answer.jited);
  const at = answer.ksyms.map(text => BigInt(`0x${text}`));
  const callees = at.map((addr): Callee => ({ bpfFunc: addr, entry: addr, localEntry: addr + 4n }));
  const env: TargetEnv = {
    cpu: subject.cpu ?? 'power9',
    mode: 'compat',
    space: subject.space,
    userLimit: 0xc000000000000000n,
    pcrel: false,
  };
  const addrs = new Map<string, bigint>();
  const pairs: Pair[] = [];
  let base = 0;
  for (const [index, piece] of split(dump, starts).entries()) {
    const image = words(theirs.subarray(base, base + answer.funcLens[index]));
    base += answer.funcLens[index];
    const compile = (insns: readonly Insn[]): CompiledFunc =>
      compatCompiler(
        {
          index,
          isFunc: count > 1,
          insns,
          funcRefs: piece.funcRefs,
          stackDepthBytes: answer.stackDepths[index],
          tailCallReachable: false,
          exceptionBoundary: false,
          exceptionCallback: false,
          verifierZext: true,
          arena: undefined,
          kfuncAddr: imm => subject.kfunc?.(imm)?.addr,
          kfuncArgs: imm => subject.kfunc?.(imm)?.args,
        },
        env,
        { elf: 2, order: 'little' },
      ).emit(at[index], callees);
    const problem = recover(piece, image, insns => compile(insns).slotOffs, addrs);
    if (problem !== undefined) return `function ${index}: ${problem}`;
    pairs.push({ insns: piece.insns, start: starts[index], compiled: compile(piece.insns), image });
  }
  return { pairs, addrs };
}

/** What a dump hides and the images show: where maps are, and the slots of loads that are probes. */
export function hiddenByDump(
  answer: JitAnswer,
  subject: JitSubject,
): { readonly maps: readonly XlatedMap[]; readonly probes: readonly number[] } {
  const alike = compileAlike(answer, subject);
  if (typeof alike === 'string') throw new Error(alike);
  const ids = new Set([...alike.addrs.keys()].map(key => Number.parseInt(key, 10)));
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
    probes: alike.pairs.flatMap(({ insns, start }) =>
      insns.flatMap(({ code }, slot) =>
        (code & 7) === BPF_LDX && (code & 0xe0) === BPF_PROBE_MEM ? [start + slot] : [],
      ),
    ),
  };
}

/** Where the images of a program differ, first place of each function; a text: they could not be compared. */
export function compareWithKernel(answer: JitAnswer, subject: JitSubject): readonly Difference[] | string {
  const alike = compileAlike(answer, subject);
  if (typeof alike === 'string') return alike;
  return alike.pairs.flatMap(({ insns, compiled, image }, func) => {
    const ours = words(compiled.bytes.subarray(0, compiled.jitedLen));
    const wrong = firstDifference(ours, image);
    if (wrong < 0) return [];
    const { slotOffs } = compiled;
    let slot = 0;
    while (slot + 1 < insns.length && slotOffs[slot + 1] <= wrong * 4) slot++;
    const insn = wrong * 4 < slotOffs[0] ? undefined : insns[slot];
    return [{ func, offBytes: wrong * 4, slot, insn, ours: hexWord(ours[wrong]), theirs: hexWord(image[wrong]) }];
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

function firstDifference(a: Int32Array, b: Int32Array): number {
  const length = Math.max(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return -1;
}
