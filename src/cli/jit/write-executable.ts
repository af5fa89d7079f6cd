import {
  type CompileOptions,
  canEmulate,
  type Engine,
  emulatorEngine,
  type JitLoadedProgram,
} from '../../engine/index.ts';
import {
  findTarget,
  findUserLayout,
  type JitTarget,
  TARGETS,
  USER_LAYOUT_NAMES,
  userLayouts,
} from '../../jit/index.ts';
import { executableOf, expectedLine, RunRecorder, recordedInterpreter } from '../../machine/index.ts';
import { FarcallError, hex64 } from '../../util/index.ts';
import type { Call } from '../command.ts';
import { EXIT, usageError } from '../failure.ts';
import { faultRecord, faultText, reportFault } from '../run/fault-report.ts';
import { makePlan, type RunPlan, runOn } from '../run/plan.ts';
import { RUN_OPTIONS } from '../run/run-options.ts';
import { apartPlacement } from './apart.ts';
import { layoutOf, NOT_OF_RUNS } from './jit-options.ts';
import { writeOutput } from './write-output.ts';

/** Seconds a run of the executable may take before it is given up. */
const LIMIT_SECONDS = 60;

/** Runs the program on all packets; false when one faults, which is then reported. Remarks are added to `notes`. */
function runAll({ out }: Call, plan: RunPlan, notes: string[]): boolean {
  const { session, data } = plan;
  for (const packet of data?.packets ?? [undefined]) {
    let fault: ReturnType<typeof runOn>['fault'];
    try {
      fault = runOn(plan, packet?.bytes).fault;
    } catch (error) {
      // In a capture a packet may be too short for the program's type.
      if (!(error instanceof FarcallError) || error.code !== 'run.data' || data?.capture !== true) throw error;
      notes.push(error.message);
      continue;
    }
    if (fault === undefined) continue;
    const program = session.machine.programs.find(({ name }) => name === fault.prog);
    const report = reportFault(fault, program, session.spec);
    out.fail(EXIT.refused);
    out.record({ prog: session.program.name, fault: faultRecord(report) });
    out.text(faultText(report, out.paint));
    return false;
  }
  return true;
}

/** How programs are run while they are recorded: as code of an emulated CPU where there is one. */
export function recordingEngine(target: JitTarget, call: Call, recorder: RunRecorder): Engine {
  const { options } = call;
  const layout = layoutOf(options, target.arch) ?? userLayouts(target.arch)[0];
  if (findUserLayout(layout.name, target.arch) === undefined) {
    throw usageError(
      'an executable cannot have the addresses of a kernel',
      `--layout ${USER_LAYOUT_NAMES.join(', ')}, or another --format`,
      `--layout ${layout.name}`,
    );
  }
  const apart = options.bigint('apart');
  const compile: CompileOptions = {
    target: target.name,
    cpu: options.text('cpu'),
    kernel: options.text('kernel'),
    mode: options.flag('compat') ? 'compat' : 'own',
    layout,
    placement: apart === undefined ? undefined : apartPlacement(layout, apart),
  };
  if (!canEmulate(target)) return recordedInterpreter(compile, recorder);
  return emulatorEngine({ ...compile, wrapCpu: recorder.wrapCpu });
}

/** Compiles, runs and records, and writes an executable that does the same run on the CPU itself. */
export async function writeExe(call: Call): Promise<void> {
  const { options, out } = call;
  const recorder = new RunRecorder();
  const name = options.text('target');
  const asRun = { ...call, options: options.declaredAs(RUN_OPTIONS, NOT_OF_RUNS) };
  const plan = await makePlan(asRun, true, order => {
    const target = name === undefined ? TARGETS.find(row => row.order === order) : findTarget(name);
    if (target === undefined) throw usageError(`nothing can be compiled for ${order}-endian machines`);
    return recordingEngine(target, call, recorder);
  });
  const { program } = plan.session;
  const { outcome } = program.loaded as JitLoadedProgram;
  if (!outcome.jited) {
    throw new FarcallError({
      code: 'run.refused',
      message: `${program.name} is left to the interpreter: ${outcome.reason?.message ?? 'nobody asked for a JIT'}`,
    });
  }
  const notes = [...plan.notes];
  if (!runAll(call, plan, notes)) return;
  for (const note of notes) out.note(note);
  const { target, cpu, mode, space } = outcome;
  const { runs } = recorder;
  const format = runs.length === 1 ? 'value' : 'lines';
  const exe = executableOf(runs, { target, cpu, format, limitSeconds: LIMIT_SECONDS });
  const expected = runs.map((run, i) =>
    format === 'lines' ? expectedLine(run, i) : hex64(run.result.ok ? run.result.value : 0n),
  );
  const shown = expected.length <= 3 ? expected : [...expected.slice(0, 2), `… and ${expected.length - 2} lines more`];
  writeOutput(call, exe, 0o755, {
    record: {
      target: target.name,
      cpu,
      mode,
      layout: space.layout.name,
      prog: program.name,
      runs: runs.length,
      expected,
      notes,
    },
    text: `${program.name} for ${target.name}, ${cpu}, ${runs.length === 1 ? 'one run' : `${runs.length} runs`}`,
    lines: ['it prints', ...shown.map(line => `  ${line}`)],
  });
}
