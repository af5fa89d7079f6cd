import { hi32, lo32 } from '../../../util/index.ts';
import type { CodeBuffer } from '../../code-buffer.ts';
import type { Callee, CompiledFunc, FuncCompiler, FuncInput, TargetEnv } from '../../types.ts';
import { eieio, specBarrier, sync } from '../encode.ts';
import { wayTo } from './address.ts';
import { allocate, NO_REG, RETURN } from './allocate.ts';
import {
  emitAluK,
  emitAluX,
  emitByteSwap,
  emitCastUser,
  emitConstant,
  emitMask,
  emitMove,
  emitPerCpu,
  emitSignExtend,
} from './alu-rows.ts';
import { findBlocks } from './blocks.ts';
import { emitCall, emitFunctionAddress, targetOf } from './call-rows.ts';
import { combine } from './combine.ts';
import { decode } from './decode.ts';
import { Emission } from './emission.ts';
import { Forms } from './forms.ts';
import { epilogueOf, type OwnAbi, planFrame, prologueOf } from './frame.ts';
import * as ir from './ir.ts';
import { emitJump, emitJumpK, emitJumpX } from './jump-rows.ts';
import { liveIn } from './liveness.ts';
import {
  emitAtomic,
  emitCompareExchange,
  emitLoad,
  emitLoadAcquire,
  emitLoadReversed,
  emitStore,
  emitStoreConstant,
  emitStoreRelease,
} from './memory-rows.ts';
import { chooseStubs } from './stubs.ts';
import { emitTailCall, TAIL_ENTRY_BYTES } from './tail-call.ts';
import { kernelTargets, type Target } from './targets.ts';
import type { Unit } from './unit.ts';

type Emit = (e: Emission, i: number) => void;

const EMIT: readonly Emit[] = (() => {
  const table: Emit[] = [];
  table[ir.NOP] = () => {};
  table[ir.MOV] = emitMove;
  table[ir.CONST] = emitConstant;
  table[ir.FUNC] = emitFunctionAddress;
  table[ir.MASK] = emitMask;
  table[ir.SEXT] = emitSignExtend;
  table[ir.BSWAP] = emitByteSwap;
  table[ir.ALU_K] = emitAluK;
  table[ir.ALU_X] = emitAluX;
  table[ir.LOAD] = emitLoad;
  table[ir.LOAD_REV] = emitLoadReversed;
  table[ir.STORE] = emitStore;
  table[ir.STORE_K] = emitStoreConstant;
  table[ir.ATOMIC] = emitAtomic;
  table[ir.CMPXCHG] = emitCompareExchange;
  table[ir.LOAD_ACQ] = emitLoadAcquire;
  table[ir.STORE_REL] = emitStoreRelease;
  table[ir.JA] = emitJump;
  table[ir.JCC_K] = emitJumpK;
  table[ir.JCC_X] = emitJumpX;
  table[ir.CALL_HELPER] = emitCall;
  table[ir.CALL_KFUNC] = emitCall;
  table[ir.CALL_SUB] = emitCall;
  table[ir.TAIL] = emitTailCall;
  table[ir.LEAVE] = emitLeave;
  table[ir.PERCPU] = emitPerCpu;
  table[ir.CAST_USER] = emitCastUser;
  table[ir.BARRIER] = emitBarrier;
  return table;
})();

/** POWER9 has a store barrier for this; POWER8 waits for everything. */
function emitBarrier(e: Emission): void {
  if (e.unit.power9) e.w(eieio() | (1 << 25));
  else {
    e.w(sync());
    e.w(specBarrier());
  }
}

function emitLeave(e: Emission, i: number): void {
  e.move(RETURN, e.rows.a[i]);
  const words = epilogueOf(e.frame);
  if (i !== e.unit.lastLeave && words.length > 1) {
    e.branch(e.leaveLabel);
    return;
  }
  if (i === e.unit.lastLeave) e.bind(e.leaveLabel);
  for (const word of words) e.w(word);
}

/** Everything no address changes: rows, registers, frame. */
function prepare(func: FuncInput, env: TargetEnv, abi: OwnAbi): Unit {
  const rows = decode(func, abi.order);
  const blocks = findBlocks(rows);
  combine(rows, blocks);
  const live = liveIn(rows, blocks);
  const allocation = allocate(rows, blocks, live, func.index);
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
  const { space, userLimit, cpu } = env;
  return {
    func,
    env,
    abi,
    rows,
    allocation,
    frame: planFrame(func, abi, allocation, tailCalls),
    tailCalls,
    prefixed: cpu === 'power10',
    power9: cpu !== 'power8',
    hasToc: !env.pcrel,
    tocHi: hi32(space.kernelToc),
    tocLo: lo32(space.kernelToc),
    signTest: userLimit === space.layout.userLimit && space.layout.linearMap.start >= 1n << 63n,
    userHi: hi32(userLimit),
    userLo: lo32(userLimit),
    lastLeave,
    addressRows,
    targets: kernelTargets(func, env, rows),
    plans: new Map(),
  };
}

/** Compiles one function in own mode. */
export function ownCompiler(func: FuncInput, env: TargetEnv, abi: OwnAbi): FuncCompiler {
  const unit = prepare(func, env, abi);
  const kept = new Forms(unit.rows.n);
  return {
    emit(at, callees) {
      // The first pass is no emission forms have to grow from.
      const forms = callees === undefined ? new Forms(unit.rows.n) : kept;
      // Each void emission grew a form, and usually all that had to: a handful, never more than there are forms.
      for (;;) {
        const e = emitOnce(unit, forms, at, callees);
        if (e !== undefined) return e;
      }
    },
  };
}

function emitOnce(
  unit: Unit,
  forms: Forms,
  at: bigint | undefined,
  callees: readonly Callee[] | undefined,
): CompiledFunc | undefined {
  if (!forms.toc && wantsToc(unit, forms, at, callees)) forms.toc = true;
  const { rows, abi, frame, func } = unit;
  const e = new Emission(unit, forms, at, callees);
  e.stubs = chooseStubs(e, countCallees(e));
  const descriptorBytes = abi.descriptors ? 24 : 0;
  for (let k = 0; k < descriptorBytes; k += 4) e.w(0);
  const prologue = prologueOf(frame, abi, func.index, forms.toc);
  for (const word of prologue.words) e.w(word);
  if (unit.allocation.base !== NO_REG) {
    const start = func.arena?.kernVmStart ?? 0n;
    e.load(unit.allocation.base, hi32(start), lo32(start));
  }
  const slotOffs = new Int32Array(rows.n + 1);
  emitRows(e, slotOffs);
  slotOffs[rows.n] = e.buffer.length;
  e.bind(e.endLabel);
  e.stubs.emit(e);
  e.resolve();
  if (e.grew) return undefined;
  forms.words.set(e.lengths);
  for (const [key, words] of e.stubLengths) forms.stubWords.set(key, words);
  if (abi.descriptors) writeDescriptor(e.buffer, (at ?? 0n) + 24n, unit.env.space.kernelToc);
  return {
    bytes: e.buffer.finish(),
    entryOff: descriptorBytes,
    localEntryOff: descriptorBytes + 4 * prologue.localEntry,
    tailEntryOff: descriptorBytes + TAIL_ENTRY_BYTES,
    slotOffs,
    sites: e.sites,
    extable: e.extable,
  };
}

function emitRows(e: Emission, slotOffs: Int32Array): void {
  const { n, kind, d, flags } = e.rows;
  for (let i = 0; i < n; i++) {
    slotOffs[i] = e.buffer.length;
    e.bind(i);
    if ((flags[i] & ir.LEADER) !== 0) e.leader();
    const k = kind[i];
    if (k === ir.NOP) continue;
    e.slot = i;
    EMIT[k](e, i);
    // Constants say themselves what their register holds now.
    if (k !== ir.CONST && d[i] !== NO_REG) e.changed(d[i]);
  }
}

function writeDescriptor(buffer: CodeBuffer, entry: bigint, toc: bigint): void {
  buffer.patchU32(0, hi32(entry));
  buffer.patchU32(4, lo32(entry));
  buffer.patchU32(8, hi32(toc));
  buffer.patchU32(12, lo32(toc));
}

/** Calls that do not end in `bl`, by callee. */
function countCallees(e: Emission): { readonly target: Target; calls: number }[] {
  const counts = new Map<string, { readonly target: Target; calls: number }>();
  const { kind, aux } = e.rows;
  for (const i of e.unit.addressRows) {
    if (kind[i] < ir.CALL_HELPER) continue;
    if (kind[i] === ir.CALL_SUB && !e.forms.unreached.has(aux[i])) continue;
    const target = targetOf(e, i);
    if (target === undefined) continue;
    const count = counts.get(target.key);
    if (count === undefined) counts.set(target.key, { target, calls: 1 });
    else count.calls++;
  }
  return [...counts.values()];
}

/**
 * Whether loading r2, one word, saves more. Tail calls promise r2 to whom they call, and a caller that carries a count
 * has to enter callees behind what starts one, where r2 is expected.
 */
function wantsToc(unit: Unit, forms: Forms, at: bigint | undefined, callees: readonly Callee[] | undefined): boolean {
  if (unit.abi.descriptors || !unit.hasToc) return false;
  const { kind, imm, aux } = unit.rows;
  if (unit.tailCalls) return true;
  const e = new Emission(unit, forms, at, callees);
  const seen = new Set<string>();
  let gain = 0;
  for (const i of unit.addressRows) {
    let hi = aux[i];
    let lo = imm[i];
    if (kind[i] === ir.CALL_SUB && unit.frame.reachable) return true;
    if (kind[i] === ir.FUNC) continue;
    if (kind[i] >= ir.CALL_HELPER) {
      if (kind[i] === ir.CALL_SUB && !forms.unreached.has(aux[i])) continue;
      const target = targetOf(e, i);
      // Calls of one function share a stub.
      if (target === undefined || seen.has(target.key)) continue;
      seen.add(target.key);
      ({ hi, lo } = target);
    }
    gain += wayTo(e, hi, lo, false).words - wayTo(e, hi, lo, true).words;
    if (gain > 1) return true;
  }
  return false;
}
