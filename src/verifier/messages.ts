import { ALU_MESSAGES } from './messages/alu.ts';
import { ATTACH_MESSAGES } from './messages/attach.ts';
import { BTF_ACCESS_MESSAGES } from './messages/btf-access.ts';
import { FIXUP_MESSAGES } from './messages/fixup.ts';
import { FUNC_CALL_MESSAGES } from './messages/func-call.ts';
import { GRAPH_MESSAGES } from './messages/graph.ts';
import { HELPER_CALL_MESSAGES } from './messages/helper-call.ts';
import { ITER_MESSAGES } from './messages/iter.ts';
import { JUMP_MESSAGES } from './messages/jump.ts';
import { KFUNC_MESSAGES } from './messages/kfunc.ts';
import { MEMORY_MESSAGES } from './messages/memory.ts';
import { STATES_MESSAGES } from './messages/states.ts';
import { STRUCTURE_MESSAGES } from './messages/structure.ts';
import { WALK_MESSAGES } from './messages/walk.ts';

export type { MessageRow } from './messages/row.ts';

/**
 * What the verifier says when it refuses, one row a message, in the kernel's words without the newline: they are what
 * people search for. The words are those of 6.12; the key is farcall's name of the rule. `messages/` has a file a topic.
 *
 * Source: `kernel/bpf/verifier.c`, `kernel/bpf/btf.c`.
 */
export const MESSAGES = {
  ...STRUCTURE_MESSAGES,
  ...ALU_MESSAGES,
  ...JUMP_MESSAGES,
  ...MEMORY_MESSAGES,
  ...BTF_ACCESS_MESSAGES,
  ...HELPER_CALL_MESSAGES,
  ...FUNC_CALL_MESSAGES,
  ...KFUNC_MESSAGES,
  ...ITER_MESSAGES,
  ...GRAPH_MESSAGES,
  ...ATTACH_MESSAGES,
  ...WALK_MESSAGES,
  ...STATES_MESSAGES,
  ...FIXUP_MESSAGES,
} as const;

export type MessageId = keyof typeof MESSAGES;
/** The parameters of a message's text. */
export type MessageArgs<Id extends MessageId> = Parameters<(typeof MESSAGES)[Id]['text']>;

/** The text of a message. */
export function messageText<Id extends MessageId>(id: Id, ...args: MessageArgs<Id>): string {
  return (MESSAGES[id].text as (...values: MessageArgs<Id>) => string)(...args);
}
