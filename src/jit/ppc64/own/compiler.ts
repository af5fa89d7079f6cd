import { hi32, lo32 } from '../../../util/index.ts';
import type { CodeBuffer } from '../../code-buffer.ts';
import { DESK } from '../../desk.ts';
import { Room } from '../../room.ts';
import { decode, findBlocks, ir, liveIn } from '../../rows/index.ts';
import type { Callee, CompiledFunc, FuncCompiler, FuncInput, TargetEnv } from '../../types.ts';
import { trap } from '../encode.ts';
import { wayTo } from './address.ts';
import { allocate, NO_REG } from './allocate.ts';
import { Bench } from './bench.ts';
import { isInObject, targetOf } from './call-rows.ts';
import { combine } from './combine.ts';
import { Emission } from './emission.ts';
import { emitRows } from './emit-rows.ts';
import { Forms } from './forms.ts';
import { type OwnAbi, objectAbi, type Prologue, planFrame, prologueOf } from './frame.ts';
import { isMask } from './mask.ts';
import { type CalleeCount, chooseStubs, Stubs } from './stubs.ts';
import { TAIL_ENTRY_BYTES } from './tail-call.ts';
import { kernelTargets, type Target } from './targets.ts';
import type { Unit } from './unit.ts';

/** Void emissions after which every conditional branch takes its long form: branches push each other out of reach. */
const PATIENCE = 8;
/** Bytes of a function descriptor. */
const DESCRIPTOR = 24;

/** Everything no address changes: rows, registers, frame. */
function prepare(func: FuncInput, env: TargetEnv, abi: OwnAbi, bench: Bench, kept: Room): Unit {
  const { room } = DESK;
  const facts = bench.factsOf(env);
  room.clear();
  const rows = decode(func, abi.order, isMask, kept);
  const blocks = findBlocks(rows, room);
  combine(rows, blocks, room);
  const live = liveIn(rows, blocks, room);
  const allocation = allocate(rows, blocks, live, func.index, func.exceptionBoundary || func.exceptionCallback, room);
  let lastLeave = -1;
  let tailCalls = false;
  const addressRows: number[] = [];
  for (let i = 0; i < rows.n; i++) {
    const kind = rows.kind[i];
    if (kind === ir.LEAVE) lastLeave = i;
    else if (kind === ir.TAIL) tailCalls = true;
    else if (kind === ir.FUNC || (kind >= ir.CALL_HELPER && kind <= ir.CALL_SUB)) addressRows.push(i);
    else if (kind === ir.CONST && (rows.flags[i] & ir.HIGH) !== 0 && rows.aux[i] !== rows.imm[i] >> 31)
      addressRows.push(i);
  }
  return {
    func,
    env,
    abi,
    rows,
    allocation,
    frame: planFrame(func, abi, allocation, tailCalls),
    tailCalls,
    prefixed: facts.prefixed,
    power9: facts.power9,
    hasToc: facts.hasToc,
    tocHi: facts.tocHi,
    tocLo: facts.tocLo,
    signTest: facts.signTest,
    userHi: facts.userHi,
    userLo: facts.userLo,
    lastLeave,
    addressRows,
    targets: kernelTargets(func, env, rows),
    plans: facts.plans,
  };
}

/** What compiles functions of an ABI in own mode, all on one bench: no two are compiled at the same time. */
export function ownCompilers(abi: OwnAbi): (func: FuncInput, env: TargetEnv) => FuncCompiler {
  let bench: Bench | undefined;
  return (func, env) => {
    bench ??= new Bench();
    const kept = env.kept ?? new Room();
    return new OwnCompiler(
      prepare(func, env, env.objectToc === undefined ? abi : objectAbi(abi), bench, kept),
      bench,
      kept,
    );
  };
}

class OwnCompiler implements FuncCompiler {
  readonly #unit: Unit;
  readonly #forms: Forms;
  readonly #emission: Emission;

  /** Without and with r2 loaded. */
  readonly #prologues: (Prologue | undefined)[] = [undefined, undefined];
  /** The last emission with callees known. */
  #last: CompiledFunc | undefined;

  /** Of rows and forms. */
  readonly #kept: Room;

  constructor(unit: Unit, bench: Bench, kept: Room) {
    this.#unit = unit;
    this.#kept = kept;
    this.#forms = new Forms(unit.rows.n, kept);
    this.#emission = new Emission(unit, this.#forms, bench);
  }

  emit(at: bigint | undefined, callees: readonly Callee[] | undefined): CompiledFunc {
    const forms = this.#forms;
    // A void emission has made something longer, and usually everything that had to be.
    for (let round = 0; ; round++) {
      if (round === PATIENCE) forms.far.fill(1);
      const done = this.#emitOnce(forms, at, callees, this.#kept);
      if (done === undefined) continue;
      // The first pass is no emission forms have to grow from.
      if (callees === undefined) forms.clear();
      else this.#last = done;
      return done;
    }
  }

  #emitOnce(
    forms: Forms,
    at: bigint | undefined,
    callees: readonly Callee[] | undefined,
    kept: Room,
  ): CompiledFunc | undefined {
    const { rows, abi, func, allocation, env, addressRows } = this.#unit;
    const e = this.#emission;
    e.begin(at, callees);
    this.#choose(forms);
    const descriptorBytes = abi.descriptors ? DESCRIPTOR : 0;
    for (let k = 0; k < descriptorBytes; k += 4) e.w(0);
    const prologue = this.#prologue(forms.toc);
    for (const word of prologue.words) e.w(word);
    if (allocation.base !== NO_REG) {
      const start = func.arena?.kernVmStart ?? 0n;
      e.load(allocation.base, hi32(start), lo32(start));
    }
    emitRows(e);
    const codeEnd = e.buffer.length;
    e.bind(e.endLabel);
    e.stubs.emit(e);
    e.resolve();
    if (e.grew) return undefined;
    // The first pass chooses calls without knowing where the code will be; other choices may cost a word where alignment
    // of prefixed instructions or a callee just out of reach go against them.
    if (callees === undefined) for (let k = 0; k < addressRows.length; k++) e.w(trap());
    forms.words.set(e.lengths);
    if (e.stubLengths.size > 0) for (const [key, words] of e.stubLengths) forms.stubWords.set(key, words);
    if (abi.descriptors) writeDescriptor(e.buffer, (at ?? 0n) + BigInt(DESCRIPTOR), env.space.kernelToc);
    return {
      bytes: callees === undefined ? e.buffer.finishIn(kept) : e.buffer.finish(this.#last?.bytes),
      entryOff: descriptorBytes,
      localEntryOff: descriptorBytes + 4 * prologue.localEntry,
      tailEntryOff: descriptorBytes + TAIL_ENTRY_BYTES,
      slotOffs: slotOffsOf(e.buffer, rows.n, codeEnd, callees === undefined ? kept : undefined, this.#last?.slotOffs),
      sites: e.sites,
      extable: e.extable,
    };
  }

  #prologue(toc: boolean): Prologue {
    const { frame, abi, func } = this.#unit;
    const at = toc ? 1 : 0;
    let prologue = this.#prologues[at];
    if (prologue === undefined) this.#prologues[at] = prologue = prologueOf(frame, abi, func.index, toc);
    return prologue;
  }

  #loadToc(forms: Forms): void {
    forms.toc = true;
    this.#emission.toc = true;
  }

  /** Whether r2 is loaded, and which callees get stubs: again only when another subprog turned out to be far. */
  #choose(forms: Forms): void {
    const e = this.#emission;
    if (forms.chosenFor !== forms.unreached.size) {
      forms.chosenFor = forms.unreached.size;
      if (needsToc(e)) this.#loadToc(forms);
      if (this.#unit.addressRows.length === 0) return;
      const callees = countCallees(e);
      const without = chooseStubs(e, callees, e.toc);
      forms.stubGroups = without.groups;
      if (!e.toc && this.#unit.hasToc) {
        const using = chooseStubs(e, callees, true);
        if (using.words + constantWords(e, true) + 1 < without.words + constantWords(e, false)) {
          this.#loadToc(forms);
          forms.stubGroups = using.groups;
        }
      }
    }
    if (forms.stubGroups.length > 0) e.stubs = new Stubs(forms.stubGroups);
  }
}

/** Where each slot's code begins, which is where its label stands, and all of it ends; `same` if nothing moved. */
function slotOffsOf(
  buffer: CodeBuffer,
  n: number,
  end: number,
  kept: Room | undefined,
  same: Int32Array | undefined,
): Int32Array {
  if (same !== undefined && same[n] === end) {
    let i = 0;
    while (i < n && same[i] === buffer.offsetOf(i)) i++;
    if (i === n) return same;
  }
  const slotOffs = kept?.ints(n + 1) ?? new Int32Array(n + 1);
  for (let i = 0; i < n; i++) slotOffs[i] = buffer.offsetOf(i);
  slotOffs[n] = end;
  return slotOffs;
}

function writeDescriptor(buffer: CodeBuffer, entry: bigint, toc: bigint): void {
  buffer.patchU32(0, hi32(entry));
  buffer.patchU32(4, lo32(entry));
  buffer.patchU32(8, hi32(toc));
  buffer.patchU32(12, lo32(toc));
}

/** Calls that do not end in `bl`, by callee. */
function countCallees(e: Emission): readonly CalleeCount[] {
  const counts = new Map<string, { readonly target: Target; calls: number }>();
  const { kind, aux } = e.rows;
  for (const i of e.unit.addressRows) {
    if (kind[i] < ir.CALL_HELPER) continue;
    if (kind[i] === ir.CALL_SUB && !e.forms.unreached.has(aux[i])) continue;
    const target = targetOf(e, i);
    if (target === undefined || (target.changesToc && e.unit.abi.descriptors) || isInObject(e, target)) continue;
    const count = counts.get(target.key);
    if (count === undefined) counts.set(target.key, { target, calls: 1 });
    else count.calls++;
  }
  return [...counts.values()];
}

/**
 * Whether r2 has to be loaded whatever it saves: tail calls promise it to whom they call, and a caller that carries a
 * count has to enter callees behind what starts one, where r2 is expected.
 */
function needsToc({ unit, toc }: Emission): boolean {
  if (toc || !unit.hasToc) return false;
  return unit.tailCalls || (unit.frame.reachable && unit.addressRows.some(i => unit.rows.kind[i] === ir.CALL_SUB));
}

/** Words of the constants that r2 may shorten. */
function constantWords(e: Emission, toc: boolean): number {
  const { kind, imm, aux } = e.rows;
  let words = 0;
  for (const i of e.unit.addressRows) if (kind[i] === ir.CONST) words += wayTo(e, aux[i], imm[i], toc).words;
  return words;
}
