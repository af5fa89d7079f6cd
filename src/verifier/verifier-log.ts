import type { SaidMessage } from './input.ts';
import { MESSAGES, type MessageArgs, type MessageId, messageText } from './messages.ts';
import type { Rejection } from './types.ts';

export const BPF_LOG_LEVEL1 = 1;
export const BPF_LOG_LEVEL2 = 2;
export const BPF_LOG_STATS = 4;
export const BPF_LOG_FIXED = 8;
export const BPF_LOG_LEVEL = BPF_LOG_LEVEL1 | BPF_LOG_LEVEL2;
/** What is kept of a log nobody gave a size. */
const DEFAULT_BYTES = 16 << 20;
const MAX_SAID = 8;
const PIECE_CHARS = 1 << 14;

/**
 * The verifier's log, as text, and the maker of rejections. Text is kept in pieces; what does not fit the buffer falls out at
 * the beginning, or is not written with BPF_LOG_FIXED. Positions count everything ever written.
 *
 * Differs from Linux: without a size the newest 16 MiB are kept and nobody is refused for it.
 * Source: `kernel/bpf/log.c: bpf_verifier_vlog, bpf_vlog_reset, bpf_vlog_finalize`.
 */
export class VerifierLog {
  readonly level: number;
  readonly #sizeBytes: number;
  readonly #bounded: boolean;
  #pieces: string[] = [];
  /** What follows the pieces, as it was written: joined once there is enough, so that few strings are kept. */
  readonly #recent: string[] = [];
  #recentChars = 0;
  /** Pieces before this one have fallen out. */
  #head = 0;
  /** Position of the first piece kept, and of the end. */
  #start = 0;
  #end = 0;
  /** Position of the end of the last piece kept: before `#end` only where a fixed buffer is full. */
  #tail = 0;
  /** What a buffer must hold for nothing to be lost, as far as the log ever reached. */
  #mostBytes = 0;
  /** Stage whose rejections are made now. */
  stage = '';
  /** The last message said, whatever the level. */
  lastMessage = '';
  lastMessageId: MessageId | undefined = undefined;
  /** The newest messages said, some of which nobody minded. */
  readonly said: SaidMessage[] = [];

  constructor(level = BPF_LOG_LEVEL2, sizeBytes?: number) {
    this.level = level;
    this.#bounded = sizeBytes !== undefined;
    this.#sizeBytes = sizeBytes ?? DEFAULT_BYTES;
  }

  /** Whether anything is written at all. */
  get needed(): boolean {
    return this.level !== 0;
  }

  /** Characters written so far, or where the last reset left off. */
  get position(): number {
    return this.#end;
  }

  get text(): string {
    return this.#pieces.slice(this.#head).join('') + this.#recent.join('');
  }

  /** Whole lines written so far. */
  get lines(): readonly string[] {
    const { text } = this;
    return text === '' ? [] : text.replace(/\n$/, '').split('\n');
  }

  /** Appends text as it is. */
  write(text: string): void {
    if (this.level === 0) return;
    this.#end += text.length;
    if (this.#end > this.#mostBytes) this.#mostBytes = this.#end;
    const fixed = (this.level & BPF_LOG_FIXED) !== 0;
    if (fixed && this.#end - text.length >= this.#sizeBytes) return;
    this.#recent.push(text);
    this.#recentChars += text.length;
    this.#tail = this.#end;
    if (this.#recentChars >= PIECE_CHARS) this.#join(fixed);
  }

  #join(fixed: boolean): void {
    this.#pieces.push(this.#recent.join(''));
    this.#recent.length = 0;
    this.#recentChars = 0;
    if (fixed) return;
    while (this.#end - this.#start - this.#pieces[this.#head].length >= this.#sizeBytes) {
      this.#start += this.#pieces[this.#head].length;
      this.#pieces[this.#head++] = '';
    }
    if (this.#head > 64 && this.#head * 2 > this.#pieces.length) {
      this.#pieces = this.#pieces.slice(this.#head);
      this.#head = 0;
    }
  }

  print(line: string): void {
    this.write(`${line}\n`);
  }

  /** Forgets everything behind a position got from `position`. */
  reset(position: number): void {
    if (this.level === 0) return;
    let end = this.#tail;
    while (end > position) {
      const recent = this.#recent.pop();
      const text = recent ?? (this.#pieces.length > this.#head ? this.#pieces.pop() : undefined);
      if (text === undefined) break;
      if (recent !== undefined) this.#recentChars -= text.length;
      end -= text.length;
      if (end >= position) continue;
      const kept = text.slice(0, position - end);
      this.#recent.push(kept);
      this.#recentChars += kept.length;
      break;
    }
    this.#end = position;
    this.#tail = Math.min(this.#tail, position);
    if (this.#start > position) this.#start = position;
  }

  /** What a reader of the buffer gets, and the size a buffer would need to lose nothing (with the closing NUL). */
  finish(): { readonly text: string; readonly trueSizeBytes: number; readonly truncated: boolean } {
    const { text } = this;
    const trueSizeBytes = this.level === 0 ? 0 : this.#mostBytes + 1;
    const truncated = this.#bounded && trueSizeBytes > this.#sizeBytes;
    const room = this.#sizeBytes - 1;
    if (text.length <= room) return { text, trueSizeBytes, truncated };
    const fixed = (this.level & BPF_LOG_FIXED) !== 0;
    return { text: fixed ? text.slice(0, room) : text.slice(text.length - room), trueSizeBytes, truncated };
  }

  /** Says a message of the catalogue without refusing yet; one without words adds no line. */
  say<Id extends MessageId>(id: Id, args: MessageArgs<Id>): void {
    const message = messageText(id, ...args);
    this.lastMessage = message;
    this.lastMessageId = id;
    if (this.said.push({ id, args }) > MAX_SAID) this.said.shift();
    if (message !== '') this.print(message);
  }

  /** Refuses the program with a message of the catalogue. */
  reject<Id extends MessageId>(id: Id, args: MessageArgs<Id>, insnIdx?: number, errno?: number): Rejection {
    this.say(id, args);
    return {
      ok: false,
      errno: errno ?? MESSAGES[id].errno,
      message: this.lastMessage,
      ...(insnIdx === undefined ? {} : { insnIdx }),
      stage: this.stage,
      log: this.lines,
    };
  }
}
