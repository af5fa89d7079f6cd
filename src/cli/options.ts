import { InternalError } from '../util/index.ts';
import type { OptionSpec } from './command.ts';
import { usageError } from './failure.ts';

export type OptionValues = Readonly<Record<string, unknown>>;

/** `12`, `0x1f`, `1_000_000`; undefined for anything else. */
export function parseInteger(text: string): bigint | undefined {
  const digits = text.replaceAll(/(?<=[0-9a-fA-F])_(?=[0-9a-fA-F])/g, '');
  if (digits.length > 40 || !/^-?([0-9]+|0[xX][0-9a-fA-F]+)$/.test(digits)) return undefined;
  return digits.startsWith('-') ? -BigInt(digits.slice(1)) : BigInt(digits);
}

/** The integer an option was given, or a usage error that names its bounds. */
export function integerOption(spec: OptionSpec, text: string): bigint {
  const value = parseInteger(text);
  const min = spec.min ?? 0n;
  const max = spec.max ?? BigInt(Number.MAX_SAFE_INTEGER);
  if (value !== undefined && value >= min && value <= max) return value;
  throw usageError(`--${spec.name} is not usable`, `an integer from ${min} to ${max}`, `'${text}'`);
}

/** What was given for the options of one call, by their names. Asking for one the command has not declared is a bug. */
export class Options {
  readonly #specs: ReadonlyMap<string, OptionSpec>;
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(specs: readonly OptionSpec[], values: ReadonlyMap<string, unknown>) {
    this.#specs = new Map(specs.map(spec => [spec.name, spec]));
    this.#values = values;
  }

  #value(name: string): unknown {
    if (!this.#specs.has(name)) throw new InternalError(`no option --${name} is declared`);
    return this.#values.get(name);
  }

  has(name: string): boolean {
    return this.#value(name) !== undefined;
  }
  /**
   * The same values as another command declares them; options named in `without` are left out. An option that may be
   * repeated here but not there must have been given once.
   */
  declaredAs(specs: readonly OptionSpec[], without: readonly string[]): Options {
    const values = new Map<string, unknown>();
    for (const { name, repeat } of specs) {
      const value = this.#values.get(name);
      if (value === undefined || without.includes(name)) continue;
      if (repeat !== true && Array.isArray(value) && value.length > 1) {
        throw usageError(`--${name} is given ${value.length} times`, 'once, for what is run');
      }
      values.set(name, repeat !== true && Array.isArray(value) ? value[0] : value);
    }
    return new Options(specs, values);
  }
  flag(name: string): boolean {
    return this.#value(name) === true;
  }
  text(name: string): string | undefined {
    return this.#value(name) as string | undefined;
  }
  texts(name: string): readonly string[] {
    return (this.#value(name) as readonly string[] | undefined) ?? [];
  }
  integer(name: string): number | undefined {
    const value = this.#value(name) as bigint | undefined;
    return value === undefined ? undefined : Number(value);
  }
  bigint(name: string): bigint | undefined {
    return this.#value(name) as bigint | undefined;
  }
  integers(name: string): readonly number[] {
    return ((this.#value(name) as readonly bigint[] | undefined) ?? []).map(Number);
  }
}
