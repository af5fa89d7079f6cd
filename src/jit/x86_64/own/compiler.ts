import { BPF_ALU, BPF_ALU64, BPF_JMP, BPF_JMP32, CALL, EXIT, LD_IMM64, TAIL_CALL } from '../../../isa/index.ts';
import { hi32, lo32 } from '../../../util/index.ts';
import { DESK } from '../../desk.ts';
import { Room } from '../../room.ts';
import type { Callee, CompiledFunc, FuncCompiler, FuncInput, TargetEnv } from '../../types.ts';
import { movImm } from '../encode.ts';
import { emitAlu, emitConstant } from './alu-rows.ts';
import { emitCall, emitFunctionAddress, emitStubs } from './call-rows.ts';
import { Emission } from './emission.ts';
import { factsOf } from './facts.ts';
import { Forms } from './forms.ts';
import { emitPrologue, epilogueBytes, planFrame, TAIL_ENTRY_BYTES } from './frame.ts';
import { heldBehind } from './free.ts';
import { emitExit, emitJump } from './jump-rows.ts';
import { emitMemory } from './memory-rows.ts';
import { ARENA, registersOf } from './registers.ts';
import { emitTailCall, emitTailStub } from './tail-call.ts';
import type { Unit } from './unit.ts';

/** Displacements added to the arena's start fit 32 bits below this. */
const MOST_DISPLACED = 0x7fff0000n;

/** Addresses from here on are the kernel's. */
const HIGH_HALF = 1n << 63n;

/** Everything no address changes. */
function prepare(func: FuncInput, env: TargetEnv): Unit {
  const kept = env.kept ?? new Room();
  const { room } = DESK;
  room.clear();
  const facts = factsOf(func, kept);
  const { space, userLimit } = env;
  const start = func.arena?.kernVmStart ?? 0n;
  const arenaInRegister = facts.arena && start >= MOST_DISPLACED;
  const reg = registersOf(facts, !func.exceptionBoundary && !func.exceptionCallback);
  const frame = planFrame(func, facts, reg, arenaInRegister);
  return {
    func,
    env,
    kept,
    facts,
    reg,
    frame,
    v3: env.cpu === 'x86-64-v3',
    held: facts.wantsFree ? heldBehind(func.insns, facts, func.index === 0, kept, room) : undefined,
    signTest: userLimit === space.layout.userLimit && space.layout.linearMap.start >= HIGH_HALF,
    arenaHi: start === 0n ? 0 : hi32(start),
    arenaLo: start === 0n ? 0 : lo32(start),
    arenaInRegister,
    epilogueBytes: epilogueBytes(frame),
    kernelTargets: undefined,
  };
}

/** Compiles one function in own mode. */
export function ownCompiler(func: FuncInput, env: TargetEnv): FuncCompiler {
  return new OwnCompiler(prepare(func, env));
}

class OwnCompiler implements FuncCompiler {
  readonly #emission: Emission;

  constructor(unit: Unit) {
    this.#emission = new Emission(unit, new Forms(unit.func.insns.length, unit.kept));
  }

  emit(at: bigint | undefined, callees: readonly Callee[] | undefined): CompiledFunc {
    // Each void emission grew a form, and usually all that had to: a handful, never more than there are forms.
    for (;;) {
      const made = this.#emitOnce(at, callees);
      if (made === undefined) continue;
      // A first pass is no emission forms have to grow from.
      if (callees === undefined && made.settled !== true) this.#emission.forms.clear();
      return made;
    }
  }

  #emitOnce(at: bigint | undefined, callees: readonly Callee[] | undefined): CompiledFunc | undefined {
    const e = this.#emission;
    e.begin(at, callees);
    const { c, unit } = e;
    const n = unit.func.insns.length;
    emitPrologue(c, unit.frame);
    if (unit.arenaInRegister) movImm(c, ARENA, unit.arenaHi, unit.arenaLo);
    emitSlots(e);
    c.bind(n);
    // Functions that never leave have no end to share.
    if (unit.facts.lastExit < 0) c.bind(e.leaveLabel);
    emitStubs(e);
    emitTailStub(e);
    e.resolve();
    if (e.grew) return undefined;
    const settled = callees === undefined && !e.asked;
    const draft = callees === undefined && !settled;
    const { bytes, slotOffs } = c.finishSlots(n, draft ? unit.kept : undefined);
    return {
      bytes,
      entryOff: 0,
      localEntryOff: 0,
      tailEntryOff: unit.frame.isMain ? TAIL_ENTRY_BYTES : 0,
      slotOffs,
      sites: e.sites,
      extable: e.extable,
      settled,
    };
  }
}

function emitSlots(e: Emission): void {
  const { c, insns } = e;
  const { leaders } = e.unit.facts;
  const { funcRefs } = e.unit.func;
  const n = insns.length;
  for (let i = 0; i < n; i++) {
    const first = i;
    c.bind(i);
    if (leaders[i] !== 0) e.leader(i);
    const { code } = insns[i];
    switch (code & 7) {
      case BPF_ALU:
      case BPF_ALU64:
        i = emitAlu(e, i);
        break;
      case BPF_JMP:
      case BPF_JMP32:
        if (code === CALL) emitCall(e, i);
        else if (code === EXIT) emitExit(e, i);
        else if (code === TAIL_CALL) emitTailCall(e, i);
        else emitJump(e, i);
        break;
      default:
        if (code === LD_IMM64) {
          const subprog = funcRefs.get(i);
          if (subprog === undefined) i = emitConstant(e, i);
          else emitFunctionAddress(e, i++, subprog);
        } else i = emitMemory(e, i);
    }
    // One instruction made of several begins where the first did.
    for (let k = first + 1; k <= i; k++) c.bindAs(k, first);
  }
}
