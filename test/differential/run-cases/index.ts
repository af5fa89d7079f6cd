import { checksums, loads } from './bytes.ts';
import { fields, refusals } from './context.ts';
import { others, xdp } from './device.ts';
import { maps } from './maps.ts';
import { outside } from './outside.ts';
import { rooms, tags } from './room.ts';
import type { RunCase } from './shared.ts';
import { formats, numbers } from './text.ts';

export type { RunCase } from './shared.ts';

/** Every case; names are unique. */
export function runCases(): RunCase[] {
  const cases = [
    ...numbers(),
    ...formats(),
    ...checksums(),
    ...loads(),
    ...fields(),
    ...rooms(),
    ...tags(),
    ...others(),
    ...xdp(),
    ...maps(),
    ...refusals(),
    ...outside(),
  ];
  return [...new Map(cases.map(item => [item.name, item])).values()];
}
