import { MESSAGES, type MessageArgs, type MessageId, messageText } from './messages.ts';
import type { Rejection } from './types.ts';

export const BPF_LOG_LEVEL1 = 1;
export const BPF_LOG_LEVEL2 = 2;
export const BPF_LOG_STATS = 4;
export const BPF_LOG_FIXED = 8;
export const BPF_LOG_LEVEL = BPF_LOG_LEVEL1 | BPF_LOG_LEVEL2;
/** A log nobody bounds. */
const UNBOUNDED = Number.POSITIVE_INFINITY;

/**
 * The verifier's log, as text, and the maker of rejections. Text is kept in pieces with their positions; what a buffer of
 * `sizeBytes` holds at the end is cut from them.
 *
 * Source: `kernel/bpf/log.c: bpf_verifier_vlog, bpf_vlog_reset, bpf_vlog_finalize`.
 */
export class VerifierLog {
  readonly level: number;
  readonly #sizeBytes: number;
  #pieces: string[] = [];
  #bytes = 0;
  /** The farthest the log ever reached: what a buffer must hold for nothing to be lost. */
  #mostBytes = 0;
  /** Stage whose rejections are made now. */
  stage = '';
  /** The last message said, whatever the level. */
  lastMessage = '';
  lastMessageId: MessageId | undefined = undefined;

  constructor(level = BPF_LOG_LEVEL2, sizeBytes = UNBOUNDED) {
    this.level = level;
    this.#sizeBytes = sizeBytes;
  }

  /** Whether anything is written at all. */
  get needed(): boolean {
    return this.level !== 0;
  }

  /** Bytes written so far, or where the last reset left off. */
  get position(): number {
    return this.#bytes;
  }

  get text(): string {
    return this.#pieces.join('');
  }

  /** Whole lines written so far. */
  get lines(): readonly string[] {
    const { text } = this;
    return text === '' ? [] : text.replace(/\n$/, '').split('\n');
  }

  /** Appends text as it is. */
  write(text: string): void {
    if (this.level === 0) return;
    this.#pieces.push(text);
    this.#bytes += text.length;
    if (this.#bytes > this.#mostBytes) this.#mostBytes = this.#bytes;
  }

  print(line: string): void {
    this.write(`${line}\n`);
  }

  /** Forgets everything behind a position got from `position`. */
  reset(position: number): void {
    while (this.#bytes > position) {
      const piece = this.#pieces.pop() as string;
      this.#bytes -= piece.length;
      if (this.#bytes < position) {
        const kept = piece.slice(0, position - this.#bytes);
        this.#pieces.push(kept);
        this.#bytes += kept.length;
      }
    }
  }

  /** What a reader of the buffer gets, and the size a buffer would need to lose nothing (with the closing NUL). */
  finish(): { readonly text: string; readonly trueSizeBytes: number; readonly truncated: boolean } {
    const { text } = this;
    const trueSizeBytes = this.level === 0 ? 0 : this.#mostBytes + 1;
    const truncated = trueSizeBytes > this.#sizeBytes;
    if (text.length < this.#sizeBytes) return { text, trueSizeBytes, truncated };
    const room = this.#sizeBytes - 1;
    const fixed = (this.level & BPF_LOG_FIXED) !== 0;
    return { text: fixed ? text.slice(0, room) : text.slice(text.length - room), trueSizeBytes, truncated };
  }

  /** Says a message of the catalogue without refusing yet; one without words adds no line. */
  say<Id extends MessageId>(id: Id, args: MessageArgs<Id>): void {
    const message = messageText(id, ...args);
    this.lastMessage = message;
    this.lastMessageId = id;
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
