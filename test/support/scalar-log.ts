import type { Insn } from '../../src/isa/index.ts';
import { ScalarWalk } from './scalar-walk.ts';
import { logLines } from './structure-answer.ts';

export interface ScalarComparison {
  /** Registers whose text was compared. */
  compared: number;
  violations: number;
  /** Paths the kernel left because it had seen a state like theirs. */
  pruned: number;
  readonly mismatches: string[];
}

const INSN = /^(\d+): \([0-9a-f]{2}\) ?([^;]*?)(?:\s*;( .*)?)?$/;
const FROM = /^from (\d+) to (\d+)(?: \(speculative execution\))?: ?(.*)$/;
const STATE = /^(\d+):( R.*)$/;
/** What the log says of precision, and its heading. */
const PASSED_OVER = /^func#|^mark_precise|^frame \d+: propagating/;
const REG = / R(\d+)(?:_[rwD]+)?=P?([a-z_]+\((?:[^()]|\([^()]*\))*\)|\S+)/g;

/**
 * Walks a program along a kernel's log (level 2) of it and compares every number the log tells, and every contradiction.
 * Pointers to other things than the map's value are passed over; where the kernel stops a path early, so does the walk.
 */
export function compareWithLog(insns: readonly Insn[], log: string, into: ScalarComparison, name: string): void {
  const walk = new ScalarWalk(insns);
  let stepped = 0;
  const wrong = (line: string, ours: string): void => {
    into.mismatches.push(`${name}: ${line}\n    ours: ${ours}`);
  };
  const states = (text: string, line: string): void => {
    for (const [, reg, theirs] of text.matchAll(REG)) {
      const ours = walk.text(Number(reg));
      if (ours === undefined) {
        if (/^(scalar|-?\d|0x|map_value)/.test(theirs)) wrong(line, `R${reg} is not followed`);
        continue;
      }
      into.compared++;
      if (ours !== theirs) wrong(line, `R${reg}=${ours}`);
    }
  };
  for (const line of logLines(log).split('\n')) {
    if (into.mismatches.length > 50 || line === '' || PASSED_OVER.test(line)) continue;
    const violation = line.startsWith('REG INVARIANTS VIOLATION');
    if (violation) {
      const ours = walk.violations.shift();
      into.violations++;
      if (ours !== line) wrong(line, ours ?? 'no contradiction');
      continue;
    }
    const from = FROM.exec(line);
    if (from !== null) {
      const [, source, target, rest] = from;
      if (rest === 'safe') {
        into.pruned++;
        walk.next();
        continue;
      }
      const { path } = walk;
      if (path === undefined || path.from !== Number(source) || path.pc !== Number(target)) {
        wrong(line, path === undefined ? 'no path is left' : `from ${path.from} to ${path.pc}`);
        return;
      }
      states(` ${rest}`, line);
      continue;
    }
    const safe = /^(\d+): safe$/.exec(line);
    if (safe !== null) {
      into.pruned++;
      walk.next();
      continue;
    }
    const insn = INSN.exec(line);
    if (insn !== null) {
      if (walk.path === undefined || walk.path.pc !== Number(insn[1])) {
        wrong(line, `at ${walk.path?.pc}`);
        return;
      }
      walk.step();
      stepped++;
      if (insn[3] !== undefined) states(insn[3], line);
      continue;
    }
    const state = STATE.exec(line);
    if (state !== null) states(state[2], line);
    else wrong(line, 'a line that is not understood');
  }
  if (walk.path !== undefined && into.mismatches.length === 0) wrong('(end)', `a path is left at ${walk.path.pc}`);
  if (walk.violations.length > 0) wrong('(end)', walk.violations[0]);
  if (stepped === 0) wrong('(end)', 'no instruction in the log');
}

export const noComparison = (): ScalarComparison => ({ compared: 0, violations: 0, pruned: 0, mismatches: [] });

/** A log as fixtures keep it: without what differs from run to run and what is not compared. */
export const recordedLog = (log: string): string =>
  logLines(log)
    .split('\n')
    .filter(line => !PASSED_OVER.test(line))
    .join('\n')
    .replace(/^(\d+: \([0-9a-f]{2}\) )[^;\n]*/gm, '$1')
    .replace(/ R0(_w)?=map_value\(map=m,ks=4,vs=64\)| R10=fp0| R1=ctx\(\)/g, '')
    .replace(/^\d+:$\n/gm, '');
