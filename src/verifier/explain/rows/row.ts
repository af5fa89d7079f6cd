import type { ExplainCase } from '../case.ts';

/** A place of the refused instruction's frame (or another one) whose history is told. */
export interface Subject {
  readonly place: number;
  /** Default: the frame of the refused instruction. */
  readonly frame?: number | undefined;
  /** Default: as it is at the end. Otherwise the index of a step it is looked at before. */
  readonly at?: number;
}

/** What a message means in a case. */
export interface Told {
  /** One line, without a full stop. */
  readonly title: string;
  /** What was attempted and why it is not allowed. */
  readonly attempted: string;
  /** What would make it pass, best first. */
  readonly remedies: readonly string[];
  /** Values to show, and whose history to tell. Default: registers the message names. */
  readonly subjects?: readonly Subject[];
  /** Branches of the path are told from this step on: the message is about which way it went. */
  readonly branchesFrom?: number;
  /** Where the work went is told. */
  readonly budget?: boolean;
  /** Where the story ends, if not at the instruction the verifier was at. */
  readonly insnIdx?: number;
}

export type TellRow = (c: ExplainCase) => Told;

export const reg = (regno: number): Subject => ({ place: regno });
