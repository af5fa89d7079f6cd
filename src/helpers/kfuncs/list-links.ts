import type { HelperEnv } from '../types.ts';
import { endless, readLink, writeLink } from './links.ts';

// Lists as the kernel has them: a ring through `next` and `prev` of the head and every node (`include/linux/list.h`).

const NEXT = 0;
const PREV = 8;
type Memory = Pick<HelperEnv, 'mem'>;

/** An empty list, or a node in none. */
export function initList(env: Memory, at: number): void {
  writeLink(env, at + NEXT, at);
  writeLink(env, at + PREV, at);
}

/** The first node of a list or the last, 0 for none. A head of zeros is an empty list. */
export function listEnd(env: Memory, head: number, tail: boolean): number {
  if (readLink(env, head + NEXT) === 0) initList(env, head);
  const node = readLink(env, head + (tail ? PREV : NEXT));
  return node === head ? 0 : node;
}

export function addToList(env: Memory, head: number, node: number, tail: boolean): void {
  const prev = tail ? readLink(env, head + PREV) : head;
  const next = tail ? head : readLink(env, head + NEXT);
  writeLink(env, next + PREV, node);
  writeLink(env, node + NEXT, next);
  writeLink(env, node + PREV, prev);
  writeLink(env, prev + NEXT, node);
}

/** Takes a node out of its list. */
export function removeFromList(env: Memory, node: number): void {
  const prev = readLink(env, node + PREV);
  const next = readLink(env, node + NEXT);
  writeLink(env, next + PREV, prev);
  writeLink(env, prev + NEXT, next);
  initList(env, node);
}

/** The nodes of a list, which is empty afterwards; they keep their links. Ends the run when they are more than `most`. */
export function listNodes(env: Memory, head: number, most: number): number[] {
  const nodes: number[] = [];
  const first = readLink(env, head + NEXT);
  for (let node = first; node !== 0 && node !== head; node = readLink(env, node + NEXT)) {
    if (nodes.push(node) > most) endless();
  }
  initList(env, head);
  return nodes;
}
