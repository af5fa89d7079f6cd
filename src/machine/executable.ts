import { type ExeEntry, type ExeImage, type ExeInit, type JitTarget, writeExecutable } from '../jit/index.ts';
import { FarcallError, hex64 } from '../util/index.ts';
import type { RecordedRun, RunRecorder } from './run-recorder.ts';

export interface ExecutableOptions {
  readonly target: JitTarget;
  readonly cpu: string;
  readonly format: ExeInit['format'];
  /** Seconds each run may take; default no limit. */
  readonly limitSeconds?: number;
  /** Whether lines carry the memory itself behind its digest. */
  readonly dump?: boolean;
}

/**
 * A Linux executable that repeats recorded runs, in order, on a CPU that is no emulator of farcall's. Runs of one machine
 * find memory as the one before left it, with what was changed in between (the next packet) put in; each machine's
 * first run starts from all it had.
 *
 * Throws `arg.exe` where nothing was recorded, a machine's runs are not all there, machines differ in their address space, or code lies where a process
 * cannot have any.
 */
export function executableOf(runs: readonly RecordedRun[], options: ExecutableOptions): Uint8Array {
  const recorders = [...new Set(runs.map(run => run.recorder))];
  const spaces = recorders.map(recorder => spaceOf(recorder));
  const [space] = spaces;
  if (space === undefined) throw badRun('there is no run to repeat', 'at least one recorded run');
  if (recorders.some((recorder, i) => spaces[i].callBase !== space.callBase || recorder.gates !== recorders[0].gates)) {
    throw badRun('the runs are of machines in different address spaces', 'one layout, one GateTable');
  }
  const alone = recorders.length === 1;
  return writeExecutable({
    target: options.target,
    cpu: options.cpu,
    space,
    images: recorders.flatMap((recorder, i) => imagesOf(recorder, spaces[i], options.target.alignBytes)),
    gates: recorders[0].gates.gates,
    memory: alone ? (runs[0].before ?? []) : [],
    memoryEnd: Math.max(...runs.map(run => run.memoryEnd)),
    entries: runs.map((run, i) => entryOf(run, runs[i - 1], alone, options.dump ?? false)),
    format: options.format,
    limitSeconds: options.limitSeconds,
  });
}

/** What the executable prints of a run that ends as it did when it was recorded; undefined for a run that faulted. */
export function expectedLine(run: RecordedRun, index: number): string | undefined {
  if (!run.result.ok) return undefined;
  const digest = run.ranges.length === 0 ? '' : ` ${hex64(run.digest)}`;
  return `${index} ${hex64(run.result.value)}${digest}`;
}

function badRun(message: string, expected: string): FarcallError {
  return new FarcallError({ code: 'arg.exe', message, expected });
}

function spaceOf(recorder: RunRecorder): NonNullable<RunRecorder['space']> {
  if (recorder.space === undefined) throw badRun('nothing was compiled', 'a machine with programs');
  return recorder.space;
}

/** Everything compiled for a machine: tail calls and callbacks may reach any of it. */
function imagesOf(recorder: RunRecorder, space: NonNullable<RunRecorder['space']>, unitBytes: number): ExeImage[] {
  return space.images().map(({ addr, bytes }) => {
    const extable: { insnOff: number; fixupOff: number }[] = [];
    for (let off = 0; off < bytes.length; off += unitBytes) {
      const fixup = recorder.fixupFor(addr + BigInt(off));
      if (fixup !== undefined) extable.push({ insnOff: off, fixupOff: Number(fixup - addr) });
    }
    return { addr, bytes, name: space.symbolize(addr)?.name ?? `image_${addr.toString(16)}`, extable };
  });
}

function entryOf(run: RecordedRun, previous: RecordedRun | undefined, alone: boolean, dump: boolean): ExeEntry {
  const { func, args, sp, log, ranges, stack, changed } = run;
  const shared = { func, args, sp, log, digest: ranges, zero: [stack], dump };
  if (changed !== undefined && previous?.recorder === run.recorder) return { ...shared, patches: changed };
  if (run.before === undefined) {
    throw badRun('a run is missing: it begins with what another one left', 'the runs of a machine, from the first on');
  }
  return alone ? shared : { ...shared, clear: true, patches: run.before };
}
