import {
  type AluOp,
  type JumpOp,
  type MemSize,
  ProgramBuilder,
  R0,
  R1,
  R2,
  R3,
  R4,
  R10,
  type Reg,
} from '../../src/isa/index.ts';
import { bpf_func_id as F, bpf_map_type as M, bpf_prog_type as T } from '../../src/uapi/index.ts';
import type { ProgFileEntry } from './prog-file.ts';
import { Random } from './random.ts';

/** What the generator believes a register or stack slot holds. */
type Kind =
  | { readonly is: 'nothing' | 'num' | 'ctx' | 'pktEnd' }
  | { readonly is: 'small'; readonly max: number }
  | { readonly is: 'fp'; readonly off: number }
  | { readonly is: 'value'; readonly map: number; readonly off: number }
  | { readonly is: 'valueOrNull'; readonly map: number }
  | { readonly is: 'pkt'; readonly range: number }
  | { readonly is: 'mem'; readonly size: number };

const NOTHING: Kind = { is: 'nothing' };
const NUM: Kind = { is: 'num' };
const CTX: Kind = { is: 'ctx' };

interface MapShape {
  readonly type: number;
  readonly key: number;
  readonly value: number;
  readonly entries: number;
  readonly flags: number;
}

const MAPS: readonly MapShape[] = [
  { type: M.BPF_MAP_TYPE_ARRAY, key: 4, value: 48, entries: 4, flags: 0 },
  { type: M.BPF_MAP_TYPE_HASH, key: 8, value: 24, entries: 16, flags: 0 },
  { type: M.BPF_MAP_TYPE_PERCPU_ARRAY, key: 4, value: 16, entries: 2, flags: 0 },
  { type: M.BPF_MAP_TYPE_LRU_HASH, key: 16, value: 64, entries: 8, flags: 0 },
  { type: M.BPF_MAP_TYPE_ARRAY, key: 4, value: 32, entries: 3, flags: 0x80 },
  { type: M.BPF_MAP_TYPE_RINGBUF, key: 0, value: 0, entries: 4096, flags: 0 },
  { type: M.BPF_MAP_TYPE_PROG_ARRAY, key: 4, value: 4, entries: 4, flags: 0 },
];
const LOOKUPS = [0, 1, 2, 3, 4];
const RINGBUF = 5;
const PROG_ARRAY = 6;

interface TypeShape {
  readonly type: number;
  /** Context fields: offset, size. */
  readonly fields: readonly (readonly [number, MemSize])[];
  /** Offsets of data and data_end. */
  readonly packet?: readonly [number, number];
  readonly tracing: boolean;
  readonly returns: readonly [number, number];
}

const SKB_FIELDS = [
  [0, 'w'],
  [4, 'w'],
  [8, 'w'],
  [16, 'w'],
  [40, 'w'],
  [48, 'w'],
  [52, 'b'],
  [56, 'h'],
] as const;
const TYPES: readonly TypeShape[] = [
  { type: T.BPF_PROG_TYPE_SOCKET_FILTER, fields: SKB_FIELDS, tracing: false, returns: [-1, 0x7fffffff] },
  {
    type: T.BPF_PROG_TYPE_SCHED_CLS,
    fields: [...SKB_FIELDS, [152, 'dw']],
    packet: [76, 80],
    tracing: false,
    returns: [-1, 7],
  },
  {
    type: T.BPF_PROG_TYPE_XDP,
    fields: [
      [12, 'w'],
      [16, 'w'],
    ],
    packet: [0, 4],
    tracing: false,
    returns: [0, 4],
  },
  {
    type: T.BPF_PROG_TYPE_KPROBE,
    fields: [
      [0, 'dw'],
      [104, 'dw'],
      [112, 'dw'],
      [96, 'w'],
    ],
    tracing: true,
    returns: [0, 1],
  },
  {
    type: T.BPF_PROG_TYPE_TRACEPOINT,
    fields: [
      [8, 'dw'],
      [16, 'w'],
      [20, 'h'],
      [24, 'b'],
    ],
    tracing: true,
    returns: [0, 1],
  },
  {
    type: T.BPF_PROG_TYPE_RAW_TRACEPOINT,
    fields: [
      [0, 'dw'],
      [8, 'dw'],
    ],
    tracing: true,
    returns: [0, 1],
  },
  { type: T.BPF_PROG_TYPE_CGROUP_SKB, fields: SKB_FIELDS, packet: [76, 80], tracing: false, returns: [0, 1] },
];

const ALU: readonly AluOp[] = ['add', 'sub', 'mul', 'and', 'or', 'xor', 'lsh', 'rsh', 'arsh', 'div', 'mod'];
const JUMPS: readonly JumpOp[] = ['jeq', 'jne', 'jset', 'jgt', 'jge', 'jlt', 'jle', 'jsgt', 'jsge', 'jslt', 'jsle'];
const BYTES: Readonly<Record<MemSize, number>> = { b: 1, h: 2, w: 4, dw: 8 };
const SIZES: readonly MemSize[] = ['b', 'h', 'w', 'dw'];
const STACK_SLOTS = 12;

const reg = (n: number): Reg => ({ ...R0, reg: n });

/**
 * Writes a program that keeps track of what its registers hold, so that a good share of them is accepted, and errs now
 * and then, so that some are not: maps of several types, checked look-ups, packets, spills of any size, bounded offsets, loops,
 * functions, callbacks, references.
 */
class Writer {
  readonly b = new ProgramBuilder();
  readonly ldmaps: string[] = [];
  /** Maps used, in order of first use. */
  readonly maps: number[] = [];
  readonly #random: Random;
  readonly #type: TypeShape;
  readonly #errPercent: number;
  #kinds: Kind[] = [];
  #slots: Kind[] = [];
  #labels = 0;
  #budget: number;
  #functions: string[] = [];
  #callbacks: string[] = [];
  #inMain = true;
  #depth = 0;
  #inLoop = false;
  readonly #unprivileged: boolean;

  constructor(random: Random, type: TypeShape, unprivileged: boolean) {
    this.#random = random;
    this.#type = type;
    this.#unprivileged = unprivileged;
    this.#budget = random.between(5, random.chance(10) ? 90 : 32);
    // A third of the programs has no deliberate mistake at all.
    this.#errPercent = random.chance(33) ? 0 : 1;
  }

  #label(): string {
    return `l${this.#labels++}`;
  }
  #errs(): boolean {
    return this.#errPercent > 0 && this.#random.below(60) < this.#errPercent;
  }
  /** Whoever has no rights hardly ever tries what it may not do. */
  #forbidden(): boolean {
    return this.#unprivileged && !this.#errs();
  }
  #set(n: number, kind: Kind): void {
    this.#kinds[n] = kind;
  }
  #clobber(): void {
    for (let n = 0; n <= 5; n++) this.#kinds[n] = NOTHING;
  }
  #those(test: (kind: Kind, n: number) => boolean): number[] {
    const found: number[] = [];
    for (let n = 0; n <= 9; n++) if (test(this.#kinds[n], n)) found.push(n);
    return found;
  }
  #isNum = (kind: Kind): boolean => kind.is === 'num' || kind.is === 'small';

  /** A register that holds a number, made if there is none. */
  #num(): number {
    if (this.#errs()) return this.#random.below(10);
    const nums = this.#those(this.#isNum);
    if (nums.length > 0) return this.#random.pick(nums);
    const n = this.#free();
    this.b.mov(reg(n), this.#random.edgeI32());
    this.#set(n, NUM);
    return n;
  }
  /** A register that may be overwritten: pointers are spared as long as possible, r6 always. */
  #free(): number {
    const spare = this.#those((kind, n) => n !== 6 && (kind.is === 'nothing' || this.#isNum(kind)));
    return spare.length > 0 ? this.#random.pick(spare) : this.#random.pick([0, 1, 2, 3, 4, 5, 7, 8, 9]);
  }
  #small(max: number): number {
    const n = this.#num();
    const to = this.#free();
    const bits = this.#random.chance(30) ? 32 : 64;
    this.b.mov(reg(to), reg(n));
    if (this.#random.chance(50)) this.b.alu(bits, 'and', reg(to), this.#errs() ? max * 16 + 15 : max);
    else {
      const out = this.#label();
      const skip = this.#label();
      this.b.jumpIf(this.#random.pick(['jgt', 'jsgt'] as const), reg(to), max, out, bits);
      if (this.#random.chance(60)) this.b.jumpIf('jslt', reg(to), 0, out, bits);
      this.b
        .jump(skip)
        .label(out)
        .mov(reg(to), this.#random.below(max + 1))
        .label(skip);
    }
    this.#set(to, { is: 'small', max });
    return to;
  }

  #loadMap(to: number, map: number): void {
    if (!this.maps.includes(map)) this.maps.push(map);
    this.ldmaps.push(`${this.b.here} ${this.maps.indexOf(map)} 1 0`);
    this.b.imm64(reg(to), 0n);
    this.#set(to, NOTHING);
  }
  #key(map: number): number {
    const bytes = MAPS[map].key;
    const off = -8 * this.#random.between(Math.max(1, Math.ceil(bytes / 8)), STACK_SLOTS);
    for (let at = 0; at < bytes; at += 8) {
      if (this.#errs()) continue;
      const value = this.#random.chance(50) ? reg(this.#num()) : this.#random.below(6);
      this.b.store(bytes < 8 ? 'w' : 'dw', R10, off + at, value);
      this.#slots[-(off + at) / 8] = NUM;
    }
    return off;
  }

  #lookup(): void {
    const map = this.#random.pick(LOOKUPS);
    const off = this.#key(map);
    this.#loadMap(1, map);
    this.b.mov(R2, R10).alu64('add', R2, off).helper(F.BPF_FUNC_map_lookup_elem);
    this.#clobber();
    const kind: Kind = { is: 'valueOrNull', map };
    this.#set(0, kind);
    const to = this.#random.pick([0, 7, 8, 9]);
    if (to !== 0) {
      this.b.mov(reg(to), R0);
      this.#set(to, kind);
    }
    if (!this.#random.chance(94)) return;
    const held: Kind = { is: 'value', map, off: 0 };
    if (this.#random.chance(60)) {
      const some = this.#label();
      this.b.jumpIf('jne', reg(this.#random.chance(50) ? 0 : to), 0, some);
      this.#leave();
      this.b.label(some);
      this.#set(0, held);
      this.#set(to, held);
    } else {
      const none = this.#label();
      const before = this.#snapshot();
      this.b.jumpIf('jeq', R0, 0, none);
      this.#set(0, held);
      this.#set(to, held);
      this.#some(3);
      this.b.label(none);
      this.#join(before);
    }
  }

  #access(): void {
    const pointers = this.#those(kind => kind.is === 'value' || kind.is === 'mem');
    if (pointers.length === 0) {
      this.#lookup();
      return;
    }
    const n = this.#random.pick(pointers);
    const kind = this.#kinds[n];
    const bytes = kind.is === 'value' ? MAPS[kind.map].value - kind.off : kind.is === 'mem' ? kind.size : 8;
    const size = this.#random.pick(SIZES);
    const room = bytes - BYTES[size];
    if (room < 0) return;
    let base = n;
    let off = this.#random.between(0, Math.floor(room / BYTES[size])) * BYTES[size];
    if (this.#errs()) off = this.#random.between(-8, bytes + 8);
    else if (kind.is === 'value' && room > 0 && this.#random.chance(45)) {
      // A power of two less one is the most a mask can say.
      const max = this.#random.chance(50) ? 2 ** Math.floor(Math.log2(room + 1)) - 1 : room;
      const by = this.#small(max);
      base = this.#free();
      if (base === n || base === by) return;
      this.b.mov(reg(base), reg(n)).alu64('add', reg(base), reg(by));
      this.#set(base, NOTHING);
      off = 0;
    }
    const isReadOnly = kind.is === 'value' && MAPS[kind.map].flags !== 0;
    if (this.#random.chance(isReadOnly && !this.#errs() ? 100 : 55)) {
      const to = this.#free();
      if (size !== 'dw' && this.#random.chance(20)) this.b.loadSigned(size, reg(to), reg(base), off);
      else this.b.load(size, reg(to), reg(base), off);
      this.#set(to, NUM);
    } else if (this.#random.chance(15) && (size === 'w' || size === 'dw') && off % BYTES[size] === 0 && base === n) {
      this.b.atomic(
        size === 'w' ? 32 : 64,
        this.#random.pick(['add', 'fetch_add', 'fetch_or', 'xchg'] as const),
        reg(base),
        off,
        reg(this.#num()),
      );
    } else this.b.store(size, reg(base), off, this.#random.chance(40) ? this.#random.i32() : reg(this.#num()));
  }

  #packet(): void {
    const fields = this.#type.packet;
    if (fields === undefined || !this.#inMain) {
      this.#arithmetic();
      return;
    }
    const out = this.#label();
    const start = this.#random.pick([7, 8]);
    const end = 9;
    const range = this.#random.between(1, 60);
    this.b.load('w', reg(start), reg(6), fields[0]).load('w', reg(end), reg(6), fields[1]);
    this.#set(start, { is: 'pkt', range: 0 });
    this.#set(end, { is: 'pktEnd' });
    if (this.#random.chance(30)) {
      const by = this.#small(this.#random.pick([15, 63, 1023]));
      if (by !== start && by !== end) this.b.alu64('add', reg(start), reg(by));
    }
    const before = this.#snapshot();
    const probe = this.#free();
    if (probe === start || probe === end) return;
    this.b.mov(reg(probe), reg(start)).alu64('add', reg(probe), range);
    this.#set(probe, NOTHING);
    if (this.#random.chance(75)) this.b.jumpIf(this.#random.pick(['jgt', 'jge'] as const), reg(probe), reg(end), out);
    else this.b.jumpIf(this.#random.pick(['jlt', 'jle'] as const), reg(end), reg(probe), out);
    for (let n = this.#random.between(1, 4); n > 0; n--) {
      const size = this.#random.pick(SIZES);
      const most = range - BYTES[size] - (this.#errs() ? -4 : 0);
      if (most < 0) continue;
      const off = this.#random.between(0, most);
      const to = this.#free();
      if (to === start || to === end) continue;
      if (this.#random.chance(80)) {
        this.b.load(size, reg(to), reg(start), off);
        this.#set(to, NUM);
      } else if (this.#type.type !== T.BPF_PROG_TYPE_CGROUP_SKB)
        this.b.store(size, reg(start), off, this.#random.i32());
    }
    this.#some(2);
    this.b.label(out);
    this.#join(before);
    this.#set(start, NOTHING);
    this.#set(end, NOTHING);
  }

  #spill(): void {
    const slot = this.#random.between(1, STACK_SLOTS);
    const held = this.#those((kind, n) => kind.is !== 'nothing' && n <= 9);
    if (this.#random.chance(50) && held.length > 0) {
      const n = this.#random.pick(held);
      if (this.#isNum(this.#kinds[n]) && this.#random.chance(35)) {
        const size = this.#random.pick(SIZES);
        this.b.store(size, R10, -8 * slot + (this.#random.chance(70) ? 0 : 8 - BYTES[size]), reg(n));
        this.#slots[slot] = size === 'dw' ? NUM : this.#slots[slot]?.is === 'num' ? NUM : NOTHING;
      } else {
        this.b.store('dw', R10, -8 * slot, reg(n));
        this.#slots[slot] = this.#kinds[n];
      }
      return;
    }
    const filled: number[] = [];
    for (let n = 1; n <= STACK_SLOTS; n++) if ((this.#slots[n] ?? NOTHING).is !== 'nothing') filled.push(n);
    const from = filled.length > 0 && !this.#errs() ? this.#random.pick(filled) : slot;
    const kind = this.#slots[from] ?? NOTHING;
    if (kind.is === 'nothing' && !this.#errs()) return;
    const to = this.#free();
    if (this.#isNum(kind) && this.#random.chance(40)) {
      const size = this.#random.pick(SIZES);
      this.b.load(size, reg(to), R10, -8 * from + (this.#random.chance(70) ? 0 : 8 - BYTES[size]));
      this.#set(to, NUM);
    } else {
      this.b.load('dw', reg(to), R10, -8 * from);
      this.#set(to, kind);
    }
  }

  #stackVariable(): void {
    if (this.#forbidden()) {
      this.#spill();
      return;
    }
    const base = this.#free();
    const size = this.#random.pick(SIZES);
    const by = this.#small(this.#random.pick([1, 3, 7]));
    if (base === by) return;
    // The stack takes aligned accesses only.
    if (size !== 'b' && !this.#errs()) this.b.alu64('lsh', reg(by), Math.log2(BYTES[size]));
    const off = -8 * this.#random.between(9, STACK_SLOTS);
    for (let at = off; at < off + 64; at += 8) {
      this.b.store('dw', R10, at, at === off && this.#random.chance(30) ? reg(by) : 0);
      this.#slots[-at / 8] = NUM;
    }
    this.b.mov(reg(base), R10).alu64('add', reg(base), reg(by));
    this.#set(base, NOTHING);
    this.#set(by, NUM);
    const to = this.#free();
    if (this.#random.chance(60)) {
      this.b.load(size, reg(to), reg(base), off);
      this.#set(to, NUM);
    } else this.b.store(size, reg(base), off, reg(this.#num()));
  }

  #arithmetic(): void {
    for (let left = this.#random.between(1, 3); left > 0; left--) {
      const d = this.#num();
      const bits = this.#random.chance(35) ? 32 : 64;
      const kind = this.#random.below(10);
      if (kind < 5) {
        const op = this.#random.pick(ALU);
        const shift = op === 'lsh' || op === 'rsh' || op === 'arsh';
        const imm = shift ? this.#random.below(bits) : this.#random.edgeI32();
        this.b.alu(bits, op, reg(d), (op === 'div' || op === 'mod') && imm === 0 ? 3 : imm);
      } else if (kind < 8) this.b.alu(bits, this.#random.pick(ALU), reg(d), reg(this.#num()));
      else if (kind < 9) {
        const to = this.#free();
        if (bits === 64) this.b.mov(reg(to), reg(d));
        else this.b.alu32('mov', reg(to), reg(d));
        this.#set(to, NUM);
      } else if (this.#random.chance(50))
        this.b.movsx(bits, this.#random.pick([8, 16] as const), reg(d), reg(this.#num()));
      else this.b.neg(bits, reg(d));
      if (d !== 6) this.#set(d, this.#kinds[d].is === 'small' ? NUM : this.#kinds[d]);
    }
  }

  #context(): void {
    if (!this.#inMain) {
      this.#arithmetic();
      return;
    }
    const [off, size] = this.#random.pick(this.#type.fields);
    const to = this.#free();
    this.b.load(this.#errs() ? this.#random.pick(SIZES) : size, reg(to), reg(6), this.#errs() ? off + 1 : off);
    this.#set(to, NUM);
  }

  #helper(): void {
    const ids = [F.BPF_FUNC_ktime_get_ns, F.BPF_FUNC_get_smp_processor_id, F.BPF_FUNC_get_prandom_u32];
    this.b.helper(this.#random.pick(this.#type.tracing ? [...ids, F.BPF_FUNC_get_current_pid_tgid] : ids));
    this.#clobber();
    this.#set(0, NUM);
  }

  #update(): void {
    const map = this.#random.pick([0, 1, 2, 3]);
    const key = this.#key(map);
    if (this.#random.chance(25) && MAPS[map].type !== M.BPF_MAP_TYPE_ARRAY) {
      this.#loadMap(1, map);
      this.b.mov(R2, R10).alu64('add', R2, key).helper(F.BPF_FUNC_map_delete_elem);
    } else {
      const bytes = MAPS[map].value;
      const values = this.#those(kind => kind.is === 'value' && kind.off === 0 && MAPS[kind.map].value >= bytes);
      if (values.length > 0 && this.#random.chance(50)) this.b.mov(R3, reg(this.#random.pick(values)));
      else {
        const off = -8 * Math.max(STACK_SLOTS, bytes / 8);
        for (let at = 0; at < bytes; at += 8) {
          if (this.#errs()) continue;
          this.b.store('dw', R10, off + at, this.#random.below(100));
          if (-(off + at) / 8 <= STACK_SLOTS) this.#slots[-(off + at) / 8] = NUM;
        }
        // The key may have been overwritten by what is no pointer: it still is initialised.
        this.b.mov(R3, R10).alu64('add', R3, off);
      }
      this.#loadMap(1, map);
      this.b.mov(R2, R10).alu64('add', R2, key).mov(R4, this.#random.below(3)).helper(F.BPF_FUNC_map_update_elem);
    }
    this.#clobber();
    this.#set(0, NUM);
  }

  #memory(): void {
    if (!this.#type.tracing) {
      this.#update();
      return;
    }
    const off = -8 * this.#random.between(4, STACK_SLOTS);
    const by = this.#small(this.#random.pick([15, 31]));
    this.b.mov(R2, reg(by)).mov(R1, R10).alu64('add', R1, off);
    if (this.#random.chance(40)) this.b.alu64('and', R2, 31);
    this.b.mov(R3, this.#random.i32()).helper(F.BPF_FUNC_probe_read_kernel);
    for (let at = off; at < Math.min(off + 32, 0); at += 8)
      if (this.#slots[-at / 8]?.is !== 'num') this.#slots[-at / 8] = NOTHING;
    this.#clobber();
    this.#set(0, NUM);
  }

  #reference(): void {
    if (this.#forbidden()) {
      this.#access();
      return;
    }
    const bytes = this.#random.pick([8, 16, 40]);
    this.#loadMap(1, RINGBUF);
    this.b.mov(R2, bytes).mov(R3, 0).helper(F.BPF_FUNC_ringbuf_reserve);
    this.#clobber();
    const keep = this.#random.pick([7, 8, 9]);
    const out = this.#label();
    const before = this.#snapshot();
    this.b.mov(reg(keep), R0).jumpIf('jeq', R0, 0, out);
    this.#set(keep, { is: 'mem', size: bytes });
    const kept = this.#kinds[keep];
    this.#some(3, true);
    if (this.#kinds[keep] === kept || this.#errs()) this.b.mov(R1, reg(keep)).mov(R2, 0);
    if (!this.#errs()) this.b.helper(this.#random.pick([F.BPF_FUNC_ringbuf_submit, F.BPF_FUNC_ringbuf_discard]));
    this.#clobber();
    this.b.label(out);
    this.#join(before);
    this.#set(keep, NOTHING);
    this.#clobber();
  }

  #branch(): void {
    const a = this.#num();
    const other = this.#random.chance(60) ? this.#random.edgeI32() : reg(this.#num());
    const over = this.#label();
    const before = this.#snapshot();
    this.b.jumpIf(this.#random.pick(JUMPS), reg(a), other, over, this.#random.chance(30) ? 32 : 64);
    this.#some(4);
    if (this.#random.chance(30)) {
      const end = this.#label();
      this.b.jump(end).label(over);
      const after = this.#snapshot();
      this.#restore(before);
      this.#some(3);
      this.b.label(end);
      this.#join(after);
    } else {
      this.b.label(over);
      this.#join(before);
    }
  }

  #loop(): void {
    if (this.#inLoop || this.#forbidden()) {
      this.#arithmetic();
      return;
    }
    this.#inLoop = true;
    const counter = this.#random.pick([7, 8, 9]);
    const top = this.#label();
    const out = this.#label();
    const times = this.#random.pick([2, 3, 5, 8]);
    this.b.mov(reg(counter), 0);
    // What a round changes may be anything in the next one.
    const before = this.#snapshot();
    for (let n = 0; n <= 9; n++) if (n !== 6 && this.#kinds[n].is !== 'num') this.#kinds[n] = NOTHING;
    for (let n = 0; n <= 9; n++) if (n !== 6 && this.#kinds[n].is === 'num' && n <= 5) this.#kinds[n] = NOTHING;
    this.#slots = [];
    this.#set(counter, NOTHING);
    this.b.label(top);
    if (this.#random.chance(25)) this.b.mayGoto(out);
    this.#some(3);
    for (let n = 7; n <= 9; n++)
      if (n !== counter && before.kinds[n].is === 'num' && !this.#isNum(this.#kinds[n])) this.b.mov(reg(n), n);
    this.b.alu64('add', reg(counter), 1).jumpIf('jlt', reg(counter), times, top).label(out);
    this.#join(before);
    for (let n = 0; n <= 5; n++) this.#kinds[n] = NOTHING;
    for (let n = 7; n <= 9; n++) if (this.#kinds[n].is !== 'num') this.#kinds[n] = NOTHING;
    this.#set(counter, NUM);
    this.#slots = [];
    this.#inLoop = false;
  }

  #call(): void {
    if (!this.#inMain || this.#forbidden()) {
      this.#helper();
      return;
    }
    const label = `f${this.#functions.length}`;
    const reuse = this.#functions.length > 0 && this.#random.chance(50);
    const name = reuse ? this.#random.pick(this.#functions) : label;
    if (!reuse) this.#functions.push(label);
    const off = -8 * this.#random.between(1, STACK_SLOTS);
    this.b
      .store('dw', R10, off, this.#random.i32())
      .mov(R1, reg(this.#num()))
      .mov(R2, R10)
      .alu64('add', R2, off)
      .call(name);
    this.#slots[-off / 8] = NUM;
    this.#clobber();
    this.#set(0, NUM);
  }

  #callback(): void {
    if (!this.#inMain || this.#depth > 1 || this.#forbidden()) {
      this.#helper();
      return;
    }
    const label = `c${this.#callbacks.length}`;
    this.#callbacks.push(label);
    const off = -8 * this.#random.between(1, STACK_SLOTS);
    this.b
      .store('dw', R10, off, 0)
      .mov(R1, this.#random.between(0, 30))
      .func(R2, label)
      .mov(R3, R10)
      .alu64('add', R3, off);
    this.b.mov(R4, 0).helper(F.BPF_FUNC_loop);
    this.#slots[-off / 8] = NUM;
    this.#clobber();
    this.#set(0, NUM);
  }

  #tailCall(): void {
    if (!this.#inMain) {
      this.#helper();
      return;
    }
    this.b.mov(R1, reg(6));
    this.#loadMap(2, PROG_ARRAY);
    this.b.mov(R3, this.#random.below(6)).helper(F.BPF_FUNC_tail_call);
    this.#clobber();
  }

  #snapshot(): { kinds: Kind[]; slots: Kind[] } {
    return { kinds: [...this.#kinds], slots: [...this.#slots] };
  }
  #restore(to: { kinds: Kind[]; slots: Kind[] }): void {
    this.#kinds = [...to.kinds];
    this.#slots = [...to.slots];
  }
  /** Two ways meet: what is not the same on both is nothing. */
  #join(other: { kinds: Kind[]; slots: Kind[] }): void {
    const same = (a: Kind | undefined, b: Kind | undefined): Kind => {
      if (a === undefined || b === undefined) return NOTHING;
      if (this.#isNum(a) && this.#isNum(b)) return NUM;
      return a === b ? a : NOTHING;
    };
    this.#kinds = this.#kinds.map((kind, n) => same(kind, other.kinds[n]));
    for (let n = 0; n <= STACK_SLOTS; n++) this.#slots[n] = same(this.#slots[n], other.slots[n]);
  }

  /** Exit here, with a value the program may return. */
  #leave(): void {
    const [min, max] = this.#inMain ? this.#type.returns : [0, 1];
    this.b.mov(R0, this.#errs() ? max + 1 : this.#random.between(0, 1) + Math.max(min, 0)).exit();
  }

  #some(most: number, noLeave = false): void {
    if (this.#depth > 3) {
      this.#arithmetic();
      return;
    }
    this.#depth++;
    for (let n = this.#random.between(1, most); n > 0 && this.#budget > 0; n--) this.#statement(noLeave);
    this.#depth--;
  }

  #statement(noLeave: boolean): void {
    this.#budget--;
    const kind = this.#random.below(100);
    if (kind < 20) this.#arithmetic();
    else if (kind < 30) this.#spill();
    else if (kind < 40) this.#access();
    else if (kind < 47 && !noLeave) this.#lookup();
    else if (kind < 53) this.#context();
    else if (kind < 58 && !noLeave) this.#packet();
    else if (kind < 62) this.#helper();
    else if (kind < 66 && !noLeave) this.#update();
    else if (kind < 70) this.#memory();
    else if (kind < 80) this.#branch();
    else if (kind < 85 && !noLeave) this.#loop();
    else if (kind < 89) this.#call();
    else if (kind < 90 && !noLeave && this.#errs()) this.#callback();
    else if (kind < 94 && !noLeave) this.#reference();
    else if (kind < 97) this.#stackVariable();
    else if (kind < 98 && !noLeave) this.#tailCall();
    else this.#arithmetic();
  }

  #start(): void {
    this.#kinds = Array.from({ length: 10 }, () => NOTHING);
    this.#slots = [];
    this.#depth = 0;
  }

  program(): void {
    this.#start();
    this.b.mov(reg(6), R1);
    this.#set(6, CTX);
    this.#set(1, CTX);
    while (this.#budget > 0) this.#statement(false);
    this.#leave();
    this.#inMain = false;
    for (let i = 0; i < this.#functions.length; i++) this.#function(this.#functions[i]);
    for (let i = 0; i < this.#callbacks.length; i++) this.#callbackBody(this.#callbacks[i]);
  }

  #function(label: string): void {
    this.#start();
    this.#budget = this.#random.between(1, 8);
    this.b.label(label);
    this.#set(1, NUM);
    if (this.#random.chance(60)) {
      this.b.load('dw', R3, R2, 0).alu64('add', R3, R1).store('dw', R2, 0, R3);
      this.#set(3, NUM);
    }
    while (this.#budget > 0) this.#statement(false);
    this.#leave();
  }

  #callbackBody(label: string): void {
    this.#start();
    this.#budget = this.#random.between(1, 4);
    this.b.label(label);
    this.#set(1, NUM);
    this.b.load('dw', R3, R2, 0).alu64('add', R3, this.#random.below(4)).store('dw', R2, 0, R3);
    this.#set(3, NUM);
    while (this.#budget > 0) this.#statement(false);
    this.b.mov(R0, this.#errs() ? 2 : this.#random.below(2)).exit();
  }
}

/** What programs are asked for. */
export interface TypedChoices {
  /** `BPF_PROG_TYPE_*` to choose from. */
  readonly types?: readonly number[];
  /** Loaded without capabilities, and mostly content with what that allows. */
  readonly unprivileged?: boolean;
  /** `BPF_F_*` */
  readonly flags?: number;
}

/** A program for the verifier, made from a seed. */
export function typedProgram(seed: number, choices: TypedChoices = {}): ProgFileEntry {
  const { types, unprivileged = false, flags } = choices;
  const random = new Random(seed);
  const type = random.pick(types === undefined ? TYPES : TYPES.filter(shape => types.includes(shape.type)));
  const writer = new Writer(random, type, unprivileged);
  writer.program();
  return {
    name: `typed_${seed}`,
    type: type.type,
    insns: writer.b.build(),
    maps: writer.maps
      .map(used => MAPS[used])
      .map(map => `${map.type} ${map.key} ${map.value} ${map.entries} ${map.flags}`),
    ldmaps: writer.ldmaps,
    ...(unprivileged ? { unprivileged } : {}),
    ...(flags === undefined ? {} : { flags }),
  };
}
