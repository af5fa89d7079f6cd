import { type Access, type LinearMemory, type Region, regionAllows } from '../../mem/index.ts';
import { addHi, type ByteOrder, u64Of } from '../../util/index.ts';
import type { EmuFaultKind, EmulatorOptions, KernelGate } from '../emu-types.ts';
import { CpuFault } from './fault.ts';
import { Image } from './image.ts';
import { NO_REGION, type Op } from './op.ts';
import { MAGIC_HI, MAGIC_LO, R1, RED_ZONE_BYTES, REG_HALVES } from './regs.ts';
import type { Level } from './row.ts';

const MAX_ADDR = 0x7fffffff;
const TARGETS = 256;

/** An address control has gone to: a place in an image, or a gate. */
export interface Target {
  readonly hi: number;
  readonly lo: number;
  readonly image: Image | undefined;
  readonly idx: number;
  readonly gate: KernelGate | undefined;
  /** Behind the gate's two instructions that set up the TOC. */
  readonly local: boolean;
}

/**
 * Registers, memory access and the loop that runs instructions. Register n is `r[2n]` (low half) and `r[2n + 1]` (high
 * half). Knows nothing of calling conventions: {@link onGate} does.
 */
export class Core {
  readonly mem: LinearMemory;
  readonly options: EmulatorOptions;
  readonly order: ByteOrder;
  readonly little: boolean;
  readonly level: Level;
  readonly r = new Int32Array(REG_HALVES);
  /** CR0 in the highest four bits. */
  cr = 0;
  so = 0;
  ov = 0;
  ca = 0;
  ov32 = 0;
  ca32 = 0;
  /** The byte count of XER. */
  xerCount = 0;
  /** Address and size of the reservation; size 0 when there is none. */
  resvAddr = 0;
  resvBytes = 0;
  losesReservation: (() => boolean) | undefined;
  /** 64-bit result of helpers of instructions: high, low, high, low. */
  readonly out = new Int32Array(4);

  image: Image;
  ops: Op[];
  /** Index of the next instruction. */
  idx = 0;
  running = false;
  /** Instructions until {@link refill} is asked for more. */
  left = 0;
  refill: () => void = () => {};
  /** Instructions executed since the CPU was made. */
  executed: () => number = () => 0;
  /** Control has gone to a gate. */
  onGate: (target: Target, o: Op) => void = () => {};
  /** Bytes of code that lie in no image; undefined where there are none. */
  codeElsewhere: (addr: bigint, sizeBytes: number) => Uint8Array | undefined = () => undefined;
  /** Decodes a word control has reached for the first time. */
  readonly decode: (image: Image, at: number) => Op;
  /** Called before each instruction when set. */
  trace: ((pc: bigint, word: number) => void) | undefined;

  view: DataView;
  stack: Region = NO_REGION;
  /** Bytes below the stack that belong to nobody. */
  guardStart = 0;
  /** Lowest r1 a frame was opened at. */
  lowestSp = 0;
  pacaStart = 0;
  pacaEnd = 0;
  /** 16 bytes of memory through which reads of code go. */
  scratch = 0;

  readonly #targets: (Target | undefined)[] = new Array(TARGETS).fill(undefined);
  readonly #images = new WeakMap<Uint8Array, Image>();

  constructor(options: EmulatorOptions, order: ByteOrder, level: Level, decode: (image: Image, at: number) => Op) {
    this.decode = decode;
    this.options = options;
    this.mem = options.mem;
    this.order = order;
    this.little = order === 'little';
    this.level = level;
    this.view = options.mem.view;
    this.image = new Image(0n, new Uint8Array(0), order, level);
    this.ops = this.image.ops;
  }

  /** Runs until something sets `running` to false; throws CpuFault. */
  run(): void {
    if (this.trace !== undefined) {
      this.#runTraced(this.trace);
      return;
    }
    while (this.running) {
      if (this.left <= 0) this.refill();
      this.left--;
      const o = this.ops[this.idx++];
      o.exec(this, o);
    }
  }

  #runTraced(trace: (pc: bigint, word: number) => void): void {
    while (this.running) {
      if (this.left <= 0) this.refill();
      this.left--;
      const { image, idx } = this;
      if (idx < image.words) trace(image.addrOf(idx), image.word(idx));
      const o = this.ops[this.idx++];
      o.exec(this, o);
    }
  }

  // ---- control ----------------------------------------------------------------------------------------------------

  /** Forgets where addresses lead: images may have come and gone. */
  flushTargets(): void {
    this.#targets.fill(undefined);
  }

  /** Puts the address of word `at` of the current image in a register. */
  putAddr(dst: number, at: number): void {
    const { image, r } = this;
    r[dst] = image.lo + 4 * at;
    r[dst + 1] = addHi(image.hi, image.lo, 0, 4 * at);
  }

  /** Goes on at word `at` of the current image, which may lie outside it. */
  branchToWord(o: Op, at: number): void {
    const { image } = this;
    if (at >= 0 && at < image.words) {
      this.idx = at;
      return;
    }
    const by = 4 * at;
    this.branchTo(o, addHi(image.hi, image.lo, by >> 31, by | 0), (image.lo + by) | 0);
  }

  /** Goes on at an address; its lowest two bits are ignored. */
  branchTo(o: Op, hi: number, low: number): void {
    const lo = low & ~3;
    const { image } = this;
    const off = (lo - image.lo) >>> 0;
    // Images do not span 4 GiB, so equal high halves or a carry between them are all there is.
    if (hi === image.hi && lo >>> 0 >= image.lo >>> 0 && off >>> 2 < image.words && (off & 3) === 0) {
      this.idx = off >>> 2;
      return;
    }
    const slot = (lo >>> 2) & (TARGETS - 1);
    let target = this.#targets[slot];
    if (target === undefined || target.lo !== lo || target.hi !== hi) {
      if (hi === MAGIC_HI && lo === MAGIC_LO) {
        this.running = false;
        return;
      }
      target = this.#findTarget(o, hi, lo);
      this.#targets[slot] = target;
    }
    if (target.image !== undefined) {
      this.image = target.image;
      this.ops = target.image.ops;
      this.idx = target.idx;
    } else this.onGate(target, o);
  }

  #findTarget(o: Op, hi: number, lo: number): Target {
    const addr = u64Of(hi, lo);
    const image = this.imageAt(addr);
    if (image !== undefined) {
      const off = Number(addr - image.addr);
      if (off % 4 !== 0 || off >>> 2 >= image.words) {
        throw this.fault(
          o,
          'bad-fetch',
          `branch to 0x${addr.toString(16)}, which is no instruction of its image`,
          addr,
        );
      }
      return { hi, lo, image, idx: off >>> 2, gate: undefined, local: false };
    }
    const { gates } = this.options;
    const global = gates.gateAt(addr);
    const gate = global ?? gates.gateAt(BigInt.asUintN(64, addr - 8n));
    if (gate === undefined) {
      throw this.fault(
        o,
        'bad-fetch',
        `branch to 0x${addr.toString(16)}, where there is neither code nor kernel function`,
        addr,
      );
    }
    return { hi, lo, image: undefined, idx: 0, gate, local: global === undefined };
  }

  /** The image around an address, decoded anew when its bytes are other bytes. */
  imageAt(addr: bigint): Image | undefined {
    const found = this.options.code.imageAt(addr);
    if (found === undefined) return undefined;
    let image = this.#images.get(found.bytes);
    if (image === undefined || image.addr !== found.addr) {
      image = new Image(found.addr, found.bytes, this.order, this.level);
      this.#images.set(found.bytes, image);
    }
    return image;
  }

  // ---- memory -----------------------------------------------------------------------------------------------------

  /** Address of `sizeBytes` at RA + immediate; -1 when the access faulted and control went to its fixup. */
  addrD(o: Op, sizeBytes: number, access: Access): number {
    const { r } = this;
    const addr = r[o.ra] + o.imm;
    if (r[o.ra + 1] === 0 && r[o.ra] >= 0 && addr >= 0 && addr <= MAX_ADDR) {
      const { region } = o;
      if (regionAllows(region, addr, sizeBytes, access) && (region !== this.stack || addr >= r[R1] - RED_ZONE_BYTES)) {
        return addr;
      }
      return this.#find(o, 0, addr, sizeBytes, access);
    }
    const hi = addHi(r[o.ra + 1], r[o.ra], o.imm >> 31, o.imm);
    return this.#find(o, hi, (r[o.ra] + o.imm) | 0, sizeBytes, access);
  }

  /** As {@link addrD} at RA + RB. */
  addrX(o: Op, sizeBytes: number, access: Access): number {
    const { r } = this;
    const lo = (r[o.ra] + r[o.rb]) | 0;
    const hi = addHi(r[o.ra + 1], r[o.ra], r[o.rb + 1], r[o.rb]);
    return this.addrAt(o, hi, lo, sizeBytes, access);
  }

  /** As {@link addrD} at an address. */
  addrAt(o: Op, hi: number, lo: number, sizeBytes: number, access: Access): number {
    const { region } = o;
    if (
      hi === 0 &&
      lo >= 0 &&
      regionAllows(region, lo, sizeBytes, access) &&
      (region !== this.stack || lo >= this.r[R1] - RED_ZONE_BYTES)
    ) {
      return lo;
    }
    return this.#find(o, hi, lo, sizeBytes, access);
  }

  #find(o: Op, hi: number, lo: number, sizeBytes: number, access: Access): number {
    if (hi === 0 && lo >= 0) {
      const region = this.mem.accessible(lo, sizeBytes, access);
      if (region !== undefined) {
        if (region === this.stack && lo < this.r[R1] - RED_ZONE_BYTES) {
          const below = this.r[R1] - lo;
          const what = `${access} of ${sizeBytes} bytes ${below} bytes below r1, further than the ${RED_ZONE_BYTES} bytes interrupts spare`;
          throw this.fault(o, 'bad-stack', what, u64Of(hi, lo), sizeBytes);
        }
        o.region = region;
        return lo;
      }
      if (access === 'read') {
        if (lo >= this.pacaStart && lo + sizeBytes <= this.pacaEnd) return lo;
        // What a tail call reads on its way: the array's handle and the program's.
        const handle = this.mem.regionAt(lo);
        if (handle !== undefined && (handle.kind === 'map' || handle.kind === 'prog') && lo + sizeBytes <= handle.end) {
          return lo;
        }
      }
      if (lo >= this.guardStart && lo < this.stack.start) {
        const what = `${access} of ${sizeBytes} bytes ${this.stack.start - lo} bytes below the end of the stack`;
        throw this.fault(o, 'stack-overflow', what, u64Of(hi, lo), sizeBytes);
      }
    } else if (access === 'read') {
      const found = this.#readCode(hi, lo, sizeBytes);
      if (found >= 0) return found;
    }
    return this.#fixup(o, hi, lo, sizeBytes, access);
  }

  /** Copies bytes of an image to where loads can take them. */
  #readCode(hi: number, lo: number, sizeBytes: number): number {
    const addr = u64Of(hi, lo);
    const found = this.options.code.imageAt(addr);
    const off = found === undefined ? 0 : Number(addr - found.addr);
    const bytes = found?.bytes.subarray(off, off + sizeBytes) ?? this.codeElsewhere(addr, sizeBytes);
    if (bytes === undefined || bytes.length < sizeBytes) return -1;
    this.mem.u8.set(bytes, this.scratch);
    return this.scratch;
  }

  #fixup(o: Op, hi: number, lo: number, sizeBytes: number, access: Access): number {
    const fixup = this.options.fixupFor?.(this.image.addrOf(o.at));
    const addr = u64Of(hi, lo);
    if (fixup !== undefined) {
      this.branchTo(o, Number(BigInt.asIntN(32, fixup >> 32n)), Number(BigInt.asIntN(32, fixup)));
      return -1;
    }
    const region = hi === 0 && lo >= 0 ? this.mem.regionAt(lo) : undefined;
    const what = `${access} of ${sizeBytes} bytes at 0x${addr.toString(16)}`;
    if (region === undefined) {
      throw this.fault(
        o,
        'out-of-bounds',
        `${what}: ${addr < 4096n ? 'a null pointer' : 'nothing is there'}`,
        addr,
        sizeBytes,
      );
    }
    const where = `${what} (${region.kind} ${region.name}+${lo - region.start})`;
    if (!(access === 'read' ? region.readable : region.writable)) {
      const how = region.readable ? 'read-only' : 'not for programs to access';
      throw this.fault(o, 'write-protected', `${where}: ${how}`, addr, sizeBytes);
    }
    throw this.fault(o, 'out-of-bounds', `${where}: outside it`, addr, sizeBytes);
  }

  /** Where `r1 + by` opens a frame; faults when it leaves the stack. */
  newFrame(o: Op, byHi: number, byLo: number): number {
    const { r } = this;
    const lo = (r[R1] + byLo) | 0;
    const hi = addHi(r[R1 + 1], r[R1], byHi, byLo);
    if (hi !== 0 || lo < this.stack.start || lo + 8 > this.stack.end) {
      const below = hi === 0 && lo < this.stack.start && lo >= this.guardStart;
      const what = `a frame of ${-byLo} bytes at r1 = 0x${u64Of(r[R1 + 1], r[R1]).toString(16)} does not fit the stack`;
      throw this.fault(o, below ? 'stack-overflow' : 'bad-stack', what, u64Of(hi, lo), 8);
    }
    if (lo < this.lowestSp) this.lowestSp = lo;
    return lo;
  }

  // ---- faults -----------------------------------------------------------------------------------------------------

  fault(o: Op, kind: EmuFaultKind, message: string, addr?: bigint, sizeBytes?: number): CpuFault {
    return new CpuFault({ kind, message, pc: this.image.addrOf(o.at), addr, sizeBytes, regs: this.regs() });
  }

  /** r0..r31, unsigned. */
  regs(): bigint[] {
    const { r } = this;
    return Array.from({ length: 32 }, (_, n) => u64Of(r[2 * n + 1], r[2 * n]));
  }

  /** Sets OV and OV32, and SO with OV. */
  overflow(ov: number, ov32: number): void {
    this.ov = ov;
    this.ov32 = ov32;
    this.so |= ov;
  }

  /** Sets CR0 from the 64-bit value of a register, as record forms do. */
  record(reg: number): void {
    const hi = this.r[reg + 1];
    const bits = hi < 0 ? 8 : hi !== 0 || this.r[reg] !== 0 ? 4 : 2;
    this.cr = (this.cr & 0x0fffffff) | ((bits | this.so) << 28);
  }
}
