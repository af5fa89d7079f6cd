import { type Btf, btfIsStructLike, underModifiers } from '../../btf/index.ts';
import type { VerifierEnv } from '../env.ts';

/** Source: `btf_type_is_scalar`. */
export function btfIsScalar(btf: Btf, id: number): boolean {
  if (id === 0) return false;
  const kind = btf.kindOf(id);
  return kind === 'INT' || kind === 'ENUM';
}

/** Structs within structs that are still looked at. */
const MAX_LEVEL = 3;

/**
 * Whether a struct or union consists of numbers, arrays of numbers and such structs, four levels deep at most.
 * Source: `kernel/bpf/verifier.c: __btf_type_is_scalar_struct`.
 * Differs from Linux: a struct that was found in order is not looked at again at that level, however often it is a member.
 */
export const btfTypeIsScalarStruct = (env: VerifierEnv, btf: Btf, id: number): boolean =>
  isScalarStruct(env, btf, id, 0, [new Set(), new Set(), new Set(), new Set()]);

function isScalarStruct(
  env: VerifierEnv,
  btf: Btf,
  id: number,
  level: number,
  passed: readonly Set<number>[],
): boolean {
  if (id === 0 || !btfIsStructLike(btf, id)) return false;
  if (passed[level].has(id)) return true;
  const count = btf.types.vlen(id);
  for (let i = 0; i < count; i++) {
    const member = underModifiers(btf, btf.types.item(id, i, 1));
    if (member !== 0 && btfIsStructLike(btf, member)) {
      if (level >= MAX_LEVEL) {
        env.verbose('max struct nesting depth exceeded\n');
        return false;
      }
      if (!isScalarStruct(env, btf, member, level + 1, passed)) return false;
    } else if (member !== 0 && btf.kindOf(member) === 'ARRAY') {
      if (btf.types.extra(member, 2) === 0) return false;
      if (!btfIsScalar(btf, underModifiers(btf, btf.types.extra(member, 0)))) return false;
    } else if (!btfIsScalar(btf, member)) return false;
  }
  passed[level].add(id);
  return true;
}
