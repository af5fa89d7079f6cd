import type { VerifierEnv } from '../env.ts';
import { MESSAGES, type MessageArgs, type MessageId, messageText } from '../messages.ts';

/** Refuses with a message that Linux does not end with a newline, so that whatever comes next shares its line. */
export function refuseUnfinished<Id extends MessageId>(env: VerifierEnv, id: Id, ...args: MessageArgs<Id>): never {
  const text = messageText(id, ...args);
  env.verbose(text);
  env.log.lastMessage = text;
  env.log.lastMessageId = id;
  env.fail(MESSAGES[id].errno);
}
