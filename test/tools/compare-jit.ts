/**
 * Compiles what a kernel lab's PowerPC kernel compiled, with the compatible mode and at the same addresses, and compares
 * byte for byte. Input: lines of `ask 6.12-ppc64el DIR OUT.jsonl --log 4 --ksyms` (levels 4 and up have stack depths).
 *   npx tsx test/tools/compare-jit.ts OUT.jsonl [--btf VMLINUX.BTF] [--all]
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { type Btf, openBtf } from '../../src/btf/index.ts';
import { createKernelSpace, defaultLayout, kernelImage } from '../../src/kernels/index.ts';
import { compareWithKernel, type JitSubject, type Kfunc } from '../support/lab-jit.ts';

interface Line {
  readonly file?: string;
  readonly prog?: string;
  readonly errno?: number;
  readonly xlated?: string;
  readonly jited?: string;
  readonly ksyms?: readonly string[];
  readonly func_lens?: readonly number[];
  readonly log?: string;
  readonly blob?: string;
  readonly hex?: string;
}

const args = process.argv.slice(2);
const btfAt = args.indexOf('--btf');
const btfPath = btfAt < 0 ? undefined : args.splice(btfAt, 2)[1];
const all = args.includes('--all');
const path = args.find(arg => !arg.startsWith('--'));
if (path === undefined) {
  process.stderr.write('usage: compare-jit OUT.jsonl [--btf VMLINUX.BTF] [--all]\n');
  process.exit(2);
}

const space = createKernelSpace(defaultLayout('ppc64'), kernelImage('6.12-ppc64el'), { keepOut: [] });
const lines = readFileSync(path, 'utf8')
  .split('\n')
  .flatMap(text => {
    // A lab that was stopped leaves half a line behind.
    if (!text.endsWith('}')) return [];
    return [JSON.parse(text) as Line];
  });

/** Addresses of everything the kernel had, if the lab recorded them. */
const kallsyms = new Map<string, bigint>();
for (const { blob, hex } of lines) {
  if (blob !== 'kallsyms' || hex === undefined) continue;
  for (const row of Buffer.from(hex, 'hex').toString('latin1').split('\n')) {
    const [addr, , name, module] = row.split(/\s+/);
    if (name !== undefined && (module === undefined || module === '')) kallsyms.set(name, BigInt(`0x${addr}`));
  }
}
const callBase = kallsyms.get('__bpf_call_base');
if (callBase !== undefined && callBase !== space.callBase) {
  throw new Error(
    `the kernel has __bpf_call_base at ${callBase.toString(16)}, the recorded one at ${space.callBase.toString(16)}`,
  );
}

function kfuncsOf(btf: Btf): JitSubject['kfunc'] {
  // `btf_distill_func_proto`: only integers count as signed, everything else but enumerations takes 8 bytes.
  const parameter = (typeId: number): { sizeBytes: number; signed: boolean } => {
    const type = btf.typeById(btf.skipModifiers(typeId));
    if (type.kind === 'INT') return { sizeBytes: type.sizeBytes, signed: type.signed };
    return { sizeBytes: type.kind === 'ENUM' || type.kind === 'ENUM64' ? type.sizeBytes : 8, signed: false };
  };
  return (id: number): Kfunc | undefined => {
    const func = btf.typeById(id);
    if (func.kind !== 'FUNC') return undefined;
    const addr = kallsyms.get(func.name);
    const proto = btf.typeById(func.typeId);
    if (addr === undefined || proto.kind !== 'FUNC_PROTO') return undefined;
    return { addr, args: proto.params.map(({ typeId }) => parameter(typeId)) };
  };
}

const btfBytes = btfPath === undefined ? undefined : readFileSync(btfPath);
const btf = btfBytes === undefined ? undefined : openBtf(btfBytes[0] === 0x1f ? gunzipSync(btfBytes) : btfBytes);
const subject: JitSubject = { space, kfunc: btf === undefined ? undefined : kfuncsOf(btf) };

let programs = 0;
let functions = 0;
let equal = 0;
const causes = new Map<string, string[]>();
for (const line of lines) {
  if (line.errno !== 0 || line.jited === undefined || line.xlated === undefined || line.jited === '') continue;
  programs++;
  const name = `${line.file}:${line.prog}`;
  let cause: string;
  try {
    const depths = /^stack depth ([0-9+]+)/m.exec(line.log ?? '')?.[1];
    const result =
      depths === undefined
        ? 'no stack depths in the log'
        : compareWithKernel(
            {
              name,
              xlated: line.xlated,
              jited: line.jited,
              ksyms: line.ksyms ?? [],
              funcLens: line.func_lens ?? [],
              stackDepths: depths.split('+').map(Number),
            },
            subject,
          );
    functions += line.ksyms?.length ?? 0;
    if (result.length === 0) {
      equal++;
      if (all) console.log(`equal ${name}`);
      continue;
    }
    if (typeof result === 'string') cause = result;
    else {
      const { insn, ours, theirs } = result[0];
      const code = insn === undefined ? 'prologue' : `code ${insn.code.toString(16).padStart(2, '0')}`;
      cause = `${code}: ours ${ours}, theirs ${theirs}`;
    }
  } catch (error) {
    cause = `${(error as Error).name}: ${(error as Error).message}`;
    if (all) console.log((error as Error).stack);
  }
  causes.set(cause, [...(causes.get(cause) ?? []), name]);
}
console.log(`${equal} of ${programs} programs equal (${functions} functions)`);
for (const [cause, names] of [...causes].sort((a, b) => b[1].length - a[1].length)) {
  console.log(`${names.length} × ${cause}: ${names.slice(0, 4).join(', ')}${names.length > 4 ? ', …' : ''}`);
}
