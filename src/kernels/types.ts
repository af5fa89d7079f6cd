import type { ByteOrder } from '../util/index.ts';

/** The CPU families kernels exist for here. */
export type KernelArch = 'ppc64' | 'x86_64' | 'arm64' | 'riscv64' | 's390x';

/**
 * What one kernel build says of itself: its symbols by their distance from `__bpf_call_base`, which no address layout
 * changes, and the offsets of struct members that JITed code reaches into.
 */
export interface KernelImage {
  /** `6.12-ppc64el`; a recorded kernel, or `generic-s390x` where none was recorded. */
  readonly name: string;
  /** `6.12` */
  readonly version: string;
  readonly arch: KernelArch;
  readonly order: ByteOrder;
  /** `_text`'s distance from `__bpf_call_base`: negative. */
  readonly textOffset: number;
  /** `_etext`'s distance from `__bpf_call_base`. */
  readonly etextOffset: number;
  /**
   * Where the places given to functions the recording does not have end: from `_text` up to here belongs to the kernel.
   */
  readonly syntheticEndOffset: number;
  /** Distance of what r2 holds in kernel text (`.TOC.`) from `__bpf_call_base` on ppc64; 0 elsewhere. */
  readonly tocOffset: number;
  /**
   * Distance of a function of the kernel's text from `__bpf_call_base`. Names the recording does not have get a distance
   * of their own past everything recorded, the same one every time, so that a program can always be compiled.
   */
  symbolOffset(name: string): number;
  /** The symbol that begins exactly at that distance; of several, the one kernel code exports, then by name. */
  symbolAt(offset: number): string | undefined;
  /** Whether the recording has a function of that name: its distance is then the real one. */
  hasSymbol(name: string): boolean;
  /**
   * How far behind a function's address a caller that shares its TOC enters: 8 where the function begins with the two
   * instructions that set r2 up (`ppc_function_entry()`), 0 where it does not, and everywhere but on ppc64 ELFv2.
   */
  localEntryBytes(name: string): number;
  /** The recorded symbols of kernel text, ascending by distance. */
  symbols(): readonly KernelSymbol[];
  /** The kernel's function behind a helper, which differs by program type: `bpf_get_prandom_u32` is `bpf_user_rnd_u32`. */
  helperSymbol(helperId: number, progType: number, use?: HelperUse): string;
  readonly structs: KernelStructs;
}

/** What besides helper and program type decides which function stands behind a call. */
export interface HelperUse {
  /** The attach type the program is loaded for (`expected_attach_type`). */
  readonly attachType?: number;
  /** Loaded with BPF_F_SLEEPABLE. */
  readonly sleepable?: boolean;
  /** LSM programs: the hook, without `bpf_lsm_`. */
  readonly hook?: string;
}

/** A function of the kernel's text. */
export interface KernelSymbol {
  readonly name: string;
  /** Distance from `__bpf_call_base` in bytes. */
  readonly offset: number;
  /** Up to the next symbol the kernel had. */
  readonly sizeBytes: number;
  /** As `/proc/kallsyms` prints it: `T` global, `t` local, `W` weak. */
  readonly kind: 'T' | 't' | 'W';
}

/** Offsets in bytes inside kernel structs, as that build lays them out. */
export interface KernelStructs {
  /** `struct bpf_array` */
  readonly arrayMaxEntries: number;
  readonly arrayPtrs: number;
  readonly arrayValue: number;
  /** `struct bpf_prog` */
  readonly progBpfFunc: number;
  /** `struct htab_elem`: the key, behind which comes the value at the next multiple of 8. */
  readonly htabElemKey: number;
  /** `struct htab_elem`: the byte an LRU map's look-up sets. */
  readonly htabElemLruRef: number;
  /** x86-64: the per-CPU variable `this_cpu_off`, as GS has it. */
  readonly thisCpuOff?: number;
  /** arm64 and riscv64, `struct thread_info`: the CPU's number. */
  readonly threadInfoCpu?: number;
  /** riscv64: distance of the array `__per_cpu_offset` from `__bpf_call_base`. */
  readonly perCpuOffsets?: number;
}

/** A range of the simulated address space. `end` is exclusive. */
export interface AddressRange {
  readonly start: bigint;
  readonly end: bigint;
}

/** One way a kernel lays out its addresses: a row of `LAYOUTS`. */
export interface LayoutRow {
  /** `ppc64-hash`, `ppc64-radix`, `ppc64-hash-4k`, `x86_64-kaslr`, … */
  readonly name: string;
  readonly arch: KernelArch;
  /** One line for people: which kernels, which option. */
  readonly summary: string;
  /** Address of `_text`. */
  readonly textBase: bigint;
  /** Where modules go. */
  readonly modules: AddressRange;
  /** Where BPF images go. */
  readonly images: AddressRange;
  /** The linear mapping of physical memory: where maps and kernel objects are. */
  readonly linearMap: AddressRange;
  /** Addresses at or below this are user space's: a probe load from them gives 0. */
  readonly userLimit: bigint;
  /** Bytes of a program pack; images share packs in chunks of 64 bytes. 0: every image has pages of its own. */
  readonly packBytes: number;
  /** Bytes of a page: what images outside packs and packs themselves are aligned to. */
  readonly pageBytes: number;
  /** Where code may be at all: what a {@link Placement} can name. Wider than `images`. */
  readonly canonical: AddressRange;
  /** Source: the kernel file that says so. */
  readonly source: string;
}

/**
 * Where an image should go. Without any: the next free chunks of a pack. Placed images have neither header nor pack;
 * they may be anywhere in the layout's `canonical` range, aligned as the CPU wants code.
 */
export interface Placement {
  /** Exactly here. */
  readonly at?: bigint;
  /** So that its start lies `distance` bytes after `from` (negative: before). */
  readonly from?: bigint;
  readonly distance?: bigint;
}

/** A reserved piece of the image region. */
export interface ImageSlot {
  /**
   * Address of the first byte of code (of the descriptor on ELFv1). In a pack it lies 16 bytes into a 64-byte chunk, or
   * up to 63 with `CreateSpaceOptions.random`: the size word of `struct bpf_binary_header` and a hole lie before it.
   */
  readonly addr: bigint;
  /** Bytes reserved from `addr` on. */
  readonly sizeBytes: number;
}

/** Bytes at an address. The object changes whenever the bytes do. */
export interface SpaceImage {
  readonly addr: bigint;
  readonly bytes: Uint8Array;
}

/** A line of `/proc/kallsyms`. */
export interface Ksym {
  readonly addr: bigint;
  readonly sizeBytes: number;
  /** `t` for BPF programs, `T` for exported kernel text. */
  readonly kind: string;
  readonly name: string;
  /** `bpf` for programs, '' for the kernel's own. */
  readonly module: string;
}

/**
 * The simulated kernel address space: text with its helpers, packs with images, and kallsyms. Images are bytes at
 * addresses; whoever executes or dumps reads them here.
 */
export interface KernelSpace {
  readonly layout: LayoutRow;
  readonly kernel: KernelImage;
  /** Address of `__bpf_call_base`. */
  readonly callBase: bigint;
  /** What r2 holds in kernel text on ppc64 (`.TOC.`); 0 elsewhere. */
  readonly kernelToc: bigint;
  /** Address of a kernel function (its text, not its descriptor). */
  symbolAddr(name: string): bigint;
  /** The symbol an address falls in, image or kernel text, and how far behind its start. */
  symbolize(addr: bigint): { readonly name: string; readonly offBytes: number; readonly module: string } | undefined;
  /** Undefined when there is no room: the kernel's -ENOMEM. Throws `arg.placement` for places no image may have. */
  reserve(sizeBytes: number, placement?: Placement): ImageSlot | undefined;
  /** Gives the tail behind the first `sizeBytes` back. */
  trim(slot: ImageSlot, sizeBytes: number): ImageSlot;
  /** Puts bytes at a reserved slot, in place of those that were there. They are not copied: nobody changes them from now on. */
  write(slot: ImageSlot, bytes: Uint8Array): void;
  /** Gives slot and bytes back; unknown slots are an InternalError. */
  release(slot: ImageSlot): void;
  /** Images that hold bytes now, ascending. */
  images(): readonly SpaceImage[];
  /** The image one of whose bytes lies at `addr`: a binary search. */
  imageAt(addr: bigint): SpaceImage | undefined;
  addKsym(ksym: Ksym): void;
  removeKsym(addr: bigint): void;
  /** BPF symbols now published, ascending by address; `all` adds the kernel's own. */
  ksyms(all?: boolean): readonly Ksym[];
  /** How many slots are reserved: 0 when nothing is left behind. */
  readonly slotCount: number;
}
