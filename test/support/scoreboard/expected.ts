import type { Btf } from '../../../src/btf/index.ts';

/** What a program's declaration tags say its log holds, for a privileged loader. */
export interface Expectation {
  readonly failure: boolean | undefined;
  /** In this order, each after the one before. */
  readonly messages: readonly (string | RegExp)[];
  /** Flags the messages are about, which the lab does not set. */
  readonly flags: readonly string[];
  readonly logLevel: number | undefined;
}

const NOTHING: Expectation = { failure: undefined, messages: [], flags: [], logLevel: undefined };

/** Text with `{{…}}` parts that are regular expressions. */
function pattern(text: string): string | RegExp {
  if (!text.includes('{{')) return text;
  const parts = text.split(/\{\{(.*?)\}\}/);
  const source = parts.map((part, i) => (i % 2 === 1 ? posix(part) : part.replace(/[.[\]\\()*+?{}|^$]/g, '\\$&')));
  return new RegExp(source.join(''), 'm');
}

const posix = (text: string): string => text.replaceAll('[[:space:]]', '\\s').replaceAll('[[:digit:]]', '\\d');

/** By function name. */
export function expectations(btf: Btf): ReadonlyMap<string, Expectation> {
  const found = new Map<string, { -readonly [K in keyof Expectation]: Expectation[K] }>();
  for (let id = 1; id < btf.typeCount; id++) {
    if (btf.kindOf(id) !== 'DECL_TAG') continue;
    const tag = btf.typeById(id);
    if (tag.kind !== 'DECL_TAG' || tag.componentIdx !== -1 || btf.kindOf(tag.typeId) !== 'FUNC') continue;
    const name = btf.nameOf(tag.typeId);
    const row = found.get(name) ?? { ...NOTHING };
    found.set(name, row);
    const [, key, text = ''] = /^comment:test_(\w+)(?:=(.*))?$/s.exec(tag.name) ?? [];
    if (key === 'expect_failure') row.failure = true;
    else if (key === 'expect_success') row.failure = false;
    else if (key === 'expect_msg') row.messages = [...row.messages, pattern(text.replace(/^\d+=/, ''))];
    else if (key === 'prog_flags') row.flags = [...row.flags, text];
    else if (key === 'log_level') row.logLevel = Number(text);
  }
  return found;
}

/** The first message that is not in the log, or not behind the one before; undefined if all are. */
export function missingMessage(log: string, messages: Expectation['messages']): string | undefined {
  let at = 0;
  for (const message of messages) {
    if (typeof message === 'string') {
      const found = log.indexOf(message, at);
      if (found < 0) return message;
      at = found + message.length;
      continue;
    }
    const found = message.exec(log.slice(at));
    if (found === null) return String(message);
    at += found.index + found[0].length;
  }
  return undefined;
}
