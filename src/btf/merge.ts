import { FarcallError } from '../util/index.ts';
import type { Btf } from './btf.ts';
import { ANY_ENUM_MASK, COMPOSITE_MASK, isIn, K } from './kind.ts';
import { remapTypeIds } from './remap.ts';
import { TypeGraph } from './type-graph.ts';
import { BtfBuilder } from './writer.ts';

export interface MergeBtfOptions {
  /** Types to leave out, DATASECs a linker lays out anew for instance. Nothing kept may refer to them. */
  readonly skip?: (input: number, id: number) => boolean;
}

export interface MergedBtf {
  /** The merged types; more can be added. */
  readonly builder: BtfBuilder;
  /** For each input, its ids to the merged ids. 0 for skipped types. */
  readonly idMaps: readonly Uint32Array[];
}

/** What a forward declaration could mean, as a key shared with the definitions; undefined for other types. */
function definedName({ types, strings }: Btf, id: number): { key: string; isForward: boolean } | undefined {
  const name = strings.at(types.nameOff(id)) ?? '';
  const kind = types.kind(id);
  if (name === '') return undefined;
  if (kind === K.FWD) return { key: `${types.kindFlag(id) ? K.UNION : K.STRUCT} ${name}`, isForward: true };
  if (isIn(COMPOSITE_MASK, kind)) return { key: `${kind} ${name}`, isForward: false };
  if (isIn(ANY_ENUM_MASK, kind)) return { key: `enum ${name}`, isForward: types.vlen(id) === 0 };
  return undefined;
}

interface Definitions {
  readonly forwards: number[];
  readonly full: number[];
}

/** Forward declarations and definitions by name, where both exist. */
function findForwards(graph: TypeGraph): Map<string, Definitions> {
  const all = new Map<string, Definitions>();
  for (let node = graph.firstOwn; node < graph.nodes.length; node++) {
    const { input, id } = graph.nodes[node];
    const named = definedName(graph.inputs[input], id);
    if (named === undefined) continue;
    let entry = all.get(named.key);
    if (entry === undefined) {
      entry = { forwards: [], full: [] };
      all.set(named.key, entry);
    }
    (named.isForward ? entry.forwards : entry.full).push(node);
  }
  for (const [key, { forwards, full }] of all) if (forwards.length === 0 || full.length === 0) all.delete(key);
  return all;
}

/**
 * Equality classes with forward declarations standing for the definition of their name, where there is only one. It is
 * assumed that there is; names for which the assumption does not hold in the end are given up and all is done again.
 */
function classify(graph: TypeGraph): { classes: Int32Array; alias: Int32Array } {
  const forwards = findForwards(graph);
  for (;;) {
    const alias = Int32Array.from(graph.nodes, (_, node) => node);
    for (const entry of forwards.values()) for (const forward of entry.forwards) alias[forward] = entry.full[0];
    const classes = graph.classes(alias);
    const before = forwards.size;
    for (const [key, { full }] of forwards) {
      if (full.some(node => classes[node] !== classes[full[0]])) forwards.delete(key);
    }
    if (forwards.size === before) return { classes, alias };
  }
}

/**
 * Puts the types of several BTFs into one, each type once, however its references go in circles. Forward declarations
 * become the definition another input has, if it is the only one. Variables and DATASECs are kept apart, as their
 * equality is the linker's matter. The order is that of first appearance. Inputs must share their base, if any.
 *
 * Throws `btf.build` for types that cannot be written. Does what `tools/lib/bpf/btf.c: btf__dedup` does, by partition
 * refinement in place of its trial equivalence.
 */
export function mergeBtf(inputs: readonly Btf[], options: MergeBtfOptions = {}): MergedBtf {
  const base = inputs[0]?.base;
  if (inputs.some(btf => btf.base !== base)) {
    throw new FarcallError({ code: 'btf.build', message: 'BTFs to merge have different bases' });
  }
  const graph = new TypeGraph(inputs);
  const { classes, alias } = classify(graph);
  const builder = new BtfBuilder(base);
  const skipped = ({ input, id }: { input: number; id: number }): boolean => options.skip?.(input, id) === true;

  const idOfClass = new Map<number, number>();
  const chosen: number[] = [];
  for (let node = 0; node < graph.nodes.length; node++) {
    if (node < graph.firstOwn) idOfClass.set(classes[node], node);
    else if (alias[node] === node && !idOfClass.has(classes[node]) && !skipped(graph.nodes[node])) {
      idOfClass.set(classes[node], graph.firstOwn + chosen.length);
      chosen.push(node);
    }
  }
  const mergedId = (node: number): number => idOfClass.get(classes[alias[node]]) ?? 0;
  for (const node of chosen) {
    const { input, id } = graph.nodes[node];
    const type = inputs[input].typeById(id);
    if (type.kind === 'VOID' || type.kind === 'UNKNOWN') {
      const where = { name: `[${id}] ${type.name}` };
      throw new FarcallError({ code: 'btf.build', message: 'a type of unknown kind cannot be merged', where });
    }
    builder.add(remapTypeIds(type, target => mergedId(graph.nodeOf(input, target))));
  }
  const idMaps = inputs.map((btf, input) =>
    Uint32Array.from({ length: btf.typeCount }, (_, id) =>
      skipped({ input, id }) && id >= btf.startId ? 0 : mergedId(graph.nodeOf(input, id)),
    ),
  );
  return { builder, idMaps };
}
