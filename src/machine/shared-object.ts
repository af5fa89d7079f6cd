import { BPF_PSEUDO_KFUNC_CALL, CALL, type Insn, LD_IMM64, makeInsn } from '../isa/index.ts';
import {
  cName,
  type JitTarget,
  markedMaps,
  markOf,
  type SharedCode,
  type SharedMap,
  sharedCode,
  valueMarkOf,
} from '../jit/index.ts';
import type { KernelImage } from '../kernels/index.ts';
import type { ObjectMap, ObjectSpec, ProgramSpec } from '../object/index.ts';
import { bpf_map_type, mapTypeName } from '../uapi/index.ts';
import { FarcallError, hi32, lo32 } from '../util/index.ts';
import { type KfuncName, xlateUnverified } from '../verifier/index.ts';

export interface SharedObjectOptions {
  readonly target: JitTarget;
  /** Default: the target's first. */
  readonly cpu?: string;
  /** Of the library: a name C takes. */
  readonly name: string;
  readonly kernel: KernelImage;
}

/** Maps nothing outside of a kernel can stand for: pages of an arena, programs to go on with. */
const KERNEL_ONLY: ReadonlySet<number> = new Set([
  bpf_map_type.BPF_MAP_TYPE_ARENA,
  bpf_map_type.BPF_MAP_TYPE_PROG_ARRAY,
  bpf_map_type.BPF_MAP_TYPE_STRUCT_OPS,
]);

function refuse(program: ProgramSpec, message: string, expected: string, insnIdx?: number): FarcallError {
  return new FarcallError({ code: 'arg.so', message, expected, where: { name: program.name, insnIdx } });
}

/**
 * Programs of a relocated object as a shared object for C programs: one C function each, the maps they refer to, one header.
 * They run as farcall's engines run them: contexts are the structs user space knows. Throws `arg.so` for what there is no
 * equivalent of in a process: it names the program, and the map and its type.
 */
export function sharedObjectOf(
  spec: ObjectSpec,
  programs: readonly ProgramSpec[],
  options: SharedObjectOptions,
): SharedCode {
  const used = new Set(programs.flatMap(({ refs }) => refs.flatMap(ref => (ref.kind === 'extern' ? [] : [ref.map]))));
  const wanted = spec.maps.filter(({ def }) => used.has(def.name));
  const maps = wanted.map(sharedMap);
  const indexes = new Map(wanted.map(({ def }, index) => [def.name, index]));
  return make(
    programs.map(program => {
      for (const ref of program.refs) {
        const type = ref.kind === 'extern' ? undefined : wanted[indexes.get(ref.map) ?? -1]?.def.type;
        if (type === undefined || ref.kind === 'extern' || !KERNEL_ONLY.has(type)) continue;
        const message = `${program.name} refers to ${ref.map}, a map of type ${mapTypeName(type)}, which a process does not have`;
        throw refuse(program, message, 'maps of other types', ref.insnIdx);
      }
      return { program, ...resolved(spec, program, indexes) };
    }),
    maps,
    options,
  );
}

/** Raw instructions as a shared object of one program. */
export function sharedObjectOfInsns(
  name: string,
  type: number,
  insns: readonly Insn[],
  options: SharedObjectOptions,
): SharedCode {
  return make([{ program: { name, type }, insns, kfuncs: [] }], [], options);
}

function make(
  programs: readonly {
    readonly program: Pick<ProgramSpec, 'name' | 'type'>;
    readonly insns: readonly Insn[];
    readonly kfuncs: readonly KfuncName[];
  }[],
  maps: readonly SharedMap[],
  { target, cpu = target.cpus[0], name, kernel }: SharedObjectOptions,
): SharedCode {
  const marks = markedMaps(maps);
  return sharedCode({
    target,
    cpu,
    name,
    kernel,
    maps,
    programs: programs.map(({ program, insns, kfuncs }) => ({
      name: cName(program.name),
      xlated: xlateUnverified(
        { name: program.name, type: program.type, insns, kfuncs, maps: marks },
        { kernel, zext: target.caps('own').needsZext },
      ),
    })),
  });
}

function sharedMap({ def, data }: ObjectMap): SharedMap {
  const { name, type, keySizeBytes, valueSizeBytes, maxEntries, flags } = def;
  return { name, type, keySizeBytes, valueSizeBytes, maxEntries, flags, data };
}

/** Instructions with marks in place of maps and numbers in place of kernel functions. */
function resolved(
  spec: ObjectSpec,
  program: ProgramSpec,
  indexes: ReadonlyMap<string, number>,
): { readonly insns: readonly Insn[]; readonly kfuncs: readonly KfuncName[] } {
  if (program.exceptionCallback !== undefined)
    throw refuse(program, `${program.name} throws exceptions`, 'a program that returns');
  const insns = [...program.insns];
  const kfuncs: KfuncName[] = [];
  for (const ref of program.refs) {
    const insn = insns[ref.insnIdx];
    if (ref.kind === 'extern' && ref.call) {
      if (insn.src !== BPF_PSEUDO_KFUNC_CALL || insn.code !== CALL) continue;
      let imm = 1 + kfuncs.findIndex(kfunc => kfunc.name === ref.extern);
      if (imm === 0) imm = kfuncs.push({ imm: kfuncs.length + 1, off: 0, name: ref.extern });
      insns[ref.insnIdx] = { ...insn, imm, off: 0 };
      continue;
    }
    // A CO-RE relocation may have poisoned the instruction; then there is nothing to resolve.
    if (insn.code !== LD_IMM64) continue;
    let value = 0n;
    if (ref.kind === 'extern') {
      if (spec.externs.find(extern => extern.name === ref.extern)?.weak !== true) {
        const message = `${program.name} refers to ${ref.extern}, a variable of the kernel, which a process does not have`;
        throw refuse(program, message, 'a program of maps, variables and functions', ref.insnIdx);
      }
    } else {
      const index = indexes.get(ref.map) ?? 0;
      value = ref.kind === 'map' ? markOf(index) : valueMarkOf(index, ref.offBytes);
    }
    insns[ref.insnIdx] = makeInsn(LD_IMM64, insn.dst, 0, 0, lo32(value));
    insns[ref.insnIdx + 1] = makeInsn(0, 0, 0, 0, hi32(value));
  }
  return { insns, kfuncs };
}
