import { ERRNO } from '../uapi/index.ts';
import { concatBytes } from '../util/index.ts';
import { defineHelper } from './check.ts';
import { formatForBpf } from './format.ts';
import { varargs } from './printing.ts';
import { btf, int, MEM_IN, MEM_IN_OR_NULL, SIZE, SIZE_OR_ZERO } from './proto.ts';
import type { HelperDef, HelperEnv } from './types.ts';

/** Bytes nobody read beyond which a file takes no more. */
const MOST_BYTES = 1 << 20;

interface Sequence {
  parts: Uint8Array[];
  sizeBytes: number;
}

const SEQUENCE = Symbol('what iterators wrote');
const sequenceOf = (env: Pick<HelperEnv, 'state'>): Sequence =>
  env.state<Sequence>(SEQUENCE, () => ({ parts: [], sizeBytes: 0 }));

/** What programs wrote into the files that iterators are read through, since the last call. */
export function takeSequence(env: Pick<HelperEnv, 'state'>): Uint8Array {
  const sequence = sequenceOf(env);
  const all = concatBytes(sequence.parts);
  sequence.parts = [];
  sequence.sizeBytes = 0;
  return all;
}

function append(env: HelperEnv, bytes: Uint8Array): number {
  const sequence = sequenceOf(env);
  if (sequence.sizeBytes + bytes.length > MOST_BYTES) return -ERRNO.EOVERFLOW;
  sequence.parts.push(bytes);
  sequence.sizeBytes += bytes.length;
  return 0;
}

/**
 * Output of iterators (`kernel/trace/bpf_trace.c`). All of a machine goes into one file, whatever `struct seq_file` a program was
 * given.
 */
export const SEQUENCE_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 126,
    name: 'bpf_seq_printf',
    since: '5.8',
    followsNumbers: true,
    proto: int([btf('seq_file'), MEM_IN, SIZE, MEM_IN_OR_NULL, SIZE_OR_ZERO], 'gplOnly'),
    run: (env, _seq, fmt, size, args, argsSize) => {
      const values = varargs(env, args, argsSize);
      if (typeof values === 'number') return values;
      const text = formatForBpf(env, env.mem.read(fmt, size), values);
      return typeof text === 'number' ? text : append(env, text);
    },
  }),
  defineHelper({
    id: 127,
    name: 'bpf_seq_write',
    since: '5.8',
    proto: int([btf('seq_file'), MEM_IN, SIZE_OR_ZERO], 'gplOnly'),
    run: (env, _seq, data, size) => append(env, env.mem.read(data, size)),
  }),
];
