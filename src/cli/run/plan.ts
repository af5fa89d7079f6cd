import type { MachineEvent, RunRequest, TestRunResult } from '../../machine/index.ts';
import { progTypeRow } from '../../progtypes/index.ts';
import type { Call } from '../command.ts';
import { usageError } from '../failure.ts';
import { kernelBtf } from '../input/btf-file.ts';
import { type DataInput, readBytesArg, readDataArg } from '../input/data.ts';
import { callArgs } from './call-args.ts';
import { EventTypes } from './event-types.ts';
import { type EngineFor, openSession, type Session } from './session.ts';

/** A session and what to run it on. */
export interface RunPlan {
  readonly session: Session;
  /** undefined without `--data-in`. */
  readonly data: DataInput | undefined;
  readonly ctxIn: Uint8Array | undefined;
  /** What every run is asked beside its packet. */
  readonly request: RunRequest;
  readonly eventTypes: EventTypes;
  /** Everything a reader should know: of the object, of the input. */
  readonly notes: readonly string[];
}

/**
 * Reads the inputs a command line names and loads its program.
 *
 * @param runs whether it will be run; then a type that takes packets must be given one
 * @param engine default: what the options say
 */
export async function makePlan(call: Call, runs = true, engine?: EngineFor): Promise<RunPlan> {
  const { options, io } = call;
  const dataIn = options.text('data-in');
  const ctxText = options.text('ctx-in');
  const data = dataIn === undefined ? undefined : await readDataArg(dataIn, io);
  const args = options.texts('arg');
  const given = ctxText === undefined ? undefined : await readBytesArg(ctxText, io);
  const session = await openSession(call, engine);
  if (runs && data === undefined && progTypeRow(session.program.type)?.packet === true) {
    throw usageError(`${session.program.name} needs a packet`, '--data-in hex:…, FILE or X.pcap');
  }
  // The kernel's types matter where relocations were applied against them.
  const relocated = options.has('btf') || session.program.spec?.coreRelos.length !== 0;
  const kernel = args.length > 0 && relocated ? kernelBtf(options.text('btf')) : undefined;
  const { ctxIn, ...counts } = callArgs(session, args, given, kernel);
  const request: RunRequest = {
    ctxIn,
    ...counts,
    repeat: options.integer('repeat'),
    // Runs that are repeated are about their speed.
    countInsns: (options.integer('repeat') ?? 1) === 1,
    cpu: options.integer('cpu'),
    insnBudget: options.integer('insn-limit'),
  };
  const eventTypes = new EventTypes(session, options.texts('event-type'));
  return { session, data, ctxIn, request, eventTypes, notes: [...(data?.notes ?? []), ...session.notes] };
}

/** Runs once, on a packet or without. */
export function runOn({ session, request }: RunPlan, dataIn: Uint8Array | undefined): TestRunResult {
  return session.machine.run(session.program, { ...request, dataIn });
}

/** Lines and records that are kept; a run can make any number. */
const MAX_KEPT = 100_000;

/** What programs hand to user space: trace lines and records of ring and perf buffers, collected run by run. */
export class Emitted {
  readonly trace: string[] = [];
  readonly events: MachineEvent[] = [];
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Takes what the last run left, so that buffers never fill. */
  collect(): void {
    for (const line of this.#session.machine.readTrace()) if (this.trace.length < MAX_KEPT) this.trace.push(line);
    for (const event of this.#session.machine.readEvents()) if (this.events.length < MAX_KEPT) this.events.push(event);
  }
}
