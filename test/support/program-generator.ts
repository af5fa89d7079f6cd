import {
  type AluOp,
  INSN_TABLE,
  type Insn,
  type InsnDef,
  type JumpOp,
  LD_IMM64,
  makeInsn,
  ProgramBuilder,
  type Reg,
} from '../../src/isa/index.ts';
import type { MapDef } from '../../src/maps/index.ts';
import { bpf_map_type, helperId } from '../../src/uapi/index.ts';
import type { ProgFileEntry } from './prog-file.ts';
import { Random } from './random.ts';

/** The program types generated: socket filter, tc and XDP. */
export const GENERATED_TYPES = [1, 3, 6] as const;
export type GeneratedType = (typeof GENERATED_TYPES)[number];

export interface GeneratedProgram {
  readonly seed: number;
  readonly type: GeneratedType;
  readonly insns: readonly Insn[];
  readonly packet: Uint8Array;
  /** Maps the program uses; `ld_imm64` instructions name them by index. */
  readonly maps: readonly MapDef[];
}

export interface GeneratorOptions {
  /** Rows newer than this release are left out; default 6.12. */
  readonly kernel?: string;
  /** Statements of the main function, at most. */
  readonly size?: number;
  /** Local functions at most; default 3, which only main calls. More than that call each other too. */
  readonly functions?: number;
  /**
   * Leave out what Linux 6.12's JITs, ppc64's among them, get wrong: shifts by registers beyond the width, signed words at
   * offsets that are no multiple of 4. Default false.
   */
  readonly asJited?: boolean;
  /**
   * Frames with arrays that variables index, stack pointers that are spilled and that functions are given. Default false; programs of
   * a seed are others with it.
   */
  readonly frames?: boolean;
}

const FEW_FUNCTIONS = 3;
/** Linux allows eight frames. */
const MAX_CALL_DEPTH = 7;

// The frame: every slot of [-STACK, 0) is initialised first, so any aligned access is allowed.
const STACK_BYTES = 64;
const PACKET_RANGE_BYTES = 40;
const SCALARS = [0, 1, 2, 3, 4, 5, 8, 9] as const;
const CTX = 6;
const DATA = 7;
/** What functions are given with `frames`: a pointer to so many bytes of some caller's frame. */
const GIVEN = 7;
const GIVEN_BYTES = 16;
const reg = (n: number): Reg => ({ reg: n });
const FP = reg(10);

// Context fields whose value in a test run does not depend on the machine.
const SKB_READ = [0, 4, 8, 16, 20, 24, 28, 32, 48, 52, 56, 60, 64];
const SKB_WRITE_TC = [8, 32, 44, 48, 52, 56, 60, 64];
const SKB_WRITE_SOCKET = [48, 52, 56, 60, 64];
const XDP_READ = [16];

const ARRAY = 0;
const HASH = 1;
const GLOBALS = 2;
/** The maps of every program that uses any: an array, a small hash, and an array of one element for direct addresses. */
export const GENERATED_MAPS: readonly MapDef[] = [
  {
    name: 'array',
    type: bpf_map_type.BPF_MAP_TYPE_ARRAY,
    keySizeBytes: 4,
    valueSizeBytes: 32,
    maxEntries: 16,
    flags: 0,
  },
  { name: 'hash', type: bpf_map_type.BPF_MAP_TYPE_HASH, keySizeBytes: 8, valueSizeBytes: 16, maxEntries: 8, flags: 0 },
  {
    name: 'globals',
    type: bpf_map_type.BPF_MAP_TYPE_ARRAY,
    keySizeBytes: 4,
    valueSizeBytes: 32,
    maxEntries: 1,
    flags: 0,
  },
];
const VALUE_BYTES = 32;

function helper(name: string): number {
  return helperId(`bpf_${name}`) ?? 0;
}

function versionAtMost(since: string, kernel: string): boolean {
  const [a, b] = [since, kernel].map(text => text.split('.').map(Number));
  return a[0] < b[0] || (a[0] === b[0] && a[1] <= b[1]);
}

/** One typed random program: registers keep their roles, so that verifiers accept nearly all of them. */
class Generator {
  readonly #r: Random;
  readonly #type: GeneratedType;
  readonly #rows: ReadonlyMap<string, readonly InsnDef[]>;
  readonly #b = new ProgramBuilder();
  #labels = 0;
  readonly #asJited: boolean;
  readonly #functions: number;
  #subprogs = 0;
  /** Calls that lead to the function being made, and to each that is still to be made. */
  #depth = 0;
  readonly #depths: number[] = [];
  /** Inside a subprogram there is neither context nor packet. */
  #inMain = true;
  /** Cleared by helpers that move the packet: later code may not use pointers into it. */
  #packetValid = true;
  usesMaps = false;
  readonly #frames: boolean;
  /** Where the array begins in the frame in hand, and its bytes. */
  #array: readonly [off: number, bytes: number] = [-STACK_BYTES, 16];

  constructor(random: Random, type: GeneratedType, options: GeneratorOptions) {
    const kernel = options.kernel ?? '6.12';
    this.#r = random;
    this.#functions = options.functions ?? FEW_FUNCTIONS;
    this.#asJited = options.asJited ?? false;
    this.#frames = options.frames ?? false;
    this.#type = type;
    const rows = INSN_TABLE.filter(def => versionAtMost(def.since, kernel));
    this.#rows = new Map(
      [...new Set(rows.map(def => def.kind))].map(kind => [kind, rows.filter(def => def.kind === kind)]),
    );
  }

  generate(size: number): Insn[] {
    const r = this.#r;
    const b = this.#b;
    b.mov(reg(CTX), reg(1));
    if (this.#type === 6) b.load('w', reg(DATA), reg(1), 0).load('w', reg(2), reg(1), 4);
    if (this.#type === 3) b.load('w', reg(DATA), reg(1), 76).load('w', reg(2), reg(1), 80);
    if (this.#type !== 1) {
      b.mov(reg(3), reg(DATA)).alu64('add', reg(3), PACKET_RANGE_BYTES).jumpIf('jgt', reg(3), reg(2), 'short');
    }
    this.#prepare();
    this.#statements(r.between(3, size));
    this.#fold();
    b.exit();
    if (this.#type !== 1) b.label('short').mov(reg(0), 0).exit();
    for (let i = 0; i < this.#subprogs; i++) {
      this.#inMain = false;
      this.#depth = this.#depths[i];
      b.label(`sub${i}`);
      for (const n of [0, 8, 9]) b.imm64(reg(n), r.edgeU64());
      if (this.#frames) b.mov(reg(GIVEN), reg(1)).mov(reg(1), reg(8));
      this.#initStack();
      this.#statements(r.between(2, 8));
      this.#fold();
      b.exit();
    }
    return b.build();
  }

  #initStack(): void {
    if (this.#frames) {
      const bytes = this.#r.pick([8, 16, 16, 32]);
      this.#array = [-8 * this.#r.between(bytes / 8, STACK_BYTES / 8), bytes];
    }
    for (let off = -STACK_BYTES; off < 0; off += 8)
      this.#b.store('dw', FP, off, this.#r.chance(50) ? this.#r.edgeI32() : reg(this.#r.pick([8, 9])));
  }

  #prepare(): void {
    for (const n of SCALARS) this.#b.imm64(reg(n), this.#r.edgeU64());
    this.#initStack();
  }

  /** After a call R1..R5 hold nothing. */
  #revive(): void {
    for (let n = 1; n <= 5; n++) {
      if (this.#r.chance(30)) this.#b.imm64(reg(n), this.#r.edgeU64());
      else this.#b.mov(reg(n), this.#r.chance(50) ? reg(0) : reg(this.#r.pick([8, 9])));
    }
  }

  #fold(): void {
    for (const n of SCALARS.slice(1)) {
      this.#b.alu64('mul', reg(0), 31).alu64(this.#r.pick(['xor', 'add', 'sub']), reg(0), reg(n));
    }
    for (let off = -STACK_BYTES; off < 0; off += 8)
      this.#b.load('dw', reg(1), FP, off).alu64('xor', reg(0), reg(1)).alu64('mul', reg(0), 17);
    this.#b.mov(reg(1), reg(0)).alu64('rsh', reg(1), 32).alu64('xor', reg(0), reg(1));
  }

  #scalar(): number {
    return this.#r.pick(SCALARS);
  }

  #statements(count: number): void {
    for (let i = 0; i < count; i++) this.#statement(count);
  }

  #statement(count: number): void {
    const r = this.#r;
    const kinds: [number, () => void][] = [
      [30, () => this.#alu()],
      [6, () => this.#row('neg')],
      [6, () => this.#row('movsx')],
      [6, () => this.#row('end')],
      [10, () => this.#stackAccess()],
      [8, () => this.#atomic()],
      [14, () => this.#branch(count)],
      [2, () => this.#loop()],
      [this.#inMain && this.#type !== 1 && this.#packetValid ? 10 : 0, () => this.#packetAccess()],
      [this.#rows.has('load_acq') ? 6 : 0, () => this.#ordered()],
      [3, () => this.#arrayValue()],
      [3, () => this.#hashCall()],
      [1, () => this.#mapValue()],
      [this.#inMain ? 4 : 0, () => this.#packetHelper()],
      // Linux 6.13 began to fold what bpf_csum_diff returns; farcall's helpers are those of 6.12.
      [this.#type === 3 && !this.#rows.has('load_acq') ? 2 : 0, () => this.#csumDiff()],
      [this.#inMain && this.#type !== 6 ? 6 : 0, () => this.#packetLoad()],
      [this.#inMain ? 5 : 0, () => this.#context()],
      [this.#callWeight(), () => this.#callLocal()],
    ];
    if (this.#frames) {
      kinds.push(
        [16, () => this.#arrayAccess()],
        [10, () => this.#stackAccess()],
        [5, () => this.#spilledPointer()],
        [this.#inMain ? 0 : 8, () => this.#memory(GIVEN, size => size * this.#r.below(GIVEN_BYTES / size))],
      );
    }
    let at = r.below(kinds.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, make] of kinds) {
      if (at < weight) {
        make();
        return;
      }
      at -= weight;
    }
  }

  #alu(): void {
    const def = this.#r.pick(this.#rows.get('alu') ?? []);
    this.#b.raw(this.#operands(def, this.#scalar()));
  }

  /** Constants that verifiers refuse (division by 0, shifts past the width) are avoided, registers may hold them. */
  #operands(def: InsnDef, dst: number, off = 0): Insn {
    const op = def.op as AluOp | JumpOp;
    let imm = this.#r.edgeI32();
    const shift = ['lsh', 'rsh', 'arsh'].includes(op);
    if (shift) imm = this.#r.below(def.bits);
    else if (['div', 'mod', 'sdiv', 'smod'].includes(op) && imm === 0) imm = 3;
    const constOff = typeof def.off === 'number' ? def.off : off;
    if (def.source === 'imm') return makeInsn(def.code, dst, 0, constOff, imm);
    const src = this.#scalar();
    if (shift && this.#asJited) this.#b.alu64('and', reg(src), def.bits - 1);
    return makeInsn(def.code, dst, src, constOff, 0);
  }

  #row(kind: 'neg' | 'movsx' | 'end'): void {
    const def = this.#r.pick(this.#rows.get(kind) ?? []);
    this.#b.raw(
      makeInsn(
        def.code,
        this.#scalar(),
        def.src === 0 ? 0 : this.#scalar(),
        typeof def.off === 'number' ? def.off : 0,
        typeof def.imm === 'number' ? def.imm : 0,
      ),
    );
  }

  #aligned(sizeBytes: number): number {
    return -sizeBytes * this.#r.between(1, STACK_BYTES / sizeBytes);
  }

  #memory(base: number, off: (size: number) => number): void {
    const kind = this.#r.pick(['ldx', 'ldxs', 'st', 'stx'] as const);
    const def = this.#r.pick(this.#rows.get(kind) ?? []);
    const anywhere = off(def.sizeBytes);
    const at = kind === 'ldxs' && def.sizeBytes === 4 && this.#asJited ? anywhere & ~3 : anywhere;
    if (kind === 'ldx' || kind === 'ldxs') this.#b.raw(makeInsn(def.code, this.#scalar(), base, at, 0));
    else if (kind === 'st') this.#b.raw(makeInsn(def.code, base, 0, at, this.#r.edgeI32()));
    else this.#b.raw(makeInsn(def.code, base, this.#scalar(), at, 0));
  }

  #stackAccess(): void {
    this.#memory(10, size => this.#aligned(size));
  }

  /** A load or a store of an element of the frame's array that nobody knows beforehand. */
  #arrayAccess(): void {
    const b = this.#b;
    const [off, bytes] = this.#array;
    const def = this.#r.pick(this.#rows.get(this.#r.pick(['ldx', 'ldxs', 'st', 'stx'] as const)) ?? []);
    const size = def.sizeBytes;
    const mask = Math.max(bytes - 1, 0) & -size;
    const [base, index] = this.#r.pick([
      [4, 5],
      [5, 2],
      [3, 3],
    ]);
    if (base !== index && this.#r.chance(50)) {
      b.mov(reg(index), reg(this.#r.pick([8, 9]))).alu64('and', reg(index), mask);
      this.#stackAddr(base, off);
      b.alu64('add', reg(base), reg(index));
    } else {
      b.mov(reg(base), reg(this.#r.pick([0, 8, 9])))
        .alu64('and', reg(base), mask)
        .alu64('add', reg(base), FP);
      b.alu64('add', reg(base), off);
    }
    const imm = def.kind === 'st' ? this.#r.edgeI32() : 0;
    if (def.kind === 'st' || def.kind === 'stx')
      b.raw(makeInsn(def.code, base, def.kind === 'st' ? 0 : this.#r.pick([8, 9]), 0, imm));
    else b.raw(makeInsn(def.code, this.#r.pick([0, 8, 9]), base, 0, 0));
    this.#revive();
  }

  /** A pointer to the stack goes there and comes back. Its place then holds a number again: results do not hang on addresses. */
  #spilledPointer(): void {
    const b = this.#b;
    const place = -8 * this.#r.between(1, STACK_BYTES / 8);
    const [off, bytes] = this.#array;
    // Nor do elements of the array.
    if (place < off + bytes && place + 8 > off) return;
    this.#stackAddr(4, this.#aligned(8));
    b.store('dw', FP, place, reg(4));
    if (this.#r.chance(60)) b.alu64('xor', reg(8), this.#r.edgeI32());
    b.load('dw', reg(5), FP, place);
    b.store('dw', FP, place, this.#r.pick([reg(8), reg(9), this.#r.edgeI32()]));
    if (this.#r.chance(50)) b.store('dw', reg(5), 0, reg(this.#r.pick([8, 9])));
    else b.load(this.#r.pick(['b', 'h', 'w', 'dw'] as const), reg(0), reg(5), 0);
    this.#revive();
  }

  #packetAccess(): void {
    this.#memory(DATA, size => this.#r.between(0, PACKET_RANGE_BYTES - size));
  }

  #atomic(): void {
    const def = this.#r.pick(this.#rows.get('atomic') ?? []);
    this.#b.raw(makeInsn(def.code, 10, this.#scalar(), this.#aligned(def.sizeBytes), def.imm as number));
  }

  /** Load-acquire and store-release, on the stack. */
  #ordered(): void {
    const def = this.#r.pick([...(this.#rows.get('load_acq') ?? []), ...(this.#rows.get('store_rel') ?? [])]);
    const at = this.#aligned(def.sizeBytes);
    if (def.kind === 'load_acq') this.#b.raw(makeInsn(def.code, this.#scalar(), 10, at, def.imm as number));
    else this.#b.raw(makeInsn(def.code, 10, this.#scalar(), at, def.imm as number));
  }

  /** `to` = frame pointer + off. */
  #stackAddr(to: number, off: number): void {
    this.#b.mov(reg(to), FP).alu64('add', reg(to), off);
  }

  /** Accesses through R0, a pointer to `size` bytes that R0 no longer holds afterwards. */
  #throughPointer(size: number): void {
    const off = (bytes: number): number => bytes * this.#r.below(size / bytes);
    for (let n = this.#r.between(1, 4); n > 0; n--) {
      if (this.#r.chance(30)) {
        const def = this.#r.pick(this.#rows.get('atomic') ?? []);
        // cmpxchg compares with R0, which is the pointer here.
        if (def.op !== 'cmpxchg')
          this.#b.raw(makeInsn(def.code, 0, this.#r.pick([8, 9]), off(def.sizeBytes), def.imm as number));
      } else {
        const def = this.#r.pick(this.#rows.get(this.#r.pick(['ldx', 'ldxs', 'st', 'stx'] as const)) ?? []);
        const at = off(def.sizeBytes);
        const other = this.#r.pick([8, 9]);
        if (def.kind === 'ldx' || def.kind === 'ldxs') this.#b.raw(makeInsn(def.code, other, 0, at, 0));
        else
          this.#b.raw(
            makeInsn(def.code, 0, def.kind === 'st' ? 0 : other, at, def.kind === 'st' ? this.#r.edgeI32() : 0),
          );
      }
    }
    this.#b.load('dw', reg(0), reg(0), off(8));
  }

  /** Looks an element of the array up, inside or outside, and works on its value. */
  #arrayValue(): void {
    this.usesMaps = true;
    const key = this.#aligned(4);
    const [missing, done] = [`l${this.#labels++}`, `l${this.#labels++}`];
    this.#b.store('w', FP, key, this.#r.between(0, 17));
    this.#b.wide('lddw_map_fd', reg(1), ARRAY);
    this.#stackAddr(2, key);
    this.#b.helper(helper('map_lookup_elem')).jumpIf('jeq', reg(0), 0, missing);
    this.#throughPointer(VALUE_BYTES);
    this.#b.jump(done).label(missing).mov(reg(0), this.#r.edgeI32()).label(done);
    this.#revive();
  }

  /** A global variable, by its address. */
  #mapValue(): void {
    this.usesMaps = true;
    this.#b.wide('lddw_map_value', reg(0), GLOBALS);
    this.#throughPointer(VALUE_BYTES);
  }

  /** Updates, deletes and looks up in the hash; keys come from a small set, so that they meet. */
  #hashCall(): void {
    this.usesMaps = true;
    const b = this.#b;
    const key = -8 * this.#r.between(1, 3);
    const value = -8 * this.#r.between(5, 8);
    b.store('dw', FP, key, this.#r.between(0, 9)).wide('lddw_map_fd', reg(1), HASH);
    this.#stackAddr(2, key);
    const name = this.#r.pick(['map_update_elem', 'map_update_elem', 'map_delete_elem', 'map_lookup_elem']);
    if (name === 'map_update_elem') {
      this.#stackAddr(3, value);
      b.mov(reg(4), this.#r.below(4));
    }
    b.helper(helper(name));
    if (name === 'map_lookup_elem') {
      const [missing, done] = [`l${this.#labels++}`, `l${this.#labels++}`];
      b.jumpIf('jeq', reg(0), 0, missing);
      this.#throughPointer(16);
      b.jump(done).label(missing).mov(reg(0), 7).label(done);
    }
    this.#revive();
  }

  #csumDiff(): void {
    const size = (): number => 4 * this.#r.between(1, 4);
    this.#stackAddr(1, -64);
    this.#b.mov(reg(2), size());
    this.#stackAddr(3, -32);
    this.#b.mov(reg(4), size()).mov(reg(5), this.#r.edgeI32()).helper(helper('csum_diff'));
    this.#revive();
  }

  /** Helpers on the packet; those that may move it end direct access. */
  #packetHelper(): void {
    const b = this.#b;
    const r = this.#r;
    b.mov(reg(1), reg(CTX));
    if (this.#type === 6) {
      const name = r.pick([
        'xdp_adjust_head',
        'xdp_adjust_tail',
        'xdp_adjust_meta',
        'xdp_load_bytes',
        'xdp_store_bytes',
        'xdp_get_buff_len',
      ]);
      if (name.startsWith('xdp_adjust')) b.mov(reg(2), r.pick([-16, -8, -4, 4, 8, 12, 16, 300, -300]));
      if (name === 'xdp_load_bytes' || name === 'xdp_store_bytes') {
        b.mov(reg(2), r.between(0, 90));
        this.#stackAddr(3, -32);
        b.mov(reg(4), r.between(1, 32));
      }
      b.helper(helper(name));
      if (name !== 'xdp_load_bytes' && name !== 'xdp_get_buff_len') this.#packetValid = false;
    } else if (this.#type === 1 || r.chance(40)) {
      b.mov(reg(2), r.between(0, 90));
      this.#stackAddr(3, -32);
      b.mov(reg(4), r.between(1, 32)).helper(helper('skb_load_bytes'));
    } else {
      const name = r.pick([
        'skb_store_bytes',
        'l3_csum_replace',
        'l4_csum_replace',
        'skb_pull_data',
        'skb_change_tail',
        'skb_vlan_push',
        'skb_vlan_pop',
        'skb_change_head',
      ]);
      const args: Readonly<Record<string, () => unknown>> = {
        skb_store_bytes: () => {
          b.mov(reg(2), r.between(0, 90));
          this.#stackAddr(3, -32);
          b.mov(reg(4), r.between(1, 32)).mov(reg(5), r.below(4));
        },
        l3_csum_replace: () =>
          b
            .mov(reg(2), r.between(0, 80))
            .mov(reg(3), r.edgeI32())
            .mov(reg(4), r.edgeI32())
            .mov(reg(5), r.pick([0, 2, 4])),
        l4_csum_replace: () =>
          b
            .mov(reg(2), r.between(0, 80))
            .mov(reg(3), r.edgeI32())
            .mov(reg(4), r.edgeI32())
            .mov(reg(5), r.pick([0, 2, 4, 0x10, 0x12, 0x34, 0x44])),
        skb_pull_data: () => b.mov(reg(2), r.between(0, 60)),
        skb_change_tail: () => b.mov(reg(2), r.between(14, 150)).mov(reg(3), 0),
        skb_change_head: () => b.mov(reg(2), r.between(0, 40)).mov(reg(3), 0),
        skb_vlan_push: () => b.mov(reg(2), r.pick([0x0081, 0xa888, 0x1234])).mov(reg(3), r.below(4096)),
        skb_vlan_pop: () => b,
      };
      args[name]();
      b.helper(helper(name));
      this.#packetValid = false;
    }
    this.#revive();
  }

  #branch(count: number): void {
    const over = `l${this.#labels++}`;
    const def = this.#r.pick(this.#rows.get('jcond') ?? []);
    const dst = this.#scalar();
    const op = def.op as JumpOp;
    const operand = def.source === 'imm' ? this.#r.edgeI32() : reg(this.#scalar());
    const body = this.#r.between(1, Math.min(4, count));
    this.#b.jumpIf(op, reg(dst), operand, over, def.bits);
    this.#statements(body);
    if (this.#r.chance(40)) {
      const end = `l${this.#labels++}`;
      if (this.#r.chance(30)) this.#b.jumpLong(end);
      else this.#b.jump(end);
      this.#b.label(over);
      this.#statements(this.#r.between(1, 3));
      this.#b.label(end);
    } else this.#b.label(over);
  }

  /** A counted loop of straight-line arithmetic; the counter lives in the last stack slot pair. */
  #loop(): void {
    const again = `l${this.#labels++}`;
    const counter = this.#r.pick([8, 9]);
    this.#b.mov(reg(counter), 0).label(again);
    for (let i = this.#r.between(1, 3); i > 0; i--) {
      const def = this.#r.pick(this.#rows.get('alu') ?? []);
      this.#b.raw(this.#operands(def, this.#r.pick([0, 1, 2, 3, 4, 5])));
    }
    this.#b.alu64('add', reg(counter), 1).jumpIf('jlt', reg(counter), this.#r.between(2, 6), again);
  }

  #packetLoad(): void {
    const def = this.#r.pick([...(this.#rows.get('ld_abs') ?? []), ...(this.#rows.get('ld_ind') ?? [])]);
    const near = this.#r.between(0, 70);
    if (def.kind === 'ld_ind') {
      const index = this.#scalar();
      if (this.#r.chance(80)) this.#b.mov(reg(index), this.#r.between(0, 40));
      this.#b.raw(makeInsn(def.code, 0, index, 0, near - 20));
    } else {
      this.#b.raw(makeInsn(def.code, 0, 0, 0, this.#r.chance(15) ? this.#r.pick([-0x100000, -0x200000]) + near : near));
    }
    this.#revive();
  }

  #context(): void {
    const off = this.#r.pick(this.#type === 6 ? XDP_READ : SKB_READ);
    if (this.#type === 6 || this.#r.chance(60)) this.#b.load('w', reg(this.#scalar()), reg(CTX), off);
    else
      this.#b.store(
        'w',
        reg(CTX),
        this.#r.pick(this.#type === 3 ? SKB_WRITE_TC : SKB_WRITE_SOCKET),
        reg(this.#scalar()),
      );
  }

  #callWeight(): number {
    const many = this.#functions > FEW_FUNCTIONS;
    if (this.#subprogs >= this.#functions || !(this.#inMain || (many && this.#depth < MAX_CALL_DEPTH))) return 0;
    return many ? 20 : 3;
  }

  #callLocal(): void {
    this.#depths.push(this.#depth + 1);
    if (this.#frames) {
      if (!this.#inMain && this.#r.chance(30)) this.#b.mov(reg(1), reg(GIVEN));
      else this.#stackAddr(1, -8 * this.#r.between(GIVEN_BYTES / 8, STACK_BYTES / 8));
    }
    this.#b.call(`sub${this.#subprogs++}`);
    this.#revive();
  }
}

/** The program of a seed: same seed and options, same program. */
export function generateProgram(seed: number, options: GeneratorOptions = {}): GeneratedProgram {
  const random = new Random(seed);
  const type = random.pick(GENERATED_TYPES);
  const generator = new Generator(random, type, options);
  const insns = generator.generate(options.size ?? 25);
  const packet = random.bytes(random.chance(80) ? random.between(60, 120) : random.between(14, 59));
  // Some frames are IPv4, most are nothing known.
  if (packet.length >= 15 && random.chance(40)) packet.set([0x08, 0x00, 0x45], 12);
  return { seed, type, insns, packet, maps: generator.usesMaps ? GENERATED_MAPS : [] };
}

/** A generated program as an entry of a `.prog` file. */
export function progEntryOf({ seed, type, insns, maps }: GeneratedProgram): ProgFileEntry {
  return {
    name: `${seed}`,
    type,
    insns: [...insns],
    maps: maps.map(def => `${def.type} ${def.keySizeBytes} ${def.valueSizeBytes} ${def.maxEntries} ${def.flags}`),
    ldmaps: insns.flatMap(({ code, src, imm }, slot) =>
      code === LD_IMM64 && (src === 1 || src === 2) ? [`${slot} ${imm} ${src} ${insns[slot + 1].imm}`] : [],
    ),
  };
}
