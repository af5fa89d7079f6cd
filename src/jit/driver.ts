import type { ImageSlot, KernelSpace, Placement } from '../kernels/index.ts';
import { ERRNO } from '../uapi/index.ts';
import type { XlatedProgram } from '../verifier/index.ts';
import { interpreted } from './fallback.ts';
import { link, type Part } from './link.ts';
import { tagHashOf, xlatedTag } from './prog-tags.ts';
import type { DumpEncoding, JitedFunc, JitedProgram, JitFailure, JitResult } from './program.ts';
import { type Publication, PublishedFunc, PublishedProgram } from './published.ts';
import { funcInput, type Marked, markCalls, NoSubprog } from './split.ts';
import { type FaultInjector, Steps } from './steps.ts';
import type { FuncCompiler, FuncInput, JitMode, JitTarget, TagHash, TargetEnv } from './types.ts';
import { JitError } from './types.ts';

export interface JitOptions {
  readonly target: JitTarget;
  readonly space: KernelSpace;
  /** One of the target's; default its first. */
  readonly cpu?: string;
  readonly mode?: JitMode;
  /** ppc64: the kernel is built PC-relative. Default false. */
  readonly pcrel?: boolean;
  /** Default: the layout's. */
  readonly userLimit?: bigint;
  /** Where each function's image goes; default the next free chunks. */
  readonly placement?: (index: number) => Placement | undefined;
  /** False: `bpf_jit_enable` is 0. */
  readonly jitRequested?: boolean;
  /** CONFIG_BPF_JIT_ALWAYS_ON: there is no interpreter to fall back to. */
  readonly alwaysOn?: boolean;
  readonly inject?: FaultInjector;
  /** Default: what the kernel's version does. */
  readonly encoding?: DumpEncoding;
  readonly tagHash?: TagHash;
}

/** What the last pass says of a target whose image changed (`jit_subprogs`). */
const UNSTABLE = "JIT doesn't support bpf-to-bpf calls";

/**
 * Compiles, places, links and publishes a program (`kernel/bpf/verifier.c: jit_subprogs`, `kernel/bpf/core.c:
 * bpf_prog_select_runtime`). All or nothing: when a step fails nothing stays behind in `space` and the program goes to
 * the interpreter, or is refused where Linux refuses it.
 *
 * Callees are found through one table all functions share, filled before the last pass. That pass repeats until no
 * image, length or entry changes: forms only grow, so it ends, and the round that changes nothing is the proof.
 */
export function jitProgram(xlated: XlatedProgram, options: JitOptions): JitResult {
  const { target, space } = options;
  const hash = options.tagHash ?? tagHashOf(xlated.kernel.version);
  const tag = xlatedTag(xlated, hash);
  if (options.jitRequested === false) return interpreted(xlated, tag, undefined, options.alwaysOn ?? false);
  const mode = options.mode ?? 'own';
  const steps = new Steps(options.inject);
  const slots: ImageSlot[] = [];
  const symbols: bigint[] = [];
  const compilers: FuncCompiler[] = [];
  const undo = (): void => {
    for (const addr of symbols.splice(0)) space.removeKsym(addr);
    for (const slot of slots.splice(0)) space.release(slot);
  };
  try {
    const caps = target.caps(mode);
    const multi = xlated.subprogs.length > 1;
    const marked = markCalls(xlated, slot => steps.enter('find_subprog@', slot));
    if (multi) steps.enter('alloc func');
    if (multi && !caps.subprogTailCalls && xlated.subprogs.some(subprog => subprog.tailCallReachable)) {
      throw new JitError(ERRNO.ENOTSUPP, `${target.name} has no tail calls in programs with functions`);
    }
    const env: TargetEnv = {
      cpu: options.cpu ?? target.cpus[0],
      mode,
      space,
      userLimit: options.userLimit ?? space.layout.userLimit,
      pcrel: options.pcrel ?? false,
    };
    const kfuncAddr = kfuncResolver(xlated, space);
    const parts = xlated.subprogs.map((_, index) =>
      compileFirst(steps, xlated, marked, index, env, options, kfuncAddr),
    );
    return { ok: true, prog: publish(parts) };

    function publish(made: readonly Part[]): JitedProgram {
      const { images, callees, rounds } = link(steps, made);
      const publication: Publication = { xlated, marked, env, hash, tag };
      const funcs: JitedFunc[] = made.map((part, index) => {
        steps.enter('write image[', index, ']');
        const image = images[index];
        if (image.bytes.length > part.slot.sizeBytes) throw new JitError(ERRNO.ENOTSUPP, UNSTABLE);
        slots[index] = space.trim(part.slot, image.bytes.length);
        space.write(slots[index], image.bytes);
        steps.enter('lock_ro[', index, ']');
        if (xlated.lineInfo.length > 0) steps.enter('alloc jited_linfo[', index, ']');
        return new PublishedFunc(publication, part.input, image, slots[index]);
      });
      for (const func of funcs) {
        steps.enter('kallsyms_add[', func.index, ']');
        space.addKsym({ addr: func.addr, sizeBytes: func.jitedLen, kind: 't', name: func.symbol, module: 'bpf' });
        symbols.push(func.addr);
      }
      return new PublishedProgram(publication, target, funcs, {
        callees,
        rounds,
        encoding: options.encoding,
        free: undo,
      });
    }
  } catch (error) {
    undo();
    if (error instanceof NoSubprog) {
      const failure: JitFailure = { errno: ERRNO.EFAULT, message: error.message, site: steps.site };
      return { ok: false, rejection: { errno: ERRNO.EFAULT, message: error.message, failure } };
    }
    if (!(error instanceof JitError)) throw error;
    const failure: JitFailure = { errno: error.errno, message: error.message, site: steps.site };
    if (error.errno === ERRNO.EFAULT) return { ok: false, rejection: { errno: ERRNO.EFAULT, message: '', failure } };
    return interpreted(xlated, tag, failure, options.alwaysOn ?? false);
  } finally {
    for (const compiler of compilers) compiler.free?.();
  }

  function compileFirst(
    at: Steps,
    program: XlatedProgram,
    marked: Marked,
    index: number,
    env: TargetEnv,
    { placement }: JitOptions,
    kfuncAddr: FuncInput['kfuncAddr'],
  ): Part {
    at.enter('alloc prog[', index, ']');
    const input = funcInput(program, marked, index, kfuncAddr);
    at.enter('calc_tag[', index, ']');
    at.enter('alloc jit_data[', index, ']');
    const compiler = target.compiler(input, env);
    compilers.push(compiler);
    at.enter('compile[', index, ']');
    const first = compiler.emit(undefined, undefined);
    at.enter('alloc image[', index, ']');
    const slot = space.reserve(first.bytes.length, placement?.(index));
    if (slot === undefined) throw new JitError(ERRNO.ENOMEM, 'no room for the image');
    // Reserved: a failure from here on has to give it back.
    slots.push(slot);
    return { input, compiler, slot, first };
  }
}

function kfuncResolver(xlated: XlatedProgram, space: KernelSpace): FuncInput['kfuncAddr'] {
  if (xlated.kfuncs.length === 0) return () => undefined;
  const byCall = new Map(xlated.kfuncs.map(kfunc => [`${kfunc.imm} ${kfunc.off}`, kfunc.name]));
  return (imm, off) => {
    const name = byCall.get(`${imm} ${off}`);
    return name === undefined ? undefined : space.symbolAddr(name);
  };
}
