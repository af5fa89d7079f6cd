import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { type Btf, openBtf } from '../../src/btf/index.ts';
import { findTarget } from '../../src/jit/index.ts';
import type { KernelSpace } from '../../src/kernels/index.ts';
import type { JitAnswer, Kfunc } from './lab-jit.ts';
import { type LabTarget, labSpace } from './lab-targets.ts';

/** A line of a kernel lab's output: a program's answer, or a blob. */
interface Line {
  readonly file?: string;
  readonly prog?: string;
  readonly errno?: number;
  readonly xlated?: string;
  readonly jited?: string;
  readonly ksyms?: readonly string[];
  readonly func_lens?: readonly number[];
  readonly log?: string;
  /** Slots of line records and their jited addresses, from a guest that asks for them. */
  readonly linfo?: readonly number[];
  readonly jlinfo?: readonly string[];
  /** Slots where functions begin, from such a guest. */
  readonly finfo?: readonly number[];
  readonly blob?: string;
  readonly hex?: string;
}

export interface Lab {
  /** Programs the kernel accepted and compiled, `file:program`. */
  readonly programs: readonly JitAnswer[];
  /** Programs it accepted and left to its interpreter. */
  readonly uncompiled: number;
  /** Address space with the kernel where it lay. */
  readonly space: KernelSpace;
  /** By what calls have in `imm`, a BTF id or a distance. Needs the lab's kallsyms, and for ids the kernel's BTF. */
  kfunc(imm: number): Kfunc | undefined;
}

/** Every symbol of the kernel itself, which the recorded tables of src/kernels do not all have. */
function readKallsyms(lines: readonly Line[]): ReadonlyMap<string, bigint> {
  const symbols = new Map<string, bigint>();
  for (const { blob, hex } of lines) {
    if (blob !== 'kallsyms' || hex === undefined) continue;
    for (const row of Buffer.from(hex, 'hex').toString('latin1').split('\n')) {
      const [addr, , name, module] = row.split(/\s+/);
      if (name !== undefined && (module ?? '') === '') symbols.set(name, BigInt(`0x${addr}`));
    }
  }
  return symbols;
}

/** `btf_distill_func_proto`: only integers count as signed; everything else but enumerations takes 8 bytes. */
function parameter(btf: Btf, typeId: number): { sizeBytes: number; signed: boolean } {
  const type = btf.typeById(btf.skipModifiers(typeId));
  if (type.kind === 'INT') return { sizeBytes: type.sizeBytes, signed: type.signed };
  return { sizeBytes: type.kind === 'ENUM' || type.kind === 'ENUM64' ? type.sizeBytes : 8, signed: false };
}

/**
 * Reads the output of `ask … --log 4 --ksyms`. Throws when the recorded kernel's symbols are not where this one's are.
 *
 * @param btfPath the kernel's BTF, as it is or gzipped
 */
export function readLab(path: string, btfPath: string | undefined, lab: LabTarget): Lab {
  // A lab that was stopped leaves half a line behind.
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .flatMap(text => (text.endsWith('}') ? [JSON.parse(text) as Line] : []));
  const symbols = readKallsyms(lines);
  const space = labSpace(lab, symbols.get('_text'));
  const callBase = symbols.get('__bpf_call_base');
  if (callBase !== undefined && callBase !== space.callBase) {
    throw new Error(`__bpf_call_base is at ${callBase.toString(16)}, not at ${space.callBase.toString(16)}`);
  }
  const bytes = btfPath === undefined ? undefined : readFileSync(btfPath);
  const btf = bytes === undefined ? undefined : openBtf(bytes[0] === 0x1f ? gunzipSync(bytes) : bytes);
  const names = new Map<bigint, string>();
  for (const [name, addr] of symbols) if (!names.has(addr) || /^bpf_/.test(name)) names.set(addr, name);
  const far = findTarget(lab.target).caps('compat').farKfuncCalls;
  return {
    space,
    uncompiled: lines.filter(({ errno, prog, jited }) => prog !== undefined && errno === 0 && !jited).length,
    programs: lines.flatMap(({ file, prog, errno, xlated, jited, ksyms, func_lens, log, linfo, jlinfo, finfo }) => {
      if (errno !== 0 || !jited || xlated === undefined) return [];
      const depths = /^stack depth ([0-9+]+)/m.exec(log ?? '')?.[1] ?? '';
      return [
        {
          name: `${file}:${prog}`,
          xlated,
          jited,
          ksyms: ksyms ?? [],
          funcLens: func_lens ?? [],
          stackDepths: depths === '' ? [] : depths.split('+').map(Number),
          ...(finfo?.length ? { funcStarts: finfo } : {}),
          ...(linfo?.length && jlinfo?.length ? { lineSlots: linfo, lineAddrs: jlinfo } : {}),
        },
      ];
    }),
    kfunc(imm) {
      const near = space.callBase + BigInt(imm);
      const name = far ? undefined : names.get(near);
      const id = far ? imm : name === undefined ? undefined : btf?.findByName(name, 'FUNC');
      const func = id === undefined ? undefined : btf?.typeById(id);
      if (btf === undefined || func?.kind !== 'FUNC') return far ? undefined : { addr: near, name, args: [] };
      const addr = far ? symbols.get(func.name) : near;
      const proto = btf.typeById(func.typeId);
      if (addr === undefined || proto.kind !== 'FUNC_PROTO') return undefined;
      return { addr, name: func.name, args: proto.params.map(({ typeId }) => parameter(btf, typeId)) };
    },
  };
}
