import { type Btf, BtfBuilder } from '../../src/btf/index.ts';
import { type Insn, makeInsn } from '../../src/isa/index.ts';
import type { InfoTable } from '../../src/verifier/index.ts';
import type { ProgFileEntry } from './prog-file.ts';
import { Random } from './random.ts';

/**
 * Small programs about functions and control flow: most are sound but for one thing. Each comes back from its seed.
 * Kinds: jumps, chains of calls with stacks, many functions, tail calls, callbacks, odd fields, broken tables, exceptions.
 */
export function generateStructure(seed: number, kernel: Btf, kind?: 'pointers'): ProgFileEntry {
  const rng = new Random(seed);
  const make = kind === 'pointers' ? pointers : rng.pick(KINDS);
  return { ...make(rng, kernel), name: String(seed) };
}

/** One program for every code there is: whether it is an instruction is all that is wrong with it. */
export function everyCode(): ProgFileEntry[] {
  return Array.from({ length: 256 }, (_, code) => ({
    name: `code ${code}`,
    type: 1,
    insns: [mov(0, 0), makeInsn(code, 0, 0, 0, 0), EXIT],
  }));
}

type Draft = Omit<ProgFileEntry, 'name'>;

const MOV = 0xb7;
const MOVX = 0xbf;
const EXIT = makeInsn(0x95, 0, 0, 0, 0);
const RANDOM = makeInsn(0x85, 0, 0, 0, 7);
const TAIL_CALL = makeInsn(0x85, 0, 0, 0, 12);
const mov = (dst: number, imm: number): Insn => makeInsn(MOV, dst, 0, 0, imm);
const movx = (dst: number, src: number): Insn => makeInsn(MOVX, dst, src, 0, 0);
const call = (imm: number): Insn => makeInsn(0x85, 0, 1, 0, imm);
const store = (size: number, off: number): Insn => makeInsn(0x62 | size, 10, 0, off, 0);
const wide = (dst: number, src: number, imm: number, high = 0): Insn[] => [
  makeInsn(0x18, dst, src, 0, imm),
  makeInsn(0, 0, 0, 0, high),
];
const SIZES = [
  [0x18, 8],
  [0x00, 4],
  [0x08, 2],
  [0x10, 1],
] as const;

/** Functions with calls by id, laid out one after another. */
interface Func {
  readonly insns: Insn[];
  /** Place in `insns` → id of the function called or referred to there. */
  readonly calls: Map<number, number>;
}

function layOut(funcs: readonly Func[]): { insns: Insn[]; starts: number[] } {
  const starts: number[] = [];
  let at = 0;
  for (const func of funcs) {
    starts.push(at);
    at += func.insns.length;
  }
  const insns = funcs.flatMap((func, id) =>
    func.insns.map((insn, i) => {
      const callee = func.calls.get(i);
      return callee === undefined ? insn : { ...insn, imm: starts[callee] - (starts[id] + i) - 1 };
    }),
  );
  return { insns, starts };
}

const func = (...insns: Insn[]): Func => ({ insns, calls: new Map() });
function addCall(target: Func, callee: number): void {
  target.calls.set(target.insns.length, callee);
  target.insns.push(call(0));
}

// ---- jumps

function jumps(rng: Random): Draft {
  const count = rng.between(1, 3);
  const funcs = Array.from({ length: count }, (_, id) => {
    const f = func(RANDOM);
    for (let callee = 1; id === 0 && callee < count; callee++) if (rng.chance(95)) addCall(f, callee);
    const length = rng.between(1, 10);
    for (let i = 0; i < length; i++) jumpInsn(rng, f, length - i);
    f.insns.push(rng.chance(96) ? EXIT : makeInsn(0x05, 0, 0, -rng.between(1, f.insns.length + 2), 0));
    return f;
  });
  return { type: 1, insns: layOut(funcs).insns, unprivileged: count === 1 && rng.chance(40) };
}

function jumpInsn(rng: Random, { insns }: Func, left: number): void {
  const off = rng.chance(88) ? rng.between(0, left) : rng.between(-8, 12);
  const kind = rng.below(12);
  if (kind < 4) insns.push(makeInsn(0x15 | (rng.chance(30) ? 0x01 : 0), 0, 0, off, rng.below(4)));
  else if (kind === 4) insns.push(makeInsn(0x05, 0, 0, rng.chance(70) ? 0 : off, 0));
  else if (kind === 5) insns.push(makeInsn(0x06, 0, 0, 0, rng.chance(70) ? 0 : off));
  else if (kind === 6) insns.push(makeInsn(0xe5, 0, 0, off, 0));
  else if (kind === 7) insns.push(...wide(1, 0, 5, 7));
  else if (kind === 8 && rng.chance(20)) insns.push(EXIT);
  else if (kind === 9) insns.push(RANDOM);
  else insns.push(mov(rng.pick([0, 6, 7]), rng.below(9)));
}

// ---- chains of calls, stacks, tail calls

function touch(rng: Random, target: Func, depth: number): void {
  if (depth <= 0) return;
  const [size, bytes] = rng.pick(SIZES);
  const off = -Math.ceil(depth / bytes) * bytes;
  const way = rng.below(4);
  if (way === 0) target.insns.push(movx(2, 10), makeInsn(0x07, 2, 0, 0, off), makeInsn(0x62 | size, 2, 0, 0, 1));
  else if (way === 1)
    target.insns.push(mov(3, off), movx(2, 10), makeInsn(0x0f, 2, 3, 0, 0), makeInsn(0x62 | size, 2, 0, 0, 1));
  else target.insns.push(store(size, off));
}

function chain(rng: Random): Draft {
  const frames = rng.chance(40) ? rng.between(7, 10) : rng.between(1, 6);
  const extra = rng.below(3);
  const budget = rng.chance(60) ? Math.floor(512 / frames) + rng.between(-24, 24) : rng.between(0, 40);
  const total = frames + extra;
  const withTail = rng.chance(25);
  const funcs = Array.from({ length: total }, () => func());
  const entry = withTables(rng, total);
  for (let id = 0; id < total; id++) {
    const f = funcs[id];
    f.insns.push(movx(6, 1));
    touch(rng, f, rng.chance(80) ? Math.min(512, budget) : rng.between(0, 64));
    const callees = id + 1 < frames ? [id + 1] : [];
    if (extra > 0 && rng.chance(30)) callees.push(rng.between(Math.min(id + 1, total - 1), total - 1));
    if (rng.chance(2)) callees.push(rng.below(total));
    for (const callee of callees) {
      if (callee === 0) continue;
      f.insns.push(movx(1, 6));
      addCall(f, callee);
      if (rng.chance(20)) {
        f.insns.push(movx(1, 6));
        addCall(f, callee);
      }
    }
    if (withTail && rng.chance(30)) f.insns.push(movx(1, 6), ...wide(2, 1, 0), mov(3, 0), TAIL_CALL);
    f.insns.push(mov(0, 0), EXIT);
  }
  for (let id = frames; id < total; id++) {
    if (funcs.some(f => [...f.calls.values()].includes(id))) continue;
    funcs[0].insns.splice(-2, 0, movx(1, 6), call(0));
    funcs[0].calls.set(funcs[0].insns.length - 3, id);
  }
  const { insns, starts } = layOut(funcs);
  const ldmaps = insns.flatMap((insn, i) => (insn.code === 0x18 && insn.src === 1 ? [`${i} 0 1 0`] : []));
  return {
    type: 6,
    insns,
    ...entry(starts),
    ...(ldmaps.length === 0 ? {} : { maps: ['3 4 4 4 0'], ldmaps }),
  };
}

// ---- many functions

function many(rng: Random): Draft {
  const count = rng.between(253, 259);
  const main = func(movx(6, 1));
  for (let id = 1; id < count; id++) addCall(main, id);
  main.insns.push(mov(0, 0), EXIT);
  const rest = Array.from({ length: count - 1 }, () => func(mov(0, 0), EXIT));
  return { type: 1, insns: layOut([main, ...rest]).insns };
}

// ---- callbacks

function callbacks(rng: Random): Draft {
  const nested = rng.between(1, 8);
  const budget = rng.chance(50) ? Math.floor(512 / (nested + 1)) + rng.between(-20, 20) : rng.below(64);
  const funcs: Func[] = [];
  for (let id = 0; id <= nested; id++) {
    const f = func();
    touch(rng, f, rng.chance(85) ? budget : 0);
    if (id < nested) {
      if (rng.chance(25)) f.insns.push(mov(1, 0), mov(2, 0));
      if (rng.chance(30)) {
        f.insns.push(mov(1, 0), mov(2, 0));
        addCall(f, id + 1);
      } else {
        f.insns.push(mov(1, rng.between(1, 3)));
        f.calls.set(f.insns.length, id + 1);
        f.insns.push(...wide(2, 4, 0), mov(3, 0), mov(4, 0), makeInsn(0x85, 0, 0, 0, 181));
      }
    }
    f.insns.push(mov(0, 0), EXIT);
    funcs.push(f);
  }
  const { insns, starts } = layOut(funcs);
  return { type: 6, insns, ...withTables(rng, funcs.length, true)(starts) };
}

// ---- odd fields

function odd(rng: Random): Draft {
  const insns: Insn[] = [mov(0, 0), ...wide(1, 0, 1, 2), movx(2, 10), makeInsn(0x61, 3, 1, 0, 0), RANDOM, EXIT];
  insns[4] = mov(3, 0);
  const at = rng.below(insns.length);
  const insn = insns[at];
  switch (rng.below(7)) {
    case 0:
      insns[at] = { ...insn, code: rng.below(256) };
      break;
    case 1:
      insns[at] = { ...insn, src: rng.below(16) };
      break;
    case 2:
      insns[at] = { ...insn, dst: rng.below(16), off: rng.between(-1, 1) };
      break;
    case 3:
      insns[4] = makeInsn(
        0x01 | rng.pick([0x00, 0x20, 0x40, 0x60, 0x80, 0xa0, 0xc0, 0xe0]) | rng.pick([0, 8, 16, 24]),
        3,
        10,
        -8,
        rng.pick([0, 0, 1]),
      );
      break;
    case 4:
      insns[1] = { ...insns[1], src: rng.below(9), imm: rng.pick([0, 1, 100, -1]) };
      insns[2] = {
        ...insns[2],
        ...rng.pick([{ imm: 0 }, { imm: 1 }, { off: 1 }, { dst: 1 }, { src: 1 }, { code: 5 }]),
      };
      break;
    case 5:
      insns.length = rng.between(1, insns.length);
      break;
    default:
      insns[at] = call(rng.between(-8, 12));
  }
  return { type: 1, insns };
}

// ---- tables

type Tables = Pick<ProgFileEntry, 'btf' | 'funcInfo' | 'lineInfo'>;

function table(recSizeBytes: number, records: readonly (readonly number[])[]): InfoTable {
  return { recSizeBytes, count: records.length, words: Uint32Array.from(records.flat()) };
}

function addInts(btf: BtfBuilder): { int: number; u64: number } {
  const common = { kind: 'INT', char: false, bool: false, bitOffset: 0 } as const;
  return {
    int: btf.add({ ...common, name: 'int', sizeBytes: 4, signed: true, encoding: 1, bits: 32 }),
    u64: btf.add({ ...common, name: 'u64', sizeBytes: 8, signed: false, encoding: 0, bits: 64 }),
  };
}

/** A BTF with one function a subprogram, some of them global or of other return types. */
function buildBtf(rng: Random, count: number, globals: number): { btf: BtfBuilder; ids: number[] } {
  const btf = new BtfBuilder();
  const { int } = addInts(btf);
  const proto = btf.add({ kind: 'FUNC_PROTO', name: '', returnTypeId: int, params: [{ name: 'ctx', typeId: int }] });
  const none = btf.add({ kind: 'FUNC_PROTO', name: '', returnTypeId: 0, params: [] });
  const ids: number[] = [];
  for (let id = 0; id < count; id++) {
    const typeId = rng.chance(92) ? proto : none;
    ids.push(btf.add({ kind: 'FUNC', name: `f${id}`, typeId, linkage: id === 0 || rng.chance(globals) ? 1 : 0 }));
  }
  return { btf, ids };
}

/** Tables for functions at the starts given later: none, sound ones, or such with one thing wrong. */
function withTables(rng: Random, count: number, always = false): (starts: readonly number[]) => Tables {
  if (!always && rng.chance(40)) return () => ({});
  const { btf, ids } = buildBtf(rng, count, rng.pick([0, 0, 20, 50]));
  const bytes = btf.build().bytes;
  return starts => ({
    btf: bytes,
    funcInfo: table(
      8,
      starts.map((start, id) => [start, ids[id]]),
    ),
  });
}

function tables(rng: Random): Draft {
  const count = rng.between(1, 4);
  const funcs = Array.from({ length: count }, (_, id) => {
    const f = func(movx(6, 1));
    if (id === 0) for (let callee = 1; callee < count; callee++) addCall(f, callee);
    if (rng.chance(10)) f.insns.push(...wide(2, 0, 1));
    if (rng.chance(8)) f.insns.push(movx(1, 6), ...wide(2, 1, 0), mov(3, 0), TAIL_CALL);
    if (rng.chance(8)) f.insns.push(makeInsn(0x30, 0, 0, 0, 0));
    f.insns.push(mov(0, 0), EXIT);
    return f;
  });
  const { insns, starts } = layOut(funcs);
  const { btf, ids } = buildBtf(rng, count, 20);
  const file = btf.string('dir/file.c');
  const text = btf.string('\treturn 0;');
  const built = btf.build();
  const info = starts.map((start, id) => [start, ids[id]]);
  const lines = insns.flatMap((insn, i) =>
    insn.code !== 0 && (starts.includes(i) || rng.chance(40)) ? [[i, file, text, ((i >> 1) << 10) | 1]] : [],
  );
  const size = rng.chance(92) ? 8 : rng.pick([4, 6, 12, 16, 252, 256, 9, 0]);
  const lineSize = rng.chance(92) ? 16 : rng.pick([4, 12, 18, 20, 24, 252, 256, 0]);
  if (rng.chance(55)) breakRecord(rng, info, insns.length, built.typeCount);
  if (rng.chance(8)) lines.length = rng.between(1, lines.length);
  if (rng.chance(50)) breakRecord(rng, lines, insns.length, built.strings.endOff);
  const padded = (records: number[][], bytes: number, known: number): number[][] => {
    const more = Math.max(0, Math.floor(bytes / 4) - known);
    return records.map(record => [
      ...record.slice(0, known),
      ...Array.from({ length: more }, () => (rng.chance(2) ? 1 : 0)),
    ]);
  };
  const ldmaps = insns.flatMap((insn, i) => (insn.code === 0x18 && insn.src === 1 ? [`${i} 0 1 0`] : []));
  return {
    type: 1,
    insns,
    ...(rng.chance(4) ? {} : { btf: built.bytes }),
    ...(rng.chance(8) ? {} : { funcInfo: table(size, padded(info, size, 2)) }),
    ...(rng.chance(30) ? {} : { lineInfo: table(lineSize, padded(lines, lineSize, 4)) }),
    ...(ldmaps.length === 0 ? {} : { maps: ['3 4 4 4 0'], ldmaps }),
  };
}

function breakRecord(rng: Random, records: number[][], limit: number, ids: number): void {
  const at = rng.below(records.length);
  const record = records[at];
  switch (rng.below(6)) {
    case 0:
      records.splice(at, 1);
      if (records.length === 0) records.push([0, 0, 0, 0]);
      break;
    case 1:
      record[0] = rng.between(0, limit + 2);
      break;
    case 2:
      record[rng.between(1, record.length - 1)] = rng.pick([0, 1, 2, ids - 1, ids, ids + 1, 0xffffffff]);
      break;
    case 3:
      records.push([rng.between(0, limit), ...record.slice(1)]);
      break;
    case 4:
      records.splice(at, 0, [...record]);
      break;
    default:
      record[0]++;
  }
}

// ---- exception callbacks

function exceptions(rng: Random): Draft {
  const funcs = [func(movx(6, 1)), func(mov(0, 0), EXIT), func(mov(0, 0), EXIT)];
  addCall(funcs[0], 1);
  if (rng.chance(15)) addCall(funcs[0], 2);
  if (rng.chance(15)) {
    funcs[0].calls.set(funcs[0].insns.length, 2);
    funcs[0].insns.push(...wide(2, 4, 0));
  }
  funcs[0].insns.push(mov(0, 0), EXIT);
  if (rng.chance(15)) funcs[2].insns.splice(0, 0, makeInsn(0x05, 0, 0, rng.between(-2, 2), 0));
  const { insns, starts } = layOut(funcs);
  const btf = new BtfBuilder();
  const { int, u64 } = addInts(btf);
  const proto = btf.add({ kind: 'FUNC_PROTO', name: '', returnTypeId: int, params: [] });
  const cbProto = btf.add({
    kind: 'FUNC_PROTO',
    name: '',
    returnTypeId: int,
    params: [{ name: 'cookie', typeId: u64 }],
  });
  const linkage = rng.chance(85) ? 1 : 0;
  const ids = [
    btf.add({ kind: 'FUNC', name: 'main', typeId: proto, linkage: 1 }),
    btf.add({ kind: 'FUNC', name: 'sub', typeId: proto, linkage: 0 }),
    btf.add({ kind: 'FUNC', name: 'cb', typeId: cbProto, linkage }),
  ];
  const tag = (name: string): void => {
    btf.add({ kind: 'DECL_TAG', name, typeId: rng.chance(92) ? ids[0] : ids[1], componentIdx: -1, isAttribute: false });
  };
  if (rng.chance(92)) tag(`exception_callback:${rng.chance(85) ? 'cb' : rng.pick(['', 'main', 'sub', 'nobody'])}`);
  if (rng.chance(12)) tag('exception_callback:cb');
  if (rng.chance(12)) tag('exception_callbacks:cb');
  const info = starts.map((start, id) => [start, ids[id]]);
  if (rng.chance(20)) breakRecord(rng, info, insns.length, btf.typeCount);
  return { type: 6, insns, btf: btf.build().bytes, funcInfo: table(8, info) };
}

// ---- kernel functions

const KFUNC_CALL = 2;
const callKernel = (id: number, off = 0): Insn => makeInsn(0x85, 0, KFUNC_CALL, off, id);

/** Programs that throw, from main, functions, callbacks and the exception callback itself. */
function throwing(rng: Random, kernel: Btf): Draft {
  const bpfThrow = kernel.findByName('bpf_throw', 'FUNC');
  const throws = (f: Func): void => {
    f.insns.push(mov(1, 0), callKernel(bpfThrow));
  };
  const [main, sub, cb, leaf] = [func(), func(), func(), func()];
  if (rng.chance(40)) {
    main.insns.push(mov(1, 1));
    main.calls.set(main.insns.length, 1);
    main.insns.push(...wide(2, 4, 0), mov(3, 0), mov(4, 0), makeInsn(0x85, 0, 0, 0, 181));
  } else addCall(main, 1);
  if (rng.chance(25)) {
    main.insns.push(mov(1, 0));
    addCall(main, 2);
  }
  addCall(sub, 3);
  if (rng.chance(30)) {
    cb.insns.push(mov(1, 0));
    addCall(cb, 3);
  }
  for (const [f, percent] of [
    [main, 30],
    [sub, 25],
    [leaf, 40],
    [cb, 5],
  ] as const)
    if (rng.chance(percent)) throws(f);
  // Never taken, which only the walk of paths knows.
  const dead = [...wide(2, 1, 0), mov(3, 0), TAIL_CALL];
  if (rng.chance(30)) leaf.insns.push(mov(0, 0), makeInsn(0x15, 0, 0, dead.length, 0), ...dead);
  const funcs = [main, sub, cb, leaf];
  for (const f of funcs) f.insns.push(mov(0, 0), EXIT);
  const { insns, starts } = layOut(funcs);
  const btf = new BtfBuilder();
  const { int, u64 } = addInts(btf);
  const proto = btf.add({ kind: 'FUNC_PROTO', name: '', returnTypeId: int, params: [] });
  const cbProto = btf.add({
    kind: 'FUNC_PROTO',
    name: '',
    returnTypeId: int,
    params: [{ name: 'cookie', typeId: u64 }],
  });
  const ids = ['main', 'sub', 'cb', 'leaf'].map((name, id) =>
    btf.add({ kind: 'FUNC', name, typeId: id === 2 ? cbProto : proto, linkage: id % 2 === 0 ? 1 : 0 }),
  );
  if (rng.chance(85)) {
    btf.add({ kind: 'DECL_TAG', name: 'exception_callback:cb', typeId: ids[0], componentIdx: -1, isAttribute: false });
  }
  const ldmaps = insns.flatMap((insn, i) => (insn.code === 0x18 && insn.src === 1 ? [`${i} 0 1 0`] : []));
  return {
    type: 6,
    insns,
    btf: btf.build().bytes,
    funcInfo: table(
      8,
      starts.map((start, id) => [start, ids[id]]),
    ),
    ...(ldmaps.length === 0 ? {} : { maps: ['3 4 4 4 0'], ldmaps }),
  };
}

/** A function of the kernel as likely as an id that is none. */
function anyId(rng: Random, kernel: Btf): number {
  if (rng.chance(30)) return rng.pick([0, 1, kernel.typeCount - 1, kernel.typeCount, -1]);
  let id = rng.between(1, kernel.typeCount - 1);
  while (kernel.kindOf(id) !== 'FUNC' && id > 1) id--;
  return id;
}

function kfuncs(rng: Random, kernel: Btf): Draft {
  // Good ones, and some whose prototypes no program can call.
  const known = [
    'bpf_throw',
    'bpf_iter_num_next',
    'bpf_rcu_read_lock',
    'bpf_rdonly_cast',
    'schedule',
    '_printk',
    'HUF_compress1X_repeat',
    'SEQ_printf',
    'ZSTD_adjustCParams',
    'ZSTD_CCtxParams_init_advanced',
    '__bpf_trace_tmigr_update_events',
    'tcp_v4_init_seq_and_ts_off',
    'stpcpy',
  ];
  const ids = (): number => {
    const name = rng.pick(known);
    return rng.chance(70) ? kernel.findByName(name, 'FUNC') : anyId(rng, kernel);
  };
  const calls = Array.from({ length: rng.between(1, 4) }, () =>
    callKernel(ids(), rng.chance(85) ? 0 : rng.pick([1, -1, 7])),
  );
  if (rng.chance(6)) {
    calls.length = 0;
    let left = rng.between(254, 260);
    for (let id = 1; id < kernel.typeCount && left > 0; id++) {
      if (kernel.kindOf(id) !== 'FUNC' || !/^(__x64_)?sys_[a-z]/.test(kernel.nameOf(id))) continue;
      calls.push(callKernel(id));
      left--;
    }
  }
  const insns = [mov(0, 0), ...calls, EXIT];
  if (rng.chance(30)) insns.splice(1, 0, makeInsn(0x15, 0, 0, rng.between(0, insns.length), 0));
  return { type: 6, insns, license: rng.chance(85) ? 'GPL' : 'BSD', unprivileged: false };
}

/** Without capabilities: calls of every kind, loops. */
function unprivileged(rng: Random, kernel: Btf): Draft {
  const insns = [mov(0, 0), mov(1, 0), EXIT, mov(0, 0), EXIT];
  insns[1] = rng.pick([
    call(1),
    callKernel(kernel.findByName('bpf_throw', 'FUNC')),
    makeInsn(0x15, 0, 0, -2, 1),
    makeInsn(0x06, 0, 0, 0, rng.between(-2, 1)),
    ...wide(1, 4, 0),
  ]);
  if (rng.chance(50)) insns.length = 3;
  return { type: 1, insns, unprivileged: true };
}

// ---- line_info before messages, CO-RE relocations

function sources(rng: Random, kernel: Btf): Draft {
  const { insns } = rng.chance(60) ? unprivileged(rng, kernel) : jumps(rng);
  const btf = new BtfBuilder();
  const { int } = addInts(btf);
  const proto = btf.add({ kind: 'FUNC_PROTO', name: '', returnTypeId: int, params: [] });
  const id = btf.add({ kind: 'FUNC', name: 'main', typeId: proto, linkage: 1 });
  const files = [btf.string('a/b/c.c'), btf.string('d.c'), btf.string('')];
  const texts = [btf.string('\t  if (x)'), btf.string(''), btf.string('  '), btf.string('goto again;')];
  const built = btf.build();
  const lines: number[][] = [];
  insns.forEach((insn, i) => {
    if (insn.code === 0 || (i > 0 && rng.chance(50))) return;
    lines.push([i, rng.pick(files), rng.pick(texts), (rng.between(0, 3) << 10) | rng.below(3)]);
  });
  const unpriv = rng.chance(70);
  return {
    type: 1,
    insns,
    unprivileged: unpriv,
    btf: built.bytes,
    ...(rng.chance(80) ? { funcInfo: table(8, [[0, id]]) } : {}),
    lineInfo: table(16, lines),
    ...(rng.chance(20)
      ? {
          coreRelos: table(rng.pick([16, 16, 20, 12, 18]), [
            [rng.pick([4, 8 * insns.length, 1, 8 * insns.length + 8]), 1, 0, 0, rng.below(2)],
          ]),
        }
      : {}),
  };
}

// ---- pointers into frames

const SAVED = [6, 7, 8, 9] as const;

/** Functions that move frame pointers about: through registers, slots, arguments and callbacks' contexts. */
function pointers(rng: Random): Draft {
  const count = rng.between(1, 4);
  const funcs = Array.from({ length: count }, (_, id) => {
    const f = func();
    const { insns } = f;
    // Registers known to hold frame pointers; those of callers in functions other than main.
    const held = new Set<number>();
    if (id > 0) {
      insns.push(movx(6, rng.pick([1, 2])));
      held.add(6);
    }
    for (let step = rng.between(3, 14); step > 0; step--) pointerStep(rng, f, held, id, count);
    insns.push(mov(0, 0), EXIT);
    return f;
  });
  for (let id = 1; id < count; id++) {
    if (funcs.some(f => [...f.calls.values()].includes(id))) continue;
    const main = funcs[0];
    main.insns.splice(
      -2,
      0,
      movx(1, 10),
      makeInsn(0x07, 1, 0, 0, -64),
      movx(2, 10),
      makeInsn(0x07, 2, 0, 0, -32),
      call(0),
    );
    main.calls.set(main.insns.length - 3, id);
  }
  const { insns, starts } = layOut(funcs);
  const { btf, ids } = buildBtf(rng, count, 0);
  return {
    type: 6,
    insns,
    btf: btf.build().bytes,
    funcInfo: table(
      8,
      starts.map((start, id) => [start, ids[id]]),
    ),
  };
}

function pointerStep(rng: Random, f: Func, held: Set<number>, id: number, count: number): void {
  const { insns } = f;
  const holders = [...held];
  if (holders.length === 0 || rng.chance(15)) {
    const dst = rng.pick(SAVED);
    insns.push(movx(dst, 10), makeInsn(0x07, dst, 0, 0, -rng.between(1, 24) * 8));
    held.add(dst);
    return;
  }
  const at = rng.pick(holders);
  const [size, bytes] = rng.pick(SIZES);
  switch (rng.below(12)) {
    case 0:
      insns.push(makeInsn(0x07, at, 0, 0, rng.between(-3, 4) * 8));
      break;
    case 1:
      insns.push(RANDOM, makeInsn(0x57, 0, 0, 0, rng.pick([8, 24, 0])), makeInsn(0x0f, at, 0, 0, 0));
      break;
    case 2:
      insns.push(
        RANDOM,
        makeInsn(0x25, 0, 0, 2, rng.pick([7, 15])),
        movx(5, at),
        makeInsn(0x0f, 5, 0, 0, 0),
        makeInsn(0x72, 5, 0, 0, 1),
      );
      insns[insns.length - 4] = { ...insns[insns.length - 4], off: 3 };
      break;
    case 3:
    case 4:
      insns.push(makeInsn(0x62 | size, at, 0, rng.between(-1, 2) * bytes, 1));
      break;
    case 5:
      insns.push(makeInsn(0x61 | size, rng.pick([1, 2, 3]), at, rng.between(-1, 2) * bytes, 0));
      break;
    case 6: {
      const off = -8 * rng.between(1, 8);
      const to = rng.pick(SAVED);
      insns.push(makeInsn(0x7b, 10, at, off, 0), ...(rng.chance(50) ? [RANDOM] : []), makeInsn(0x79, to, 10, off, 0));
      held.add(to);
      break;
    }
    case 7: {
      const to = rng.pick(SAVED);
      insns.push(RANDOM, makeInsn(0x15, 0, 0, 1, 0), makeInsn(0x07, at, 0, 0, -8), movx(to, at));
      held.add(to);
      break;
    }
    case 8:
    case 9:
      if (id + 1 >= count) break;
      insns.push(movx(1, at), movx(2, rng.pick(holders)));
      if (rng.chance(30)) insns.push(makeInsn(0x7b, 10, 2, -8, 0), movx(1, 10), makeInsn(0x07, 1, 0, 0, -8));
      addCall(f, rng.between(id + 1, count - 1));
      break;
    case 10:
      if (id + 1 >= count) break;
      insns.push(movx(3, at), mov(1, 2), mov(4, 0));
      f.calls.set(insns.length, rng.between(id + 1, count - 1));
      insns.push(...wide(2, 4, 0), makeInsn(0x85, 0, 0, 0, 181));
      break;
    default:
      // A pointer someone else may have left there.
      insns.push(makeInsn(0x79, 3, at, 0, 0), ...(rng.chance(50) ? [makeInsn(0x72, 3, 0, rng.between(-2, 2), 1)] : []));
  }
}

const KINDS: readonly ((rng: Random, kernel: Btf) => Draft)[] = [
  jumps,
  jumps,
  jumps,
  chain,
  chain,
  chain,
  callbacks,
  odd,
  tables,
  tables,
  exceptions,
  throwing,
  kfuncs,
  unprivileged,
  sources,
  rng => (rng.chance(15) ? many(rng) : odd(rng)),
];
