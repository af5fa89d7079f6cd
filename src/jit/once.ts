import type { Callee, CompiledFunc, FuncCompiler } from './types.ts';

const same = (a: readonly bigint[], b: readonly bigint[]): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);

/** Emissions of which the same inputs give the same bytes, made once for each: the round that proves nothing changes costs nothing. */
export function onceFor(emit: FuncCompiler['emit']): FuncCompiler['emit'] {
  let last: { at: bigint | undefined; known: boolean; places: readonly bigint[]; made: CompiledFunc } | undefined;
  return (at: bigint | undefined, callees: readonly Callee[] | undefined): CompiledFunc => {
    const known = callees !== undefined;
    const places = callees?.map(callee => callee.bpfFunc) ?? [];
    if (last === undefined || last.at !== at || last.known !== known || !same(last.places, places)) {
      last = { at, known, places, made: emit(at, callees) };
    }
    return last.made;
  };
}
