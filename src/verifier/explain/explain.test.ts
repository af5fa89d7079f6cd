import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openBtf } from '../../btf/index.ts';
import { kernelImage } from '../../kernels/index.ts';
import { prepareObject } from '../../machine/index.ts';
import { openObject } from '../../object/index.ts';
import { BPF_PROG_FLAGS } from '../../uapi/index.ts';
import type { VerifyOptions } from '../input.ts';
import type { MessageId } from '../messages.ts';
import { verify } from '../verify.ts';
import { explain } from './explain.ts';
import { renderExplanation } from './render.ts';
import type { Explanation } from './types.ts';

// Every message that has a row, on a program of its own in testdata/explain. BLESS=1 writes the goldens anew; read the difference.
const ROOT = new URL('../../../', import.meta.url);
const BLESS = process.env.BLESS === '1';
const bytesOf = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, ROOT)));
const btf = openBtf(new Uint8Array(gunzipSync(bytesOf('assets/btf/vmlinux-6.12-amd64.btf.gz'))));
const image = kernelImage('6.12-amd64');

interface Case {
  readonly file: string;
  readonly prog: string;
  readonly id: MessageId;
  readonly unpriv?: boolean;
  readonly strict?: boolean;
  readonly insnLimit?: number;
}
const in_ = (file: string, rows: readonly (readonly [prog: string, id: MessageId, more?: Partial<Case>])[]): Case[] =>
  rows.map(([prog, id, more]) => ({ file, prog, id, ...more }));

const UNPRIV = { unpriv: true };
const CASES: readonly Case[] = [
  ...in_('memory', [
    ['packet_short', 'packetOutside'],
    ['packet_variable', 'packetOutside'],
    ['lookup_unchecked', 'memInvalidAccess'],
    ['kernel_pointer', 'memInvalidAccess'],
    ['packet_moved', 'memInvalidAccess'],
    ['index_too_large', 'memMaxOutside'],
    ['index_unlimited', 'memUnbounded'],
    ['index_negative', 'memMinNegative'],
    ['field_beyond', 'memMinOutside'],
    ['offset_signed', 'ptrMathUnbounded'],
    ['null_arithmetic', 'ptrMathNull'],
    ['end_moved', 'ptrMathType'],
    ['align_pointer', 'ptrBitwise'],
    ['context_moved', 'ptrOffModified'],
    ['context_field', 'ctxAccess'],
    ['packet_write', 'packetWrite'],
    ['write_constant', 'mapWriteForbidden'],
    ['leaks_address', 'leaksAddr', UNPRIV],
    ['unprivileged_sum', 'mapMathRange', UNPRIV],
    ['packet_misaligned', 'packetMisaligned', { strict: true }],
    ['kernel_write', 'btfAccessReadOnly'],
    ['kernel_beyond', 'structWalkBeyond'],
  ]),
  ...in_('stack', [
    ['stack_beyond', 'stackOutOfBounds'],
    ['stack_index', 'stackVarOffOutOfBounds'],
    ['stack_padding', 'stackUninitRead', UNPRIV],
    ['stack_unwritten', 'stackInvalidRead', UNPRIV],
    ['size_unlimited', 'memArgSizeUnbounded'],
    ['size_negative', 'memArgSizeNegative'],
    ['size_zero', 'memArgSizeZero'],
    ['value_unset', 'regReadOk'],
    ['value_destroyed', 'regReadOk'],
    ['frame_pointer', 'framePointerReadOnly'],
    ['stack_combined', 'combinedStack'],
  ]),
  ...in_('calls', [
    ['helper_type', 'helperNotForType'],
    ['helper_unknown', 'helperInvalid'],
    ['core_missing', 'helperInvalid'],
    ['helper_sleeps', 'helperSleeps'],
    ['key_by_value', 'argRegType'],
    ['null_argument', 'argRegType'],
    ['map_kind', 'mapFunc'],
    ['size_variable', 'argNotConst'],
    ['record_dropped', 'referenceLeak'],
    ['record_reused', 'memInvalidAccess'],
    ['release_other', 'releaseUnreferenced'],
    ['tail_call_leak', 'tailCallLeak'],
    ['call_locked', 'callLocked'],
    ['unlock_missing', 'spinUnlockMissing'],
    ['lock_tracing', 'mapLockTracing'],
    ['return_range', 'returnRange'],
    ['dynptr_unset', 'dynptrNotInit'],
  ]),
  ...in_('license', [['helper_gpl', 'helperGpl']]),
  ...in_('kfuncs', [
    ['kfunc_type', 'kfuncNotAllowed'],
    ['kfunc_null', 'kfuncArgNull'],
    ['kfunc_untrusted', 'kfuncArgNotRcu'],
    ['kfunc_trusted', 'kfuncArgUntrusted'],
    ['kfunc_leak', 'referenceLeak'],
    ['kfunc_release', 'kfuncReleaseNone'],
    ['iterator_unset', 'iterNotInit'],
    ['rcu_missing', 'rcuUnlockMissing'],
  ]),
  ...in_('limits', [
    ['loop_long', 'tooLarge', { insnLimit: 20_000 }],
    ['loop_branches', 'jumpsTooComplex'],
    ['loop_endless', 'infiniteLoop'],
    ['loop_unprivileged', 'backEdge', UNPRIV],
    ['dead_code', 'unreachable'],
    ['no_return', 'lastInsn'],
    ['division', 'divByZero'],
    ['calls_deep', 'callFrames'],
  ]),
];

const OBJECTS = new Map<string, Uint8Array>();
function objectBytes(file: string): Uint8Array {
  const known = OBJECTS.get(file) ?? bytesOf(`testdata/explain/${file}.bpf.o`);
  OBJECTS.set(file, known);
  return known;
}

function explained({ file, prog, unpriv = false, strict = false, insnLimit }: Case): Explanation {
  const caps = { bpf: !unpriv, perfmon: !unpriv, netAdmin: !unpriv, sysAdmin: !unpriv };
  const prepared = prepareObject(openObject(objectBytes(file), { name: file }), { kernelBtf: btf, image, caps });
  const program = prepared.spec.programs.find(row => row.name === prog);
  if (program === undefined) throw new Error(`${file} has no program ${prog}`);
  const { input } = prepared.prepare(program, { flags: strict ? BPF_PROG_FLAGS.BPF_F_STRICT_ALIGNMENT : 0 });
  if (input === undefined) throw new Error(`${prog} could not be prepared`);
  const kernel = { version: '6.12', arch: image.arch, btf, image };
  const options: VerifyOptions = { kernel, caps, ...(insnLimit === undefined ? {} : { insnLimit }) };
  const explanation = explain(input, options, verify(input, options));
  if (explanation === undefined) throw new Error(`${prog} was accepted`);
  return explanation;
}

function compare(name: string, text: string): void {
  const url = new URL(`testdata/explain/goldens/${name}`, ROOT);
  if (BLESS) writeFileSync(url, text);
  expect(existsSync(url), 'no golden: run with BLESS=1').toBe(true);
  expect(text).toBe(readFileSync(url, 'utf8'));
}

describe('explanations', () => {
  it.each(CASES)('$id: $prog', row => {
    const explanation = explained(row);
    expect(explanation.messageId).toBe(row.id);
    compare(`${row.prog}.txt`, renderExplanation(explanation));
    compare(`${row.prog}.json`, `${JSON.stringify(explanation, undefined, 1)}\n`);
  });
});
