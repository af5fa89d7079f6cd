import type { Btf } from '../btf/index.ts';
import { MEM_PERCPU, MEM_RDONLY, PTR_TO_BTF_ID, PTR_TO_FUNC, PTR_TO_MEM } from '../helpers/index.ts';
import { BPF_PSEUDO_BTF_ID, BPF_PSEUDO_FUNC, BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_IDX, type Insn } from '../isa/index.ts';
import { BPF_PROG_FLAGS, bpf_map_type, bpf_prog_type, ERRNO } from '../uapi/index.ts';
import type { VerifierKernel, VerifierMap, VerifyInput } from './input.ts';
import type { InsnAux } from './insn-aux.ts';
import { kernelRules } from './kernel-rules.ts';
import { checkPseudoImms, MAX_USED_MAPS, type ResolveImm } from './pseudo-imm.ts';
import { BPF_LIST_HEAD, BPF_RB_ROOT, BPF_SPIN_LOCK, BPF_TIMER, BPF_WORKQUEUE, recordHasField } from './state/record.ts';
import type { Rejection } from './types.ts';
import type { VerifierLog } from './verifier-log.ts';

const M = bpf_map_type;
const P = bpf_prog_type;
/** `BPF_MAX_VAR_OFF` */
const MAX_DIRECT_VALUE_OFF = 1 << 29;
const PAGE_BYTES = 4096;
/** Machines whose JIT knows arenas in 6.12. */
const ARENA_ARCHS: ReadonlySet<string> = new Set(['x86_64', 'arm64', 's390x']);
/** What sleepable programs may use. */
const SLEEPABLE_MAPS: ReadonlySet<number> = new Set([
  M.BPF_MAP_TYPE_HASH,
  M.BPF_MAP_TYPE_LRU_HASH,
  M.BPF_MAP_TYPE_ARRAY,
  M.BPF_MAP_TYPE_PERCPU_HASH,
  M.BPF_MAP_TYPE_PERCPU_ARRAY,
  M.BPF_MAP_TYPE_LRU_PERCPU_HASH,
  M.BPF_MAP_TYPE_ARRAY_OF_MAPS,
  M.BPF_MAP_TYPE_HASH_OF_MAPS,
  M.BPF_MAP_TYPE_RINGBUF,
  M.BPF_MAP_TYPE_USER_RINGBUF,
  M.BPF_MAP_TYPE_INODE_STORAGE,
  M.BPF_MAP_TYPE_SK_STORAGE,
  M.BPF_MAP_TYPE_TASK_STORAGE,
  M.BPF_MAP_TYPE_CGRP_STORAGE,
  M.BPF_MAP_TYPE_QUEUE,
  M.BPF_MAP_TYPE_STACK,
  M.BPF_MAP_TYPE_ARENA,
]);

/** Source: `is_tracing_prog_type`. */
const isTracingProgType = (type: number): boolean =>
  type === P.BPF_PROG_TYPE_KPROBE ||
  type === P.BPF_PROG_TYPE_TRACEPOINT ||
  type === P.BPF_PROG_TYPE_PERF_EVENT ||
  type === P.BPF_PROG_TYPE_RAW_TRACEPOINT ||
  type === P.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE;

/** What {@link resolvePseudoLdimm64} needs to know. */
export interface LdImmSource {
  readonly input: VerifyInput;
  readonly kernel: VerifierKernel;
  readonly insnAux: readonly InsnAux[];
  readonly caps: { readonly bpf: boolean; readonly perfmon: boolean };
  readonly jitRequested: boolean;
  readonly log: VerifierLog;
}

/** What the program's `ld_imm64` instructions name. */
export interface ResolvedImms {
  /** Each once, in the order of their first use (`env->used_maps`). */
  readonly usedMaps: readonly VerifierMap[];
  /** The program's arena. */
  readonly arena: VerifierMap | undefined;
}

/**
 * Finds out what every `ld_imm64` names, which maps the program uses and whether it may use them, and checks that every
 * code is an instruction. `InsnAux.mapIndex` becomes a place in `maps`.
 *
 * Differs from Linux: that the user's address of an arena is set is taken for granted, since libbpf does it; modules
 * have no BTF here.
 *
 * Source: `kernel/bpf/verifier.c: resolve_pseudo_ldimm64`.
 */
export function resolvePseudoLdimm64(source: LdImmSource): Rejection | ResolvedImms {
  const { input, insnAux, log } = source;
  const maps = new UsedMaps(source);
  const resolve: ResolveImm = (insn, second, idx) => {
    const aux = insnAux[idx];
    if (insn.src === BPF_PSEUDO_BTF_ID) return checkPseudoBtfId(source, insn, second, aux, idx);
    if (insn.src !== BPF_PSEUDO_FUNC) return maps.add(insn, second, aux, idx);
    aux.ptrType = PTR_TO_FUNC;
    return undefined;
  };
  const refused = checkPseudoImms(input.insns, log, resolve, kernelRules(source.kernel.version));
  return refused ?? { usedMaps: maps.list, arena: maps.arena };
}

class UsedMaps {
  readonly list: VerifierMap[] = [];
  arena: VerifierMap | undefined = undefined;
  readonly #source: LdImmSource;
  readonly #cgroupStorage = new Map<number, VerifierMap>();

  constructor(source: LdImmSource) {
    this.#source = source;
  }

  add(insn: Insn, second: Insn, aux: InsnAux, idx: number): Rejection | undefined {
    const { input, log } = this.#source;
    const { maps } = input;
    const map = maps[insn.imm];
    if (map === undefined) {
      const open = insn.imm >= 0 && insn.imm < maps.length;
      return log.reject('mapFd', [insn.imm], idx, open ? ERRNO.EINVAL : ERRNO.EBADF);
    }
    const reused = this.list.includes(map);
    if (!reused) {
      if (this.list.length >= MAX_USED_MAPS) return log.reject('tooManyMaps', [], idx);
      this.list.push(map);
    }
    aux.own().mapIndex = maps.indexOf(map);
    const refused = this.#compatible(map, idx) ?? this.#directValue(map, insn, second, aux, idx);
    return refused ?? (reused ? undefined : this.#first(map, idx));
  }

  /** Source: `check_map_prog_compatibility`. */
  #compatible(map: VerifierMap, idx: number): Rejection | undefined {
    const { input, log } = this.#source;
    const { record, type } = map;
    // Extensions are what they extend.
    const progType = (input.type === P.BPF_PROG_TYPE_EXT ? input.attachProg?.type : undefined) ?? input.type;
    const tracing = isTracingProgType(progType);
    if (recordHasField(record, BPF_LIST_HEAD | BPF_RB_ROOT) && tracing) return log.reject('mapGraphTracing', [], idx);
    if (recordHasField(record, BPF_SPIN_LOCK)) {
      if (progType === P.BPF_PROG_TYPE_SOCKET_FILTER) return log.reject('mapLockSocketFilter', [], idx);
      if (tracing) return log.reject('mapLockTracing', [], idx);
    }
    if (recordHasField(record, BPF_TIMER) && tracing) return log.reject('mapTimerTracing', [], idx);
    if (recordHasField(record, BPF_WORKQUEUE) && tracing) return log.reject('mapWqTracing', [], idx);
    if (type === M.BPF_MAP_TYPE_STRUCT_OPS) return log.reject('mapStructOps', [], idx);
    const sleepable = (input.flags & BPF_PROG_FLAGS.BPF_F_SLEEPABLE) !== 0;
    if (sleepable && !SLEEPABLE_MAPS.has(type)) return log.reject('mapSleepable', [], idx);
    return undefined;
  }

  /** The address of a value: only of maps that have one value that stays where it is. */
  #directValue(map: VerifierMap, insn: Insn, second: Insn, aux: InsnAux, idx: number): Rejection | undefined {
    if (insn.src === BPF_PSEUDO_MAP_FD || insn.src === BPF_PSEUDO_MAP_IDX) return undefined;
    const { log } = this.#source;
    const off = second.imm >>> 0;
    if (off >= MAX_DIRECT_VALUE_OFF) return log.reject('directValueOff', [off], idx);
    let errno = 0;
    if (map.type === M.BPF_MAP_TYPE_ARENA) {
      if (off > map.maxEntries * PAGE_BYTES) errno = ERRNO.ERANGE;
    } else if (map.type === M.BPF_MAP_TYPE_ARRAY) {
      if (map.maxEntries !== 1) errno = ERRNO.ENOTSUPP;
      else if (off >= map.valueSize) errno = ERRNO.EINVAL;
    } else return log.reject('directValueNone', [], idx);
    if (errno !== 0) return log.reject('directValueAccess', [map.valueSize, off], idx, errno);
    aux.own().mapOff = off;
    return undefined;
  }

  /** What is asked when a map is met for the first time. */
  #first(map: VerifierMap, idx: number): Rejection | undefined {
    const { kernel, caps, jitRequested, log } = this.#source;
    if (map.type === M.BPF_MAP_TYPE_CGROUP_STORAGE || map.type === M.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE) {
      if (this.#cgroupStorage.has(map.type)) return log.reject('cgroupStorageTwice', [], idx);
      this.#cgroupStorage.set(map.type, map);
    }
    if (map.type !== M.BPF_MAP_TYPE_ARENA) return undefined;
    if (this.arena !== undefined) return log.reject('arenaTwice', [], idx);
    if (!caps.perfmon || !caps.bpf) return log.reject('arenaCaps', [], idx);
    if (!jitRequested) return log.reject('arenaNoJit', [], idx);
    if (!ARENA_ARCHS.has(kernel.arch)) return log.reject('arenaJitSupport', [], idx);
    this.arena = map;
    return undefined;
  }
}

const percpuVars = new WeakMap<Btf, ReadonlySet<number>>();

/** Ids of the kernel's per-CPU variables. Source: `find_btf_percpu_datasec`. */
function percpuVarsOf(btf: Btf): ReadonlySet<number> {
  let ids = percpuVars.get(btf);
  if (ids === undefined) {
    const section = btf.findByName('.data..percpu', 'DATASEC');
    const type = section > 0 ? btf.typeById(section) : undefined;
    ids = new Set(type?.kind === 'DATASEC' ? type.vars.map(({ typeId }) => typeId) : []);
    percpuVars.set(btf, ids);
  }
  return ids;
}

/** A variable or function of the kernel. Source: `check_pseudo_btf_id`. */
function checkPseudoBtfId(
  { kernel, log }: LdImmSource,
  insn: Insn,
  second: Insn,
  aux: InsnAux,
  idx: number,
): Rejection | undefined {
  if (second.imm !== 0) return log.reject('ksymModule', [], idx);
  const { btf, image } = kernel;
  if (btf === undefined) return log.reject('ksymNoBtf', [], idx);
  const id = insn.imm;
  if (id < 0 || id >= btf.typeCount) return log.reject('ksymId', [id], idx);
  const kind = btf.kindOf(id);
  if (kind !== 'VAR' && kind !== 'FUNC') return log.reject('ksymKind', [id], idx);
  const type = btf.typeById(id);
  if (type.kind === 'FUNC') {
    // Only functions are recorded; that BTF has a variable is taken for its being there.
    if (image.symbols().length > 0 && !image.hasSymbol(type.name)) return log.reject('ksymAddress', [type.name], idx);
    aux.own().btfVarType = PTR_TO_MEM | MEM_RDONLY;
    return undefined;
  }
  if (type.kind !== 'VAR') return undefined;
  const under = btf.skipModifiers(type.typeId);
  if (percpuVarsOf(btf).has(id)) aux.own().btfVarType = PTR_TO_BTF_ID | MEM_PERCPU;
  else if (btf.kindOf(under) === 'STRUCT' || btf.kindOf(under) === 'UNION') aux.own().btfVarType = PTR_TO_BTF_ID;
  else {
    const size = btf.trySizeOf(under);
    if (typeof size !== 'number') return log.reject('ksymSize', [btf.nameOf(under), -ERRNO.EINVAL], idx);
    aux.own().btfVarType = PTR_TO_MEM | MEM_RDONLY;
    aux.own().btfVarMemSize = size;
    return undefined;
  }
  aux.own().btfVarBtf = btf;
  aux.own().btfVarId = type.typeId;
  return undefined;
}
