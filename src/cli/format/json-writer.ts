import type { BtfValue } from './btf-value.ts';

const INDENT = '    ';

/**
 * Writes JSON the way bpftool's pretty printer lays it out: members on lines of their own, array items after each other,
 * closing brackets on lines of their own unless nothing is inside.
 */
export class JsonWriter {
  #out = '';
  #depth = 0;
  /** What goes before the next item: nothing after an opening bracket or a name, else a comma. */
  #separator = '';

  get text(): string {
    return this.#out;
  }

  #newline(): void {
    this.#out += `\n${INDENT.repeat(this.#depth)}`;
  }
  #item(text: string): this {
    this.#out += this.#separator + text;
    this.#separator = ',';
    return this;
  }
  #open(bracket: string): this {
    this.#item(bracket);
    this.#depth++;
    this.#separator = '';
    return this;
  }
  #close(bracket: string): this {
    this.#depth--;
    if (this.#separator !== '') this.#newline();
    this.#out += bracket;
    this.#separator = ',';
    return this;
  }

  startObject(): this {
    return this.#open('{');
  }
  endObject(): this {
    return this.#close('}');
  }
  startArray(): this {
    return this.#open('[');
  }
  endArray(): this {
    return this.#close(']');
  }
  name(name: string): this {
    this.#out += this.#separator;
    this.#newline();
    this.#out += `${JSON.stringify(name)}: `;
    this.#separator = '';
    return this;
  }
  string(text: string): this {
    return this.#item(JSON.stringify(text));
  }
  /** Text that is JSON already, or that bpftool prints though it is not. */
  bare(text: string): this {
    return this.#item(text);
  }
}

/** Lays out plain data. Depth is that of the data, which its makers bound. */
export function writeValue(writer: JsonWriter, value: BtfValue): void {
  if (typeof value === 'string') writer.string(value);
  else if (typeof value !== 'object' || value === null) writer.bare(String(value));
  else if (isList(value)) {
    writer.startArray();
    for (const item of value) writeValue(writer, item);
    writer.endArray();
  } else {
    writer.startObject();
    for (const [name, member] of Object.entries(value)) {
      writer.name(name);
      writeValue(writer, member);
    }
    writer.endObject();
  }
}

const isList = (value: object): value is readonly BtfValue[] => Array.isArray(value);
