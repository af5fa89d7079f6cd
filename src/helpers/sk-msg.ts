import { ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { openGapAt, packetOf, removeBytesAt } from './packet.ts';
import { ANY, CTX, int } from './proto.ts';
import type { HelperDef, HelperEnv, PacketAccess } from './types.ts';

const { EINVAL } = ERRNO;
/** Pieces a message may consist of (`MAX_MSG_FRAGS`). */
const MOST_PIECES = 17;

/** A message: where it lies, and the lengths of the pieces it consists of, none of them 0. */
interface Message {
  start: number;
  pieces: number[];
}

const MESSAGES = Symbol('messages');

/** The message of this run: one piece before a program changes it. */
function messageOf(env: HelperEnv, packet: PacketAccess): Message {
  const messages = env.state<WeakMap<object, Message>>(MESSAGES, () => new WeakMap());
  let message = messages.get(packet);
  if (message === undefined) {
    const sizeBytes = packet.dataEnd - packet.data;
    messages.set(packet, (message = { start: packet.data, pieces: sizeBytes === 0 ? [] : [sizeBytes] }));
  }
  return message;
}

const sizeOf = ({ pieces }: Message): number => pieces.reduce((sum, piece) => sum + piece, 0);

/** The piece a byte lies in, or the number of pieces behind the last, and where it begins. */
function pieceAt({ pieces }: Message, byte: number): readonly [index: number, offBytes: number] {
  let off = 0;
  let index = 0;
  for (; index < pieces.length && byte >= off + pieces[index]; index++) off += pieces[index];
  return [index, off];
}

/** Shows the program a part of the message; the first piece where no other is asked for. */
function show(packet: PacketAccess, message: Message, from = 0, end = message.pieces[0] ?? 0): void {
  packet.setBounds(message.start + from, message.start + from, message.start + end);
}

function pullData(env: HelperEnv, _ctx: number, start: number, end: number): number {
  if (env.arg64(4) !== 0n || end <= start) return -EINVAL;
  const packet = packetOf(env);
  const message = messageOf(env, packet);
  if (start >= sizeOf(message) || end > sizeOf(message)) return -EINVAL;
  const [first, off] = pieceAt(message, start);
  const [last] = pieceAt(message, end - 1);
  const merged = message.pieces.slice(first, last + 1).reduce((sum, piece) => sum + piece, 0);
  message.pieces.splice(first, last + 1 - first, merged);
  show(packet, message, Math.max(start, off), end);
  return 0;
}

function pushData(env: HelperEnv, _ctx: number, start: number, size: number): number {
  if (env.arg64(4) !== 0n) return -EINVAL;
  if (size === 0) return 0;
  const packet = packetOf(env);
  const message = messageOf(env, packet);
  const total = sizeOf(message);
  const [index, off] = pieceAt(message, start);
  if (start > total || !fits(packet, total + size)) return -EINVAL;
  message.start = openGapAt(env, packet, { start: message.start, sizeBytes: total }, start, size);
  const { pieces } = message;
  const inside = start - off;
  const room = MOST_PIECES - pieces.length;
  if (room >= (inside === 0 ? 1 : 2)) {
    const split = inside === 0 ? [size] : [inside, size, pieces[index] - inside];
    pieces.splice(index, inside === 0 ? 0 : 1, ...split);
  } else pieces[Math.min(index, pieces.length - 1)] += size;
  show(packet, message);
  return 0;
}

const fits = (packet: PacketAccess, sizeBytes: number): boolean => sizeBytes <= packet.hardEnd - packet.hardStart;

function popData(env: HelperEnv, _ctx: number, start: number, size: number): number {
  if (env.arg64(4) !== 0n) return -EINVAL;
  if (size === 0) return 0;
  const packet = packetOf(env);
  const message = messageOf(env, packet);
  const total = sizeOf(message);
  if (start >= total || start + size > total) return -EINVAL;
  removeBytesAt(env, { start: message.start, sizeBytes: total }, start, size);
  let off = 0;
  message.pieces = message.pieces.flatMap(piece => {
    const gone = Math.max(0, Math.min(off + piece, start + size) - Math.max(off, start));
    const before = Math.max(0, Math.min(piece, start - off));
    const inside = before > 0 && gone > 0 && before + gone < piece;
    off += piece;
    return (inside ? [before, piece - before - gone] : [piece - gone]).filter(left => left > 0);
  });
  show(packet, message);
  return 0;
}

/**
 * Messages that are sent through a map of sockets (`net/core/filter.c`). A machine sends nothing: how many bytes a verdict is for
 * makes no difference.
 */
export const SK_MSG_HELPERS: readonly HelperDef[] = [
  defineHelper({ id: 61, name: 'bpf_msg_apply_bytes', since: '4.17', proto: int([CTX, ANY]), run: () => 0 }),
  defineHelper({ id: 62, name: 'bpf_msg_cork_bytes', since: '4.17', proto: int([CTX, ANY]), run: () => 0 }),
  defineHelper({ id: 63, name: 'bpf_msg_pull_data', since: '4.17', proto: int([CTX, ANY, ANY, ANY]), run: pullData }),
  defineHelper({ id: 90, name: 'bpf_msg_push_data', since: '4.20', proto: int([CTX, ANY, ANY, ANY]), run: pushData }),
  defineHelper({ id: 91, name: 'bpf_msg_pop_data', since: '5.0', proto: int([CTX, ANY, ANY, ANY]), run: popData }),
];
