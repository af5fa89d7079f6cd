import { defaultLayout, type KernelImage } from '../../kernels/index.ts';
import { hi32, lo32 } from '../../util/index.ts';

/** Where kernel objects that nobody has recorded are taken to be: from here up, in the order they are asked for. */
const OBJECTS_BELOW_END = 1n << 32n;
const OBJECT_BYTES = 0x1000n;

/**
 * Addresses of the kernel's own objects that instructions name: variables, `prog->aux`, types of allocated objects. Functions
 * are where the kernel's image and layout say; objects get an address each, the same for the same name.
 */
export class KernelAddresses {
  readonly #kernel: KernelImage;
  readonly #objects = new Map<unknown, bigint>();
  readonly #base: bigint;

  constructor(kernel: KernelImage) {
    this.#kernel = kernel;
    this.#base = defaultLayout(kernel.arch).linearMap.end - OBJECTS_BELOW_END;
  }

  /** A function of kernel text. */
  functionAt(name: string): bigint {
    const { textBase } = defaultLayout(this.#kernel.arch);
    return textBase + BigInt(this.#kernel.symbolOffset(name) - this.#kernel.textOffset);
  }

  /** Something else; `key` tells one from the other. */
  objectAt(key: unknown): bigint {
    let at = this.#objects.get(key);
    if (at === undefined) {
      at = this.#base + BigInt(this.#objects.size) * OBJECT_BYTES;
      this.#objects.set(key, at);
    }
    return at;
  }
}

/** Both halves of an address, low first. */
export const halves = (addr: bigint): readonly [lo: number, hi: number] => [lo32(addr), hi32(addr)];
