import {
  baseType,
  NOT_INIT,
  PTR_MAYBE_NULL,
  PTR_TO_BTF_ID,
  PTR_TO_CTX,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_PACKET,
  PTR_TO_PACKET_META,
  PTR_TO_STACK,
  SCALAR_VALUE,
} from '../../helpers/index.ts';
import { BPF_PSEUDO_CALL, BPF_PSEUDO_KFUNC_CALL, type Insn } from '../../isa/index.ts';
import { i64Of } from '../../util/index.ts';
import { tnumIsConst } from '../domain/index.ts';
import type { ExplainCase } from './case.ts';
import { type Held, isSlot, placeName, SLOT_PLACE } from './held.ts';
import { rangeOf } from './number-words.ts';
import { accessBytes, comparedRegs, hasRegOperand, roleOf, writesReg } from './operands.ts';
import type { Change, Step } from './recorder.ts';
import type { TraceEvent, TraceKind } from './types.ts';
import { targetWords } from './value-words.ts';

/** Events of one explanation. */
const MAX_EVENTS = 60;
const MAX_BRANCHES = 6;

/** A place whose history is wanted: as it was before step `at`. */
export interface Wanted {
  readonly at: number;
  readonly frame: number;
  readonly place: number;
}

interface Found {
  readonly kind: TraceKind;
  readonly text: string;
  readonly from?: readonly Wanted[];
  readonly taken?: boolean;
  /** The history goes on before this step. */
  readonly goesOn?: boolean;
}

const bytes = (n: number): string => (n === 1 ? '1 byte' : `${n} bytes`);

/** Traces values back over a path, from where they were found wanting to where they came from. */
export class Slicer {
  readonly #case: ExplainCase;
  readonly #steps: readonly Step[];
  readonly #events = new Map<string, TraceEvent>();
  readonly #seen = new Set<string>();

  constructor(explained: ExplainCase) {
    this.#case = explained;
    this.#steps = explained.recorder.steps;
  }

  /**
   * The histories of all places wanted, as one list, oldest first.
   *
   * @param branchesFrom step from which on every branch of the path is told too
   */
  trace(wanted: readonly Wanted[], branchesFrom?: number): TraceEvent[] {
    if (branchesFrom !== undefined) this.#branches(branchesFrom);
    const open = [...wanted];
    while (open.length > 0 && this.#events.size < MAX_EVENTS) {
      // What is nearest to the end is told first: it says most where the list is cut.
      open.sort((a, b) => a.at - b.at);
      this.#traceOne(open.pop() as Wanted, open);
    }
    // What a function begins with comes before what its first instruction does.
    const entry = ({ insn }: TraceEvent): number => (insn === '' ? 0 : 1);
    return [...this.#events.values()].sort((a, b) => a.step - b.step || entry(a) - entry(b));
  }

  /** Which way the path went at the last branches. */
  #branches(from: number): void {
    const c = this.#case;
    let told = 0;
    for (let q = this.#steps.length - 1; q >= from && told < MAX_BRANCHES; q--) {
      const { idx, frame } = this.#steps[q];
      const insn = c.input.insns[idx];
      const role = roleOf(insn);
      const next = this.#steps[q + 1]?.idx ?? c.insnIdx;
      if (role !== 'branch' || next === undefined) continue;
      told++;
      const taken = next !== idx + 1;
      const text = `The path ${taken ? 'jumps' : 'does not jump'} here and goes on in ${c.where(next)}.`;
      this.#emit(q, frame, insn.dst, { kind: 'pass-by', text, taken });
    }
  }

  #traceOne(wanted: Wanted, open: Wanted[]): void {
    const { frame, place } = wanted;
    for (let q = wanted.at - 1; q >= 0; q--) {
      const found = this.#atStep(q, frame, place, wanted.at);
      if (found === undefined) continue;
      const key = `${q}:${frame}:${place}`;
      if (this.#seen.has(key)) return;
      this.#seen.add(key);
      this.#emit(q, frame, place, found);
      for (const from of found.from ?? []) open.push(from);
      if (found.goesOn !== true || this.#events.size >= MAX_EVENTS) return;
    }
    this.#atStart(wanted);
  }

  /** Nobody on the path wrote it. */
  #atStart({ frame, place }: Wanted): void {
    const key = `start:${frame}:${place}`;
    const first = this.#steps[0];
    if (this.#seen.has(key) || first === undefined) return;
    this.#seen.add(key);
    const held = this.#case.heldBefore(0, frame, place);
    if (held === undefined || place === 10) return;
    if (isSlot(place) ? held.slotTypes === 0 : held.type === NOT_INIT) {
      this.#emit(
        0,
        frame,
        place,
        { kind: 'missing', text: `Nothing is in ${placeName(place)} when the function begins.` },
        true,
      );
      return;
    }
    const what = baseType(held.type) === PTR_TO_CTX ? 'the kernel passes it in' : `argument ${place} of the function`;
    const view = this.#case.view(held, place);
    this.#emit(0, frame, place, { kind: 'origin', text: `${placeName(place)} holds ${view?.text}: ${what}.` }, true);
  }

  #emit(q: number, frame: number, place: number, found: Found, atEntry = false): void {
    const step = this.#steps[q];
    const c = this.#case;
    const before = atEntry ? undefined : c.view(c.heldBefore(q, frame, place), place);
    const after = c.view(c.heldBefore(atEntry ? q : q + 1, frame, place), place);
    const from = (found.from ?? []).map(w =>
      w.frame === frame ? placeName(w.place) : `frame ${w.frame}: ${placeName(w.place)}`,
    );
    const key = `${atEntry ? -1 : q}:${frame}:${place}`;
    this.#events.set(key, {
      kind: found.kind,
      step: c.recorder.base + q,
      ...c.place(step.idx),
      ...(atEntry ? { insn: '' } : {}),
      name: placeName(place),
      frame,
      text: found.text,
      before,
      after,
      ...(found.taken === undefined ? {} : { taken: found.taken }),
      from,
    });
  }

  /** What step `q` has to do with a place, or undefined. */
  #atStep(q: number, frame: number, place: number, end: number): Found | undefined {
    const step = this.#steps[q];
    const insn = this.#case.input.insns[step.idx];
    for (const moved of step.frames) {
      if (moved.frame === frame && moved.after !== undefined) return this.#entered(q, step, insn, place);
    }
    const change = step.changes.find(row => row.frame === frame && row.place === place);
    if (isSlot(place)) return this.#slotAtStep(q, step, insn, frame, place, change);
    if (roleOf(insn) === 'exit') return change === undefined ? undefined : this.#returned(q, step);
    if (step.frame === frame && writesReg(insn, place)) return this.#written(q, insn, frame, place, step);
    if (roleOf(insn) === 'branch') return this.#branched(q, step, insn, frame, place, change, end);
    if (change === undefined) return undefined;
    return this.#lost(insn, change);
  }

  #after(q: number, frame: number, place: number): string {
    const c = this.#case;
    return c.view(c.heldBefore(q + 1, frame, place), place)?.text ?? 'unknown';
  }

  #entered(q: number, step: Step, insn: Insn, place: number): Found {
    const { frame } = step;
    if (isSlot(place) || place > 5 || place === 0) {
      return { kind: 'missing', text: `The function begins here with nothing in ${placeName(place)}.` };
    }
    if (insn.src === BPF_PSEUDO_CALL) {
      const callee = this.#case.sources.functionOf(step.idx + insn.imm + 1) || 'the function';
      const from = [{ at: q, frame, place }];
      return { kind: 'pass', text: `Passed to ${callee}() as argument ${place}.`, from };
    }
    const by = this.#case.words.calleeName(insn) ?? 'the kernel';
    const held = this.#after(q, frame + 1, place);
    return { kind: 'origin', text: `${by}() passes ${held} to the function it calls back, as argument ${place}.` };
  }

  #returned(q: number, step: Step): Found {
    const func = this.#case.sources.functionOf(step.idx) || 'the function';
    const from = [{ at: q, frame: step.frame, place: 0 }];
    return { kind: 'return', text: `Returned by ${func}().`, from };
  }

  #written(q: number, insn: Insn, frame: number, place: number, step: Step): Found {
    const name = placeName(place);
    const now = this.#after(q, frame, place);
    const dst: Wanted = { at: q, frame, place: insn.dst };
    const src: Wanted = { at: q, frame, place: insn.src };
    switch (roleOf(insn)) {
      case 'mov':
        if (!hasRegOperand(insn)) return { kind: 'origin', text: `${name} becomes ${now}.` };
        if (this.#losesPointer(q, frame, insn)) {
          const text = `${name} becomes a part of r${insn.src}, which was a pointer; a part of an address is only a number: ${now}.`;
          return { kind: 'compute', text, from: [src] };
        }
        return { kind: 'copy', text: `${name} becomes a copy of r${insn.src}: ${now}.`, from: [src] };
      case 'alu':
        return this.#computed(q, insn, frame, now, hasRegOperand(insn) ? [dst, src] : [dst]);
      case 'load-imm':
        return { kind: 'origin', text: `${name} becomes ${now}.` };
      case 'load':
      case 'atomic':
        return this.#loaded(q, insn, frame, now);
      case 'load-abs':
        return place === 0
          ? { kind: 'origin', text: `r0 is loaded from the packet: ${now}.` }
          : { kind: 'lost', text: `This packet load destroys r1 to r5, ${name} among them.` };
      default:
        return this.#called(insn, place, now, step);
    }
  }

  /** A copy of 32 bits, or a sign extension, of an address. */
  #losesPointer(q: number, frame: number, { dst, src }: Insn): boolean {
    const from = this.#case.heldBefore(q, frame, src);
    return (
      from !== undefined &&
      from.type !== SCALAR_VALUE &&
      from.type !== NOT_INIT &&
      this.#case.heldBefore(q + 1, frame, dst)?.type === SCALAR_VALUE
    );
  }

  #computed(q: number, insn: Insn, frame: number, now: string, operands: readonly Wanted[]): Found {
    const c = this.#case;
    const name = placeName(insn.dst);
    const before = c.heldBefore(q, frame, insn.dst);
    const after = c.heldBefore(q + 1, frame, insn.dst);
    // Constants need no history of their own.
    const from = operands.filter(w => {
      const held = c.heldBefore(q, w.frame, w.place);
      return held === undefined || held.type !== SCALAR_VALUE || !tnumIsConst(held.scalar) || w.place === insn.dst;
    });
    const other = operands.find(w => w.place !== insn.dst);
    const addend = other === undefined ? undefined : c.heldBefore(q, frame, other.place);
    const note = limitsNote(before, after, addend);
    return { kind: 'compute', text: `${name} becomes ${now}${note}.`, from };
  }

  #loaded(q: number, insn: Insn, frame: number, now: string): Found {
    const c = this.#case;
    const store = roleOf(insn) === 'atomic';
    const base = c.heldBefore(q, frame, store ? insn.dst : insn.src);
    const name = `r${store ? insn.src : insn.dst}`;
    const size = accessBytes(insn);
    if (base === undefined) return { kind: 'origin', text: `${name} is loaded: ${now}.` };
    if (base.type === PTR_TO_STACK && tnumIsConst(base.scalar)) {
      const off = base.off + insn.off + Number(i64Of(base.scalar.valueHi, base.scalar.valueLo));
      const spi = Math.floor((-off - 1) / 8);
      if (off < 0 && spi >= 0 && spi < 64) {
        const from = [{ at: q, frame: base.frameno, place: SLOT_PLACE + spi }];
        return {
          kind: 'load',
          text: `${name} is loaded from the stack, ${placeName(SLOT_PLACE + spi)}: ${now}.`,
          from,
        };
      }
    }
    const from = followsBase(base) ? [{ at: q, frame, place: store ? insn.dst : insn.src }] : [];
    if (baseType(base.type) === PTR_TO_CTX) {
      return {
        kind: 'origin',
        text: `${name} is loaded from the context, offset ${base.off + insn.off}: ${now}.`,
        from,
      };
    }
    return { kind: 'origin', text: `${name} is ${bytes(size)} ${sourceWords(base)}: ${now}.`, from };
  }

  #called(insn: Insn, place: number, now: string, step: Step): Found {
    const c = this.#case;
    const name = c.words.calleeName(insn) ?? c.sources.functionOf(step.idx + insn.imm + 1);
    if (place !== 0) {
      return {
        kind: 'lost',
        text: `The call of ${name || 'the function'}() destroys r1 to r5, r${place} among them: every call does.`,
      };
    }
    return { kind: 'origin', text: `r0 is what ${name || 'the function'}() returns: ${now}.` };
  }

  #branched(
    q: number,
    step: Step,
    insn: Insn,
    frame: number,
    place: number,
    change: Change | undefined,
    end: number,
  ): Found | undefined {
    const next = this.#steps[q + 1]?.idx ?? (q + 1 === end ? this.#case.insnIdx : undefined);
    const taken = next === undefined ? undefined : next !== step.idx + 1;
    const side = taken === undefined ? '' : taken ? ' (it jumps)' : ' (it does not jump)';
    const compared = step.frame === frame && comparedRegs(insn).includes(place);
    if (change !== undefined) {
      const { before, after } = change;
      const name = placeName(place);
      const { text } = this.#case.view(after, place) ?? { text: 'unknown' };
      if ((before.type & PTR_MAYBE_NULL) !== 0 && (after.type & PTR_MAYBE_NULL) === 0) {
        const now = after.type === SCALAR_VALUE ? 'it is NULL' : `it is not NULL: ${text}`;
        return { kind: 'narrow', text: `After this check${side} ${now}.`, ...takenOf(taken), goesOn: true };
      }
      const linked = compared ? '' : linkWords(name, after);
      return {
        kind: 'narrow',
        text: `After this check${side} ${name} is ${text}${linked}.`,
        ...takenOf(taken),
        goesOn: true,
      };
    }
    if (!compared) return undefined;
    const held = this.#case.heldBefore(q, frame, place);
    if (held === undefined || held.type !== SCALAR_VALUE || tnumIsConst(held.scalar)) return undefined;
    const text = `This check${side} says nothing about the limits of ${placeName(place)} that would help.`;
    return { kind: 'no-help', text, ...takenOf(taken), goesOn: true };
  }

  #lost(insn: Insn, { before, after, place }: Change): Found {
    const c = this.#case;
    const name = placeName(place);
    const callee = roleOf(insn) === 'call' ? (c.words.calleeName(insn) ?? 'the function') : undefined;
    const was = c.view(before, place)?.text ?? 'unknown';
    const now = c.view(after, place)?.text ?? 'unknown';
    if (callee === undefined) return { kind: 'compute', text: `${name} becomes ${now}.`, goesOn: true };
    const base = baseType(before.type);
    if (base === PTR_TO_PACKET || base === PTR_TO_PACKET_META) {
      const why = `${callee}() may move the packet, so pointers into it that were made before are no good any more`;
      return { kind: 'lost', text: `${why}; ${name} was one.`, goesOn: true };
    }
    if (after.type === NOT_INIT || after.type === SCALAR_VALUE) {
      return { kind: 'lost', text: `${callee}() ends the use of ${name}, which was ${was}.`, goesOn: true };
    }
    return { kind: 'compute', text: `${callee}() makes ${name} ${now}.`, goesOn: true };
  }

  #slotAtStep(
    q: number,
    step: Step,
    insn: Insn,
    frame: number,
    place: number,
    change: Change | undefined,
  ): Found | undefined {
    const role = roleOf(insn);
    const name = placeName(place);
    if ((role === 'store' || role === 'atomic') && this.#storesTo(q, step, insn, frame, place)) {
      const now = this.#after(q, frame, place);
      const from = hasRegOperand(insn) ? [{ at: q, frame: step.frame, place: insn.src }] : [];
      return { kind: 'store', text: `Stored to the stack at ${name}: ${now}.`, from };
    }
    if (change === undefined) return undefined;
    const now = this.#after(q, frame, place);
    if (role === 'branch') {
      return { kind: 'narrow', text: `After this check ${name} is ${now}.`, goesOn: true };
    }
    if (role === 'call') {
      const by = this.#case.words.calleeName(insn) ?? 'the function';
      const after = heldAfter(change);
      const kind = after.slotTypes === 0 ? 'lost' : 'origin';
      const text =
        kind === 'lost' ? `${by}() ends the use of what was at ${name}.` : `${by}() writes to ${name}: ${now}.`;
      return { kind, text, goesOn: kind === 'lost' || insn.src === BPF_PSEUDO_KFUNC_CALL };
    }
    return { kind: 'store', text: `${name} becomes ${now}.`, goesOn: true };
  }

  #storesTo(q: number, step: Step, insn: Insn, frame: number, place: number): boolean {
    const base = this.#case.heldBefore(q, step.frame, insn.dst);
    if (base === undefined || base.type !== PTR_TO_STACK || base.frameno !== frame) return false;
    if (!tnumIsConst(base.scalar)) return false;
    const off = base.off + insn.off + Number(i64Of(base.scalar.valueHi, base.scalar.valueLo));
    const slot = -(place - SLOT_PLACE + 1) * 8;
    return off < slot + 8 && off + accessBytes(insn) > slot;
  }
}

/** Why a check of one register tells of another. */
function linkWords(name: string, { type }: Held): string {
  const packet = baseType(type) === PTR_TO_PACKET || baseType(type) === PTR_TO_PACKET_META;
  if (packet) return ` (${name} and the pointer compared were made from the same one)`;
  return ` (${name} and what is compared were made from the same value)`;
}

const takenOf = (taken: boolean | undefined): { taken?: boolean } => (taken === undefined ? {} : { taken });
const heldAfter = ({ after }: Change): Held => after;

/** Says so where an instruction made limits get lost. */
function limitsNote(before: Held | undefined, after: Held | undefined, addend: Held | undefined): string {
  if (before === undefined || after === undefined) return '';
  if (before.type !== SCALAR_VALUE && after.type === SCALAR_VALUE) return ' (no longer a pointer)';
  if (!rangeOf(after.scalar).unknown) return '';
  const had = before.type === SCALAR_VALUE && !rangeOf(before.scalar).unknown;
  const other = addend === undefined || addend.type !== SCALAR_VALUE || !rangeOf(addend.scalar).unknown;
  return had && other && after.type === SCALAR_VALUE ? ': the verifier loses its limits here' : '';
}

/** Where a load's bytes come from. */
function sourceWords(base: Held): string {
  switch (baseType(base.type)) {
    case PTR_TO_PACKET:
    case PTR_TO_PACKET_META:
      return `of ${targetWords(base)}, which can hold anything`;
    case PTR_TO_MAP_VALUE:
    case PTR_TO_MAP_KEY:
      return `of ${targetWords(base)}, which can hold anything`;
    default:
      return `of ${targetWords(base)}`;
  }
}

/** Whether the pointer loaded through says more of the value than its kind does. */
const followsBase = ({ type }: Held): boolean => baseType(type) === PTR_TO_BTF_ID;
