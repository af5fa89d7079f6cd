import { openBtf } from '../../src/btf/index.ts';
import { emulatorEngine } from '../../src/engine/index.ts';
import { kernelImage } from '../../src/kernels/index.ts';
import { createMachine, type InspectedProgram, inspectProgram, VerifiedPrograms } from '../../src/machine/index.ts';
import { type ObjectSpec, relocateObject } from '../../src/object/index.ts';
import { FarcallError } from '../../src/util/index.ts';
import { labSpec } from './scoreboard/subjects.ts';

const ALL_CAPS = { bpf: true, perfmon: true, netAdmin: true, sysAdmin: true };

/** The kernel of a lab whose programs are compared with ours. */
export interface OwnKernel {
  /** Name of a recorded image: `6.12-amd64`. */
  readonly image: string;
  /** The kernel's BTF, unpacked. */
  readonly btf: Uint8Array;
  /** `LINUX_VERSION_CODE` */
  readonly versionCode: number;
}

/**
 * Programs of objects as farcall alone has them once they are verified and compiled for x86_64: nothing of what a kernel said of
 * them goes in.
 */
export class OwnPrograms {
  readonly #kernel: ReturnType<typeof kernelImage>;
  readonly #btf: ReturnType<typeof openBtf>;
  readonly #versionCode: number;

  constructor({ image, btf, versionCode }: OwnKernel) {
    this.#kernel = kernelImage(image);
    this.#btf = openBtf(btf);
    this.#versionCode = versionCode;
  }

  /** One program of an object, or the reason in words why there is none. */
  inspect(opened: ObjectSpec, name: string): InspectedProgram | string {
    const btf = this.#btf;
    const image = this.#kernel;
    try {
      const { spec } = relocateObject(labSpec(opened), {
        targetBtf: btf,
        kconfig: { kernelVersion: this.#versionCode },
      });
      const verified = new VerifiedPrograms(spec, {
        verify: { kernel: { version: image.version, arch: image.arch, btf, image }, caps: ALL_CAPS },
        converted: true,
        refused: (_, { message }) => new FarcallError({ code: 'run.rejected', message }),
      });
      const engine = emulatorEngine({ target: 'x86_64', kernel: image.name, xlate: verified.xlate });
      const object = createMachine({ engine }).loadObject(spec, { only: [name] });
      return inspectProgram(object, name, { verifiedInsns: verified.verdictOf(name)?.stats?.processedInsns });
    } catch (error) {
      if (error instanceof FarcallError) return error.message;
      throw error;
    }
  }
}

/**
 * A dump without what differs from one boot to the next: ids of maps become their order of appearance, addresses of the kernel and
 * places of per-CPU variables are left out.
 */
export function withoutPlaces(text: string): string {
  const ids = new Map<string, number>();
  return text
    .replace(/map\[id:(\d+)\]/g, (_, id: string) => {
      if (!ids.has(id)) ids.set(id, ids.size + 1);
      return `map[${ids.get(id)}]`;
    })
    .replace(/0xffff[0-9a-f]{12}/g, 'ADDRESS')
    .replace(/\bw(\d) = -?\d+(\n(?:;[^\n]*\n)*[^\n]*&\(void __percpu \*\))/g, 'w$1 = PLACE$2')
    .replace(/w(\d) = -?\d+("[^}]*\},\{[^}]*&\(void __percpu \*\))/g, 'w$1 = PLACE$2');
}
