import {
  ElfWriter,
  ET_EXEC,
  type OutSection,
  PF_R,
  PF_W,
  PF_X,
  PT_GNU_STACK,
  PT_LOAD,
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHF_WRITE,
  SHT_NOBITS,
  STB_GLOBAL,
  STT_FUNC,
} from '../../elf/index.ts';
import { alignUp, type ByteOrder, FarcallError, InternalError } from '../../util/index.ts';
import { link, Part } from '../link.ts';
import { Steps } from '../steps.ts';
import type { TargetEnv } from '../types.ts';
import { exeArch } from './arches.ts';
import { ExeData } from './data.ts';
import { PAGE_BYTES, type Piece, pageEnd, pageStart, type Run, runBytes, runsOf } from './pages.ts';
import { ReplayLog } from './replay-log.ts';
import { buildRuntime, ENTRY_CLEAR, ENTRY_DUMP, type RuntimeInit } from './runtime.ts';
import { EXE_STATE, EXE_STATE_BYTES, type ExeEntry, type ExeGlue, type ExeInit, type ExeMemory } from './types.ts';

/** Linux lets nobody but root have memory below 64 KiB. */
const LOWEST = BigInt(PAGE_BYTES);
/** 128 TB: user space of every CPU here. */
const HIGHEST = 1n << 47n;
/** Segments up to here are the loader's to map; emulators reserve all a file spans, so farther code is mapped at the start. */
const LOADER_LIMIT = 1n << 39n;
/** Each costs the file up to a page: code in more places than this is moved there at the start instead. */
const MOST_SEGMENTS = 16;
const STACK_BYTES = 0x40000;
const HANDLER_STACK_BYTES = 0x10000;
/** What a frame may need above the stack pointer it starts with. */
const STACK_HEADER_BYTES = 0x100;
/** Where the runtime's data may go: the first place nothing else is. */
const DATA_PLACES = [0x80000000n, 0x2000000000n, 0x4000000000n, 0x6000000000n];

interface CodePiece extends Piece {
  readonly bytes: Uint8Array;
  /** Put there at the start, not by the loader. */
  readonly moved: boolean;
}

/**
 * A static executable for Linux: the images at their addresses, the linear memory at its own, and a start that runs
 * the entries and prints a line each. Calls of the kernel's functions are answered from the entries' logs.
 *
 * ```
 *   0x10000 … memoryEnd        linear memory
 *   0x80000000 …               what the runtime needs: state, logs, tables, its stacks
 *   __bpf_call_base + …        code that answers at the addresses of gates; behind the text, glue and runtime
 *   anywhere                   images
 * ```
 *
 * Throws `arg.target` for CPUs without executables and `arg.exe` for addresses that overlap or are not user space's.
 */
export function writeExecutable(init: ExeInit): Uint8Array {
  return new Executable(init).finish();
}

type RuntimePlaces = Pick<RuntimeInit, 'maps' | 'copies' | 'entries' | 'gateNames' | 'handlerStack'>;

class Executable {
  readonly #init: ExeInit;
  readonly #order: ByteOrder;
  readonly #codeBase: bigint;
  readonly #dataBase: bigint;
  readonly #state: Uint8Array = new Uint8Array(EXE_STATE_BYTES);

  constructor(init: ExeInit) {
    this.#init = init;
    this.#order = init.target.order;
    const { space } = init;
    // A hole of 64 KiB lies between a kernel's text and the addresses made up for functions it was not recorded with.
    this.#codeBase = space.callBase + BigInt(alignUp(space.kernel.etextOffset, PAGE_BYTES));
    this.#dataBase = this.#findDataBase();
  }

  #findDataBase(): bigint {
    const { images, gates } = this.#init;
    const roomBytes = 1n << 30n;
    const free = (start: bigint): boolean =>
      [...images.map(image => image.addr), ...gates.map(gate => gate.addr), this.#codeBase].every(
        addr => addr + roomBytes <= start || addr >= start + roomBytes,
      );
    const found = DATA_PLACES.find(free);
    if (found === undefined) {
      throw new FarcallError({
        code: 'arg.exe',
        message: 'code lies everywhere, the runtime finds no place for its data',
      });
    }
    return found;
  }

  finish(): Uint8Array {
    const { target, space, images, gates, memoryEnd } = this.#init;
    const arch = exeArch(target);
    const order = this.#order;
    const state = this.#dataBase;
    const data = new ExeData(state + BigInt(EXE_STATE_BYTES), order);
    const glue = arch.glue({ at: this.#codeBase, state, order });
    if (glue.bytes.length > arch.glueBytes) throw new InternalError(`glue of ${glue.bytes.length} bytes`);

    const stubs = gates.map(
      (gate, index): CodePiece => ({
        addr: gate.addr,
        name: gate.name,
        moved: true,
        ...sized(arch.gateStub({ at: gate.addr, index, common: glue.gate, order })),
      }),
    );
    const code = images.map((image): CodePiece => ({ ...image, moved: false, ...sized(image.bytes) }));
    const reserved = [
      { addr: LOWEST, sizeBytes: Math.max(alignUp(memoryEnd, PAGE_BYTES) - PAGE_BYTES, 1), name: 'the linear memory' },
      { addr: this.#codeBase, sizeBytes: PAGE_BYTES, name: 'the runtime' },
    ].map((place): CodePiece => ({ ...place, bytes: new Uint8Array(0), moved: false }));
    const runs = runsOf([...reserved, ...stubs, ...code], LOWEST, HIGHEST).filter(
      run => !reserved.includes(run.pieces[0]),
    );
    const few = runs.filter(run => !run.pieces.some(piece => piece.moved)).length <= MOST_SEGMENTS;
    const moved = runs.filter(run => !few || run.end > LOADER_LIMIT || isSparse(run));
    const loaded = runs.filter(run => !moved.includes(run));

    const maps = data.words([...moved.flatMap(run => mapOf(run)), 0, 0]);
    const staged = moved
      .flatMap(run => run.pieces)
      .map(piece => [piece.addr, data.bytes(piece.bytes), piece.sizeBytes]);
    const copies = data.words([...staged.flat(), 0, 0, 0]);
    const gateNames = data.words(gates.map(gate => gate.name).map(name => data.text(name)));
    const entries = this.#entries(data);
    const extable = data.words([...this.#extable(), 0, 0]);

    const places = { maps, copies, entries, gateNames };
    // The first time, its texts are put into the data; then it is known where those end.
    this.#buildRuntime(glue, data, { ...places, handlerStack: 0n });
    const stacks = pageEnd(data.here);
    const runtimeCode = this.#runtime(glue, data, { ...places, handlerStack: stacks });
    const stackTop = stacks + BigInt(HANDLER_STACK_BYTES + STACK_BYTES - STACK_HEADER_BYTES);
    arch.state({ view: new DataView(this.#state.buffer), order, space });
    this.#setState(EXE_STATE.stackTop, stackTop);
    this.#setState(EXE_STATE.extable, extable);

    const writer = new ElfWriter({
      order,
      machine: target.elf.machine,
      flags: target.elf.flags,
      type: ET_EXEC,
      entry: glue.start,
      pageBytes: PAGE_BYTES,
    });
    addMemory(writer, this.#init.memory, memoryEnd);
    this.#addData(writer, data, stacks);
    const glueSection = addCode(writer, '.glue', this.#codeBase, glue.bytes);
    const runtimeSection = addCode(writer, '.runtime', this.#codeBase + BigInt(arch.glueBytes), runtimeCode);
    writer.segment({ type: PT_LOAD, flags: PF_R | PF_X, sections: [glueSection, runtimeSection], align: PAGE_BYTES });
    for (const run of loaded) {
      const sections = run.pieces.map(piece => addCode(writer, `.text.${piece.name}`, piece.addr, piece.bytes));
      writer.segment({ type: PT_LOAD, flags: PF_R | PF_X, sections, align: PAGE_BYTES });
      run.pieces.forEach((piece, i) => void addSymbol(writer, piece, sections[i]));
    }
    for (const run of moved) for (const piece of run.pieces) addSymbol(writer, piece, 'absolute');
    writer.segment({ type: PT_GNU_STACK, flags: PF_R | PF_W });
    return writer.finish();
  }

  #buildRuntime(glue: ExeGlue, data: ExeData, places: RuntimePlaces): ReturnType<typeof buildRuntime> {
    const { target, space, entries, format, memoryEnd, limitSeconds } = this.#init;
    const arch = exeArch(target);
    return buildRuntime({
      ...places,
      glue,
      syscalls: arch.syscalls,
      callBase: space.callBase,
      state: this.#dataBase,
      entryCount: entries.length,
      handlerStackBytes: HANDLER_STACK_BYTES,
      memoryStart: PAGE_BYTES,
      memoryEnd,
      lines: format === 'lines',
      limitSeconds: limitSeconds ?? 0,
      callbackGapBytes: arch.callbackGapBytes(this.#order),
      text: text => data.text(text),
    });
  }

  /** Compiles the runtime, behind the glue. */
  #runtime(glue: ExeGlue, data: ExeData, places: RuntimePlaces): Uint8Array {
    const { target, cpu, space, gates } = this.#init;
    const arch = exeArch(target);
    const { funcs, gate } = this.#buildRuntime(glue, data, places);
    // Not the mode under test, as a rule: what judges code should not share its faults.
    const mode = arch.runtimeMode ?? 'compat';
    const env: TargetEnv = { cpu, mode, space, userLimit: space.layout.userLimit, pcrel: false };
    const base = this.#codeBase + BigInt(arch.glueBytes);
    let at = base;
    const parts = funcs.map(input => {
      const compiler = target.compiler(input, env);
      const first = compiler.emit(undefined, undefined);
      const slot = { addr: at, sizeBytes: first.bytes.length };
      at += BigInt(alignUp(slot.sizeBytes, 64));
      return new Part(input, compiler, slot, first);
    });
    if (at > this.#codeBase + BigInt(PAGE_BYTES)) throw new InternalError(`a runtime of ${at - base} bytes`);
    const lowest = gates.find(({ addr }) => addr >= this.#codeBase && addr < at);
    if (lowest !== undefined) throw new InternalError(`${lowest.name} lies where the runtime does`);
    link(new Steps(undefined), parts);
    const bytes = new Uint8Array(Number(at - base));
    for (const { image, slot } of parts) {
      if (image.bytes.length > slot.sizeBytes) throw new InternalError('a function of the runtime grew');
      bytes.set(image.bytes, Number(slot.addr - base));
    }
    // A pointer to a function is the address of its image: a descriptor on ELFv1.
    this.#setState(EXE_STATE.mainFunc, parts[0].slot.addr);
    this.#setState(EXE_STATE.gateFunc, parts[gate].slot.addr);
    return bytes;
  }

  #setState(off: number, value: bigint): void {
    new DataView(this.#state.buffer).setBigUint64(off, value, this.#order === 'little');
  }

  #entries(data: ExeData): bigint {
    return data.words(this.#init.entries.flatMap(entry => this.#entry(data, entry)));
  }

  #entry(data: ExeData, entry: ExeEntry): (bigint | number)[] {
    const { func, args, sp, log, clear, patches = [], zero = [], digest = [], dump } = entry;
    let patchesAt = 0n;
    if (patches.length + zero.length > 0) {
      const events = new ReplayLog(this.#order);
      for (const { addr, bytes } of patches) events.write(addr, bytes);
      for (const { addr, sizeBytes } of zero) events.fill(addr, sizeBytes);
      patchesAt = data.bytes(events.finish());
    }
    const ranges = digest.filter(range => range.sizeBytes > 0).flatMap(range => [range.addr, range.sizeBytes]);
    const digestAt = ranges.length === 0 ? 0n : data.words([...ranges, 0, 0]);
    const logAt = log === undefined ? 0n : data.bytes(log);
    const flags = (clear === true ? ENTRY_CLEAR : 0) | (dump === true ? ENTRY_DUMP : 0);
    const five = Array.from({ length: 5 }, (_, i) => args[i] ?? 0n);
    return [func, sp, ...five, logAt, patchesAt, digestAt, flags];
  }

  #extable(): bigint[] {
    return this.#init.images.flatMap(({ addr, extable = [] }) =>
      extable.flatMap(({ insnOff, fixupOff }) => [addr + BigInt(insnOff), addr + BigInt(fixupOff)]),
    );
  }

  /** State, tables and logs, and behind them the stacks. */
  #addData(writer: ElfWriter, data: ExeData, stacks: bigint): void {
    const bytes = new Uint8Array(Number(stacks - this.#dataBase));
    bytes.set(this.#state);
    bytes.set(data.finish(), EXE_STATE_BYTES);
    const flags = SHF_ALLOC | SHF_WRITE;
    const section = writer.section({ name: '.replay', flags, addr: this.#dataBase, data: bytes, addralign: 8 });
    const sizeBytes = HANDLER_STACK_BYTES + STACK_BYTES;
    const bss = writer.section({ name: '.stacks', type: SHT_NOBITS, flags, addr: stacks, sizeBytes, addralign: 16 });
    writer.segment({ type: PT_LOAD, flags: PF_R | PF_W, sections: [section, bss], align: PAGE_BYTES });
  }
}

function sized(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly sizeBytes: number } {
  return { bytes, sizeBytes: bytes.length };
}

/** Whether a segment for the run would mostly be zeros in the file. */
function isSparse(run: Run<CodePiece>): boolean {
  const bytes = run.pieces.reduce((sum, piece) => sum + piece.sizeBytes, 0);
  return run.pieces.some(piece => piece.moved) || run.end - run.start > BigInt(4 * bytes + PAGE_BYTES);
}

function mapOf(run: Run<Piece>): bigint[] {
  const start = pageStart(run.start);
  return [start, pageEnd(run.end) - start];
}

function addCode(writer: ElfWriter, name: string, addr: bigint, data: Uint8Array): OutSection {
  return writer.section({ name, flags: SHF_ALLOC | SHF_EXECINSTR, addr, data, addralign: 4 });
}

function addSymbol(writer: ElfWriter, piece: Piece, place: OutSection | 'absolute'): void {
  writer.symbol({
    name: piece.name,
    place,
    value: piece.addr,
    size: piece.sizeBytes,
    bind: STB_GLOBAL,
    type: STT_FUNC,
  });
}

/** The linear memory: a segment for each run of pages that hold something, and zeros from there to the next. */
function addMemory(writer: ElfWriter, memory: readonly ExeMemory[], memoryEnd: number): void {
  const flags = SHF_ALLOC | SHF_WRITE;
  const end = Math.max(alignUp(memoryEnd, PAGE_BYTES), 2 * PAGE_BYTES);
  const pieces = memory.map(({ addr, bytes }) => ({ addr: BigInt(addr), name: 'linear memory', ...sized(bytes) }));
  const runs = runsOf(pieces, LOWEST, BigInt(end));
  const starts = runs.map(run => Number(pageStart(run.start)));
  const segment = (start: number, dataBytes: Uint8Array, until: number): void => {
    const sections: OutSection[] = [];
    if (dataBytes.length > 0) {
      sections.push(writer.section({ name: '.memory', flags, addr: start, data: dataBytes, addralign: 8 }));
    }
    const tail = alignUp(start + dataBytes.length, 8);
    if (tail < until) {
      const init = { name: '.memory.zero', type: SHT_NOBITS, flags, addr: tail, sizeBytes: until - tail, addralign: 8 };
      sections.push(writer.section(init));
    }
    writer.segment({ type: PT_LOAD, flags: PF_R | PF_W, sections, align: PAGE_BYTES });
  };
  if (starts[0] !== PAGE_BYTES) segment(PAGE_BYTES, new Uint8Array(0), starts[0] ?? end);
  runs.forEach((run, i) => {
    const lead = Number(run.start) - starts[i];
    const bytes = new Uint8Array(lead + Number(run.end - run.start));
    bytes.set(runBytes(run), lead);
    segment(starts[i], bytes, starts[i + 1] ?? end);
  });
}
