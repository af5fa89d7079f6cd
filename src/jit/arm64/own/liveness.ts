import { BPF_CMPXCHG } from '../../../isa/index.ts';
import type { Room } from '../../room.ts';
import { K, NO, type Scan } from './scan.ts';

const ARGS = 0b111110;
const CLOBBERED = 0b111111;
const ALL = 0xfff;

/** Whether a slot is there for nothing but the register it sets. */
export function isPure(kind: number): boolean {
  return (kind >= K.alu && kind <= K.func) || kind === K.percpu || kind === K.castUser || kind === K.shifts;
}

/** Registers live before slot `i`, from those live behind it. `args`: what calls may be passed, by slot. */
function before(scan: Scan, i: number, live: number, args: Uint8Array): number {
  const kind = scan.kind[i];
  const d = scan.d[i];
  if (isPure(kind) && ((live >>> d) & 1) === 0) return live;
  if (kind === K.call) return (live & ~CLOBBERED) | args[i];
  if (kind === K.tailCall) return (live & ~CLOBBERED) | 0b1110;
  if (kind === K.exit) return 1;
  let set = d === NO ? live : live & ~(1 << d);
  if (scan.a[i] !== NO) set |= 1 << scan.a[i];
  if (scan.b[i] !== NO) set |= 1 << scan.b[i];
  if (kind === K.atomic && scan.insns[i].imm === BPF_CMPXCHG) set |= 1;
  return set & ALL;
}

/** Where blocks begin: leaders, and what stands behind jumps. One more element than blocks, the end. */
function blockStarts(scan: Scan, room: Room): Int32Array {
  const { n, leader, kind } = scan;
  const starts = room.ints(n + 1);
  let count = 0;
  let fresh = true;
  for (let i = 0; i < n; i++) {
    if (fresh || leader[i] === 1) starts[count++] = i;
    fresh = kind[i] === K.jump || kind[i] === K.branch || kind[i] === K.exit;
  }
  starts[count] = n;
  return starts.subarray(0, count + 1);
}

/**
 * Registers R1 to R5 that may have been set since the last call, at each call: no call is passed others. Forward over
 * blocks; each is looked at again only when more may be set at its start.
 */
function argsOf(scan: Scan, start: Int32Array, next: Int32Array, taken: Int32Array, room: Room): Uint8Array {
  const { n, kind, d } = scan;
  const count = start.length - 1;
  const args = room.bytes(n);
  const set = room.bytes(count);
  const seen = room.bytes(count);
  const queued = room.bytes(count);
  const stack = room.ints(count);
  let depth = 0;
  if (count > 0) {
    set[0] = ARGS;
    seen[0] = 1;
    stack[depth++] = 0;
  }
  while (depth > 0) {
    const block = stack[--depth];
    queued[block] = 0;
    let now = set[block];
    for (let i = start[block]; i < start[block + 1]; i++) {
      if (kind[i] === K.call) {
        args[i] = now;
        now = 0;
      } else if (kind[i] === K.tailCall) now = 0;
      else if (d[i] !== NO) now |= (1 << d[i]) & ARGS;
    }
    for (let side = 0; side < 2; side++) {
      const to = side === 0 ? next[block] : taken[block];
      if (to < 0 || (seen[to] === 1 && (set[to] | now) === set[to])) continue;
      seen[to] = 1;
      set[to] |= now;
      if (queued[to] === 1) continue;
      queued[to] = 1;
      stack[depth++] = to;
    }
  }
  return args;
}

/**
 * Registers live behind each slot, as bits. A worklist over blocks, last first; each is looked at again only when one it
 * leads to grew, which happens at most as often as there are registers.
 *
 * @param kept where the answer lives
 * @param room for what it is found with
 */
export function liveness(scan: Scan, kept: Room, room: Room): Uint16Array {
  const { n, kind, to } = scan;
  const start = blockStarts(scan, room);
  const count = start.length - 1;
  const blockOf = room.ints(n);
  for (let block = 0; block < count; block++) blockOf.fill(block, start[block], start[block + 1]);
  const next = room.ints(count, -1);
  const taken = room.ints(count, -1);
  for (let block = 0; block < count; block++) {
    const last = start[block + 1] - 1;
    if (kind[last] === K.jump || kind[last] === K.branch) taken[block] = blockOf[to[last]];
    if (kind[last] !== K.jump && kind[last] !== K.exit && block + 1 < count) next[block] = block + 1;
  }
  const args = argsOf(scan, start, next, taken, room);
  const live = room.shorts(count);
  const out = (block: number): number =>
    (next[block] >= 0 ? live[next[block]] : 0) | (taken[block] >= 0 ? live[taken[block]] : 0);
  if (taken.some((to, block) => to >= 0 && to <= block)) spread(scan, start, next, taken, args, live, room);
  else {
    for (let block = count - 1; block >= 0; block--) {
      let set = out(block);
      for (let i = start[block + 1] - 1; i >= start[block]; i--) set = before(scan, i, set, args);
      live[block] = set;
    }
  }
  const behind = kept.shorts(n);
  for (let block = 0; block < count; block++) {
    let set = out(block);
    for (let i = start[block + 1] - 1; i >= start[block]; i--) {
      behind[i] = set;
      set = before(scan, i, set, args);
    }
  }
  return behind;
}

/** Registers live where blocks begin, some of which jump back. */
function spread(
  scan: Scan,
  start: Int32Array,
  next: Int32Array,
  taken: Int32Array,
  args: Uint8Array,
  live: Uint16Array,
  room: Room,
): void {
  const count = start.length - 1;
  // Predecessors as lists: at most two edges a block.
  const head = room.ints(count, -1);
  const link = room.ints(2 * count);
  for (let block = 0; block < count; block++) {
    for (let side = 0; side < 2; side++) {
      const target = side === 0 ? next[block] : taken[block];
      if (target < 0) continue;
      link[2 * block + side] = head[target];
      head[target] = 2 * block + side;
    }
  }
  const stack = room.ints(count);
  const queued = room.bytes(count, 1);
  let depth = 0;
  for (let block = 0; block < count; block++) stack[depth++] = block;
  while (depth > 0) {
    const block = stack[--depth];
    queued[block] = 0;
    let set = (next[block] >= 0 ? live[next[block]] : 0) | (taken[block] >= 0 ? live[taken[block]] : 0);
    for (let i = start[block + 1] - 1; i >= start[block]; i--) set = before(scan, i, set, args);
    if (set === live[block]) continue;
    live[block] = set;
    for (let edge = head[block]; edge >= 0; edge = link[edge]) {
      const from = edge >> 1;
      if (queued[from] === 1) continue;
      queued[from] = 1;
      stack[depth++] = from;
    }
  }
}
