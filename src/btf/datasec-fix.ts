import { type Btf, openBtf } from './btf.ts';
import { COMMON_WORDS, K } from './kind.ts';

/** What the object file knows of its sections and compilers leave out of BTF. */
export interface DatasecFacts {
  /** Size of an ELF section in bytes; undefined leaves the DATASEC as it is. */
  sectionSizeBytes(section: string): number | undefined;
  /** Where a variable lies in its section; undefined leaves the offset as it is. */
  variableOffBytes(variable: string, section: string): number | undefined;
  /** Another linkage for a variable (libbpf makes hidden ones static); undefined leaves it. */
  linkage?(variable: string, section: string): number | undefined;
}

/** Whether any DATASEC still has the size 0 compilers emit. */
export function needsDatasecFix(btf: Btf): boolean {
  for (let id = btf.startId; id < btf.typeCount; id++) {
    if (btf.types.kind(id) === K.DATASEC && btf.types.third(id) === 0) return true;
  }
  return false;
}

/**
 * The same BTF with DATASEC sizes and variable offsets filled in from the object file, variables sorted by offset. A
 * DATASEC with a size keeps it and its offsets and is only sorted. Type ids, string offsets (so `.BTF.ext` stays
 * right) and the byte order do not change. Source: `tools/lib/bpf/libbpf.c: btf_fixup_datasec`.
 */
export function fixDatasecs(btf: Btf, facts: DatasecFacts): Btf {
  const bytes = btf.bytes.slice();
  const view = new DataView(bytes.buffer);
  const setWord = (id: number, word: number, value: number): void =>
    view.setUint32(btf.header.typeOff + 4 * (btf.types.start(id) + word), value, btf.order === 'little');

  for (const type of btf.ownTypes()) {
    if (type.kind !== 'DATASEC') continue;
    const size = type.sizeBytes === 0 ? facts.sectionSizeBytes(type.name) : undefined;
    if (size !== undefined) setWord(type.id, 2, size);
    const vars = type.vars.map(entry => {
      const { id, kind, name } = btf.typeById(entry.typeId);
      const linkage = kind === 'VAR' && id >= btf.startId ? facts.linkage?.(name, type.name) : undefined;
      if (linkage !== undefined) setWord(id, COMMON_WORDS, linkage);
      const off = size === undefined ? undefined : facts.variableOffBytes(name, type.name);
      return { ...entry, offBytes: off ?? entry.offBytes };
    });
    vars.sort((a, b) => a.offBytes - b.offBytes);
    vars.forEach(({ typeId, offBytes, sizeBytes }, index) => {
      const word = COMMON_WORDS + 3 * index;
      setWord(type.id, word, typeId);
      setWord(type.id, word + 1, offBytes);
      setWord(type.id, word + 2, sizeBytes);
    });
  }
  return openBtf(bytes, {
    base: btf.base,
    where: btf.where,
    pointerSizeBytes: btf.pointerSizeKnown === 0 ? undefined : btf.pointerSizeKnown,
  });
}
