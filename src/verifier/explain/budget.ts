import type { ExplainCase } from './case.ts';
import { type HeldFrame, placeName, SLOT_PLACE, sameHeld } from './held.ts';
import type { LoopHead } from './recorder.ts';
import type { BudgetReport, LineCost, LoopReport } from './types.ts';

const TOP_LINES = 10;
const TOP_CHANGING = 4;

const percentOf = (part: number, whole: number): number => (whole === 0 ? 0 : Math.round((part * 1000) / whole) / 10);

/** States kept, by instruction. */
function keptStates({ env, input }: ExplainCase): Uint32Array {
  const counts = new Uint32Array(input.insns.length);
  if (env === undefined) return counts;
  const { kept, explored } = env;
  for (const list of explored) {
    for (let state = list?.newest ?? 0; state !== 0; state = kept.older(state)) {
      const idx = kept.insnIdx(state);
      if (idx < counts.length) counts[idx]++;
    }
  }
  return counts;
}

/** Where the work went: by line, by function, and which loop goes on and on. */
export function budgetReport(c: ExplainCase): BudgetReport {
  const { counts } = c.recorder;
  const kept = keptStates(c);
  const total = counts.reduce((sum, n) => sum + n, 0);
  const lines = new Map<string, { first: number; insns: number; states: number }>();
  const functions = new Map<string, number>();
  counts.forEach((n, idx) => {
    if (n === 0) return;
    const source = c.sources.lineOf(idx);
    const key = source === undefined ? `#${idx}` : `${source.file}:${source.line}`;
    const row = lines.get(key) ?? { first: idx, insns: 0, states: 0 };
    row.insns += n;
    row.states += kept[idx];
    lines.set(key, row);
    const func = c.sources.functionOf(idx) || 'the program';
    functions.set(func, (functions.get(func) ?? 0) + n);
  });
  const top: LineCost[] = [...lines.values()]
    .sort((a, b) => b.insns - a.insns || a.first - b.first)
    .slice(0, TOP_LINES)
    .map(({ first, insns, states }) => ({ place: c.place(first), insns, percent: percentOf(insns, total), states }));
  return {
    processedInsns: c.verdict.stats.processedInsns,
    lines: top,
    functions: [...functions]
      .sort((a, b) => b[1] - a[1])
      .slice(0, TOP_LINES)
      .map(([name, insns]) => ({ name, insns, percent: percentOf(insns, total) })),
    loop: loopReport(c),
  };
}

/** The loop gone through most often. */
function loopReport(c: ExplainCase): LoopReport | undefined {
  let head = -1;
  let busiest: LoopHead | undefined;
  for (const [idx, loop] of c.recorder.loops) {
    if (busiest === undefined || loop.visits > busiest.visits) {
      head = idx;
      busiest = loop;
    }
  }
  if (busiest === undefined || busiest.visits < 2) return undefined;
  return { head: c.place(head), visits: busiest.visits, changing: changingOf(c, busiest.last) };
}

/** What was not the same on any two visits in a row. */
function changingOf(c: ExplainCase, visits: readonly HeldFrame[]): LoopReport['changing'] {
  const changing: { name: string; values: string[] }[] = [];
  const look = (place: number, at: (frame: HeldFrame) => HeldFrame['regs'][number] | undefined): void => {
    const held = visits.map(at);
    for (let i = 1; i < held.length; i++) {
      const [before, after] = [held[i - 1], held[i]];
      if (before === undefined || after === undefined || sameHeld(before, after)) return;
    }
    const values = held.map(value => c.view(value, place)?.verifier || (c.view(value, place)?.text ?? '?'));
    changing.push({ name: placeName(place), values });
  };
  if (visits.length < 2) return [];
  for (let i = 0; i < 10; i++) look(i, frame => frame.regs[i]);
  for (let i = 0; i < visits[0].stack.length; i++) look(SLOT_PLACE + i, frame => frame.stack[i]);
  return changing.slice(0, TOP_CHANGING);
}
