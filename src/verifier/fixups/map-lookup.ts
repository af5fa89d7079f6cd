import { BPF_B, BPF_DW, BPF_W, type Insn } from '../../isa/index.ts';
import type { KernelOffsets } from '../../progtypes/index.ts';
import { BPF_FLAGS, bpf_map_type } from '../../uapi/index.ts';
import type { VerifierMap } from '../input.ts';
import type { FixupContext } from './context.ts';
import { callSymbol } from './helper-call.ts';
import { aluImm, aluReg, jump, jumpImm, loadMem, OP, percpuReg, storeMemImm } from './insns.ts';

const M = bpf_map_type;
/** Gives the element and not its value. */
const HTAB_LOOKUP = '__htab_map_lookup_elem';

/** What inlined look-ups need to know beside the map. */
export interface LookupContext {
  readonly fixups: FixupContext;
  readonly offsets: KernelOffsets;
  /** Whether indices go unmasked where the map does not say. */
  readonly bypassSpecV1: boolean;
  readonly percpuInsn: boolean;
}

type GenLookup = (map: VerifierMap, ctx: LookupContext) => readonly Insn[] | undefined;

const roundUp8 = (bytes: number): number => (bytes + 7) & ~7;
const isPowerOfTwo = (n: number): boolean => n > 0 && (n & (n - 1)) === 0;

/** Slots of an array are a power of two where the index is masked. Source: `array_map_alloc`. */
export function indexMask(maxEntries: number): number {
  const bits = 32 - Math.clz32((maxEntries - 1) >>> 0);
  return bits === 32 ? -1 : (1 << bits) - 1;
}
const lastIndex = (map: VerifierMap): number => map.maxEntries | 0;

/** `r0 = index` and its check, `skip` instructions before the null; masked where the CPU might guess wrong. */
function boundedIndex(map: VerifierMap, ctx: LookupContext, skip: number): Insn[] {
  const load = loadMem(BPF_W, 0, 2, 0);
  if (!(map.unprivileged ?? !ctx.bypassSpecV1)) return [load, jumpImm(true, OP.jge, 0, lastIndex(map), skip)];
  return [
    load,
    jumpImm(true, OP.jge, 0, lastIndex(map), skip + 1),
    aluImm(false, OP.and, 0, indexMask(map.maxEntries)),
  ];
}

const scaled = (elemSize: number): Insn =>
  isPowerOfTwo(elemSize) ? aluImm(true, OP.lsh, 0, 31 - Math.clz32(elemSize)) : aluImm(true, OP.mul, 0, elemSize);

const arrayLookup: GenLookup = (map, ctx) => {
  if ((map.flags & BPF_FLAGS.BPF_F_INNER_MAP) !== 0) return undefined;
  return [
    aluImm(true, OP.add, 1, ctx.fixups.kernel.structs.arrayValue),
    ...boundedIndex(map, ctx, 3),
    scaled(roundUp8(map.valueSize)),
    aluReg(true, OP.add, 0, 1),
    jump(1),
    aluImm(true, OP.mov, 0, 0),
  ];
};

const percpuArrayLookup: GenLookup = (map, ctx) => {
  if (!ctx.percpuInsn || (map.flags & BPF_FLAGS.BPF_F_INNER_MAP) !== 0) return undefined;
  return [
    aluImm(true, OP.add, 1, ctx.fixups.kernel.structs.arrayValue),
    ...boundedIndex(map, ctx, 5),
    aluImm(true, OP.lsh, 0, 3),
    aluReg(true, OP.add, 0, 1),
    loadMem(BPF_DW, 0, 0, 0),
    percpuReg(0, 0),
    jump(1),
    aluImm(true, OP.mov, 0, 0),
  ];
};

const arrayOfMapsLookup: GenLookup = (map, ctx) => [
  aluImm(true, OP.add, 1, ctx.fixups.kernel.structs.arrayValue),
  ...boundedIndex(map, ctx, 5),
  scaled(roundUp8(map.valueSize)),
  aluReg(true, OP.add, 0, 1),
  loadMem(BPF_DW, 0, 0, 0),
  jumpImm(true, OP.jeq, 0, 0, 1),
  jump(1),
  aluImm(true, OP.mov, 0, 0),
];

/** The element, and `found` instructions that are skipped where there is none. */
const element = (ctx: LookupContext, found: readonly Insn[]): Insn[] => [
  callSymbol(ctx.fixups, HTAB_LOOKUP),
  jumpImm(true, OP.jeq, 0, 0, found.length),
  ...found,
];
const toValue = (map: VerifierMap, ctx: LookupContext): Insn =>
  aluImm(true, OP.add, 0, ctx.fixups.kernel.structs.htabElemKey + roundUp8(map.keySize));

const hashLookup: GenLookup = (map, ctx) => element(ctx, [toValue(map, ctx)]);

const lruHashLookup: GenLookup = (map, ctx) => {
  const ref = ctx.fixups.kernel.structs.htabElemLruRef;
  return element(ctx, [
    loadMem(BPF_B, 1, 0, ref),
    jumpImm(true, OP.jne, 1, 0, 1),
    storeMemImm(BPF_B, 0, ref, 1),
    toValue(map, ctx),
  ]);
};

const percpuHashLookup: GenLookup = (map, ctx) =>
  ctx.percpuInsn ? element(ctx, [toValue(map, ctx), loadMem(BPF_DW, 0, 0, 0), percpuReg(0, 0)]) : undefined;

const hashOfMapsLookup: GenLookup = (map, ctx) => element(ctx, [toValue(map, ctx), loadMem(BPF_DW, 0, 0, 0)]);

const xskLookup: GenLookup = (map, ctx) => [
  loadMem(BPF_W, 0, 2, 0),
  jumpImm(true, OP.jge, 0, lastIndex(map), 5),
  aluImm(true, OP.lsh, 0, 3),
  aluImm(true, OP.add, 1, ctx.offsets.offsetOf('xsk_map', 'xsk_map')),
  aluReg(true, OP.add, 0, 1),
  loadMem(BPF_DW, 0, 0, 0),
  jump(1),
  aluImm(true, OP.mov, 0, 0),
];

const LOOKUPS: ReadonlyMap<number, GenLookup> = new Map([
  [M.BPF_MAP_TYPE_ARRAY, arrayLookup],
  [M.BPF_MAP_TYPE_PERCPU_ARRAY, percpuArrayLookup],
  [M.BPF_MAP_TYPE_ARRAY_OF_MAPS, arrayOfMapsLookup],
  [M.BPF_MAP_TYPE_HASH, hashLookup],
  [M.BPF_MAP_TYPE_LRU_HASH, lruHashLookup],
  [M.BPF_MAP_TYPE_PERCPU_HASH, percpuHashLookup],
  [M.BPF_MAP_TYPE_HASH_OF_MAPS, hashOfMapsLookup],
  [M.BPF_MAP_TYPE_XSKMAP, xskLookup],
]);

/**
 * `bpf_map_lookup_elem` of one known map as instructions; undefined where its type has none or they do not fit the CPU.
 *
 * Source: `kernel/bpf/arraymap.c, hashtab.c: *_map_gen_lookup`.
 */
export const genLookup: GenLookup = (map, ctx) => LOOKUPS.get(map.type)?.(map, ctx);
