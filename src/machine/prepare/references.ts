import {
  BPF_PSEUDO_BTF_ID,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
  CALL,
  type Insn,
  LD_IMM64,
} from '../../isa/index.ts';
import type { ExternValue, InsnRef, ObjectSpec, ProgramSpec } from '../../object/index.ts';
import { hi32, lo32 } from '../../util/index.ts';

/** Helper numbers libbpf puts where something is missing; the place in the object's list is added. */
export const POISON_LDIMM64_MAP_BASE = 2_001_000_000;
export const POISON_CALL_KFUNC_BASE = 2_002_000_000;

/** The descriptor of an object's first map: the three before are the loader's input and output, and no maps. */
export const FIRST_MAP_FD = 3;

const poisoned = (imm: number): Insn => ({ code: CALL, dst: 0, src: 0, off: 0, imm });

/** Where names lead. */
export interface Places {
  /** Numbers of maps by name, as `spec.maps` has them. */
  readonly maps: ReadonlyMap<string, number>;
  /** Kernel symbols by name. */
  readonly externs: ReadonlyMap<string, ExternValue>;
}

export function placesOf(spec: ObjectSpec, externs: readonly ExternValue[]): Places {
  return {
    maps: new Map(spec.maps.map((map, i) => [map.def.name, i])),
    externs: new Map(externs.map(value => [value.extern.name, value])),
  };
}

/**
 * A program's instructions with numbers in place of names: maps by their place in `spec.maps` behind {@link FIRST_MAP_FD} others, kernel variables and
 * functions by id in the kernel's BTF, untyped symbols by address. What is not there becomes a call that the verifier
 * refuses if it gets there.
 *
 * Source: `tools/lib/bpf/libbpf.c: bpf_object__relocate_data`.
 */
export function resolveReferences(program: ProgramSpec, spec: ObjectSpec, places: Places): Insn[] {
  const insns = [...program.insns];
  for (const ref of program.refs) {
    if (ref.kind === 'extern') resolveExtern(insns, ref, spec, places);
    else resolveMap(insns, ref, spec, places);
  }
  return insns;
}

type MapRef = Exclude<InsnRef, { kind: 'extern' }>;
type ExternRef = Extract<InsnRef, { kind: 'extern' }>;

function resolveMap(insns: Insn[], ref: MapRef, spec: ObjectSpec, { maps }: Places): void {
  const at = ref.insnIdx;
  const insn = insns[at];
  const index = maps.get(ref.map);
  // A CO-RE relocation may have poisoned the instruction already.
  if (insn.code !== LD_IMM64 || index === undefined) return;
  if (!spec.maps[index].autocreate) {
    insns[at] = poisoned(POISON_LDIMM64_MAP_BASE + index);
    insns[at + 1] = insns[at];
    return;
  }
  if (ref.kind === 'map') {
    insns[at] = { ...insn, src: BPF_PSEUDO_MAP_FD, imm: FIRST_MAP_FD + index };
    return;
  }
  insns[at] = { ...insn, src: BPF_PSEUDO_MAP_VALUE, imm: FIRST_MAP_FD + index };
  insns[at + 1] = { ...insns[at + 1], imm: ref.offBytes | 0 };
}

function resolveExtern(insns: Insn[], ref: ExternRef, spec: ObjectSpec, { externs }: Places): void {
  const at = ref.insnIdx;
  const insn = insns[at];
  const value = externs.get(ref.extern);
  if (value === undefined) return;
  if (ref.call) {
    if (insn.src !== BPF_PSEUDO_KFUNC_CALL) return;
    const known = value.status === 'btf';
    const index = spec.externs.indexOf(value.extern);
    insns[at] = known ? { ...insn, imm: value.btfId, off: value.btfIndex } : poisoned(POISON_CALL_KFUNC_BASE + index);
    return;
  }
  if (insn.code !== LD_IMM64) return;
  if (value.status === 'btf') {
    insns[at] = { ...insn, src: BPF_PSEUDO_BTF_ID, imm: value.btfId };
    insns[at + 1] = { ...insns[at + 1], imm: value.btfIndex };
    return;
  }
  insns[at] = { ...insn, src: 0, imm: lo32(value.address) };
  insns[at + 1] = { ...insns[at + 1], imm: hi32(value.address) };
}
