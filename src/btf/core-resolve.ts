import { withWhere } from '../util/index.ts';
import type { Btf } from './btf.ts';
import { kindsAreCompat } from './core-compat.ts';
import { type CoreReloKindRow, coreError, coreReloKindOf } from './core-kind.ts';
import { matchCoreSpec } from './core-match.ts';
import { type CoreSpec, describeType, formatCoreSpec, parseCoreSpec } from './core-spec.ts';
import { type CoreValue, coreValue, POISON } from './core-value.ts';
import { K } from './kind.ts';
import { BTF_INT_SIGNED } from './type.ts';

/** What to do with the instruction of one CO-RE relocation. */
export interface CoreReloResult {
  readonly kind: CoreReloKindRow;
  /** The target has no match: replace the instruction by an invalid call the verifier rejects if it is reached. */
  readonly poison: boolean;
  /** The instruction must hold `origVal` before it is patched. */
  readonly validate: boolean;
  /** u64 the compiler put there, as far as the program's own BTF tells. */
  readonly origVal: bigint;
  /** u64 to put there. */
  readonly newVal: bigint;
  /** For loads and stores: the field's size changes in a way a wider or narrower access would not make good: poison. */
  readonly failMemszAdjust: boolean;
  /** Sizes in bytes of the accessed field, 0 if the relocation is none for a load or store. */
  readonly origSize: number;
  readonly newSize: number;
  /** Types of that field, in the program's BTF and in `targetBtf`. */
  readonly origTypeId: number;
  readonly newTypeId: number;
  readonly localSpec: CoreSpec;
  /** The first match; undefined if there is none or none was looked for. */
  readonly targetSpec: CoreSpec | undefined;
}

/** A type of a target BTF that a local type may mean. */
export interface CoreCandidate {
  readonly btf: Btf;
  readonly id: number;
}

/**
 * Target types a local type may mean: those of a compatible kind and the same essential name. Modules (all targets
 * after the first) are asked only if the first has none. Source: `tools/lib/bpf/libbpf.c: bpf_core_find_cands`.
 */
export function findCoreCandidates(local: Btf, localId: number, targets: readonly Btf[]): CoreCandidate[] {
  const kind = local.types.kind(localId);
  const name = local.nameOf(localId);
  const inTarget = (btf: Btf, fromId: number): CoreCandidate[] =>
    btf
      .allByEssentialName(name)
      .filter(id => id >= fromId && kindsAreCompat(btf.types.kind(id), kind))
      .map(id => ({ btf, id }));
  const [main, ...modules] = targets;
  if (name === '' || main === undefined) return [];
  const candidates = inTarget(main, 1);
  return candidates.length > 0 ? candidates : modules.flatMap(btf => inTarget(btf, btf.startId));
}

const NOTHING: CoreValue = { value: 0n, validate: true, sizeBytes: 0, typeId: 0 };

function canAdjust(local: CoreSpec, orig: CoreValue, target: CoreSpec | undefined, found: CoreValue): boolean {
  const a = local.btf.types;
  const b = target?.btf.types ?? a;
  const kind = a.kind(orig.typeId);
  if (kind !== b.kind(found.typeId)) return false;
  if (kind === K.PTR) return true;
  const isUnsigned = (data: number): boolean => ((data >>> 24) & 0xf) !== BTF_INT_SIGNED;
  return kind === K.INT && isUnsigned(a.extra(orig.typeId, 0)) && isUnsigned(b.extra(found.typeId, 0));
}

/** Both values of a relocation for one candidate, or for none. */
function calculate(local: CoreSpec, target: CoreSpec | undefined): CoreReloResult {
  const orig = coreValue(local, local);
  const found = coreValue(local, target);
  const poison = orig === POISON || found === POISON;
  const from = orig === POISON ? NOTHING : orig;
  const to = found === POISON ? NOTHING : found;
  return {
    kind: local.kind,
    poison,
    validate: from.validate,
    origVal: from.value,
    newVal: to.value,
    failMemszAdjust: !poison && from.sizeBytes !== to.sizeBytes && !canAdjust(local, from, target, to),
    origSize: from.sizeBytes,
    newSize: to.sizeBytes,
    origTypeId: from.typeId,
    newTypeId: to.typeId,
    localSpec: local,
    targetSpec: target,
  };
}

/** Candidates that disagree make a relocation dangerous. */
function checkAgreement(first: CoreReloResult, next: CoreReloResult): void {
  const [a, b] = [next.targetSpec?.bitOffset ?? 0, first.targetSpec?.bitOffset ?? 0];
  if (a !== b) throw coreError('core.ambiguous', `field offset ambiguity: ${a} != ${b}`);
  if (next.poison === first.poison && next.newVal === first.newVal) return;
  const describe = ({ poison, newVal }: CoreReloResult): string => `${poison ? 'failure' : 'success'} ${newVal}`;
  throw coreError('core.ambiguous', `relocation decision ambiguity: ${describe(next)} != ${describe(first)}`);
}

/**
 * Resolves one relocation against given candidates. Returns the result and the candidates that matched (all of them if
 * none did). Throws `core.ambiguous` if candidates disagree, `core.access`, `core.bitfield`, `core.kind`,
 * `core.anonymous`, `core.too-deep`. Source: `tools/lib/bpf/relo_core.c: bpf_core_calc_relo_insn`.
 */
export function resolveCoreRelo(
  localSpec: CoreSpec,
  candidates: readonly CoreCandidate[],
): { result: CoreReloResult; matching: readonly CoreCandidate[] } {
  const { btf, rootTypeId, kind } = localSpec;
  if (kind.kind === 'TYPE_ID_LOCAL') {
    return { result: { ...calculate(localSpec, localSpec), targetSpec: undefined }, matching: candidates };
  }
  if (btf.nameOf(rootTypeId) === '') {
    const found = describeType(btf, rootTypeId);
    throw coreError('core.anonymous', 'relocation of an anonymous type', 'a type with a name', found);
  }
  let first: CoreReloResult | undefined;
  const matching: CoreCandidate[] = [];
  for (const candidate of candidates) {
    const spec = matchCoreSpec(localSpec, candidate.btf, candidate.id);
    if (spec === undefined) continue;
    const result = calculate(localSpec, spec);
    if (first === undefined) first = result;
    else checkAgreement(first, result);
    matching.push(candidate);
  }
  if (first === undefined) return { result: calculate(localSpec, undefined), matching: candidates };
  return { result: first, matching };
}

/** A relocation as `.BTF.ext` has it. */
export interface CoreReloInput {
  readonly typeId: number;
  readonly accessStrOff: number;
  /** A `BPF_CORE_*` number. */
  readonly kind: number;
}

/**
 * Resolves the relocations of one object, in order. Candidates are looked up once a local type and narrowed to those
 * that matched, as libbpf does; equal relocations are answered from memory.
 */
export class CoreResolver {
  readonly local: Btf;
  /** The kernel's BTF, then its modules'. */
  readonly targets: readonly Btf[];
  readonly #candidates = new Map<number, readonly CoreCandidate[]>();
  readonly #results = new Map<string, CoreReloResult>();

  constructor(local: Btf, targets: readonly Btf[]) {
    this.local = local;
    this.targets = targets;
  }

  /** Throws like `resolveCoreRelo`; messages name the relocation as libbpf does: `<byte_off> [2] struct x.y (0:1 …)`. */
  resolve(relo: CoreReloInput): CoreReloResult {
    const key = `${relo.typeId}/${relo.accessStrOff}/${relo.kind}`;
    const known = this.#results.get(key);
    if (known !== undefined) return known;
    const kind = coreReloKindOf(relo.kind);
    const access = this.local.stringAt(relo.accessStrOff);
    this.local.kindOf(relo.typeId);
    const label = `<${kind.label}> ${describeType(this.local, relo.typeId)} + ${access}`;
    const localSpec = withWhere({ name: label }, () => parseCoreSpec(this.local, relo.typeId, access, kind));
    const { result, matching } = withWhere({ name: formatCoreSpec(localSpec) }, () =>
      resolveCoreRelo(localSpec, kind.kind === 'TYPE_ID_LOCAL' ? [] : this.#candidatesOf(relo.typeId)),
    );
    if (kind.kind !== 'TYPE_ID_LOCAL') this.#candidates.set(relo.typeId, matching);
    this.#results.set(key, result);
    return result;
  }

  #candidatesOf(typeId: number): readonly CoreCandidate[] {
    let candidates = this.#candidates.get(typeId);
    if (candidates === undefined) {
      candidates = findCoreCandidates(this.local, typeId, this.targets);
      this.#candidates.set(typeId, candidates);
    }
    return candidates;
  }
}
