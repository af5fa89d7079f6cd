/**
 * The stable names of everything that can be wrong with input. A code never changes meaning; texts may improve.
 *
 * - `bytes.*`   a read or write outside the bytes at hand
 * - `elf.*`     malformed or unsupported ELF
 * - `btf.*`     malformed BTF or .BTF.ext
 * - `insn.*`    instructions that do not decode or cannot be encoded
 * - `asm.*`     text that does not assemble
 * - `object.*`  an ELF that is sound but not a usable BPF object
 * - `core.*`    CO-RE relocations that cannot be carried out
 * - `map.*`     map definitions and user-side map operations
 * - `run.*`     bad input to a run (context, packet, program choice)
 * - `arg.*`     bad arguments of a public function or the command line
 */
export type ErrorCode =
  `${'bytes' | 'elf' | 'btf' | 'insn' | 'asm' | 'object' | 'core' | 'map' | 'run' | 'arg'}.${string}`;

/** Where in the input a problem lies. Every field is optional; `describeWhere` prints those that are set. */
export interface Where {
  readonly file?: string;
  readonly section?: string;
  /** Program, map, symbol or type name. */
  readonly name?: string;
  /** Byte offset inside `section` if that is set, else inside the file. */
  readonly offBytes?: number;
  /** Instruction slot index. */
  readonly insnIdx?: number;
  /** 1-based. */
  readonly line?: number;
  /** 1-based. */
  readonly column?: number;
}

export interface FarcallErrorInit {
  readonly code: ErrorCode;
  readonly message: string;
  readonly expected?: string;
  readonly found?: string;
  readonly where?: Where;
  readonly cause?: unknown;
}

/** `prog.o: section .maps +0x10: insn 3` and the like; empty when nothing is known. */
export function describeWhere(where: Where | undefined): string {
  if (where === undefined) return '';
  const parts: string[] = [];
  const position =
    where.line === undefined ? '' : `:${where.line}${where.column === undefined ? '' : `:${where.column}`}`;
  if (where.file !== undefined || position !== '') parts.push(`${where.file ?? 'line'}${position}`);
  const off = where.offBytes === undefined ? '' : `+0x${where.offBytes.toString(16)}`;
  if (where.section !== undefined) parts.push(`section ${where.section}${off === '' ? '' : ` ${off}`}`);
  else if (off !== '') parts.push(`offset ${off.slice(1)}`);
  if (where.name !== undefined) parts.push(where.name);
  if (where.insnIdx !== undefined) parts.push(`insn ${where.insnIdx}`);
  return parts.join(': ');
}

/**
 * Malformed input: ELF, BTF, text, arguments. The message is complete on its own: place, problem, what was
 * expected and what was found. Programs that are merely not allowed are values (`Verdict`), not errors.
 */
export class FarcallError extends Error {
  override readonly name = 'FarcallError';
  readonly code: ErrorCode;
  /** The problem alone, without place, expectation or finding. */
  readonly problem: string;
  readonly expected: string | undefined;
  readonly found: string | undefined;
  readonly where: Where | undefined;

  constructor(init: FarcallErrorInit) {
    const place = describeWhere(init.where);
    const detail = [
      init.expected === undefined ? '' : `expected ${init.expected}`,
      init.found === undefined ? '' : `found ${init.found}`,
    ].filter(part => part !== '');
    super(`${place === '' ? '' : `${place}: `}${init.message}${detail.length === 0 ? '' : ` (${detail.join(', ')})`}`, {
      cause: init.cause,
    });
    this.code = init.code;
    this.problem = init.message;
    this.expected = init.expected;
    this.found = init.found;
    this.where = init.where;
  }

  /** The same error with more of its place known; fields already set win. */
  at(where: Where): FarcallError {
    return new FarcallError({
      code: this.code,
      message: this.problem,
      expected: this.expected,
      found: this.found,
      where: { ...where, ...this.where },
      cause: this.cause,
    });
  }
}

/** A broken invariant inside farcall: always our bug, never the input's fault. */
export class InternalError extends Error {
  override readonly name = 'InternalError';
  constructor(message: string) {
    super(`farcall bug: ${message}`);
  }
}

/** Runs `body`; a FarcallError that leaves it learns `where`. */
export function withWhere<T>(where: Where, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (error instanceof FarcallError) throw error.at(where);
    throw error;
  }
}
