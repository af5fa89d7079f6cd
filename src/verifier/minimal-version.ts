import type { Btf } from '../btf/index.ts';
import { helperDef, kfuncContracts } from '../helpers/index.ts';
import {
  BPF_PSEUDO_BTF_ID,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_KFUNC_CALL,
  CALL,
  findInsnDef,
  type Insn,
  LD_IMM64,
} from '../isa/index.ts';
import { attachTypeName, bpf_attach_type, bpf_prog_type, mapTypeName, progTypeName } from '../uapi/index.ts';
import {
  ATTACH_TYPE_RELEASES,
  FIELD_RELEASES,
  MAP_FLAG_RELEASES,
  MAP_TYPE_RELEASES,
  PROG_FLAG_RELEASES,
  PROG_TYPE_RELEASES,
} from './feature-releases.ts';
import type { VerifierMap, VerifyInput } from './input.ts';
import { releaseNumber } from './kernel-rules.ts';
import { recordHasField } from './state/record.ts';

/** Something a program uses, and the release that brought it. */
export interface FeatureNeed {
  /** `6.9` */
  readonly since: string;
  /** For people: `instruction may_goto`, `helper bpf_loop`, `map type arena`. */
  readonly feature: string;
  readonly kind: 'instruction' | 'helper' | 'kfunc' | 'map' | 'program' | 'attach' | 'flag' | 'size';
  /** Slot of the first use, where it is an instruction's. */
  readonly insnIdx: number | undefined;
}

/** The oldest release that has everything a program uses. */
export interface MinimalVersion {
  readonly version: string;
  /** Newest first; each feature once. Those of `version` decide. */
  readonly needs: readonly FeatureNeed[];
}

/** The first release that ran such programs at all (`bpf(2)`). */
const FIRST = '3.18';
const OLD_MAX_INSNS = 4096;

class Needs {
  readonly #byFeature = new Map<string, FeatureNeed>();

  add(kind: FeatureNeed['kind'], feature: string, since: string | undefined, insnIdx?: number): void {
    if (since === undefined || releaseNumber(since) <= releaseNumber(FIRST)) return;
    if (!this.#byFeature.has(feature)) this.#byFeature.set(feature, { since, feature, kind, insnIdx });
  }

  get list(): readonly FeatureNeed[] {
    return [...this.#byFeature.values()].sort((a, b) => releaseNumber(b.since) - releaseNumber(a.since));
  }
}

/**
 * The oldest release of Linux that has every instruction, helper, kernel function, map type, program type, attach type, flag and
 * special field a program uses, and why. A lower bound: whether that release's verifier also sees that the program is safe
 * is another question, and vendors' kernels have features of later releases.
 *
 * @param kernelBtf what names kernel functions by id; without it they are not looked at
 */
export function minimalVersion(input: VerifyInput, kernelBtf?: Btf): MinimalVersion {
  const needs = new Needs();
  needs.add('program', `program type ${progTypeName(input.type)}`, PROG_TYPE_RELEASES[input.type]);
  // Of struct_ops programs it is the number of a member; libbpf leaves that of XDP programs out where the kernel does not know it.
  if (input.type !== bpf_prog_type.BPF_PROG_TYPE_STRUCT_OPS && input.attachType !== bpf_attach_type.BPF_XDP) {
    if (input.attachType !== 0)
      needs.add('attach', `attach type ${attachTypeName(input.attachType)}`, ATTACH_TYPE_RELEASES[input.attachType]);
  }
  addFlags(needs, 'load flag', input.flags, PROG_FLAG_RELEASES);
  addInsns(needs, input, kernelBtf);
  if (input.insns.length > OLD_MAX_INSNS) needs.add('size', `more than ${OLD_MAX_INSNS} instructions`, '5.2');
  const { list } = needs;
  return { version: list[0]?.since ?? FIRST, needs: list };
}

function addFlags(needs: Needs, what: string, flags: number, releases: readonly string[]): void {
  for (let bit = 0; bit < releases.length; bit++) {
    if ((flags & (1 << bit)) !== 0) needs.add('flag', `${what} 0x${(1 << bit).toString(16)}`, releases[bit]);
  }
}

function addMap(needs: Needs, map: VerifierMap, idx: number): void {
  needs.add('map', `map type ${mapTypeName(map.type)}`, MAP_TYPE_RELEASES[map.type], idx);
  addFlags(needs, 'map flag', map.flags, MAP_FLAG_RELEASES);
  for (const [field, name, since] of FIELD_RELEASES) {
    if (recordHasField(map.record, field)) needs.add('map', name, since, idx);
  }
  if (map.inner !== undefined) addMap(needs, map.inner, idx);
}

function addInsns(needs: Needs, { insns, maps }: VerifyInput, kernelBtf: Btf | undefined): void {
  for (let idx = 0; idx < insns.length; idx++) {
    const insn = insns[idx];
    const def = findInsnDef(insn);
    if (def !== undefined) {
      needs.add('instruction', `instruction ${def.name}`, def.since, idx);
      if (jumpsBack(insn, def.kind)) needs.add('instruction', 'loops', '5.3', idx);
    }
    if (insn.code === CALL) addCall(needs, insn, idx, kernelBtf);
    if (insn.code !== LD_IMM64) continue;
    const named = insn.src !== 0 && insn.src !== BPF_PSEUDO_BTF_ID && insn.src !== BPF_PSEUDO_FUNC;
    const map = named ? maps[insn.imm] : undefined;
    if (map !== undefined) addMap(needs, map, idx);
    idx++;
  }
}

function jumpsBack(insn: Insn, kind: string): boolean {
  if (kind === 'ja') return (insn.code === 0x06 ? insn.imm : insn.off) < 0;
  return kind === 'jcond' && insn.off < 0;
}

function addCall(needs: Needs, insn: Insn, idx: number, kernelBtf: Btf | undefined): void {
  if (insn.src === BPF_PSEUDO_CALL) return;
  if (insn.src === BPF_PSEUDO_KFUNC_CALL) {
    const id = insn.imm;
    if (kernelBtf === undefined || insn.off !== 0 || id <= 0 || id >= kernelBtf.typeCount) return;
    const name = kernelBtf.nameOf(id);
    const since = kfuncContracts(name)
      .map(contract => contract.since)
      .sort((a, b) => releaseNumber(a) - releaseNumber(b));
    needs.add('kfunc', `kernel function ${name}`, since[0], idx);
  } else {
    const def = helperDef(insn.imm);
    if (def !== undefined) needs.add('helper', `helper ${def.name}`, def.since, idx);
  }
}

/** `needs at least Linux 6.9: instruction may_goto`. */
export function minimalVersionText({ version, needs }: MinimalVersion): string {
  const deciding = needs.filter(need => need.since === version).map(need => need.feature);
  const shown = deciding.slice(0, 3).join(', ') + (deciding.length > 3 ? `, and ${deciding.length - 3} more` : '');
  return deciding.length === 0 ? `needs at least Linux ${version}` : `needs at least Linux ${version}: ${shown}`;
}
