import { type Explanation, renderExplanation } from '../../verifier/index.ts';
import type { Painter } from '../output.ts';
import type { VerifyReport } from './verify-file.ts';

/** `insnIdx` as `insn_idx`, in everything an explanation holds. */
function snakeKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, held]) => [
    key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`),
    snakeKeys(held),
  ]);
  return Object.fromEntries(entries);
}

/** An explanation as JSON data. */
export const explanationRecord = (explanation: Explanation): unknown => snakeKeys(explanation);

/** Why a program was refused, under its name; '' if there is nothing to say. */
export function verifyExplanation({ prog, explanation }: VerifyReport, paint: Painter): string {
  if (explanation === undefined) return '';
  return `\n${paint('bold', `${prog}:`)} ${renderExplanation(explanation, { paint })}`;
}
