import type { ObjectMap } from './types.ts';

/** The object's maps in libbpf's order, and which of them a place in a section means. */
export class MapTable {
  readonly all: ObjectMap[] = [];
  readonly #declared = new Map<number, Map<number, number>>();
  readonly #ofSection = new Map<number, number>();

  /** How many numbers were given to copies of each name. */
  readonly #names = new Map<string, number>();

  /** `name`, or with a number behind it where another map has it already: programs refer to maps by name. */
  freeName(name: string): string {
    let n = this.#names.get(name) ?? 0;
    let free = name;
    while (this.#names.has(free)) free = `${name}#${++n + 1}`;
    this.#names.set(name, n);
    this.#names.set(free, 0);
    return free;
  }

  /** A map declared at an offset of a map section. */
  addDeclared(sectionIndex: number, offBytes: number, map: ObjectMap): void {
    let places = this.#declared.get(sectionIndex);
    if (places === undefined) {
      places = new Map();
      this.#declared.set(sectionIndex, places);
    }
    if (!places.has(offBytes)) places.set(offBytes, this.all.length);
    this.all.push(map);
  }
  /** A map whose contents a section is. */
  addData(sectionIndex: number, map: ObjectMap): void {
    this.#ofSection.set(sectionIndex, this.all.length);
    this.all.push(map);
  }
  add(map: ObjectMap): void {
    this.all.push(map);
  }
  /** Lets a section be the contents of a map declared elsewhere (arena). */
  adopt(sectionIndex: number, position: number, map: ObjectMap): void {
    this.#ofSection.set(sectionIndex, position);
    this.all[position] = map;
  }

  declaredAt(sectionIndex: number, offBytes: number): string | undefined {
    const position = this.#declared.get(sectionIndex)?.get(offBytes);
    return position === undefined ? undefined : this.all[position].def.name;
  }
  ofSection(sectionIndex: number): string | undefined {
    const position = this.#ofSection.get(sectionIndex);
    return position === undefined ? undefined : this.all[position].def.name;
  }
}
