import { addRows } from './add.ts';
import { atomicRows } from './atomic.ts';
import { bitRows } from './bits.ts';
import { branchRows } from './branch.ts';
import { compareRows } from './compare.ts';
import { crRows } from './cr.ts';
import { loadRows } from './load.ts';
import { logicRows } from './logic.ts';
import { mulDivRows } from './mul-div.ts';
import { rotateRows } from './rotate.ts';
import type { Row } from './row.ts';
import { storeRows } from './store.ts';
import { systemRows } from './system.ts';

/** Every instruction of one word. */
export function allRows(): Row[] {
  return [
    ...addRows(),
    ...mulDivRows(),
    ...logicRows(),
    ...bitRows(),
    ...rotateRows(),
    ...compareRows(),
    ...crRows(),
    ...loadRows(),
    ...storeRows(),
    ...atomicRows(),
    ...branchRows(),
    ...systemRows(),
  ];
}
