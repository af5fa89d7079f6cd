import type { HelperEnv } from '../types.ts';
import { endless, readLink, writeLink } from './links.ts';

/**
 * Red-black trees with the kernel's shapes, so that programs are asked for the same comparisons in the same order.
 *
 * ```
 *   node: +0 parent | 1 if black, itself if in no tree   +8 right   +16 left
 *   root: +0 the topmost node                            +8 the leftmost one
 * ```
 *
 * Source: `include/linux/rbtree.h`, `include/linux/rbtree_augmented.h` for the layout; balancing is that of Cormen et al.
 */
const COLOR = 0;
const RIGHT = 8;
const LEFT = 16;
const LEFTMOST = 8;
type Side = typeof LEFT | typeof RIGHT;

/** Twice the height any tree in 4 GiB can have. */
const MOST_LEVELS = 128;
type Memory = Pick<HelperEnv, 'mem'>;

const other = (side: Side): Side => (side === LEFT ? RIGHT : LEFT);
const parentOf = (env: Memory, node: number): number => {
  const word = readLink(env, node + COLOR);
  return word - (word & 1);
};
const isBlack = (env: Memory, node: number): boolean => node === 0 || (readLink(env, node + COLOR) & 1) === 1;
function setParent(env: Memory, node: number, parent: number): void {
  writeLink(env, node + COLOR, parent + (readLink(env, node + COLOR) & 1));
}
function paint(env: Memory, node: number, black: boolean): void {
  writeLink(env, node + COLOR, parentOf(env, node) + (black ? 1 : 0));
}

/** A node in no tree. */
export function clearNode(env: Memory, node: number): void {
  writeLink(env, node + COLOR, node);
}

/** The leftmost node, 0 for none. */
export const firstNode = (env: Memory, root: number): number => readLink(env, root + LEFTMOST);
/** The topmost node, 0 for none. */
export const topNode = (env: Memory, root: number): number => readLink(env, root);
export const leftOf = (env: Memory, node: number): number => readLink(env, node + LEFT);
export const rightOf = (env: Memory, node: number): number => readLink(env, node + RIGHT);

/** Counts steps along a path of the tree. */
function levels(): () => void {
  let left = MOST_LEVELS;
  return () => {
    if (--left < 0) endless();
  };
}

/** Puts `child` where `old` hangs. */
function replaceChild(env: Memory, root: number, parent: number, old: number, child: number): void {
  if (parent === 0) writeLink(env, root, child);
  else writeLink(env, parent + (readLink(env, parent + LEFT) === old ? LEFT : RIGHT), child);
}

/** `node` goes down on `side`; its child on the other side takes its place. */
function rotate(env: Memory, root: number, node: number, side: Side): void {
  const up = readLink(env, node + other(side));
  const moved = readLink(env, up + side);
  writeLink(env, node + other(side), moved);
  if (moved !== 0) setParent(env, moved, node);
  const parent = parentOf(env, node);
  setParent(env, up, parent);
  replaceChild(env, root, parent, node, up);
  writeLink(env, up + side, node);
  setParent(env, node, up);
}

/** Adds a node: to the left of those it is less than. @param less asks the program */
export function insertNode(env: Memory, root: number, node: number, less: (a: number, b: number) => boolean): void {
  const step = levels();
  let parent = 0;
  let side: Side = LEFT;
  let leftmost = true;
  for (let at = readLink(env, root); at !== 0; at = readLink(env, parent + side)) {
    step();
    parent = at;
    side = less(node, parent) ? LEFT : RIGHT;
    if (side === RIGHT) leftmost = false;
  }
  writeLink(env, node + COLOR, parent);
  writeLink(env, node + LEFT, 0);
  writeLink(env, node + RIGHT, 0);
  if (parent === 0) writeLink(env, root, node);
  else writeLink(env, parent + side, node);
  if (leftmost) writeLink(env, root + LEFTMOST, node);
  balanceInserted(env, root, node);
}

function balanceInserted(env: Memory, root: number, inserted: number): void {
  const step = levels();
  let node = inserted;
  for (;;) {
    step();
    const parent = parentOf(env, node);
    if (parent === 0) {
      paint(env, node, true);
      return;
    }
    if (isBlack(env, parent)) return;
    const grand = parentOf(env, parent);
    if (grand === 0) {
      paint(env, parent, true);
      return;
    }
    const side: Side = readLink(env, grand + LEFT) === parent ? LEFT : RIGHT;
    const uncle = readLink(env, grand + other(side));
    if (isBlack(env, uncle)) {
      let top = parent;
      if (readLink(env, parent + other(side)) === node) {
        rotate(env, root, parent, side);
        top = node;
      }
      paint(env, top, true);
      paint(env, grand, false);
      rotate(env, root, grand, other(side));
      return;
    }
    paint(env, parent, true);
    paint(env, uncle, true);
    paint(env, grand, false);
    node = grand;
  }
}

/** The node after another in order, 0 for none. */
function nextNode(env: Memory, from: number): number {
  const step = levels();
  let node = readLink(env, from + RIGHT);
  if (node !== 0) {
    for (let left = readLink(env, node + LEFT); left !== 0; left = readLink(env, node + LEFT)) {
      step();
      node = left;
    }
    return node;
  }
  node = from;
  let parent = parentOf(env, node);
  while (parent !== 0 && readLink(env, parent + RIGHT) === node) {
    step();
    node = parent;
    parent = parentOf(env, node);
  }
  return parent;
}

/** Takes a node out. */
export function eraseNode(env: Memory, root: number, node: number): void {
  if (firstNode(env, root) === node) writeLink(env, root + LEFTMOST, nextNode(env, node));
  const left = readLink(env, node + LEFT);
  const right = readLink(env, node + RIGHT);
  const parent = parentOf(env, node);
  const black = isBlack(env, node);
  if (left === 0 || right === 0) {
    const child = left === 0 ? right : left;
    replaceChild(env, root, parent, node, child);
    // An only child is red, and the node above it black.
    if (child !== 0) writeLink(env, child + COLOR, parent + (black ? 1 : 0));
    else if (black && parent !== 0) balanceErased(env, root, parent);
  } else eraseInner(env, root, node);
  clearNode(env, node);
}

/** Takes a node with two children out: the next in order takes its place. */
function eraseInner(env: Memory, root: number, node: number): void {
  const right = readLink(env, node + RIGHT);
  const successor = nextNode(env, node);
  const child = readLink(env, successor + RIGHT);
  let parent = successor;
  if (successor !== right) {
    parent = parentOf(env, successor);
    writeLink(env, parent + LEFT, child);
    writeLink(env, successor + RIGHT, right);
    setParent(env, right, successor);
  }
  const left = readLink(env, node + LEFT);
  writeLink(env, successor + LEFT, left);
  setParent(env, left, successor);
  replaceChild(env, root, parentOf(env, node), node, successor);
  const black = isBlack(env, successor);
  writeLink(env, successor + COLOR, readLink(env, node + COLOR));
  if (child !== 0) writeLink(env, child + COLOR, parent + 1);
  else if (black) balanceErased(env, root, parent);
}

/** A black node is missing below `start`, where nothing hangs now. */
function balanceErased(env: Memory, root: number, start: number): void {
  const step = levels();
  let parent = start;
  let node = 0;
  for (;;) {
    step();
    const side: Side = readLink(env, parent + LEFT) === node ? LEFT : RIGHT;
    const far = other(side);
    let sibling = readLink(env, parent + far);
    if (!isBlack(env, sibling)) {
      paint(env, sibling, true);
      paint(env, parent, false);
      rotate(env, root, parent, side);
      sibling = readLink(env, parent + far);
    }
    if (isBlack(env, readLink(env, sibling + far))) {
      const near = readLink(env, sibling + side);
      if (isBlack(env, near)) {
        paint(env, sibling, false);
        if (!isBlack(env, parent)) {
          paint(env, parent, true);
          return;
        }
        node = parent;
        parent = parentOf(env, node);
        if (parent === 0) return;
        continue;
      }
      paint(env, near, true);
      paint(env, sibling, false);
      rotate(env, root, sibling, far);
      sibling = near;
    }
    paint(env, sibling, isBlack(env, parent));
    paint(env, parent, true);
    paint(env, readLink(env, sibling + far), true);
    rotate(env, root, parent, side);
    return;
  }
}

/** All nodes of a tree, which is empty afterwards; they keep their links. Ends the run when they are more than `most`. */
export function treeNodes(env: Memory, root: number, most: number): number[] {
  const nodes: number[] = [];
  const open = [readLink(env, root)];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (node === 0) continue;
    if (nodes.push(node) > most) endless();
    open.push(readLink(env, node + LEFT), readLink(env, node + RIGHT));
  }
  writeLink(env, root, 0);
  writeLink(env, root + LEFTMOST, 0);
  return nodes;
}
