import { Op } from './op.ts';

/** What a word decodes to that is no instruction of this CPU: it faults when control reaches it. */
export function illegal(at: number, word: number, why: string): Op {
  return new Op(
    (m, o) => {
      throw m.fault(o, 'illegal-instruction', `0x${(word >>> 0).toString(16).padStart(8, '0')}: ${why}`);
    },
    at,
    word,
  );
}
