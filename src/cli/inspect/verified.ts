import type { JitTarget } from '../../jit/index.ts';
import { kernelImage } from '../../kernels/index.ts';
import { VerifiedPrograms } from '../../machine/index.ts';
import type { ObjectSpec } from '../../object/index.ts';
import type { VerifyOptions } from '../../verifier/index.ts';
import type { OptionSpec } from '../command.ts';
import { kernelBtf } from '../input/btf-file.ts';
import type { Options } from '../options.ts';
import { placeOf, ROOT, refused, runVerifyOptions } from '../run/verify-first.ts';

/** The way around the verifier. */
export const UNVERIFIED_VIEW: OptionSpec = {
  name: 'unverified',
  summary:
    "without verifying: contexts not converted, nothing inlined, no dead code removed, as farcall's engines run programs",
};

/** What descriptions of commands say of the form programs are shown in. */
export const VERIFIED_FORM =
  'Programs are verified first, as Linux 6.12 does. For x86_64 they are shown as that kernel has them: contexts converted, ' +
  'helpers and maps resolved and inlined, dead code gone. For other CPUs, whose kernels lay structs out otherwise, they ' +
  "are verified but keep the form farcall's engines run.";

/** The kernel whose xlated programs are known exactly. */
const EXACT_KERNEL = '6.12-amd64';

const isExact = (target: JitTarget, options: Options): boolean =>
  target.name === 'x86_64' && (options.text('kernel') ?? EXACT_KERNEL) === EXACT_KERNEL;

function verifyOptions(spec: ObjectSpec, exact: boolean, options: Options): VerifyOptions {
  if (!exact) return runVerifyOptions(spec.order, options);
  const image = kernelImage(EXACT_KERNEL);
  const btf = kernelBtf(options.text('btf'));
  return { kernel: { version: '6.12', arch: image.arch, btf, image }, logLevel: 1, caps: ROOT };
}

/** The verifier in front of a compiling engine; undefined with --unverified. */
export function verifiedPrograms(
  spec: ObjectSpec,
  target: JitTarget,
  options: Options,
  file: string,
): VerifiedPrograms | undefined {
  if (options.flag('unverified')) return undefined;
  const converted = isExact(target, options);
  return new VerifiedPrograms(spec, {
    verify: verifyOptions(spec, converted, options),
    converted,
    refused: (program, verdict) =>
      refused(program.name, verdict, placeOf(program, spec, verdict.insnIdx), file, 'go on without the verifier'),
  });
}
