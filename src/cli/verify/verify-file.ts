import type { Btf } from '../../btf/index.ts';
import { decodeInsns } from '../../isa/index.ts';
import { defaultKernelImage, kernelImage } from '../../kernels/index.ts';
import {
  type LoadCaps,
  type PreparedObject,
  type ProgramVerdict,
  prepareInsns,
  prepareObject,
  verifyInsns,
  verifyPrepared,
} from '../../machine/index.ts';
import type { ObjectSpec, ProgramSpec } from '../../object/index.ts';
import { BPF_PROG_FLAGS, progTypeName } from '../../uapi/index.ts';
import { type ByteOrder, FarcallError } from '../../util/index.ts';
import {
  type Explanation,
  explain,
  type MinimalVersion,
  minimalVersion,
  releaseNumber,
  type Verdict,
  type VerifyInput,
  type VerifyOptions,
} from '../../verifier/index.ts';
import { type Failure, failureOf } from '../failure.ts';
import { kernelBtf } from '../input/btf-file.ts';
import { readKconfig } from '../input/kconfig.ts';
import { type ObjectImage, objectImages, openImage } from '../input/object-file.ts';
import { programsNamed } from '../object/select-program.ts';
import { type SourceLine, SourceLines } from '../object/source-lines.ts';
import { withVariables } from '../run/variables.ts';

/** How programs are to be verified; plain data, since it crosses threads. */
export interface VerifySettings {
  readonly progs: readonly string[];
  readonly type: number | undefined;
  readonly attachType: number | undefined;
  readonly logLevel: number;
  readonly btf: string | undefined;
  readonly kconfig: readonly string[];
  readonly set: readonly string[];
  readonly unprivileged: boolean;
  readonly strictAlignment: boolean;
  /** Releases whose rules are followed, one after the other: `6.12`. */
  readonly kernels: readonly string[];
  /** Say why programs are refused. */
  readonly explain: boolean;
}

export interface VerifyFileInput {
  readonly file: string;
  readonly settings: VerifySettings;
  /** Raw instructions, where the file is no object. */
  readonly raw: { readonly bytes: Uint8Array; readonly order: ByteOrder } | undefined;
}

/** What became of one program in one kernel. */
export interface VerifyReport {
  /** `6.12` */
  readonly kernel: string;
  /** The oldest release that has all it uses; undefined unless the program could be prepared. */
  readonly minimal: MinimalVersion | undefined;
  readonly file: string;
  readonly prog: string;
  readonly section: string | undefined;
  /** As bpftool names it. */
  readonly type: string;
  readonly verdict: ProgramVerdict['verdict'];
  readonly errno: number;
  readonly message: string;
  readonly insnIdx: number | undefined;
  readonly source: SourceLine | undefined;
  readonly stats: ProgramVerdict['stats'];
  readonly log: string;
  /** Refused programs, if asked for. */
  readonly explanation: Explanation | undefined;
}

/** A report, or why there is none. */
export type VerifyOutcome = { readonly report: VerifyReport } | { readonly failure: Failure };

const ALL: LoadCaps = { bpf: true, perfmon: true, netAdmin: true, sysAdmin: true };
const NONE: LoadCaps = { bpf: false, perfmon: false, netAdmin: false, sysAdmin: false };

function optionsFor(
  order: ByteOrder,
  settings: VerifySettings,
  release: string,
): VerifyOptions & { readonly caps: LoadCaps } {
  // A kernel of the other byte order is one nobody recorded.
  const image = order === 'little' ? kernelImage(`${release}-amd64`) : defaultKernelImage('s390x', 'big');
  const btf: Btf = kernelBtf(settings.btf, release);
  return {
    kernel: { version: release, arch: image.arch, btf, image },
    logLevel: settings.logLevel,
    caps: settings.unprivileged ? NONE : ALL,
  };
}

const flagsOf = ({ strictAlignment }: VerifySettings): number =>
  strictAlignment ? BPF_PROG_FLAGS.BPF_F_STRICT_ALIGNMENT : 0;

/** Verifies what a file holds, one program after the other. Throws for a file without programs. */
export function* verifyPrograms(input: VerifyFileInput): Generator<VerifyOutcome, void, undefined> {
  for (const release of input.settings.kernels) {
    if (input.raw !== undefined) yield guarded(input.file, 'prog', () => verifyRaw(input, release));
    else for (const image of objectImages(input.file)) yield* verifyImage(image, input.settings, release);
  }
}

/** The same, all at once. */
export const verifyFile = (input: VerifyFileInput): VerifyOutcome[] => [...verifyPrograms(input)];

/** How many programs {@link verifyPrograms} will look at. */
export function programCount(input: VerifyFileInput): number {
  const times = input.settings.kernels.length;
  if (input.raw !== undefined) return times;
  return objectImages(input.file).reduce((sum, image) => {
    try {
      return sum + openImage(image).programs.length * times;
    } catch (error) {
      if (error instanceof FarcallError) return sum;
      throw error;
    }
  }, 0);
}

function guarded(file: string, name: string, make: () => VerifyReport): VerifyOutcome {
  try {
    return { report: make() };
  } catch (error) {
    const failure = failureOf(error instanceof FarcallError ? error.at({ file, name }) : error);
    return { failure: error instanceof FarcallError ? failure : { ...failure, where: { file, name } } };
  }
}

function* verifyImage(image: ObjectImage, settings: VerifySettings, release: string): Generator<VerifyOutcome> {
  let programs: readonly ProgramSpec[];
  let prepared: PreparedObject;
  let options: ReturnType<typeof optionsFor>;
  try {
    const opened = withVariables(openImage(image), settings.set, []);
    options = optionsFor(opened.order, settings, release);
    programs = chosen(opened, settings.progs, image.label);
    const { btf, image: kernel } = options.kernel;
    const kconfig = readKconfig([`LINUX_KERNEL_VERSION=${release}.0`, ...settings.kconfig]);
    prepared = prepareObject(opened, { kernelBtf: btf, image: kernel, kconfig, caps: options.caps });
  } catch (error) {
    yield { failure: failureOf(error) };
    return;
  }
  for (const { name } of programs) {
    yield guarded(image.label, name, () => verifyOne(image.label, name, prepared, settings, options));
  }
}

function chosen(spec: ObjectSpec, names: readonly string[], label: string): readonly ProgramSpec[] {
  if (names.length === 0) return spec.programs;
  const wanted = new Set(names.flatMap(name => programsNamed(spec, name, label)));
  return spec.programs.filter(program => wanted.has(program));
}

function verifyOne(
  file: string,
  name: string,
  prepared: PreparedObject,
  settings: VerifySettings,
  options: VerifyOptions,
): VerifyReport {
  const { spec } = prepared;
  const program = spec.programs.find(row => row.name === name) as ProgramSpec;
  const { type, attachType } = settings;
  const ready = prepared.prepare(program, { type, attachType, flags: flagsOf(settings) });
  const { full, ...verdict } = verifyPrepared(ready, spec, options);
  const explanation = explanationOf(ready.input, full, settings, options);
  const { insnIdx } = verdict;
  const source = insnIdx === undefined ? undefined : new SourceLines(program, spec.btf).of(insnIdx);
  const minimal = ready.input === undefined ? undefined : minimalVersion(ready.input, options.kernel.btf);
  const kernel = options.kernel.version;
  const shown = { file, kernel, prog: name, section: program.section, type: progTypeName(ready.type) };
  return { ...shown, ...verdict, source, minimal, explanation };
}

function explanationOf(
  input: VerifyInput | undefined,
  full: Verdict | undefined,
  settings: VerifySettings,
  options: VerifyOptions,
): Explanation | undefined {
  return settings.explain && input !== undefined && full !== undefined ? explain(input, options, full) : undefined;
}

function verifyRaw({ file, settings, raw }: VerifyFileInput, release: string): VerifyReport {
  const { bytes, order } = raw as NonNullable<typeof raw>;
  const options = optionsFor(order, settings, release);
  const { type = 0, attachType } = settings;
  const insns = decodeInsns(bytes, order, { file });
  const input = { name: 'prog', type, attachType, flags: flagsOf(settings), insns };
  const prepared = prepareInsns(input, options.caps, options.kernel.btf, releaseNumber(release));
  const { full, ...verdict } = verifyInsns(prepared, options);
  const explanation = explanationOf('errno' in prepared ? undefined : prepared, full, settings, options);
  const minimal = 'errno' in prepared ? undefined : minimalVersion(prepared, options.kernel.btf);
  const common = { file, kernel: release, prog: 'prog', section: undefined, type: progTypeName(type) };
  return { ...common, ...verdict, source: undefined, minimal, explanation };
}
