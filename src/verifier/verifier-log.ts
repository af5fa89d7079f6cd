import { MESSAGES, type MessageArgs, type MessageId, messageText } from './messages.ts';
import type { Rejection } from './types.ts';

/** The verifier's log at level 2 while a program goes through the stages, and the maker of rejections. */
export class VerifierLog {
  readonly #lines: string[] = [];
  /** Stage whose rejections are made now. */
  stage = '';

  get lines(): readonly string[] {
    return this.#lines;
  }

  print(line: string): void {
    this.#lines.push(line);
  }

  /** Refuses the program with a message of the catalogue; a message without words adds no line. */
  reject<Id extends MessageId>(id: Id, args: MessageArgs<Id>, insnIdx?: number, errno?: number): Rejection {
    const message = messageText(id, ...args);
    if (message !== '') this.print(message);
    return {
      ok: false,
      errno: errno ?? MESSAGES[id].errno,
      message,
      ...(insnIdx === undefined ? {} : { insnIdx }),
      stage: this.stage,
      log: [...this.#lines],
    };
  }
}
