import { wasmEngine, wasmModuleOf } from '../../engine/index.ts';
import { encodeText, FarcallError, toHex } from '../../util/index.ts';
import type { Call } from '../command.ts';
import { usageError } from '../failure.ts';
import { toJson } from '../json.ts';
import { functionAt } from '../object/source-lines.ts';
import { RUN_OPTIONS } from '../run/run-options.ts';
import { openSession } from '../run/session.ts';
import { type JitFormat, NOT_OF_RUNS } from './jit-options.ts';
import { writeOutput } from './write-output.ts';

/** Options that say something about CPUs and kernels. */
const OF_CPUS = ['layout', 'cpu', 'kernel', 'apart', 'data-in', 'ctx-in'] as const;

const plural = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** Compiles one program to a WebAssembly module: its bytes, or everything about it as data. */
export async function writeWasm(call: Call, format: JitFormat): Promise<void> {
  const { options } = call;
  // What is default elsewhere is the module here.
  if (format === 'elf') throw usageError('WebAssembly is written as a module', '--format raw or json', '--format elf');
  const unused = OF_CPUS.find(name => options.has(name)) ?? (options.flag('compat') ? 'compat' : undefined);
  if (unused !== undefined)
    throw usageError(`--${unused} says nothing to WebAssembly`, '--target CPU', '--target wasm');
  const runOptions = options.declaredAs(RUN_OPTIONS, NOT_OF_RUNS);
  const { program, notes } = await openSession({ ...call, options: runOptions }, () => wasmEngine());
  const made = wasmModuleOf(program.loaded);
  if (made === undefined) {
    throw new FarcallError({
      code: 'run.no-module',
      message: `program ${program.name} has no translation: the interpreter would run it`,
      expected: 'a little-endian program without jumps to computed places',
    });
  }
  if (!WebAssembly.validate(made.bytes)) throw new Error('a module that is not valid');
  for (const note of notes) call.out.note(note);
  const nameOf = (slot: number): string =>
    (program.spec === undefined ? undefined : functionAt(program.spec, slot)?.name) ??
    (slot === 0 ? program.name : `insn_${slot}`);
  const functions = made.functionSlots.map(slot => ({ name: nameOf(slot), insn_idx: slot }));
  const about = {
    target: 'wasm',
    prog: program.name,
    verified: !options.flag('unverified'),
    checked: made.checked,
    functions,
    imports: made.imports,
    exports: made.exports,
  };
  const bytes =
    format !== 'json'
      ? made.bytes
      : encodeText(`${toJson({ ...about, bytes: made.bytes.length, module: toHex(made.bytes) })}\n`);
  const checked = made.checked ? 'each access checked' : 'accesses as the verifier proved them';
  const funcs = made.imports.filter(({ kind }) => kind === 'function');
  writeOutput(call, bytes, 0o666, {
    record: about,
    text: `${program.name} as WebAssembly, ${made.bytes.length} bytes, ${checked}`,
    lines: [
      `${plural(functions.length, 'function')}: ${functions.map(({ name }) => name).join(', ')}`,
      `${plural(funcs.length, 'imported function')}: ${funcs.map(({ name }) => name).join(', ')}`,
      `exports: ${made.exports.map(({ name }) => name).join(', ')}`,
    ],
  });
}
