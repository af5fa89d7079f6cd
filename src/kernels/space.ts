import { FarcallError, InternalError } from '../util/index.ts';
import { archRow } from './arch.ts';
import { KsymTable } from './ksym-table.ts';
import { CHUNK_BYTES, ProgPack } from './pack.ts';
import { RangeSet } from './ranges.ts';
import type {
  AddressRange,
  ImageSlot,
  KernelImage,
  KernelSpace,
  KernelSymbol,
  Ksym,
  LayoutRow,
  Placement,
  SpaceImage,
} from './types.ts';

/** `sizeof(struct bpf_binary_header)`: the size word before an image. */
const HEADER_BYTES = 8;
/** Room besides header and code that the kernel keeps for a start that cannot be foreseen. */
const PACK_HOLE_BYTES = 16;
const PAGES_HOLE_BYTES = 128;
/** Where code starts behind its header unless `random` says otherwise: 16 bytes into the chunk. */
const START_BYTES = 8;
/** No image is longer: 1,000,000 instructions at far more than any JIT makes of one. */
const MOST_IMAGE_BYTES = 0x7fffffff;

export interface CreateSpaceOptions {
  /** `net.core.bpf_jit_limit`: bytes that all reservations together may take. */
  readonly limitBytes?: number;
  /** Ranges no image may lie in: where maps, stacks or stubs are. */
  readonly keepOut: readonly AddressRange[];
  /** Numbers in [0, 1). With it, images start at unforeseeable places in their first chunk, as in Linux. */
  readonly random?: () => number;
}

/** What was reserved: header and code. */
class Reserved implements AddressRange {
  readonly start: bigint;
  /** Address of the first byte of code. */
  readonly addr: bigint;
  /** Bytes before it. */
  readonly headBytes: number;
  sizeBytes: number;
  /** All of it, as the limit counts it. */
  charged: number;
  readonly kind: 'pack' | 'pages' | 'placed';
  /** Kind `pack`: where its chunks are. Addresses are objects, chunks are not. */
  readonly pack: ProgPack | undefined;
  readonly chunk: number;
  /** What was written there, at {@link addr}. */
  image: SpaceImage | undefined = undefined;
  /** Undefined once released. */
  space: Space | undefined;

  constructor(
    space: Space,
    kind: 'pack' | 'pages' | 'placed',
    start: bigint,
    headBytes: number,
    sizeBytes: number,
    charged: number,
    pack: ProgPack | undefined,
    chunk: number,
  ) {
    this.space = space;
    this.kind = kind;
    this.start = start;
    this.addr = headBytes === 0 ? start : start + BigInt(headBytes);
    this.headBytes = headBytes;
    this.sizeBytes = sizeBytes;
    this.charged = charged;
    this.pack = pack;
    this.chunk = chunk;
  }

  get end(): bigint {
    return this.start + BigInt(this.charged);
  }
}

/** A reservation as others see it. */
class Slot implements ImageSlot {
  readonly addr: bigint;
  readonly sizeBytes: number;
  readonly #held: Reserved;

  constructor(held: Reserved) {
    this.addr = held.addr;
    this.sizeBytes = held.sizeBytes;
    this.#held = held;
  }

  static held(slot: ImageSlot): Reserved | undefined {
    return #held in slot ? slot.#held : undefined;
  }
}

interface Area extends AddressRange {
  readonly pack?: ProgPack;
}

const hex = (addr: bigint): string => `0x${BigInt.asUintN(64, addr).toString(16)}`;
const roundUp = (value: bigint, step: number): bigint => ((value + BigInt(step) - 1n) / BigInt(step)) * BigInt(step);
/** As roundUp, for sizes. */
const sizeUp = (sizeBytes: number, step: number): number => Math.ceil(sizeBytes / step) * step;

function badPlacement(message: string, expected: string, found: string): FarcallError {
  return new FarcallError({ code: 'arg.placement', message, expected, found });
}

const put = (held: Reserved, bytes: Uint8Array): void => {
  held.image = bytes.length > 0 ? { addr: held.addr, bytes } : undefined;
};

/** The simulated kernel address space. See {@link createKernelSpace}. */
class Space implements KernelSpace {
  readonly layout: LayoutRow;
  readonly kernel: KernelImage;
  readonly callBase: bigint;
  readonly kernelToc: bigint;
  readonly text: AddressRange;
  readonly #options: CreateSpaceOptions;
  readonly #codeAlign: number;
  readonly #reserved = new RangeSet<Reserved>();
  /** Packs, pages of single images, kernel text, ranges to keep out of. */
  readonly #areas = new RangeSet<Area>();
  readonly #packs: ProgPack[] = [];
  readonly #ksyms = new KsymTable();
  #kernelSyms: readonly Ksym[] | undefined;
  #charged = 0;
  /** No area of a page fits below. */
  #areaHint: bigint;

  constructor(layout: LayoutRow, kernel: KernelImage, options: CreateSpaceOptions) {
    this.layout = layout;
    this.kernel = kernel;
    this.callBase = layout.textBase - BigInt(kernel.textOffset);
    this.kernelToc = kernel.tocOffset === 0 ? 0n : this.callBase + BigInt(kernel.tocOffset);
    this.text = { start: layout.textBase, end: this.callBase + BigInt(kernel.syntheticEndOffset) };
    this.#options = options;
    this.#codeAlign = archRow(layout.arch).codeAlignBytes;
    this.#areaHint = layout.images.start;
    this.#areas.add(this.text);
    for (const range of options.keepOut) {
      if (range.start >= range.end) continue;
      // Ranges may overlap text and each other: what is left of each is added.
      let { start } = range;
      while (start < range.end) {
        const other = this.#areas.overlapping(start, range.end);
        const end = other === undefined ? range.end : other.start;
        if (end > start) this.#areas.add({ start, end });
        start = other === undefined ? range.end : other.end;
      }
    }
  }

  get slotCount(): number {
    return this.#reserved.size;
  }

  symbolAddr(name: string): bigint {
    return this.callBase + BigInt(this.kernel.symbolOffset(name));
  }

  symbolize(addr: bigint): { readonly name: string; readonly offBytes: number; readonly module: string } | undefined {
    const ksym = this.#ksyms.at(addr);
    if (ksym !== undefined) return { name: ksym.name, offBytes: Number(addr - ksym.addr), module: ksym.module };
    if (addr < this.text.start || addr >= this.text.end) return undefined;
    const offset = Number(addr - this.callBase);
    const symbol = nearestSymbol(this.kernel.symbols(), offset);
    if (symbol !== undefined) {
      // Where several begin at one address, the one that stands for it.
      const name = this.kernel.symbolAt(symbol.offset) ?? symbol.name;
      return { name, offBytes: offset - symbol.offset, module: '' };
    }
    const base = offset - (((offset % 16) + 16) % 16);
    const name = offset > this.kernel.etextOffset ? this.kernel.symbolAt(base) : undefined;
    return name === undefined ? undefined : { name, offBytes: offset - base, module: '' };
  }

  reserve(sizeBytes: number, placement?: Placement): ImageSlot | undefined {
    if (!Number.isInteger(sizeBytes) || sizeBytes <= 0 || sizeBytes > MOST_IMAGE_BYTES) {
      throw badPlacement('not a size an image can have', `1 to ${MOST_IMAGE_BYTES} bytes`, String(sizeBytes));
    }
    if (placement?.at !== undefined || placement?.from !== undefined || placement?.distance !== undefined) {
      return this.#place(sizeBytes, placement);
    }
    const { packBytes, pageBytes } = this.layout;
    const inPack = sizeUp(sizeBytes + HEADER_BYTES + PACK_HOLE_BYTES, CHUNK_BYTES);
    if (packBytes > 0 && inPack <= packBytes) {
      if (!this.#affords(inPack)) return undefined;
      for (const pack of this.#packs) {
        const chunk = pack.find(inPack);
        if (chunk >= 0) return this.#record(pack.addrOf(chunk), inPack, sizeBytes, CHUNK_BYTES, pack, chunk);
      }
      const pack = this.#addPack();
      return pack === undefined ? undefined : this.#record(pack.start, inPack, sizeBytes, CHUNK_BYTES, pack, 0);
    }
    const hole = packBytes > 0 ? PACK_HOLE_BYTES : PAGES_HOLE_BYTES;
    const total = sizeUp(sizeBytes + HEADER_BYTES + hole, pageBytes);
    if (!this.#affords(total)) return undefined;
    const start = this.#findArea(BigInt(total));
    if (start === undefined) return undefined;
    this.#areas.add({ start, end: start + BigInt(total) });
    return this.#record(start, total, sizeBytes, pageBytes);
  }

  trim(slot: ImageSlot, sizeBytes: number): ImageSlot {
    const held = this.#held(slot);
    if (!Number.isInteger(sizeBytes) || sizeBytes <= 0 || sizeBytes > held.sizeBytes) {
      throw new InternalError(`image at ${hex(held.addr)}: ${held.sizeBytes} bytes trimmed to ${sizeBytes}`);
    }
    // Pages of single images stay: the kernel gives whole areas back only.
    const used = held.headBytes + sizeBytes;
    const charged = held.kind === 'placed' ? used : sizeUp(used, CHUNK_BYTES);
    if (held.kind !== 'pages' && charged < held.charged) {
      this.#count(held, -1);
      this.#charged -= held.charged - charged;
      held.charged = charged;
      this.#count(held, 1);
    }
    if (sizeBytes === slot.sizeBytes) return slot;
    held.sizeBytes = sizeBytes;
    const { image } = held;
    if (image !== undefined && image.bytes.length > sizeBytes) put(held, image.bytes.slice(0, sizeBytes));
    return new Slot(held);
  }

  write(slot: ImageSlot, bytes: Uint8Array): void {
    const held = this.#held(slot);
    if (bytes.length > held.sizeBytes) {
      throw new InternalError(`image at ${hex(held.addr)}: ${bytes.length} bytes put where ${held.sizeBytes} fit`);
    }
    put(held, bytes);
  }

  release(slot: ImageSlot): void {
    const held = this.#held(slot);
    held.space = undefined;
    this.#reserved.remove(held.start);
    this.#charged -= held.charged;
    if (held.kind === 'pages') this.#dropArea(held.start);
    else this.#count(held, -1);
    if (held.kind === 'placed') this.#areaHint = this.layout.images.start;
    for (let i = this.#packs.length - 1; i >= 0; i--) {
      if (!this.#packs[i].empty) continue;
      this.#dropArea(this.#packs[i].start);
      this.#packs.splice(i, 1);
    }
  }

  images(): readonly SpaceImage[] {
    return this.#reserved.values().flatMap(({ image }) => image ?? []);
  }

  imageAt(addr: bigint): SpaceImage | undefined {
    const image = this.#reserved.at(addr)?.image;
    return image !== undefined && addr >= image.addr && addr < image.addr + BigInt(image.bytes.length)
      ? image
      : undefined;
  }

  addKsym(ksym: Ksym): void {
    this.#ksyms.add(ksym);
  }

  removeKsym(addr: bigint): void {
    this.#ksyms.remove(addr);
  }

  ksyms(all = false): readonly Ksym[] {
    const own = this.#ksyms.list();
    if (!all) return own;
    this.#kernelSyms ??= this.kernel.symbols().map(({ name, offset, sizeBytes, kind }) => {
      return { addr: this.callBase + BigInt(offset), sizeBytes, kind, name, module: '' };
    });
    // As /proc/kallsyms has them: the kernel's own first.
    return [...this.#kernelSyms, ...own];
  }

  #held(slot: ImageSlot): Reserved {
    const held = Slot.held(slot);
    if (held?.space !== this) throw new InternalError(`no image is reserved at ${hex(slot.addr)}`);
    return held;
  }

  #affords(bytes: number): boolean {
    return this.#charged + bytes <= (this.#options.limitBytes ?? Number.POSITIVE_INFINITY);
  }

  /** Enters a reservation of `total` bytes from `start` on, code behind its header and a hole: chunks of a pack or pages. */
  #record(
    start: bigint,
    total: number,
    sizeBytes: number,
    unitBytes: number,
    pack: ProgPack | undefined = undefined,
    chunk = -1,
  ): ImageSlot {
    const hole = Math.min(total - (sizeBytes + HEADER_BYTES), unitBytes - HEADER_BYTES);
    const random = this.#options.random;
    const at = random === undefined ? START_BYTES : Math.floor(random() * hole);
    const headBytes = HEADER_BYTES + at - (at % this.#codeAlign);
    const kind = pack === undefined ? 'pages' : 'pack';
    return this.#enter(new Reserved(this, kind, start, headBytes, sizeBytes, total, pack, chunk));
  }

  #enter(held: Reserved): ImageSlot {
    this.#reserved.add(held);
    this.#charged += held.charged;
    if (held.kind !== 'pages') this.#count(held, 1);
    return new Slot(held);
  }

  /** Counts its chunks up or down; a placed image's in every pack that it touches. */
  #count(held: Reserved, by: 1 | -1): void {
    const { pack, chunk } = held;
    if (pack !== undefined) pack.count(chunk, chunk + held.charged / CHUNK_BYTES, by);
    else for (const touched of this.#packs) touched.countRange(held, by);
  }

  /** One more pack, empty. */
  #addPack(): ProgPack | undefined {
    const start = this.#findArea(BigInt(this.layout.packBytes));
    if (start === undefined) return undefined;
    const pack = new ProgPack(start, this.layout.packBytes);
    this.#packs.push(pack);
    this.#areas.add({ start, end: pack.end, pack });
    return pack;
  }

  /** The lowest place for whole pages in the image region, with an unmapped page behind, as vmalloc() gives. */
  #findArea(bytes: bigint): bigint | undefined {
    const { images, pageBytes } = this.layout;
    const page = BigInt(pageBytes);
    const obstacleIn = (start: bigint, end: bigint): AddressRange | undefined => {
      const area = this.#areas.overlapping(start, end);
      const placed = this.#reserved.overlapping(start, end);
      return area !== undefined && (placed === undefined || area.end > placed.end) ? area : placed;
    };
    let hint = this.#areaHint;
    for (let first = obstacleIn(hint, hint + page); first !== undefined; first = obstacleIn(hint, hint + page)) {
      hint = roundUp(first.end, pageBytes) + page;
    }
    this.#areaHint = hint;
    let start = hint;
    while (start + bytes + page <= images.end) {
      const obstacle = obstacleIn(start, start + bytes + page);
      if (obstacle === undefined) return start;
      start = roundUp(obstacle.end, pageBytes) + page;
    }
    return undefined;
  }

  #dropArea(start: bigint): void {
    this.#areas.remove(start);
    if (start < this.#areaHint) this.#areaHint = start;
  }

  #place(sizeBytes: number, placement: Placement): ImageSlot | undefined {
    const { canonical, name } = this.layout;
    if (placement.at !== undefined && (placement.from !== undefined || placement.distance !== undefined)) {
      throw badPlacement('a placement says two places', '`at`, or `from` and `distance`', 'both');
    }
    if (placement.at === undefined && (placement.from === undefined || placement.distance === undefined)) {
      throw badPlacement(
        'a placement lacks a part',
        '`from` and `distance`',
        placement.from === undefined ? '`distance` alone' : '`from` alone',
      );
    }
    const addr = placement.at ?? (placement.from as bigint) + (placement.distance as bigint);
    const end = addr + BigInt(sizeBytes);
    if (addr < canonical.start || end > canonical.end) {
      const found = addr < 0n || addr >> 64n !== 0n ? `${addr}` : hex(addr);
      const expected = `${sizeBytes} bytes within ${hex(canonical.start)}..${hex(canonical.end - 1n)} (${name})`;
      throw badPlacement('the image would lie where code cannot', expected, found);
    }
    if (addr % BigInt(this.#codeAlign) !== 0n) {
      throw badPlacement('the image would not be aligned', `a multiple of ${this.#codeAlign}`, hex(addr));
    }
    const area = this.#areas.overlapping(addr, end);
    const obstacle = this.#reserved.overlapping(addr, end) ?? this.#firstSolid(addr, end, area);
    if (obstacle !== undefined) {
      const what = obstacle === this.text ? 'kernel text' : 'what is there already';
      throw badPlacement(
        `the image would overlap ${what}`,
        'a free range',
        `${hex(addr)} in ${hex(obstacle.start)}..${hex(obstacle.end)}`,
      );
    }
    if (!this.#affords(sizeBytes)) return undefined;
    return this.#enter(new Reserved(this, 'placed', addr, 0, sizeBytes, sizeBytes, undefined, -1));
  }

  /** The lowest area in the way, from `area` on: packs are in nobody's way, their images are. */
  #firstSolid(start: bigint, end: bigint, area: Area | undefined): Area | undefined {
    while (area?.pack !== undefined) {
      start = area.end;
      area = start < end ? this.#areas.overlapping(start, end) : undefined;
    }
    return area;
  }
}

/** The symbol of ascending `symbols` that an offset falls in. */
function nearestSymbol(symbols: readonly KernelSymbol[], offset: number): KernelSymbol | undefined {
  let low = 0;
  let high = symbols.length;
  while (low < high) {
    const mid = (low + high) >>> 1;
    if (symbols[mid].offset <= offset) low = mid + 1;
    else high = mid;
  }
  const symbol = symbols[low - 1];
  return symbol !== undefined && offset < symbol.offset + symbol.sizeBytes ? symbol : undefined;
}

/**
 * Makes an empty address space of a layout and a kernel: text with its helpers, room for images, no symbols of BPF.
 *
 * Images share packs in runs of 64-byte chunks, lowest first; those that no pack holds, and all where the layout has no
 * packs, get pages of their own with an unmapped page between. Placed images go exactly where they are told, in a
 * pack's free chunks too.
 *
 * Source: `kernel/bpf/core.c: bpf_prog_pack_alloc, bpf_jit_binary_pack_alloc, bpf_jit_binary_alloc`.
 * Differs from Linux: packs are made when first needed and lie at the lowest addresses; images start at a fixed place
 * in their chunk unless `random` is given; `trim` gives chunks back.
 *
 * Throws `arg.layout` when layout and kernel are of different CPUs, or text does not fit above `textBase`.
 */
export function createKernelSpace(
  layout: LayoutRow,
  kernel: KernelImage,
  options: Partial<CreateSpaceOptions> = {},
): KernelSpace {
  if (layout.arch !== kernel.arch) {
    throw new FarcallError({
      code: 'arg.layout',
      message: `layout ${layout.name} and kernel ${kernel.name} are of different CPUs`,
      expected: `a layout for ${kernel.arch}`,
      found: layout.arch,
    });
  }
  const textBytes = BigInt(kernel.syntheticEndOffset - kernel.textOffset);
  if (layout.textBase + textBytes > layout.canonical.end) {
    throw new FarcallError({
      code: 'arg.layout',
      message: `text of ${kernel.name} does not fit layout ${layout.name}`,
      expected: `${textBytes} bytes up to ${hex(layout.canonical.end - 1n)}`,
      found: hex(layout.textBase),
    });
  }
  return new Space(layout, kernel, { ...options, keepOut: options.keepOut ?? [] });
}
