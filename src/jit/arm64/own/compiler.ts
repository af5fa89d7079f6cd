import { hi32, lo32 } from '../../../util/index.ts';
import { DESK } from '../../desk.ts';
import { Room } from '../../room.ts';
import type { Callee, CompiledFunc, FuncCompiler, FuncInput, TargetEnv } from '../../types.ts';
import { dsbNsh, isb } from '../encode.ts';
import * as alu from './alu.ts';
import { emitCall, emitExit, emitTailCall } from './call.ts';
import { Emission, Forms, type Unit } from './emission.ts';
import { fold } from './fold.ts';
import { planFrame, prologueOf, TAIL_ENTRY_BYTES } from './frame.ts';
import { emitBranch, emitJump } from './jump.ts';
import { liveness } from './liveness.ts';
import * as memory from './memory.ts';
import { BASE, FRAME, registerMap } from './registers.ts';
import { placeResults } from './results.ts';
import { K, NO, type Scan, scan } from './scan.ts';

/** Void emissions after which every conditional branch takes its long form: branches push each other out of reach. */
const PATIENCE = 8;
/** x19 … x28 */
const FIRST_KEPT = 19;
const LAST_KEPT = 28;

/** What slots of a kind become, by {@link K}. */
const EMIT: readonly ((e: Emission, i: number) => void)[] = (() => {
  const rows: ((e: Emission, i: number) => void)[] = [];
  rows[K.nothing] = () => {};
  rows[K.alu] = alu.emitAlu;
  rows[K.mov] = alu.emitMove;
  rows[K.movK] = alu.emitMoveConstant;
  rows[K.end] = alu.emitEnd;
  rows[K.neg] = alu.emitNeg;
  rows[K.constant] = alu.emitConstant64;
  rows[K.func] = alu.emitFunctionAddress;
  rows[K.load] = memory.emitLoad;
  rows[K.store] = memory.emitStore;
  rows[K.storeK] = memory.emitStoreConstant;
  rows[K.atomic] = memory.emitAtomic;
  rows[K.loadAcquire] = memory.emitLoadAcquire;
  rows[K.storeRelease] = memory.emitStoreRelease;
  rows[K.jump] = emitJump;
  rows[K.branch] = emitBranch;
  rows[K.call] = emitCall;
  rows[K.tailCall] = emitTailCall;
  rows[K.exit] = emitExit;
  rows[K.barrier] = e => {
    e.w(dsbNsh());
    e.w(isb());
  };
  rows[K.percpu] = alu.emitPerCpu;
  rows[K.castUser] = alu.emitCastUser;
  rows[K.shifts] = alu.emitShifts;
  return rows;
})();

function prepare(func: FuncInput, env: TargetEnv): Unit {
  const kept = env.kept ?? new Room();
  const { room } = DESK;
  room.clear();
  const found = scan(func, kept);
  const live = liveness(found, kept, room);
  fold(found, live);
  const leaf = !found.calls && !func.exceptionBoundary && !func.exceptionCallback;
  const map = registerMap(leaf);
  return {
    func,
    env,
    scan: found,
    kept,
    frame: planFrame(func, found.calls, found.tailCalls, keptOf(found, map)),
    map,
    live,
    results: placeResults(found, live, kept, room),
    lse: env.cpu !== 'armv8-a',
    lastExit: found.kind.lastIndexOf(K.exit),
  };
}

/** Registers a callee keeps that the function uses. */
function keptOf({ n, kind, d, a, b, arena }: Scan, map: readonly number[]): number[] {
  let named = 0;
  for (let i = 0; i < n; i++) if (kind[i] !== K.nothing) named |= (1 << d[i]) | (1 << a[i]) | (1 << b[i]);
  named = (named & ~(1 << NO)) | (arena ? 1 << BASE : 0);
  let used = 0;
  for (let register = 0; register < map.length; register++) {
    if ((named & (1 << register)) !== 0 && map[register] !== FRAME) used |= 1 << map[register];
  }
  const kept: number[] = [];
  for (let register = FIRST_KEPT; register <= LAST_KEPT; register++)
    if ((used & (1 << register)) !== 0) kept.push(register);
  return kept;
}

/** Compiles one function in own mode. */
export function ownCompiler(func: FuncInput, env: TargetEnv): FuncCompiler {
  return new OwnCompiler(prepare(func, env));
}

class OwnCompiler implements FuncCompiler {
  readonly #unit: Unit;
  readonly #forms: Forms;
  readonly #emission: Emission;

  constructor(unit: Unit) {
    this.#unit = unit;
    this.#forms = new Forms(unit.scan.n, unit.kept);
    this.#emission = new Emission(unit, this.#forms);
  }

  emit(at: bigint | undefined, callees: readonly Callee[] | undefined): CompiledFunc {
    const forms = this.#forms;
    for (let round = 0; ; round++) {
      if (round === PATIENCE) forms.far.fill(1);
      const done = this.#emitOnce(forms, at, callees);
      if (done === undefined) continue;
      // A first pass is no emission forms have to grow from.
      if (callees === undefined && done.settled !== true) forms.clear();
      return done;
    }
  }

  #emitOnce(forms: Forms, at: bigint | undefined, callees: readonly Callee[] | undefined): CompiledFunc | undefined {
    const { scan: found, frame, func, map, kept } = this.#unit;
    const { n, kind, leader } = found;
    const e = this.#emission;
    e.begin(at, callees);
    DESK.room.clear();
    const prologue = prologueOf(frame, func.index);
    for (const word of prologue.words) e.w(word);
    if (found.arena) {
      const start = func.arena?.kernVmStart ?? 0n;
      e.constant(map[BASE], hi32(start), lo32(start));
    }
    for (let i = 0; i < n; i++) {
      if (leader[i] === 1) e.leader();
      e.buffer.bind(i);
      e.slot = i;
      EMIT[kind[i]](e, i);
    }
    e.buffer.bind(n);
    e.resolve();
    if (e.grew) return undefined;
    forms.words.set(e.lengths);
    const settled = callees === undefined && !e.asked;
    const draft = callees === undefined && !settled;
    const { bytes, slotOffs } = e.buffer.finishSlots(n, draft ? kept : undefined);
    return {
      bytes,
      entryOff: 0,
      localEntryOff: 4 * prologue.localEntry,
      tailEntryOff: TAIL_ENTRY_BYTES,
      slotOffs,
      sites: e.sites,
      extable: e.extable,
      settled,
    };
  }
}
