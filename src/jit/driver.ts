import type { KernelSpace, Placement } from '../kernels/index.ts';
import { ERRNO } from '../uapi/index.ts';
import type { XlatedProgram } from '../verifier/index.ts';
import { DESK } from './desk.ts';
import { interpreted } from './fallback.ts';
import { link, Part } from './link.ts';
import { ProgTags } from './prog-tags.ts';
import type { DumpEncoding, JitedProgram, JitFailure, JitResult } from './program.ts';
import { FuncKsym, type Publication, PublishedFunc, PublishedProgram } from './published.ts';
import type { Room } from './room.ts';
import { funcInput, type Marked, markCalls, NoSubprog } from './split.ts';
import { type FaultInjector, Steps } from './steps.ts';
import type { FuncInput, JitMode, JitTarget, TagHash, TargetEnv } from './types.ts';
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
  const tags = new ProgTags(xlated, options.tagHash, options.space.layout.modules.start);
  if (options.jitRequested === false) return interpreted(xlated, tags.own, undefined, options.alwaysOn ?? false);
  const load = new Load(xlated, options, tags);
  try {
    return { ok: true, prog: load.jit() };
  } catch (error) {
    load.undo();
    const { site } = load.steps;
    if (error instanceof NoSubprog) {
      const failure: JitFailure = { errno: ERRNO.EFAULT, message: error.message, site };
      return { ok: false, rejection: { errno: ERRNO.EFAULT, message: error.message, failure } };
    }
    if (!(error instanceof JitError)) throw error;
    const failure: JitFailure = { errno: error.errno, message: error.message, site };
    if (error.errno === ERRNO.EFAULT) return { ok: false, rejection: { errno: ERRNO.EFAULT, message: '', failure } };
    return interpreted(xlated, tags.own, failure, options.alwaysOn ?? false);
  } finally {
    load.end();
  }
}

/** One program on its way into a space, and what it holds there. */
class Load {
  readonly steps: Steps;
  readonly #xlated: XlatedProgram;
  readonly #options: JitOptions;
  readonly #tags: ProgTags;
  readonly #env: TargetEnv;
  readonly #kept: Room;
  /** Compiled once, with their images reserved. */
  readonly #parts: Part[];
  /** So many of them. */
  #compiled = 0;
  /** Functions whose symbols are published. */
  #published = 0;

  constructor(xlated: XlatedProgram, options: JitOptions, tags: ProgTags) {
    const { target, space } = options;
    this.steps = new Steps(options.inject);
    this.#xlated = xlated;
    this.#options = options;
    this.#tags = tags;
    this.#parts = new Array(xlated.subprogs.length);
    this.#kept = DESK.lend(xlated.insns.length);
    this.#env = {
      cpu: options.cpu ?? target.cpus[0],
      mode: options.mode ?? 'own',
      space,
      userLimit: options.userLimit ?? space.layout.userLimit,
      pcrel: options.pcrel ?? false,
      kept: this.#kept,
    };
  }

  /** Throws JitError and NoSubprog, with the step in {@link steps}. */
  jit(): JitedProgram {
    const { target } = this.#options;
    const { steps } = this;
    const { subprogs } = this.#xlated;
    const caps = target.caps(this.#env.mode);
    const marked = markCalls(this.#xlated, slot => steps.enter('find_subprog@', slot));
    if (subprogs.length > 1) {
      steps.enter('alloc func');
      if (!caps.subprogTailCalls && subprogs.some(subprog => subprog.tailCallReachable))
        throw new JitError(ERRNO.ENOTSUPP, `${target.name} has no tail calls in programs with functions`);
    }
    const kfuncAddr = kfuncResolver(this.#xlated, this.#options.space);
    for (let index = 0; index < subprogs.length; index++) this.#compileFirst(marked, index, kfuncAddr);
    return this.#publish(marked);
  }

  #compileFirst(marked: Marked, index: number, kfuncAddr: FuncInput['kfuncAddr']): void {
    const { target, space, placement } = this.#options;
    const { steps } = this;
    steps.enter('alloc prog[', index, ']');
    const input = funcInput(this.#xlated, marked, index, kfuncAddr);
    steps.enter('calc_tag[', index, ']');
    steps.enter('alloc jit_data[', index, ']');
    const compiler = target.compiler(input, this.#env);
    steps.enter('compile[', index, ']');
    const first = compiler.emit(undefined, undefined);
    steps.enter('alloc image[', index, ']');
    const slot = space.reserve(first.bytes.length, placement?.(index));
    if (slot === undefined) throw new JitError(ERRNO.ENOMEM, 'no room for the image');
    // Reserved: a failure from here on has to give it back.
    this.#parts[index] = new Part(input, compiler, slot, first);
    this.#compiled++;
  }

  #publish(marked: Marked): JitedProgram {
    const { target, space, encoding } = this.#options;
    const { steps } = this;
    const xlated = this.#xlated;
    const parts = this.#parts;
    const { callees, rounds } = link(steps, parts);
    const { cpu, mode } = this.#env;
    const publication: Publication = { xlated, marked, env: { cpu, mode, space }, tags: this.#tags };
    const funcs = new Array<PublishedFunc>(parts.length);
    for (let index = 0; index < parts.length; index++) {
      steps.enter('write image[', index, ']');
      const { input, slot, image } = parts[index];
      if (image.bytes.length > slot.sizeBytes) throw new JitError(ERRNO.ENOTSUPP, UNSTABLE);
      const trimmed = space.trim(slot, image.bytes.length);
      space.write(trimmed, image.bytes);
      steps.enter('lock_ro[', index, ']');
      if (xlated.lineInfo.length > 0) steps.enter('alloc jited_linfo[', index, ']');
      funcs[index] = new PublishedFunc(publication, input, image, trimmed, callees[index]);
    }
    for (const func of funcs) {
      steps.enter('kallsyms_add[', func.index, ']');
      space.addKsym(new FuncKsym(func));
      this.#published++;
    }
    return new PublishedProgram(publication, target, funcs, callees, rounds, encoding);
  }

  /** Takes out of the space what was put there. */
  undo(): void {
    const { space } = this.#options;
    for (let i = 0; i < this.#published; i++) space.removeKsym(this.#parts[i].slot.addr);
    for (let i = 0; i < this.#compiled; i++) space.release(this.#parts[i].slot);
  }

  /** Nothing is compiled any more. */
  end(): void {
    DESK.giveBack(this.#kept);
  }
}

const NO_KFUNC = (): undefined => undefined;

function kfuncResolver(xlated: XlatedProgram, space: KernelSpace): FuncInput['kfuncAddr'] {
  if (xlated.kfuncs.length === 0) return NO_KFUNC;
  const byCall = new Map(xlated.kfuncs.map(kfunc => [`${kfunc.imm} ${kfunc.off}`, kfunc.name]));
  return (imm, off) => {
    const name = byCall.get(`${imm} ${off}`);
    return name === undefined ? undefined : space.symbolAddr(name);
  };
}
