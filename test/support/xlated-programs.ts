import {
  BPF_LDX,
  BPF_MEM,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
  BPF_ST,
  BPF_STX,
  BPF_X,
  CALL,
  EXIT,
  type Insn,
  LD_IMM64,
  makeInsn,
} from '../../src/isa/index.ts';
import { bpf_attach_type, bpf_func_id, bpf_map_type, bpf_prog_type } from '../../src/uapi/index.ts';
import type { ProgFileEntry } from './prog-file.ts';
import { Random } from './random.ts';

/** Programs of which it is known, from real kernels, what the verifier makes of them: `test/tools/record-xlated.ts`. */

const T = bpf_prog_type;
const A = bpf_attach_type;
const F = bpf_func_id;
const M = bpf_map_type;
const SIZES = [
  [1, 0x10],
  [2, 0x08],
  [4, 0x00],
  [8, 0x18],
] as const;

const mov = (dst: number, src: number): Insn => makeInsn(0xbf, dst, src, 0, 0);
const set = (dst: number, imm: number): Insn => makeInsn(0xb7, dst, 0, 0, imm);
const add = (dst: number, imm: number): Insn => makeInsn(0x07, dst, 0, 0, imm);
const addReg = (dst: number, src: number): Insn => makeInsn(0x0f, dst, src, 0, 0);
const subReg = (dst: number, src: number): Insn => makeInsn(0x1f, dst, src, 0, 0);
const andImm = (dst: number, imm: number): Insn => makeInsn(0x57, dst, 0, 0, imm);
const load = (size: number, dst: number, src: number, off: number): Insn =>
  makeInsn(BPF_LDX | BPF_MEM | size, dst, src, off, 0);
const loadSigned = (size: number, dst: number, src: number, off: number): Insn =>
  makeInsn(BPF_LDX | 0x80 | size, dst, src, off, 0);
const store = (size: number, dst: number, src: number, off: number): Insn =>
  makeInsn(BPF_STX | BPF_MEM | size, dst, src, off, 0);
const storeImm = (size: number, dst: number, off: number, imm: number): Insn =>
  makeInsn(BPF_ST | BPF_MEM | size, dst, 0, off, imm);
const jeq = (dst: number, imm: number, off: number): Insn => makeInsn(0x15, dst, 0, off, imm);
const call = (id: number): Insn => makeInsn(CALL, 0, 0, 0, id);
const exit = makeInsn(EXIT, 0, 0, 0, 0);
const map = (dst: number): Insn[] => [makeInsn(LD_IMM64, dst, 0, 0, 0), makeInsn(0, 0, 0, 0, 0)];
const DW = 0x18;

/** One access of a context field: what it does, and the instructions for it with the context in R6. */
export interface CtxAccessCase {
  readonly type: number;
  readonly attach: number;
  readonly insns: readonly Insn[];
}

/** Program types whose contexts are converted: how long these are, and how they are attached. */
const CONTEXTS: readonly { readonly type: number; readonly attach: readonly number[]; readonly bytes: number }[] = [
  { type: T.BPF_PROG_TYPE_SOCKET_FILTER, attach: [0], bytes: 192 },
  { type: T.BPF_PROG_TYPE_SCHED_CLS, attach: [0], bytes: 192 },
  { type: T.BPF_PROG_TYPE_CGROUP_SKB, attach: [A.BPF_CGROUP_INET_INGRESS], bytes: 192 },
  { type: T.BPF_PROG_TYPE_LWT_XMIT, attach: [0], bytes: 192 },
  { type: T.BPF_PROG_TYPE_LWT_IN, attach: [0], bytes: 192 },
  { type: T.BPF_PROG_TYPE_SK_SKB, attach: [0], bytes: 192 },
  { type: T.BPF_PROG_TYPE_FLOW_DISSECTOR, attach: [A.BPF_FLOW_DISSECTOR], bytes: 192 },
  { type: T.BPF_PROG_TYPE_XDP, attach: [0], bytes: 24 },
  {
    type: T.BPF_PROG_TYPE_CGROUP_SOCK,
    attach: [A.BPF_CGROUP_INET_SOCK_CREATE, A.BPF_CGROUP_INET4_POST_BIND, A.BPF_CGROUP_INET6_POST_BIND],
    bytes: 80,
  },
  {
    type: T.BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
    attach: [
      A.BPF_CGROUP_INET4_BIND,
      A.BPF_CGROUP_INET6_BIND,
      A.BPF_CGROUP_UDP4_SENDMSG,
      A.BPF_CGROUP_UDP6_SENDMSG,
      A.BPF_CGROUP_INET4_CONNECT,
    ],
    bytes: 72,
  },
  { type: T.BPF_PROG_TYPE_SOCK_OPS, attach: [A.BPF_CGROUP_SOCK_OPS], bytes: 224 },
  { type: T.BPF_PROG_TYPE_SK_MSG, attach: [0], bytes: 80 },
  { type: T.BPF_PROG_TYPE_PERF_EVENT, attach: [0], bytes: 184 },
  { type: T.BPF_PROG_TYPE_CGROUP_SYSCTL, attach: [A.BPF_CGROUP_SYSCTL], bytes: 8 },
  { type: T.BPF_PROG_TYPE_CGROUP_SOCKOPT, attach: [A.BPF_CGROUP_GETSOCKOPT, A.BPF_CGROUP_SETSOCKOPT], bytes: 40 },
  { type: T.BPF_PROG_TYPE_SK_REUSEPORT, attach: [A.BPF_SK_REUSEPORT_SELECT_OR_MIGRATE], bytes: 56 },
  { type: T.BPF_PROG_TYPE_SK_LOOKUP, attach: [A.BPF_SK_LOOKUP], bytes: 72 },
];

/** Every access of every context, whether allowed or not. */
export function* ctxAccesses(): Generator<CtxAccessCase> {
  for (const { type, attach: attaches, bytes } of CONTEXTS) {
    for (const attach of attaches) {
      for (const [size, code] of SIZES) {
        for (let off = 0; off < bytes; off += size) {
          yield { type, attach, insns: [load(code, 0, 6, off)] };
          // Where destination and context are one register, some need another.
          yield { type, attach, insns: [mov(9, 6), load(code, 9, 9, off)] };
          if (size < 8) yield { type, attach, insns: [loadSigned(code, 3, 6, off)] };
          yield { type, attach, insns: [set(7, 3), store(code, 6, 7, off)] };
          yield { type, attach, insns: [mov(8, 6), set(9, 1), store(code, 8, 9, off)] };
          yield { type, attach, insns: [storeImm(code, 6, off, 70_000)] };
        }
      }
    }
  }
}

/** Accesses of one type and attachment as programs of several. */
export function ctxPrograms(accesses: readonly CtxAccessCase[]): ProgFileEntry[] {
  const groups = new Map<string, CtxAccessCase[]>();
  for (const access of accesses) {
    const key = `ctx_${access.type}_${access.attach}`;
    groups.set(key, [...(groups.get(key) ?? []), access]);
  }
  const entries: ProgFileEntry[] = [];
  for (const [key, group] of groups) {
    for (let from = 0; from < group.length; from += 40) {
      const body = group.slice(from, from + 40).flatMap(({ insns }) => insns);
      const { type, attach } = group[0];
      entries.push({ name: `${key}_${from}`, type, attachType: attach, insns: [mov(6, 1), ...body, set(0, 1), exit] });
    }
  }
  return entries;
}

/** A context access as a program of its own, for asking whether it is allowed. */
export const ctxProgram = (access: CtxAccessCase): ProgFileEntry => ctxPrograms([access])[0];

interface MapCase {
  readonly name: string;
  readonly map: string;
  readonly type?: number;
  /** The map is in R1, its key at R10-8, a value at R10-24, before each call. */
  readonly ids: readonly number[];
}

const LOOKUPS = [F.BPF_FUNC_map_lookup_elem, F.BPF_FUNC_map_update_elem, F.BPF_FUNC_map_delete_elem] as const;
const STACKS = [F.BPF_FUNC_map_push_elem, F.BPF_FUNC_map_pop_elem, F.BPF_FUNC_map_peek_elem] as const;
const MAPS: readonly MapCase[] = [
  { name: 'hash', map: `${M.BPF_MAP_TYPE_HASH} 4 8 16 0`, ids: LOOKUPS },
  { name: 'hash_key', map: `${M.BPF_MAP_TYPE_HASH} 8 16 100 1`, ids: LOOKUPS },
  { name: 'array', map: `${M.BPF_MAP_TYPE_ARRAY} 4 8 16 0`, ids: LOOKUPS },
  { name: 'array_odd', map: `${M.BPF_MAP_TYPE_ARRAY} 4 12 5 0`, ids: LOOKUPS },
  { name: 'array_wide', map: `${M.BPF_MAP_TYPE_ARRAY} 4 24 1000 0`, ids: LOOKUPS },
  { name: 'array_one', map: `${M.BPF_MAP_TYPE_ARRAY} 4 16 1 0`, ids: LOOKUPS },
  { name: 'array_inner', map: `${M.BPF_MAP_TYPE_ARRAY} 4 8 3 0x1000`, ids: LOOKUPS },
  {
    name: 'percpu_hash',
    map: `${M.BPF_MAP_TYPE_PERCPU_HASH} 4 8 16 0`,
    ids: [...LOOKUPS, F.BPF_FUNC_map_lookup_percpu_elem],
  },
  {
    name: 'percpu_array',
    map: `${M.BPF_MAP_TYPE_PERCPU_ARRAY} 4 8 6 0`,
    ids: [...LOOKUPS, F.BPF_FUNC_map_lookup_percpu_elem],
  },
  { name: 'lru', map: `${M.BPF_MAP_TYPE_LRU_HASH} 4 8 16 0`, ids: LOOKUPS },
  {
    name: 'lru_percpu',
    map: `${M.BPF_MAP_TYPE_LRU_PERCPU_HASH} 4 8 16 0`,
    ids: [...LOOKUPS, F.BPF_FUNC_map_lookup_percpu_elem],
  },
  { name: 'trie', map: `${M.BPF_MAP_TYPE_LPM_TRIE} 8 8 16 1`, ids: LOOKUPS },
  { name: 'queue', map: `${M.BPF_MAP_TYPE_QUEUE} 0 8 16 0`, ids: STACKS },
  { name: 'stack', map: `${M.BPF_MAP_TYPE_STACK} 0 8 16 0`, ids: STACKS },
  {
    name: 'bloom',
    map: `${M.BPF_MAP_TYPE_BLOOM_FILTER} 0 8 16 0`,
    ids: [F.BPF_FUNC_map_push_elem, F.BPF_FUNC_map_peek_elem],
  },
  { name: 'devmap', map: `${M.BPF_MAP_TYPE_DEVMAP} 4 4 4 0`, type: 6, ids: [F.BPF_FUNC_redirect_map] },
  { name: 'devmap_look', map: `${M.BPF_MAP_TYPE_DEVMAP} 4 4 4 0`, type: 6, ids: [F.BPF_FUNC_map_lookup_elem] },
  { name: 'devmap_hash', map: `${M.BPF_MAP_TYPE_DEVMAP_HASH} 4 4 4 0`, type: 6, ids: [F.BPF_FUNC_redirect_map] },
  { name: 'cpumap', map: `${M.BPF_MAP_TYPE_CPUMAP} 4 4 4 0`, type: 6, ids: [F.BPF_FUNC_redirect_map] },
  {
    name: 'xskmap',
    map: `${M.BPF_MAP_TYPE_XSKMAP} 4 4 4 0`,
    type: 6,
    ids: [F.BPF_FUNC_redirect_map, F.BPF_FUNC_map_lookup_elem],
  },
];

function mapPrograms(): ProgFileEntry[] {
  return MAPS.flatMap(({ name, map: text, type = T.BPF_PROG_TYPE_SCHED_CLS, ids }) =>
    ids.map((id): ProgFileEntry => {
      const isRedirect = id === F.BPF_FUNC_redirect_map;
      const isStack = (STACKS as readonly number[]).includes(id);
      const args = isRedirect
        ? [set(2, 1), set(3, 0)]
        : [
            mov(2, 10),
            add(2, isStack ? -24 : -8),
            ...(isStack ? [] : [mov(3, 10), add(3, -24)]),
            set(isStack ? 3 : 4, 0),
            ...(id === F.BPF_FUNC_map_lookup_percpu_elem ? [set(3, 0)] : []),
          ];
      const zero = [-8, -16, -24, -32].map(off => storeImm(DW, 10, off, 0));
      return {
        name: `map_${name}_${id}`,
        type,
        insns: [...zero, ...map(1), ...args, call(id), set(0, 0), exit],
        maps: [text],
        ldmaps: [`4 0 ${BPF_PSEUDO_MAP_FD} 0`],
      };
    }),
  );
}

/** Helpers that become instructions, tail calls, and code that goes away. */
function helperPrograms(): ProgFileEntry[] {
  const one = (name: string, type: number, insns: readonly Insn[], maps?: Partial<ProgFileEntry>): ProgFileEntry => ({
    name,
    type,
    insns: [...insns, set(0, 0), exit],
    ...maps,
  });
  const progArray = { maps: [`${M.BPF_MAP_TYPE_PROG_ARRAY} 4 4 5 0`], ldmaps: [`1 0 ${BPF_PSEUDO_MAP_FD} 0`] };
  return [
    one('jiffies', T.BPF_PROG_TYPE_XDP, [call(F.BPF_FUNC_jiffies64)]),
    one('processor', T.BPF_PROG_TYPE_XDP, [call(F.BPF_FUNC_get_smp_processor_id)]),
    one('processor_spilled', T.BPF_PROG_TYPE_XDP, [
      mov(3, 1),
      store(DW, 10, 3, -8),
      call(F.BPF_FUNC_get_smp_processor_id),
      load(DW, 3, 10, -8),
      load(0, 4, 3, 16),
    ]),
    one('branches', T.BPF_PROG_TYPE_KPROBE, [
      mov(1, 10),
      add(1, -48),
      set(2, 48),
      set(3, 0),
      call(F.BPF_FUNC_get_branch_snapshot),
    ]),
    one(
      'tail_call',
      T.BPF_PROG_TYPE_XDP,
      [mov(6, 1), ...map(2), mov(1, 6), set(3, 2), call(F.BPF_FUNC_tail_call)],
      progArray,
    ),
    one(
      'tail_call_any',
      T.BPF_PROG_TYPE_SCHED_CLS,
      [mov(6, 1), ...map(2), mov(1, 6), load(0, 3, 6, 0), call(F.BPF_FUNC_tail_call)],
      progArray,
    ),
    one('dead_branch', T.BPF_PROG_TYPE_XDP, [
      set(3, 1),
      jeq(3, 1, 2),
      set(4, 5),
      set(5, 6),
      makeInsn(0x55, 3, 0, 1, 1),
      makeInsn(0x05, 0, 0, 0, 0),
      makeInsn(0x05, 0, 0, 2, 0),
      set(4, 1),
      set(4, 2),
    ]),
    one('may_goto', T.BPF_PROG_TYPE_XDP, [
      set(3, 0),
      makeInsn(0xe5, 0, 0, 2, 0),
      add(3, 1),
      makeInsn(0x05, 0, 0, -3, 0),
    ]),
    one('packet_loads', T.BPF_PROG_TYPE_SOCKET_FILTER, [
      mov(6, 1),
      makeInsn(0x20, 0, 0, 0, 4),
      makeInsn(0x28, 0, 0, 0, 12),
      mov(7, 0),
      makeInsn(0x50, 0, 7, 0, 1),
      makeInsn(0x40, 0, 7, 0, 0),
    ]),
    one('packet_write', T.BPF_PROG_TYPE_SCHED_CLS, [
      load(0, 2, 1, 76),
      load(0, 3, 1, 80),
      mov(4, 2),
      add(4, 14),
      makeInsn(0x2d, 4, 3, 1, 0),
      storeImm(0x10, 2, 0, 1),
    ]),
    one('compare_exchange', T.BPF_PROG_TYPE_XDP, [
      storeImm(DW, 10, -8, 0),
      set(0, 0),
      set(2, 1),
      makeInsn(0xc3, 10, 2, -8, 0xf1),
      mov(3, 0),
    ]),
  ];
}

/** Programs of loaders without rights: pointers moved by numbers nobody knows, spills, tail calls, dead code. */
function unprivilegedPrograms(): ProgFileEntry[] {
  const entries: ProgFileEntry[] = [];
  const value = { maps: [`${M.BPF_MAP_TYPE_ARRAY} 4 64 1 0`], ldmaps: [`1 0 ${BPF_PSEUDO_MAP_VALUE} 0`] };
  const add1 = (name: string, insns: readonly Insn[], maps: Partial<ProgFileEntry> = value): void => {
    const type = T.BPF_PROG_TYPE_SOCKET_FILTER;
    entries.push({ name: `unpriv_${name}`, type, insns: [...insns, set(0, 0), exit], unprivileged: true, ...maps });
  };
  // R7: 0..15, R8: the value.
  const start = [mov(6, 1), ...map(8), load(0, 7, 6, 0), andImm(7, 15)];
  const read = load(0x10, 0, 8, 0);
  add1('add', [...start, addReg(8, 7), read]);
  add1('add_other', [...start, mov(9, 7), addReg(9, 8), load(0x10, 0, 9, 0)]);
  add1('add_twice', [...start, addReg(8, 7), addReg(8, 7), read]);
  add1('sub', [...start, add(8, 40), subReg(8, 7), read]);
  add1('negative', [...start, add(8, 40), makeInsn(0x87, 7, 0, 0, 0), andImm(7, -1), read]);
  add1('constant', [...start, set(7, 8), addReg(8, 7), read]);
  add1('constant_sub', [...start, add(8, 16), set(7, 8), subReg(8, 7), read]);
  add1('known_zero', [...start, andImm(7, 0), addReg(8, 7), read]);
  add1('stack', [mov(2, 10), set(3, -16), addReg(2, 3), storeImm(DW, 2, 0, 0)], {});
  add1('spill', [store(DW, 10, 1, -8), load(DW, 3, 10, -8), store(DW, 10, 10, -16), storeImm(DW, 10, -16, 5)], {});
  add1('dead', [set(3, 1), jeq(3, 1, 2), set(4, 5), set(5, 6), makeInsn(0x05, 0, 0, 0, 0)], {});
  add1('branches', [...start, makeInsn(0x25, 7, 0, 1, 8), addReg(8, 7), read]);
  add1('jset', [...start, makeInsn(0x45, 7, 0, 2, 1), add(7, 2), addReg(8, 7), read]);
  add1('mask', [...start, load(0, 9, 6, 4), andImm(9, 7), addReg(9, 7), addReg(8, 9), read]);
  add1('mixed', [...start, add(7, -4), addReg(8, 7), read]);
  add1('tail_call', [mov(6, 1), ...map(2), mov(1, 6), load(0, 3, 6, 0), call(F.BPF_FUNC_tail_call)], {
    maps: [`${M.BPF_MAP_TYPE_PROG_ARRAY} 4 4 5 0`],
    ldmaps: [`1 0 ${BPF_PSEUDO_MAP_FD} 0`],
  });
  const random = new Random(7);
  for (let n = 0; n < 60; n++) add1(`random_${n}`, [...start, ...arithmetic(random), set(0, 0)]);
  return entries;
}

/** Random moves of the value in R8 by what R7 and R9 hold, with branches between them. */
function arithmetic(random: Random): Insn[] {
  const insns: Insn[] = [load(0, 9, 6, 4), andImm(9, [1, 3, 7, 15][random.below(4)])];
  if (random.below(2) === 0) insns.push(add(8, 8 * random.below(5)));
  for (let n = 1 + random.below(5); n > 0; n--) {
    const by = random.below(2) === 0 ? 7 : 9;
    switch (random.below(7)) {
      case 0:
        insns.push(subReg(8, by));
        break;
      case 1:
        insns.push(makeInsn(0x25, by, 0, 1, random.below(12)), addReg(8, by));
        break;
      case 2:
        insns.push(set(by, random.below(9)), addReg(8, by));
        break;
      case 3:
        insns.push(makeInsn(0x0f | BPF_X, 7, 9, 0, 0));
        break;
      case 4:
        insns.push(mov(5, by), addReg(5, 8), load(0x10, 4, 5, 0));
        break;
      case 5:
        insns.push(jeq(by, random.below(4), 1), add(8, 1));
        break;
      default:
        insns.push(addReg(8, by));
    }
  }
  insns.push(load([0x10, 0x08][random.below(2)], 0, 8, 0));
  return insns;
}

/** Everything but the context accesses, of which a kernel has to say which are allowed. */
export const XLATED_PROGRAMS: readonly ProgFileEntry[] = [
  ...mapPrograms(),
  ...helperPrograms(),
  ...unprivilegedPrograms(),
];
