import type { Insn } from '../../isa/index.ts';
import { defaultKernelImage, kernelImage } from '../../kernels/index.ts';
import { type ProgramVerdict, prepareInsns, prepareObject, verifyInsns, verifyPrepared } from '../../machine/index.ts';
import type { ObjectSpec, ProgramSpec } from '../../object/index.ts';
import { errnoName } from '../../uapi/index.ts';
import { type ByteOrder, FarcallError } from '../../util/index.ts';
import type { Verdict, VerifyOptions } from '../../verifier/index.ts';
import type { OptionSpec } from '../command.ts';
import { kernelBtf } from '../input/btf-file.ts';
import { SourceLines } from '../object/source-lines.ts';
import type { Options } from '../options.ts';

/** The way around the verifier. */
export const UNVERIFIED: OptionSpec = {
  name: 'unverified',
  summary: 'run it without verifying it first: a program that does what it may not ends in a fault that says where',
};

export const ROOT = { bpf: true, perfmon: true, netAdmin: true, sysAdmin: true };

/** What verifies programs that are about to run. */
export function runVerifyOptions(order: ByteOrder, options: Options): VerifyOptions {
  const image = order === 'little' ? kernelImage('6.12-amd64') : defaultKernelImage('s390x', 'big');
  const btf = kernelBtf(options.text('btf'));
  return { kernel: { version: '6.12', arch: image.arch, btf, image }, logLevel: 1, caps: ROOT };
}

/** Why a program is not run, in one line. */
function refusalOf({ message, errno, insnIdx }: ProgramVerdict, place: string): string {
  const at = insnIdx === undefined ? '' : ` (insn ${insnIdx}${place})`;
  return `${message === '' ? errnoName(errno) : message}${at}`;
}

/** @param instead what --unverified is for */
export function refused(
  name: string,
  verdict: ProgramVerdict,
  place: string,
  file: string,
  instead = 'run it all the same',
): FarcallError {
  const rejected = verdict.verdict === 'reject';
  return new FarcallError({
    code: rejected ? 'run.rejected' : 'run.not-loaded',
    message: `${rejected ? 'the verifier refuses the program' : 'the program cannot be loaded'}: ${refusalOf(verdict, place)}`,
    expected: `--unverified to ${instead}`,
    where: { file, name },
  });
}

/** `, file:line` of a slot, if it is known. */
export function placeOf(program: ProgramSpec, spec: ObjectSpec, insnIdx: number | undefined): string {
  const line = insnIdx === undefined ? undefined : new SourceLines(program, spec.btf).of(insnIdx);
  return line === undefined ? '' : `, ${line.file.slice(line.file.lastIndexOf('/') + 1)}:${line.line}`;
}

/** Programs that are about to be loaded. */
export interface JudgedPrograms {
  readonly programs: readonly ProgramSpec[];
  /** What the verifier said of them. */
  readonly proofs: ReadonlyMap<string, Verdict>;
}

/**
 * Verifies the programs of a relocated object that are about to be loaded, and returns those that are accepted; others
 * than those `chosen` are left out with a note. Throws `run.rejected`, `run.not-loaded` for one that was chosen.
 */
export function verifyObjectFirst(
  spec: ObjectSpec,
  programs: readonly ProgramSpec[],
  chosen: readonly ProgramSpec[],
  options: Options,
  file: string,
  notes: string[],
): JudgedPrograms {
  const proofs = new Map<string, Verdict>();
  if (options.flag('unverified')) return { programs, proofs };
  const how = runVerifyOptions(spec.order, options);
  const { btf, image } = how.kernel;
  const prepared = prepareObject(spec, { kernelBtf: btf, image, caps: ROOT, relocated: true });
  const accepted = programs.filter(program => {
    const verdict = verifyPrepared(prepared.prepare(program), prepared.spec, how);
    if (verdict.verdict === 'accept') {
      if (verdict.full !== undefined) proofs.set(program.name, verdict.full);
      return true;
    }
    const place = placeOf(program, spec, verdict.insnIdx);
    if (chosen.includes(program)) throw refused(program.name, verdict, place, file);
    notes.push(`program ${program.name} is not loaded: ${refusalOf(verdict, place)}`);
    return false;
  });
  return { programs: accepted, proofs };
}

/** The same for raw instructions: what the verifier said. */
export function verifyInsnsFirst(
  insns: readonly Insn[],
  type: number,
  order: ByteOrder,
  options: Options,
): Verdict | undefined {
  if (options.flag('unverified')) return undefined;
  const how = runVerifyOptions(order, options);
  const verdict = verifyInsns(prepareInsns({ name: 'prog', type, insns }, ROOT, how.kernel.btf), how);
  if (verdict.verdict !== 'accept') throw refused('prog', verdict, '', 'the instructions');
  return verdict.full;
}
