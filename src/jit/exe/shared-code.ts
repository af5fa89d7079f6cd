import { SharedObjectWriter } from '../../elf/index.ts';
import {
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_KFUNC_CALL,
  CALL,
  EXIT,
  type Insn,
  isPseudoCall,
  LD_IMM64,
  makeInsn,
  ProgramBuilder,
  R0,
  TAIL_CALL,
} from '../../isa/index.ts';
import { createKernelSpace, customLayout, type KernelImage, type KernelSpace } from '../../kernels/index.ts';
import { CORE_POISON_IMM } from '../../object/index.ts';
import { helperName } from '../../uapi/index.ts';
import { alignUp, FarcallError, InternalError, u64Of } from '../../util/index.ts';
import type { XlatedProgram } from '../../verifier/index.ts';
import { plainFunc } from '../func-input.ts';
import { link, Part } from '../link.ts';
import { funcInput, markCalls } from '../split.ts';
import { Steps } from '../steps.ts';
import type { Callee, FuncInput, JitTarget, TargetEnv } from '../types.ts';
import { JitError } from '../types.ts';
import { headerOf, mapFunction } from './shared-header.ts';
import {
  ARRAY_HELPERS,
  isArray,
  type MapPlaces,
  markedPlace,
  placeMaps,
  type SharedMap,
  valueBytesOf,
  writeMaps,
} from './shared-maps.ts';
import { SHARED_ARCHES, type SharedArch } from './shared-stubs.ts';

/** Programs for C programs: the shared object, and its header. */
export interface SharedCode {
  readonly bytes: Uint8Array;
  readonly header: string;
  /** Functions of the kernel that whoever embeds it provides. */
  readonly helpers: readonly string[];
}

export interface SharedInit {
  readonly target: JitTarget;
  readonly cpu: string;
  /** Of the library: what is no program is called after it. */
  readonly name: string;
  /** Whose functions the programs' helper calls name. */
  readonly kernel: KernelImage;
  /** `ld_imm64` of maps hold `markOf` and `valueMarkOf`, and `maps` is `markedMaps`. */
  readonly programs: readonly { readonly name: string; readonly xlated: XlatedProgram }[];
  readonly maps: readonly SharedMap[];
  /** Pages of the host, at most; default the largest of the CPU's. */
  readonly pageBytes?: number;
}

const MOST_HELPERS = 256;
/** All values of arrays together. */
const MOST_VALUE_BYTES = 1 << 26;
const FUNC_ALIGN = 16;
/** Two places in memory so unlike each other that code that is the same in both is so everywhere. */
const BASES = [0x2b5d3a910000n, 0x5a376c2d0000n] as const;
/** Code reaches less than this far from where it is, as bits. */
const REACH_BITS = 34n;

function refuse(message: string, expected: string, found?: string): FarcallError {
  return new FarcallError({ code: 'arg.so', message, expected, found });
}

/**
 * Compiled programs as a shared object for C programs, at no address in particular: `uint64_t NAME(void *ctx)` for each.
 * Functions of the kernel are called through the table `LIBRARY_helpers`, as C calls them. Maps are `struct farcall_map`s,
 * arrays with their values; operations on arrays are done here, those on other maps are for the table's functions.
 *
 * Everything is reached by its distance: it is compiled at two addresses, and the code has to be the same. Throws `arg.so` for
 * what a process cannot give a program: tail calls, exceptions, arenas.
 */
export function sharedCode(init: SharedInit): SharedCode {
  const { target, name, maps } = init;
  const arch = SHARED_ARCHES[target.name];
  if (arch === undefined)
    throw refuse('no shared objects are written for this CPU', Object.keys(SHARED_ARCHES).join(', '), target.name);
  if (maps.reduce((sum, map) => sum + valueBytesOf(map), 0) > MOST_VALUE_BYTES)
    throw refuse('the values of arrays are too large', `at most ${MOST_VALUE_BYTES} bytes`);
  const plan = new Plan(init);
  const table = `${name}_helpers`;
  const objects = plan.helpers.length > 0 ? [table] : [];
  const tableBytes = 8 * plan.helpers.length;
  const places = placeMaps(maps, tableBytes);
  const writer = new SharedObjectWriter({
    order: target.order,
    machine: target.elf.machine,
    flags: target.elf.flags,
    imports: [],
    exports: [...plan.exports.map(exported => exported.name), ...objects],
    objects,
    reached: objects,
    importType: arch.importType,
    descriptors:
      arch.descriptorType === undefined ? undefined : { count: plan.entered.length, relativeType: arch.descriptorType },
    dataBytes: Math.max(8, places.endBytes),
    pageBytes: init.pageBytes ?? arch.pageBytes,
  });
  const word = objects.length > 0 ? writer.wordOf(table) : 0;
  const toc = writer.dataAddr + (arch.tocOff ?? 0);
  const stubs = plan.helpers.map((_, n) => ({ at: writer.textAddr + n * arch.stubBytes, word, entry: 8 * n, toc }));
  const [one, other] = BASES.map(base => plan.compile(plan.farFromConstants(base), writer, places, arch));
  if (one.text.length !== other.text.length || one.text.some((byte, n) => byte !== other.text[n]))
    throw new InternalError('code of a shared object depends on where it is');
  for (const [n, stub] of stubs.entries()) one.text.set(arch.stub(stub), n * arch.stubBytes);
  const data = new Uint8Array(Math.max(8, places.endBytes));
  writeMaps(data, target.order, maps, places);
  const { front, descriptorType } = arch;
  const inFront = front?.sizeBytes ?? 0;
  const entered = plan.entered.map(part => {
    const { offBytes, sizeBytes } = one.parts[part];
    return { offBytes: offBytes - inFront, sizeBytes: sizeBytes + inFront, other: front?.other };
  });
  if (front !== undefined)
    for (const { offBytes } of entered) one.text.set(front.code(writer.textAddr + offBytes, toc), offBytes);
  const exported = plan.exports.map(({ name: symbol, part }) => {
    const at = plan.entered.indexOf(part);
    return { name: symbol, ...entered[at], descriptor: descriptorType === undefined ? undefined : at };
  });
  return {
    bytes: writer.finish(
      one.text,
      data,
      [...exported, ...objects.map(object => ({ name: object, offBytes: 0, sizeBytes: tableBytes }))],
      descriptorType === undefined ? [] : entered.map(({ offBytes }) => ({ entry: writer.textAddr + offBytes, toc })),
    ),
    header: headerOf({
      name,
      target: target.name,
      helpers: plan.helpers,
      programs: init.programs.map(program => program.name),
      maps,
    }),
    helpers: plan.helpers,
  };
}

/** Where a function came to lie in the code. */
interface PlacedPart {
  readonly offBytes: number;
  readonly sizeBytes: number;
}

/** A function that calls helpers by their place in the table and maps by their place behind the functions. */
interface Draft {
  readonly input: FuncInput;
  /** Slots of calls of the table, and which of its entries. */
  readonly calls: readonly (readonly [slot: number, helper: number])[];
  /** By slot of a `ld_imm64`: what of the data it names. */
  readonly data: readonly (readonly [slot: number, map: number, off: number | undefined])[];
}

/** All functions of a library, before any has an address. */
class Plan {
  readonly helpers: string[] = [];
  readonly exports: { readonly name: string; readonly part: number }[] = [];
  /** Functions others call, by their place among all: those exported, and those whose address is taken. */
  readonly entered: readonly number[];
  readonly #init: SharedInit;
  readonly #drafts: Draft[] = [];
  /** By helper: the function that answers for arrays. */
  readonly #arrayParts = new Map<string, number>();

  constructor(init: SharedInit) {
    this.#init = init;
    const { programs, maps, name } = init;
    const spaceless = nameSpace(init);
    const names = new Set<string>();
    const total = programs.reduce((sum, { xlated }) => sum + xlated.subprogs.length, 0);
    if (maps.some(isArray)) {
      let part = total;
      for (const helper of Object.keys(ARRAY_HELPERS)) {
        if (programs.some(({ xlated }) => callsHelper(xlated, helper))) this.#arrayParts.set(helper, part++);
      }
    }
    for (const program of programs) {
      if (names.has(program.name)) throw refuse('two programs have the same name', 'names of their own', program.name);
      names.add(program.name);
      this.exports.push({ name: program.name, part: this.#drafts.length });
      this.#addProgram(program.name, program.xlated, spaceless);
    }
    for (const helper of this.#arrayParts.keys())
      this.#addArrayHelper(
        helper,
        maps.some(map => !isArray(map)),
      );
    for (const [index, map] of maps.entries()) {
      const symbol = mapFunction(name, map);
      if (names.has(symbol)) throw refuse('two things have the same name', 'names of their own', symbol);
      names.add(symbol);
      this.exports.push({ name: symbol, part: this.#drafts.length });
      const insns = new ProgramBuilder().imm64(R0, 0n).exit().build();
      this.#drafts.push({ input: plainInput(insns), calls: [], data: [[0, index, undefined]] });
    }
    if (this.helpers.length > MOST_HELPERS) throw refuse('too many helpers', `at most ${MOST_HELPERS}`);
    const taken = this.#drafts.flatMap(({ input }) => [...input.funcRefs.values()]);
    this.entered = [...new Set([...this.exports.map(({ part }) => part), ...taken])];
  }

  #entry(helper: string): number {
    const found = this.helpers.indexOf(helper);
    return found >= 0 ? found : this.helpers.push(helper) - 1;
  }

  #addProgram(name: string, xlated: XlatedProgram, space: KernelSpace): void {
    const { maps } = this.#init;
    const firstPart = this.#drafts.length;
    const kfuncs = new Map(xlated.kfuncs.map(kfunc => [`${kfunc.imm} ${kfunc.off}`, kfunc.name]));
    const marked = markCalls(xlated, () => {});
    for (let index = 0; index < xlated.subprogs.length; index++) {
      const input = funcInput(xlated, marked, index, () => undefined);
      if (input.exceptionBoundary || input.exceptionCallback)
        throw refuse(`${name} throws an exception`, 'a program that returns');
      const insns = input.insns.slice();
      const funcRefs = new Map([...input.funcRefs].map(([slot, callee]) => [slot, callee + firstPart]));
      const calls: [number, number][] = [];
      const data: [number, number, number | undefined][] = [];
      for (let slot = 0; slot < insns.length; slot++) {
        const insn = insns[slot];
        if (insn.code === LD_IMM64) {
          const place = funcRefs.has(slot)
            ? undefined
            : markedPlace(u64Of(insns[slot + 1]?.imm ?? 0, insn.imm), maps.length);
          if (place !== undefined) data.push([slot, place.map, place.off]);
          slot++;
        } else if (insn.code === TAIL_CALL) throw refuse(`${name} makes tail calls`, 'a program that returns');
        else if (isPseudoCall(insn)) insns[slot] = callPart(insn.off + firstPart);
        else if (insn.code === CALL && isPoisoned(xlated, insn)) insns[slot] = makeInsn(EXIT, 0, 0, 0, 0);
        else if (insn.code === CALL) {
          const kfunc = insn.src === BPF_PSEUDO_KFUNC_CALL;
          const called = kfunc
            ? (kfuncs.get(`${insn.imm} ${insn.off}`) ?? `kfunc_${insn.imm}`)
            : calledName(xlated, insn.imm, space);
          const part = this.#arrayParts.get(called);
          if (part !== undefined && !kfunc) insns[slot] = callPart(part);
          else {
            insns[slot] = makeInsn(CALL, 0, 0, 0, 0);
            calls.push([slot, this.#entry(called)]);
          }
        }
      }
      this.#drafts.push({ input: { ...input, insns, funcRefs }, calls, data });
    }
  }

  #addArrayHelper(helper: string, othersToo: boolean): void {
    const b = new ProgramBuilder();
    ARRAY_HELPERS[helper](b, othersToo);
    const insns = b.build();
    const calls: [number, number][] = [];
    insns.forEach((insn, slot) => {
      if (insn.code === CALL) calls.push([slot, this.#entry(helper)]);
    });
    this.#drafts.push({ input: plainInput(insns), calls, data: [] });
  }

  /** A place no constant of the programs is near: it would be reached from there. */
  farFromConstants(base: bigint): bigint {
    const taken = new Set<bigint>();
    for (const { input } of this.#drafts) {
      for (const [slot, { code, imm }] of input.insns.entries())
        if (code === LD_IMM64) taken.add(u64Of(input.insns[slot + 1]?.imm ?? 0, imm) >> REACH_BITS);
    }
    let free = base;
    while ([-1n, 0n, 1n].some(beside => taken.has((free >> REACH_BITS) + beside))) free += 1n << REACH_BITS;
    return free;
  }

  /** The code, as it is when the file's first byte is at `base`; room for stubs first. */
  compile(
    base: bigint,
    writer: SharedObjectWriter,
    places: MapPlaces,
    arch: SharedArch,
  ): { text: Uint8Array; parts: PlacedPart[] } {
    const { target, cpu } = this.#init;
    const space = spaceAt(this.#init, base);
    const { userLimit } = space.layout;
    const objectToc = arch.tocOff === undefined ? undefined : base + BigInt(writer.dataAddr + arch.tocOff);
    const env: TargetEnv = { cpu, mode: 'own', space, userLimit, pcrel: false, objectToc };
    const fixed: Callee[] = [];
    const known = new Map<string, number>();
    /** A place in the object that stands among the functions. */
    const placePart = (key: string, at: number): number => {
      let part = known.get(key);
      if (part === undefined) {
        const addr = base + BigInt(at);
        part = this.#drafts.length + fixed.push({ bpfFunc: addr, entry: addr, localEntry: addr }) - 1;
        known.set(key, part);
      }
      return part;
    };
    const dataPart = (map: number, off: number | undefined): number =>
      placePart(
        `${map} ${off}`,
        writer.dataAddr + (off === undefined ? places.structs[map] : places.values[map] + off),
      );
    const inFront = arch.front?.sizeBytes ?? 0;
    /** What a pointer to a function names; what stands in front of one is known when all have their places. */
    const pointerPart = (part: number): number => {
      if (arch.descriptorType !== undefined)
        return placePart(`descriptor ${part}`, writer.descriptorAddr(this.entered.indexOf(part)));
      return arch.front === undefined ? part : placePart(`front ${part}`, 0);
    };
    const stubImm = (helper: number): number =>
      Number(base - space.callBase) + writer.textAddr + helper * arch.stubBytes;
    const textBase = base + BigInt(writer.textAddr);
    let at = alignUp(this.helpers.length * arch.stubBytes, FUNC_ALIGN);
    try {
      const parts = this.#drafts.map(({ input, calls, data }, part): Part => {
        const insns = input.insns.slice();
        for (const [slot, helper] of calls) insns[slot] = makeInsn(CALL, 0, 0, 0, stubImm(helper));
        const funcRefs = new Map([...input.funcRefs].map(([slot, callee]) => [slot, pointerPart(callee)]));
        for (const [slot, map, off] of data) funcRefs.set(slot, dataPart(map, off));
        const compiler = target.compiler({ ...input, insns, funcRefs }, env);
        const first = compiler.emit(undefined, undefined);
        if (this.entered.includes(part)) at = alignUp(at + inFront, FUNC_ALIGN);
        const slot = { addr: textBase + BigInt(at), sizeBytes: first.bytes.length };
        at = alignUp(at + first.bytes.length, FUNC_ALIGN);
        return new Part(input, compiler, slot, first);
      });
      for (const part of this.entered) {
        const pointer = known.get(`front ${part}`);
        if (pointer === undefined) continue;
        const addr = parts[part].slot.addr - BigInt(inFront);
        fixed[pointer - this.#drafts.length] = { bpfFunc: addr, entry: addr, localEntry: addr };
      }
      link(new Steps(undefined), parts, fixed);
      const text = new Uint8Array(at);
      for (let off = 0; off + target.trap.length <= at; off += target.trap.length) text.set(target.trap, off);
      const placed = parts.map(({ image: { bytes, entryOff }, slot }, n) => {
        if (bytes.length > slot.sizeBytes) throw new InternalError(`function ${n} of a shared object grew`);
        const offBytes = Number(slot.addr - textBase);
        text.set(bytes, offBytes);
        return { offBytes: offBytes + entryOff, sizeBytes: bytes.length - entryOff };
      });
      return { text, parts: placed };
    } catch (error) {
      if (!(error instanceof JitError)) throw error;
      throw refuse(`the JIT cannot compile it: ${error.message}`, 'a program it takes');
    }
  }
}

/** What libbpf puts in place of instructions that ask for what the kernel lacks: the verifier has seen that none is reached. */
const isPoisoned = ({ helpers }: XlatedProgram, { src, imm }: Insn): boolean =>
  src === 0 && (helpers.get(imm) ?? imm) >= CORE_POISON_IMM;

const callPart = (part: number): Insn => makeInsn(CALL, 0, BPF_PSEUDO_CALL, part, 1);

/** A function that is no program's. */
const plainInput = (insns: readonly Insn[]): FuncInput => plainFunc(insns, { index: 1, isFunc: true });

function calledName({ helpers, internalCalls }: XlatedProgram, imm: number, space: KernelSpace): string {
  const id = helpers.get(imm);
  const name = id === undefined ? internalCalls.get(imm) : helperName(id);
  return name ?? space.symbolize(space.callBase + BigInt(imm))?.name ?? `helper_${imm}`;
}

const callsHelper = (xlated: XlatedProgram, name: string): boolean =>
  xlated.insns.some(
    ({ code, src, imm }) => code === CALL && src === 0 && helperName(xlated.helpers.get(imm) ?? -1) === name,
  );

/** Addresses of a process. */
function spaceAt({ target, kernel }: SharedInit, base: bigint): KernelSpace {
  const images = { start: base, end: base + (1n << 31n) };
  const layout = customLayout({
    name: 'shared',
    arch: target.arch,
    // Helpers are called where their stubs are: this is only what their distances are counted from.
    textBase: base,
    modules: images,
    images,
    linearMap: { start: 0x10000n, end: 0x80000000n },
    userLimit: 0xffffn,
    packBytes: 0,
    pageBytes: 0x10000,
  });
  return createKernelSpace(layout, kernel);
}

const nameSpace = (init: SharedInit): KernelSpace => spaceAt(init, BASES[0]);
