import { hi32, lo32 } from '../../../util/index.ts';
import { DESK } from '../../desk.ts';
import { Room } from '../../room.ts';
import { decode, findBlocks, ir, liveIn } from '../../rows/index.ts';
import type { Callee, CompiledFunc, FuncCompiler, FuncInput, TargetEnv } from '../../types.ts';
import { allocate, NO_REG } from './allocate.ts';
import { kernelTargets, narrowArgs } from './call-rows.ts';
import { foldMoves } from './combine.ts';
import { Emission, Forms } from './emission.ts';
import { emitRows } from './emit-rows.ts';
import { planFrame, prologueOf, TAIL_ENTRY_BYTES } from './frame.ts';
import { isMask } from './mask.ts';
import { splitResult } from './split-result.ts';
import type { Unit } from './unit.ts';

/** Void emissions after which every branch takes its long form: branches push each other out of reach. */
const PATIENCE = 8;

function prepare(func: FuncInput, env: TargetEnv): Unit {
  const kept = env.kept ?? new Room();
  const { room } = DESK;
  room.clear();
  const rows = decode(func, 'big', isMask, kept);
  const flatArena = func.arena === undefined || func.arena.kernVmStart === 0n;
  const blocks = findBlocks(rows, room);
  foldMoves(rows);
  const live = liveIn(rows, blocks, room);
  splitResult(rows, blocks, live);
  const found = allocate(rows, blocks, live, func.index, flatArena, room);
  let { saved } = found;
  let lastLeave = -1;
  let tailCalls = false;
  for (let i = 0; i < rows.n; i++) {
    const kind = rows.kind[i];
    if (kind === ir.LEAVE) lastLeave = i;
    else if (kind === ir.TAIL) tailCalls = true;
    else if (kind === ir.CALL_KFUNC) {
      for (const [register] of narrowArgs(func, rows.imm[i], rows.off[i])) if (register === 6) saved |= 1 << 6;
    }
  }
  const allocation = { ...found, saved };
  return {
    func,
    env,
    rows,
    kept,
    allocation,
    frame: planFrame(func, allocation, tailCalls),
    z15: env.cpu !== 'z13',
    flatArena,
    lastLeave,
    targets: kernelTargets(func, env, rows),
  };
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
    this.#forms = new Forms(unit.rows.n, unit.kept);
    this.#emission = new Emission(unit, this.#forms);
  }

  emit(at: bigint | undefined, callees: readonly Callee[] | undefined): CompiledFunc {
    const forms = this.#forms;
    for (let round = 0; ; round++) {
      if (round === PATIENCE) forms.far.fill(1);
      const done = this.#emitOnce(at, callees);
      if (done === undefined) continue;
      // A first pass is no emission forms have to grow from.
      if (callees === undefined && done.settled !== true) forms.clear();
      return done;
    }
  }

  #emitOnce(at: bigint | undefined, callees: readonly Callee[] | undefined): CompiledFunc | undefined {
    const { rows, frame, func, allocation, kept } = this.#unit;
    const e = this.#emission;
    e.begin(at, callees);
    DESK.room.clear();
    const prologue = prologueOf(frame, func.index);
    for (const insn of prologue.words) e.w(insn);
    if (allocation.base !== NO_REG) {
      const start = func.arena?.kernVmStart ?? 0n;
      e.load(allocation.base, hi32(start), lo32(start));
    }
    emitRows(e);
    e.buffer.bind(rows.n);
    e.resolve();
    if (e.grew) return undefined;
    const settled = callees === undefined && !e.asked;
    const draft = callees === undefined && !settled;
    const { bytes, slotOffs } = e.buffer.finishSlots(rows.n, draft ? kept : undefined);
    return {
      bytes,
      entryOff: 0,
      localEntryOff: prologue.localEntry,
      tailEntryOff: TAIL_ENTRY_BYTES,
      slotOffs,
      sites: e.sites,
      extable: e.extable,
      settled,
    };
  }
}
