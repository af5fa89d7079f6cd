import { DESK } from '../../desk.ts';
import { filled, Room } from '../../room.ts';
import type { Callee, CompiledFunc, FuncCompiler, FuncInput, TargetEnv } from '../../types.ts';
import { allocate } from './allocate.ts';
import { combine } from './combine.ts';
import { Constants } from './constant.ts';
import { decode } from './decode.ts';
import { Emission } from './emission.ts';
import { emitRows } from './emit-rows.ts';
import { planFrame } from './frame.ts';
import * as ir from './ir.ts';
import { pruneDead } from './liveness.ts';
import { emitPrologue } from './prologue.ts';
import { TAIL_ENTRY_BYTES } from './tail-call.ts';
import type { Unit } from './unit.ts';

/** Void emissions after which branches become long all at once: they push each other out of reach. */
const PATIENCE = 8;
/** A form that reaches anything in a function. */
const LONG_BRANCH = 3;

const PLAIN = new Constants(false, false);
const WITH_BITS = new Constants(true, true);

/** Addresses from here on are the kernel's. */
const HIGH_HALF = 1n << 63n;

/** Everything no address changes: rows, registers, frame. */
function prepare(func: FuncInput, env: TargetEnv): Unit {
  const kept = env.kept ?? new Room();
  DESK.room.clear();
  const rows = decode(func, kept);
  combine(rows);
  const together = pruneDead(rows, DESK.room);
  const allocation = allocate(rows, func, together, DESK.room);
  let lastLeave = -1;
  let tails = 0;
  for (let i = 0; i < rows.n; i++) {
    if (rows.kind[i] === ir.LEAVE) lastLeave = i;
    else if (rows.kind[i] === ir.TAIL) tails++;
  }
  const { space, userLimit, cpu } = env;
  const bits = cpu.includes('_zba_zbb');
  return {
    func,
    env,
    rows,
    kept,
    allocation,
    frame: planFrame(func, allocation, tails > 0),
    tails,
    constants: bits ? WITH_BITS : PLAIN,
    zba: bits,
    zbb: bits,
    signTest: userLimit === space.layout.userLimit && space.layout.linearMap.start >= HIGH_HALF,
    lastLeave,
  };
}

/** Compiles one function in own mode. */
export function ownCompiler(func: FuncInput, env: TargetEnv): FuncCompiler {
  return new OwnCompiler(prepare(func, env));
}

class OwnCompiler implements FuncCompiler {
  readonly #unit: Unit;
  readonly #emission: Emission;

  constructor(unit: Unit) {
    this.#unit = unit;
    this.#emission = new Emission(unit);
  }

  emit(at: bigint | undefined, callees: readonly Callee[] | undefined): CompiledFunc {
    const { forms } = this.#emission;
    for (let round = 0; ; round++) {
      if (round === PATIENCE) this.#lengthen(forms);
      const done = this.#emitOnce(at, callees);
      if (done === undefined) continue;
      // A first pass is no emission forms have to grow from.
      if (callees === undefined && done.settled !== true) filled(forms, 0);
      return done;
    }
  }

  #lengthen(forms: Uint8Array): void {
    const { kind } = this.#unit.rows;
    for (let i = 0; i < forms.length; i++) {
      if (kind[i] === ir.JA || kind[i] === ir.JCC_K || kind[i] === ir.JCC_X || kind[i] === ir.LEAVE)
        forms[i] = LONG_BRANCH;
    }
  }

  #emitOnce(at: bigint | undefined, callees: readonly Callee[] | undefined): CompiledFunc | undefined {
    const { rows, kept } = this.#unit;
    const e = this.#emission;
    e.begin(at, callees);
    DESK.room.clear();
    const localEntryOff = emitPrologue(e);
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
      localEntryOff,
      tailEntryOff: TAIL_ENTRY_BYTES,
      slotOffs,
      sites: e.sites,
      extable: e.extable,
      settled,
    };
  }
}
