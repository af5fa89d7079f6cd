import { LD_IMM64 } from '../../isa/index.ts';
import type { Verdict, VerifyInput, VerifyOptions } from '../input.ts';
import { type MessageId, messageText } from '../messages.ts';
import { verify } from '../verify.ts';
import { budgetReport } from './budget.ts';
import { ExplainCase } from './case.ts';
import { genericTold } from './generic.ts';
import { type Held, isSlot } from './held.ts';
import { PathRecorder } from './recorder.ts';
import type { Subject, Told } from './rows/row.ts';
import { TELL_ROWS } from './rows/table.ts';
import { Slicer } from './slice.ts';
import type { Explanation, PathSegment, Place, ValueAt } from './types.ts';

/** Messages that tell of too much work: what was done is counted instead of remembered. */
const BUDGET_MESSAGES: ReadonlySet<string> = new Set<MessageId>([
  'tooLarge',
  'jumpsTooComplex',
  'jumpsTooComplexAsync',
]);
const SPECULATIVE =
  'The path shown is one a CPU may run ahead on by mistake (speculation): without CAP_PERFMON such paths have to be safe too.';
/** Straight runs of the path that are told. */
const MAX_SEGMENTS = 1000;

/**
 * Why a program was refused, for people: verifies it a second time and looks over the verifier's shoulder.
 *
 * @param verdict what `verify(input, options)` said; undefined is returned for an accepted program
 */
export function explain(input: VerifyInput, options: VerifyOptions, verdict: Verdict): Explanation | undefined {
  if (verdict.ok) return undefined;
  const counting = BUDGET_MESSAGES.has(verdict.messageId ?? '');
  const recorder = new PathRecorder(input.insns.length, !counting);
  const again = verify(input, { ...options, logLevel: 0, observer: recorder });
  // Without a log nothing is refused for the log's size; then there is nothing to tell either.
  if (again.ok) return bare(verdict);
  recorder.sync();
  const c = new ExplainCase(input, options, again, recorder);
  const told = TELL_ROWS[again.messageId as MessageId]?.(c) ?? genericTold(c);
  return assembled(c, told);
}

const bare = (verdict: Verdict): Explanation => ({
  messageId: verdict.messageId,
  message: verdict.message,
  title: 'The program is fine; its log did not fit the buffer',
  attempted: 'The verifier has nothing against the program, but its log was larger than the buffer given for it.',
  place: undefined,
  values: [],
  chain: [],
  remedies: ['Load it with a larger log buffer, or with a lower log level.'],
  callers: [],
  path: [],
  budget: undefined,
});

function assembled(c: ExplainCase, told: Told): Explanation {
  const { verdict } = c;
  const subjects = c.inWalk ? (told.subjects ?? []) : [];
  const wanted = subjects.map(({ place, frame = c.frame, at = c.at }) => ({ at, frame, place }));
  // Where the budget ran out says nothing.
  const insnIdx = told.budget === true ? undefined : (told.insnIdx ?? c.insnIdx);
  return {
    messageId: verdict.messageId,
    message: messageLines(c),
    title: told.title,
    attempted: c.inWalk && c.env?.curState.speculative === true ? `${told.attempted} ${SPECULATIVE}` : told.attempted,
    place: insnIdx === undefined ? undefined : c.place(insnIdx),
    values: subjects.map(subject => shownValue(c, subject)).filter(value => value !== undefined),
    chain: c.inWalk ? new Slicer(c).trace(wanted, told.branchesFrom) : [],
    remedies: told.remedies,
    callers: callersOf(c),
    path: c.inWalk ? pathOf(c) : [],
    budget: told.budget === true ? budgetReport(c) : undefined,
  };
}

/** All that was said about the refused instruction. */
function messageLines({ verdict }: ExplainCase): string {
  const lines = verdict.said.map(({ id, args }) => messageText(id as MessageId, ...(args as never)));
  return lines.length === 0 ? verdict.message : lines.filter(line => line !== '').join('\n');
}

function shownValue(c: ExplainCase, { place, frame = c.frame, at = c.at }: Subject): ValueAt | undefined {
  const held: Held | undefined = c.heldBefore(at, frame, place);
  const view = c.view(held, place);
  if (view === undefined || (isSlot(place) && held?.slotTypes === 0 && view.kind === 'nothing')) return undefined;
  return { name: isSlot(place) ? `fp-${(place - 15) * 8}` : `r${place}`, frame, ...view };
}

function callersOf(c: ExplainCase): Place[] {
  if (!c.inWalk || c.env === undefined) return [];
  const { frames, curframe } = c.env.curState;
  return frames.slice(1, curframe + 1).map(({ callsite }) => c.place(callsite));
}

function pathOf(c: ExplainCase): PathSegment[] {
  const { steps, base } = c.recorder;
  const segments: { step: number; from: number; to: number; frame: number }[] = [];
  for (let q = 0; q < steps.length; q++) {
    const { idx, frame } = steps[q];
    const last = segments.at(-1);
    // A wide instruction has two slots.
    if (last !== undefined && last.frame === frame && (idx === last.to + 1 || isSecondSlot(c, last.to, idx)))
      last.to = idx;
    else segments.push({ step: base + q, from: idx, to: idx, frame });
  }
  return segments.slice(-MAX_SEGMENTS);
}
const isSecondSlot = ({ input }: ExplainCase, from: number, to: number): boolean =>
  to === from + 2 && input.insns[from].code === LD_IMM64;
