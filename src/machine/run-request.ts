import { DEFAULT_SYSCTL, runAttributes } from '../helpers/index.ts';
import { type ContextHost, type ProgTypeRow, progTypeRow, type RunContext } from '../progtypes/index.ts';
import { FarcallError } from '../util/index.ts';
import type { MachineEnv } from './env.ts';
import type { MachineProgram, RunRequest } from './types.ts';

/** What a run begins with. */
export interface BegunRun {
  readonly row: ProgTypeRow;
  readonly context: RunContext;
  readonly options: {
    readonly insnBudget: number | undefined;
    readonly countInsns: boolean | undefined;
    readonly probeReads: boolean;
  };
}

/** The row of a program's type. Throws `run.type`. */
export function rowOf(program: MachineProgram): ProgTypeRow {
  const row = progTypeRow(program.type);
  if (row !== undefined) return row;
  throw new FarcallError({
    code: 'run.type',
    message: `program ${program.name} has no type that can run`,
    expected: 'a known program type',
    found: String(program.type),
  });
}

function checkCpu(env: MachineEnv, cpu: number): void {
  if (Number.isInteger(cpu) && cpu >= 0 && cpu < env.cpuCount) return;
  throw new FarcallError({
    code: 'run.cpu',
    message: `there is no CPU ${cpu}`,
    expected: `0..${env.cpuCount - 1}`,
    found: String(cpu),
  });
}

/** How often a request wants its program run. Throws `run.repeat`. */
export function repeatOf({ repeat = 1 }: RunRequest): number {
  if (Number.isInteger(repeat) && repeat >= 1) return repeat;
  throw new FarcallError({
    code: 'run.repeat',
    message: 'bad number of repeats',
    expected: 'at least 1',
    found: String(repeat),
  });
}

/** Lays packet and context out and tells helpers whose run it is. Throws `run.type`, `run.cpu`, `run.data`, `run.ctx`. */
export function beginRun(
  env: MachineEnv,
  contexts: ContextHost,
  program: MachineProgram,
  request: RunRequest,
): BegunRun {
  const row = rowOf(program);
  const cpu = request.cpu ?? 0;
  checkCpu(env, cpu);
  const context = row.begin(contexts, request);
  env.cpu = cpu;
  env.progType = program.type;
  env.ctxAddr = context.ctxAddr;
  env.packet = context.packet;
  Object.assign(runAttributes(env), {
    cookie: request.cookie ?? 0n,
    funcIp: 0n,
    argCount: request.argCount ?? (request.ctxIn?.length ?? 0) >> 3,
    hasRet: request.hasRet ?? false,
    retval: 0,
    sysctl: request.sysctl ?? DEFAULT_SYSCTL,
    override: undefined,
  });
  const { insnBudget, countInsns } = request;
  // What the verifier let through reads nothing that may not be there but kernel objects.
  const verified = program.loaded.program.proof?.ok === true;
  const probeReads = request.probeReads ?? (row.btfPointers || verified);
  return { row, context, options: { insnBudget, countInsns, probeReads } };
}
