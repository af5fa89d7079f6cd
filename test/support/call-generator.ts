import {
  INSN_TABLE,
  type Insn,
  type InsnDef,
  type JumpOp,
  makeInsn,
  ProgramBuilder,
  type Reg,
} from '../../src/isa/index.ts';
import type { MapDef } from '../../src/maps/index.ts';
import { bpf_map_type, helperId } from '../../src/uapi/index.ts';
import { Random } from './random.ts';

/** A program of several functions that call each other. */
export interface CallProgram {
  readonly seed: number;
  /** XDP. */
  readonly type: 6;
  readonly insns: readonly Insn[];
  readonly packet: Uint8Array;
  readonly functionCount: number;
  /** `ld_imm64` instructions name them by index. */
  readonly maps: readonly MapDef[];
}

export interface CallGeneratorOptions {
  /** Functions at most, main included; default 12. */
  readonly functions?: number;
  /** Statements of a function at most; default 6. */
  readonly size?: number;
  /** Rows newer than this release are left out; default 6.12. */
  readonly kernel?: string;
  /** Calls of helpers and maps; default true. */
  readonly helpers?: boolean;
  /**
   * Leave out what Linux 6.12's JITs, ppc64's among them, get wrong: shifts by registers beyond the width, signed words at
   * offsets that are no multiple of 4. Default false.
   */
  readonly asJited?: boolean;
}

/** A parameter: a number, or a pointer to this many bytes of a caller's stack, all of them initialised. */
type Param = { readonly kind: 'scalar' } | { readonly kind: 'stack'; readonly sizeBytes: number };

interface Func {
  readonly index: number;
  readonly params: readonly Param[];
  /** Called by bpf_loop: returns 0 or 1. */
  readonly callback: boolean;
  readonly stackBytes: number;
  /** Most frames that are open while it runs, its own included. */
  depth: number;
  /** Most bytes of stack in use while it runs, its own included. */
  stackSum: number;
  reached: boolean;
}

const reg = (n: number): Reg => ({ reg: n });
const FP = reg(10);
const MAX_FRAMES = 8;
const MAX_STACK = 512;
const POINTER_BYTES = 16;
const PACKET_BYTES = 64;
const ARRAY_VALUE_BYTES = 32;

/** An array of 16 values of 32 bytes. */
const CALL_MAPS: readonly MapDef[] = [
  {
    name: 'array',
    type: bpf_map_type.BPF_MAP_TYPE_ARRAY,
    keySizeBytes: 4,
    valueSizeBytes: ARRAY_VALUE_BYTES,
    maxEntries: 16,
    flags: 0,
  },
];

function helper(name: string): number {
  const id = helperId(`bpf_${name}`);
  if (id === undefined) throw new Error(`no helper bpf_${name}`);
  return id;
}

function atMost(since: string, kernel: string): boolean {
  const [a, b] = [since, kernel].map(text => text.split('.').map(Number));
  return a[0] < b[0] || (a[0] === b[0] && a[1] <= b[1]);
}

/**
 * One random program. Functions call those with higher numbers only, so calls end; frames and stack stay within what
 * Linux allows. R6 and R7 hold numbers, R8 and R9 pointers to a caller's stack where the function was given any: all
 * four have to survive every call.
 */
class CallGenerator {
  readonly #r: Random;
  readonly #b = new ProgramBuilder();
  readonly #rows: ReadonlyMap<string, readonly InsnDef[]>;
  readonly #funcs: Func[] = [];
  readonly #size: number;
  readonly #helpers: boolean;
  readonly #asJited: boolean;
  #labels = 0;
  /** The function being made. */
  #f!: Func;
  /** Registers that hold pointers to `POINTER_BYTES` of a caller's stack. */
  #pointers: number[] = [];
  #scalars: number[] = [];
  usesMaps = false;

  constructor(random: Random, options: CallGeneratorOptions) {
    this.#r = random;
    this.#size = options.size ?? 6;
    this.#helpers = options.helpers ?? true;
    this.#asJited = options.asJited ?? false;
    const rows = INSN_TABLE.filter(def => atMost(def.since, options.kernel ?? '6.12'));
    this.#rows = new Map(
      [...new Set(rows.map(def => def.kind))].map(kind => [kind, rows.filter(def => def.kind === kind)]),
    );
  }

  generate(functions: number): { insns: Insn[]; functionCount: number } {
    const count = this.#r.between(1, functions);
    for (let index = 0; index < count; index++) this.#declare(index);
    this.#funcs[0].reached = true;
    this.#funcs[0].depth = 1;
    this.#funcs[0].stackSum = this.#frameBytes(this.#funcs[0]);
    let made = 0;
    for (const func of this.#funcs) {
      if (!func.reached) continue;
      this.#make(func);
      made++;
    }
    return { insns: this.#b.build(), functionCount: made };
  }

  #declare(index: number): void {
    const r = this.#r;
    const callback = index > 0 && this.#helpers && r.chance(25);
    const params: Param[] = [];
    if (callback) params.push({ kind: 'scalar' }, { kind: 'stack', sizeBytes: POINTER_BYTES });
    else if (index > 0) {
      for (let n = r.between(0, 5); n > 0; n--) {
        const pointers = params.filter(param => param.kind === 'stack').length;
        params.push(r.chance(30) && pointers < 2 ? { kind: 'stack', sizeBytes: POINTER_BYTES } : { kind: 'scalar' });
      }
    }
    const stackBytes = r.chance(25) && index > 0 ? 0 : POINTER_BYTES * r.between(1, 4);
    this.#funcs.push({ index, params, callback, stackBytes, depth: 0, stackSum: 0, reached: false });
  }

  /** As the strictest of kernels counts it. */
  #frameBytes({ stackBytes }: Func): number {
    return Math.max(32, Math.ceil(stackBytes / 32) * 32);
  }

  // ---- functions

  #make(func: Func): void {
    const r = this.#r;
    const b = this.#b;
    this.#f = func;
    this.#pointers = [];
    b.label(`f${func.index}`);
    if (func.index === 0) this.#makeMainStart();
    else this.#makeStart(func);
    for (let off = -func.stackBytes; off < 0; off += 8) {
      b.store('dw', FP, off, r.chance(50) ? r.edgeI32() : reg(r.pick([6, 7])));
    }
    this.#statements(r.between(1, this.#size));
    // Functions beyond main have to be reached by somebody.
    for (const next of this.#funcs) {
      if (next.index > func.index && !next.reached && r.chance(60)) this.#call(next);
    }
    this.#fold();
    if (func.callback) b.alu64('and', reg(0), 1);
    b.exit();
    if (func.index === 0) b.label('short').mov(reg(0), 0).exit();
  }

  #makeMainStart(): void {
    const b = this.#b;
    b.load('w', reg(2), reg(1), 0).load('w', reg(3), reg(1), 4).mov(reg(4), reg(2)).alu64('add', reg(4), 32);
    b.jumpIf('jgt', reg(4), reg(3), 'short').load('dw', reg(6), reg(2), 0).load('dw', reg(7), reg(2), 8);
    b.load('dw', reg(8), reg(2), 16).load('w', reg(9), reg(2), 24);
    this.#scalars = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    this.#revive([0, 1, 2, 3, 4, 5]);
  }

  #makeStart(func: Func): void {
    const b = this.#b;
    const numbers: number[] = [];
    func.params.forEach((param, i) => {
      if (param.kind === 'scalar') numbers.push(i + 1);
      else {
        const to = 8 + this.#pointers.length;
        b.mov(reg(to), reg(i + 1));
        this.#pointers.push(to);
      }
    });
    const kept = [6, 7, 8, 9].filter(n => !this.#pointers.includes(n));
    // Where there are fewer parameters than registers, some hold numbers of their own.
    kept.forEach((to, i) => {
      if (i < numbers.length) b.mov(reg(to), reg(numbers[i]));
      else b.imm64(reg(to), this.#r.edgeU64());
    });
    b.mov(reg(0), reg(6));
    for (const extra of numbers.slice(kept.length)) b.alu64('xor', reg(0), reg(extra));
    this.#scalars = [0, 1, 2, 3, 4, 5, ...kept];
    this.#revive([1, 2, 3, 4, 5]);
  }

  #revive(registers: readonly number[]): void {
    const kept = this.#scalars.filter(n => n >= 6);
    for (const n of registers) {
      if (this.#r.chance(30)) this.#b.imm64(reg(n), this.#r.edgeU64());
      else this.#b.mov(reg(n), reg(this.#r.pick(kept)));
    }
  }

  /** Everything the function computed goes into R0. */
  #fold(): void {
    const b = this.#b;
    for (const n of this.#scalars.slice(1)) {
      b.alu64('mul', reg(0), 31).alu64(this.#r.pick(['xor', 'add', 'sub']), reg(0), reg(n));
    }
    const take = (base: Reg, off: number): void => {
      b.load('dw', reg(1), base, off).alu64('mul', reg(0), 17).alu64('xor', reg(0), reg(1));
    };
    for (let off = -this.#f.stackBytes; off < 0; off += 8) take(FP, off);
    for (const pointer of this.#pointers) for (let off = 0; off < POINTER_BYTES; off += 8) take(reg(pointer), off);
    b.mov(reg(1), reg(0)).alu64('rsh', reg(1), 32).alu64('xor', reg(0), reg(1));
  }

  // ---- statements

  #statements(count: number): void {
    for (let i = 0; i < count; i++) this.#statement(count);
  }

  #statement(count: number): void {
    const r = this.#r;
    const callees = this.#callees();
    const helpers = this.#helpers && this.#f.stackBytes > 0;
    const kinds: readonly [number, () => void][] = [
      [20, () => this.#alu()],
      [4, () => this.#row('neg')],
      [4, () => this.#row('movsx')],
      [4, () => this.#row('end')],
      [8, () => this.#branch(count)],
      [this.#places().length > 0 ? 12 : 0, () => this.#access()],
      [this.#places().length > 0 ? 4 : 0, () => this.#atomic()],
      [callees.length > 0 ? 14 : 0, () => this.#call(r.pick(callees))],
      [helpers ? 3 : 0, () => this.#arrayValue()],
      [this.#helpers ? 3 : 0, () => this.#number()],
    ];
    let at = r.below(kinds.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, make] of kinds) {
      if (at < weight) {
        make();
        return;
      }
      at -= weight;
    }
  }

  #scalar(): number {
    return this.#r.pick(this.#scalars);
  }

  #alu(): void {
    const def = this.#r.pick(this.#rows.get('alu') ?? []);
    let imm = this.#r.edgeI32();
    const op = String(def.op);
    const shift = ['lsh', 'rsh', 'arsh'].includes(op);
    if (shift) imm = this.#r.below(def.bits);
    else if (['div', 'mod', 'sdiv', 'smod'].includes(op) && imm === 0) imm = 3;
    const off = typeof def.off === 'number' ? def.off : 0;
    const src = def.source === 'imm' ? 0 : this.#scalar();
    if (shift && def.source === 'reg' && this.#asJited) this.#b.alu64('and', reg(src), def.bits - 1);
    this.#b.raw(makeInsn(def.code, this.#scalar(), src, off, def.source === 'imm' ? imm : 0));
  }

  #row(kind: 'neg' | 'movsx' | 'end'): void {
    const def = this.#r.pick(this.#rows.get(kind) ?? []);
    const number = (use: unknown): number => (typeof use === 'number' ? use : 0);
    const src = def.src === 0 ? 0 : this.#scalar();
    this.#b.raw(makeInsn(def.code, this.#scalar(), src, number(def.off), number(def.imm)));
  }

  #branch(count: number): void {
    const over = `l${this.#labels++}`;
    const def = this.#r.pick(this.#rows.get('jcond') ?? []);
    const operand = def.source === 'imm' ? this.#r.edgeI32() : reg(this.#scalar());
    this.#b.jumpIf(def.op as JumpOp, reg(this.#scalar()), operand, over, def.bits);
    this.#statements(this.#r.between(1, Math.min(3, count)));
    if (this.#r.chance(40)) {
      const end = `l${this.#labels++}`;
      if (this.#r.chance(30)) this.#b.jumpLong(end);
      else this.#b.jump(end);
      this.#b.label(over);
      this.#statements(this.#r.between(1, 2));
      this.#b.label(end);
    } else this.#b.label(over);
  }

  /** Memory the function may touch: base register, lowest offset, bytes. */
  #places(): { base: number; low: number; sizeBytes: number }[] {
    const own = this.#f.stackBytes === 0 ? [] : [{ base: 10, low: -this.#f.stackBytes, sizeBytes: this.#f.stackBytes }];
    return [...own, ...this.#pointers.map(base => ({ base, low: 0, sizeBytes: POINTER_BYTES }))];
  }

  #at(sizeBytes: number): { base: number; off: number } {
    const place = this.#r.pick(this.#places());
    return { base: place.base, off: place.low + sizeBytes * this.#r.below(place.sizeBytes / sizeBytes) };
  }

  #access(): void {
    const kind = this.#r.pick(['ldx', 'ldxs', 'st', 'stx'] as const);
    const def = this.#r.pick(this.#rows.get(kind) ?? []);
    const { base, off } = this.#at(def.sizeBytes);
    if (kind === 'ldx' || kind === 'ldxs') this.#b.raw(makeInsn(def.code, this.#scalar(), base, off, 0));
    else if (kind === 'st') this.#b.raw(makeInsn(def.code, base, 0, off, this.#r.edgeI32()));
    else this.#b.raw(makeInsn(def.code, base, this.#scalar(), off, 0));
  }

  #atomic(): void {
    const def = this.#r.pick(this.#rows.get('atomic') ?? []);
    const { base, off } = this.#at(def.sizeBytes);
    this.#b.raw(makeInsn(def.code, base, this.#scalar(), off, def.imm as number));
  }

  // ---- calls

  /** Whether the function being made may call another without breaking a limit. */
  #fits(callee: Func): boolean {
    const { depth, stackSum, index } = this.#f;
    if (callee.index <= index || depth + 1 > MAX_FRAMES) return false;
    if (stackSum + this.#frameBytes(callee) > MAX_STACK) return false;
    const needsStack = callee.params.some(param => param.kind === 'stack');
    return !needsStack || this.#places().length > 0;
  }

  #callees(): Func[] {
    return this.#funcs.filter(func => this.#fits(func));
  }

  #reach(callee: Func): void {
    callee.reached = true;
    callee.depth = Math.max(callee.depth, this.#f.depth + 1);
    callee.stackSum = Math.max(callee.stackSum, this.#f.stackSum + this.#frameBytes(callee));
  }

  /** A pointer to initialised stack, the own or one that was given. */
  #pointerTo(to: number): void {
    const place = this.#r.pick(this.#places());
    this.#b.mov(reg(to), reg(place.base));
    const off = place.low + 8 * this.#r.below((place.sizeBytes - POINTER_BYTES) / 8 + 1);
    if (off !== 0) this.#b.alu64('add', reg(to), off);
  }

  #call(callee: Func): void {
    if (!this.#fits(callee)) return;
    this.#reach(callee);
    const b = this.#b;
    if (callee.callback && this.#r.chance(80)) {
      b.mov(reg(1), this.#r.between(0, 4)).func(reg(2), `f${callee.index}`);
      this.#pointerTo(3);
      b.mov(reg(4), 0).helper(helper('loop'));
    } else {
      // Numbers first: they may come from registers that pointers then take.
      callee.params.forEach((param, i) => {
        if (param.kind === 'scalar') {
          if (this.#r.chance(40)) b.imm64(reg(i + 1), this.#r.edgeU64());
          else b.mov(reg(i + 1), reg(this.#r.pick(this.#scalars.filter(n => n >= 6))));
        }
      });
      callee.params.forEach((param, i) => {
        if (param.kind === 'stack') this.#pointerTo(i + 1);
      });
      b.call(`f${callee.index}`);
    }
    this.#revive([1, 2, 3, 4, 5]);
  }

  #number(): void {
    this.#b.helper(helper(this.#r.pick(['get_prandom_u32', 'ktime_get_ns', 'get_smp_processor_id'])));
    this.#revive([1, 2, 3, 4, 5]);
  }

  /** Looks an element of the array up, inside or outside, and works on its value. */
  #arrayValue(): void {
    this.usesMaps = true;
    const b = this.#b;
    const [missing, done] = [`l${this.#labels++}`, `l${this.#labels++}`];
    const key = -4 * this.#r.between(1, this.#f.stackBytes / 4);
    b.store('w', FP, key, this.#r.between(0, 17)).wide('lddw_map_fd', reg(1), 0).mov(reg(2), FP);
    b.alu64('add', reg(2), key).helper(helper('map_lookup_elem')).jumpIf('jeq', reg(0), 0, missing);
    const kept = this.#scalars.filter(n => n >= 6);
    for (let n = this.#r.between(1, 3); n > 0; n--) {
      const def = this.#r.pick(this.#rows.get(this.#r.pick(['ldx', 'st', 'stx'] as const)) ?? []);
      const off = def.sizeBytes * this.#r.below(ARRAY_VALUE_BYTES / def.sizeBytes);
      if (def.kind === 'ldx') b.raw(makeInsn(def.code, this.#r.pick(kept), 0, off, 0));
      else if (def.kind === 'st') b.raw(makeInsn(def.code, 0, 0, off, this.#r.edgeI32()));
      else b.raw(makeInsn(def.code, 0, this.#r.pick(kept), off, 0));
    }
    b.load('dw', reg(0), reg(0), 8).jump(done).label(missing).mov(reg(0), 5).label(done);
    this.#revive([1, 2, 3, 4, 5]);
  }
}

/** The program of a seed: same seed and options, same program. */
export function generateCallProgram(seed: number, options: CallGeneratorOptions = {}): CallProgram {
  const random = new Random(seed);
  const generator = new CallGenerator(random, options);
  const { insns, functionCount } = generator.generate(options.functions ?? 12);
  const packet = random.bytes(PACKET_BYTES);
  return { seed, type: 6, insns, packet, functionCount, maps: generator.usesMaps ? CALL_MAPS : [] };
}
