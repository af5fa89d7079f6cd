import { codeElf, type JitedProgram, type JitTarget, rawCode } from '../../jit/index.ts';
import type { Placement } from '../../kernels/index.ts';
import { encodeText } from '../../util/index.ts';
import type { Call } from '../command.ts';
import { usageError } from '../failure.ts';
import { inspectObject } from '../inspect/inspect-object.ts';
import { reportInspection } from '../inspect/report.ts';
import { toJson } from '../json.ts';
import { apartPlacement } from './apart.ts';
import { type JitFormat, layoutOf } from './jit-options.ts';
import { jitedRecord } from './jited-record.ts';
import { writeOutput } from './write-output.ts';

type CodeFormat = Exclude<JitFormat, 'exe' | 'so'>;

const ENCODERS: Readonly<Record<CodeFormat, (programs: readonly JitedProgram[]) => Uint8Array>> = {
  raw: rawCode,
  elf: codeElf,
  json: programs => encodeText(programs.map(program => `${toJson(jitedRecord(program))}\n`).join('')),
};

/** Compiles without running: the code in one of three forms. */
export function writeCode(call: Call, format: CodeFormat): void {
  const { options } = call;
  if (options.has('data-in') || options.has('ctx-in')) {
    throw usageError(`nothing is run for --format ${format}`, '--format exe, or neither --data-in nor --ctx-in');
  }
  const layout = ({ arch }: JitTarget) => layoutOf(options, arch);
  const first = inspectObject(call, { layout });
  let placement: ((program: string, index: number) => Placement | undefined) | undefined;
  const apart = options.bigint('apart');
  if (apart !== undefined) placement = apartPlacement(first.space.layout, apart);
  const inspection =
    placement === undefined ? first : inspectObject(call, { layout, placement, verified: first.verified });
  reportInspection(call, inspection);
  const programs = inspection.programs.flatMap(({ prog }) => (prog.jited ? [prog] : []));
  if (programs.length === 0 && inspection.failures.length > 0) return;
  if (programs.length === 0) throw usageError('nothing was compiled', 'a program the JIT takes');
  if (format === 'raw' && programs.length > 1) {
    throw usageError(
      '--format raw is for one program',
      `--prog ${programs.map(({ xlated }) => xlated.name).join(' or ')}`,
    );
  }
  const functions = programs.reduce((sum, { funcs }) => sum + funcs.length, 0);
  const bytes = programs.reduce((sum, { funcs }) => sum + funcs.reduce((all, func) => all + func.bytes.length, 0), 0);
  const [{ target, cpu, space }] = programs;
  writeOutput(call, ENCODERS[format](programs), 0o666, {
    record: {
      target: target.name,
      cpu,
      layout: space.layout.name,
      programs: programs.map(({ xlated }) => xlated.name),
      functions,
    },
    text: `${functions} function${functions === 1 ? '' : 's'}, ${bytes} bytes of code for ${target.name}, ${cpu}, at addresses of ${space.layout.name}`,
  });
}
