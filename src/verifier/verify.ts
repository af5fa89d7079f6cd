import { progTypeContract } from '../progtypes/index.ts';
import { BPF_PROG_FLAGS, ERRNO } from '../uapi/index.ts';
import { FarcallError } from '../util/index.ts';
import { findCallSites } from './call-graph.ts';
import { checkAttachBtfId } from './check/attach.ts';
import { doCheckMain, doCheckSubprogs } from './check/functions.ts';
import { Refusal, VerifierEnv } from './env.ts';
import { type FastcallMarks, findFastcalls } from './fastcall.ts';
import type { Verdict, VerifyInput, VerifyOptions } from './input.ts';
import { InsnAux } from './insn-aux.ts';
import { KfuncCalls } from './kfunc-calls.ts';
import { resolvePseudoLdimm64 } from './resolve-ld-imm.ts';
import { checkMaxStackDepth } from './stack-depth.ts';
import { earlyStages, exceptionCallbackOf, type Stage } from './stages.ts';
import { JIT_SUPPORT } from './structure-input.ts';
import type { SubprogTable } from './subprogs.ts';
import type { Rejection, XlatedProgram } from './types.ts';
import { BPF_LOG_FIXED, BPF_LOG_LEVEL, BPF_LOG_STATS, VerifierLog } from './verifier-log.ts';
import { xlateVerified } from './xlate-verified.ts';

/** Instructions one verification may look at (`BPF_COMPLEXITY_LIMIT_INSNS`). */
export const COMPLEXITY_LIMIT_INSNS = 1_000_000;
const LOG_MASK = BPF_LOG_LEVEL | BPF_LOG_STATS | BPF_LOG_FIXED;
const MAX_LOG_BYTES = 0x3fffffff;

const ALL_CAPS = { bpf: true, perfmon: true, netAdmin: true, sysAdmin: true };

/** Where a verification stands when it ends. */
interface Progress {
  readonly log: VerifierLog;
  env: VerifierEnv | undefined;
  subprogs: SubprogTable | undefined;
  xlated: XlatedProgram | undefined;
}

/**
 * What the kernel would say of `bpf(BPF_PROG_LOAD)`: every stage of `bpf_check` in its order; the first that refuses decides.
 * A verdict for every program, however malformed. Throws `arg.log-level`, `arg.log-size` for options the kernel does not take, and
 * InternalError where farcall itself is wrong.
 *
 * Source: `kernel/bpf/verifier.c: bpf_check`.
 */
export function verify(input: VerifyInput, options: VerifyOptions): Verdict {
  const started = performance.now();
  const level = options.logLevel ?? 0;
  if (!Number.isInteger(level) || level < 0 || (level & ~LOG_MASK) !== 0) {
    throw new FarcallError({
      code: 'arg.log-level',
      message: 'the kernel has no such log level',
      expected: 'a sum of 1, 2, 4 and 8',
      found: String(level),
    });
  }
  const size = options.logSizeBytes ?? MAX_LOG_BYTES;
  if (!Number.isInteger(size) || size < 1 || size > MAX_LOG_BYTES) {
    throw new FarcallError({
      code: 'arg.log-size',
      message: 'the kernel takes no log of this size',
      expected: `1 to ${MAX_LOG_BYTES} bytes`,
      found: String(size),
    });
  }
  const progress: Progress = {
    log: new VerifierLog(level, options.logSizeBytes),
    env: undefined,
    subprogs: undefined,
    xlated: undefined,
  };
  let rejection: Rejection | undefined;
  try {
    rejection = check(input, options, progress);
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    rejection = rejectionOf(refusal, progress);
  }
  return conclude(progress, rejection, performance.now() - started);
}

/** A refusal thrown in the walk or in a stage that has no slot of its own. */
function rejectionOf(refusal: Refusal, { log, env }: Progress): Rejection {
  const insnIdx = log.stage === 'do_check' ? env?.insnIdx : undefined;
  return {
    ok: false,
    errno: refusal.errno,
    message: log.lastMessage,
    ...(insnIdx === undefined ? {} : { insnIdx }),
    stage: log.stage,
    log: [],
  };
}

function check(input: VerifyInput, options: VerifyOptions, progress: Progress): Rejection | undefined {
  const { kernel } = options;
  const { log } = progress;
  const caps = options.caps ?? ALL_CAPS;
  const jitRequested = options.jitRequested ?? true;
  const jit = JIT_SUPPORT[kernel.arch];
  const enter = (stage: Stage): void => {
    log.stage = stage;
  };

  const { insns, btf, funcInfo, lineInfo, coreRelos } = input;
  const kfuncs = new KfuncCalls({
    jitRequested,
    jit,
    gplCompatible: input.gplCompatible,
    kernelBtf: kernel.btf,
    names: undefined,
  });
  let insnAux: InsnAux[] = [];
  const early = earlyStages({
    insns,
    tables: { btf, funcInfo, lineInfo, coreRelos },
    capBpf: caps.bpf,
    kfuncs,
    log,
    foundSubprogs: found => {
      progress.subprogs = found;
    },
    resolveImms: () => {
      insnAux = insns.map((_, idx) => new InsnAux(idx));
      return resolvePseudoLdimm64({ input, kernel, insnAux, caps, jitRequested, log });
    },
  });
  if ('ok' in early) return early;
  const { subprogs, lines, imms, cfg } = early;

  enter('check_attach_btf_id');
  const prog = checkAttachBtfId(input, kernel, {
    caps,
    jitRequested,
    log,
    changesPktData: subprogs.list[0].changesPktData,
  });
  if ('ok' in prog) return prog;

  enter('do_check');
  const contract = progTypeContract(prog.type);
  if (contract === undefined) return log.reject('programType', []);
  const fastcalls = findFastcalls({ insns, subprogs, kfuncs, type: prog.type, jitRequested, jit });
  markFastcalls(fastcalls, subprogs, insnAux);
  lines.forget();
  const env = new VerifierEnv({
    prog,
    contract,
    insns: [...insns],
    maps: input.maps,
    kernel,
    log,
    subprogs,
    kfuncs,
    cfg,
    insnAux,
    lines,
    jit,
    jitRequested,
    strictAlignment: (input.flags & BPF_PROG_FLAGS.BPF_F_STRICT_ALIGNMENT) !== 0,
    testStateFreq: caps.bpf && (input.flags & BPF_PROG_FLAGS.BPF_F_TEST_STATE_FREQ) !== 0,
    testRegInvariants: (input.flags & BPF_PROG_FLAGS.BPF_F_TEST_REG_INVARIANTS) !== 0,
    mitigations: options.mitigations ?? true,
    insnLimit: options.insnLimit ?? COMPLEXITY_LIMIT_INSNS,
    exactScalars: options.exactScalars ?? false,
    exceptionCallbackSubprog: exceptionCallbackOf(subprogs),
    observer: options.observer,
  });
  env.arena = imms.arena;
  progress.env = env;
  doCheckMain(env);
  doCheckSubprogs(env);

  enter('check_max_stack_depth');
  removeFastcallStack(insnAux, subprogs);
  const refused = checkMaxStackDepth(subprogs, findCallSites(insns, subprogs, kfuncs), jitRequested, log);
  if (refused !== undefined) return refused;

  enter('fixups');
  // Without BTF nobody knows where the kernel's structs have what contexts are made of.
  if (kernel.btf !== undefined && env.rules.convertsContexts)
    progress.xlated = xlateVerified(env, input, options.places);
  return undefined;
}

function markFastcalls(marks: FastcallMarks, subprogs: SubprogTable, insnAux: readonly InsnAux[]): void {
  for (let idx = 0; idx < insnAux.length; idx++) {
    insnAux[idx].fastcallPattern = marks.pattern[idx] === 1;
    insnAux[idx].fastcallSpillsNum = marks.spillCount[idx];
  }
  subprogs.list.forEach((subprog, id) => {
    subprog.fastcallStackOff = marks.stackOff[id];
    subprog.keepFastcallStack = marks.kept[id] === 1;
  });
}

/** Spills that go away need no stack. Source: `remove_fastcall_spills_fills`. */
function removeFastcallStack(insnAux: readonly InsnAux[], { list }: SubprogTable): void {
  for (const subprog of list) {
    let modified = false;
    for (let idx = subprog.start; idx < subprog.end; idx++) modified ||= insnAux[idx].fastcallSpillsNum > 0;
    if (modified && !subprog.keepFastcallStack) subprog.stackDepthBytes = -subprog.fastcallStackOff;
  }
}

function conclude({ log, env, subprogs, xlated }: Progress, rejection: Rejection | undefined, ms: number): Verdict {
  const stats = {
    processedInsns: env?.insnProcessed ?? 0,
    maxStatesPerInsn: env?.maxStatesPerInsn ?? 0,
    totalStates: env?.totalStates ?? 0,
    peakStates: env?.peakStates ?? 0,
    markRead: env?.longestMarkReadWalk ?? 0,
    stackDepth: subprogs?.list.map(subprog => subprog.stackDepthBytes) ?? [],
    stackReach: env?.stackReach.list() ?? [],
    verificationUs: Math.round(ms * 1000),
  };
  if (log.stage !== 'bpf_prog_load') {
    if ((log.level & BPF_LOG_STATS) !== 0) {
      log.print(`verification time ${stats.verificationUs} usec`);
      log.print(`stack depth ${stats.stackDepth.join('+')}`);
    }
    log.print(
      `processed ${stats.processedInsns} insns (limit ${COMPLEXITY_LIMIT_INSNS}) max_states_per_insn ${stats.maxStatesPerInsn} ` +
        `total_states ${stats.totalStates} peak_states ${stats.peakStates} mark_read ${stats.markRead}`,
    );
  }
  const { text, trueSizeBytes, truncated } = log.finish();
  const errno = truncated ? ERRNO.ENOSPC : (rejection?.errno ?? 0);
  return {
    ok: errno === 0,
    errno,
    message: rejection?.message ?? '',
    messageId: rejection === undefined ? undefined : log.lastMessageId,
    said: rejection === undefined ? [] : log.said,
    insnIdx: rejection?.insnIdx,
    stage: log.stage,
    stats,
    log: text,
    logTrueSize: trueSizeBytes,
    xlated: errno === 0 ? xlated : undefined,
  };
}
