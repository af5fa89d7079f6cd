import { writeFileSync } from 'node:fs';
import type { JitLoadedProgram } from '../../engine/index.ts';
import { type Insn, LD_IMM64 } from '../../isa/index.ts';
import { findTarget, sharedCode } from '../../jit/index.ts';
import { RunRecorder } from '../../machine/index.ts';
import { FarcallError } from '../../util/index.ts';
import type { Call } from '../command.ts';
import { fileError, usageError } from '../failure.ts';
import { makePlan } from '../run/plan.ts';
import { RUN_OPTIONS } from '../run/run-options.ts';
import { NOT_OF_RUNS } from './jit-options.ts';
import { recordingEngine } from './write-executable.ts';
import { writeOutput } from './write-output.ts';

const PSEUDO_FUNC = 4;

/** Whether a program refers to maps or variables. */
const refersToMaps = (insns: readonly Insn[]): boolean =>
  insns.some(({ code, src }) => code === LD_IMM64 && src !== 0 && src !== PSEUDO_FUNC);

/** Compiles a program for C programs: a shared object, and a header beside it. */
export async function writeShared(call: Call): Promise<void> {
  const { options, out } = call;
  const path = options.text('output');
  if (path === undefined || path === '-') {
    throw usageError('a shared object has a header, which lies beside it', '--output FILE.so');
  }
  if (options.has('data-in') || options.has('ctx-in')) {
    throw usageError('nothing is run for --format so', 'neither --data-in nor --ctx-in');
  }
  const target = findTarget(options.text('target') ?? 'x86_64');
  const asRun = { ...call, options: options.declaredAs(RUN_OPTIONS, NOT_OF_RUNS) };
  const plan = await makePlan(asRun, false, () => recordingEngine(target, call, new RunRecorder()));
  const { program } = plan.session;
  const { outcome, program: loaded } = program.loaded as JitLoadedProgram;
  if (!outcome.jited) {
    throw new FarcallError({
      code: 'run.refused',
      message: `${program.name} is left to the interpreter: ${outcome.reason?.message ?? 'nobody asked for a JIT'}`,
    });
  }
  if (refersToMaps(loaded.original ?? loaded.insns)) {
    throw new FarcallError({
      code: 'arg.so',
      message: `${program.name} refers to maps or variables, which a shared object does not have`,
      expected: 'a program of functions and helpers alone',
    });
  }
  const { bytes, header, helpers } = sharedCode(outcome);
  const headerPath = `${path.replace(/\.so$/, '')}.h`;
  try {
    writeFileSync(headerPath, header);
  } catch (error) {
    throw fileError(error, headerPath);
  }
  for (const note of plan.notes) out.note(note);
  writeOutput(call, bytes, 0o755, {
    record: { target: target.name, cpu: outcome.cpu, prog: program.name, header: headerPath, helpers },
    text: `${program.name} as a shared object for ${target.name}, ${outcome.cpu}`,
    lines: [`${headerPath}: declares it${helpers.length > 0 ? ` and its table of ${helpers.join(', ')}` : ''}`],
  });
}
