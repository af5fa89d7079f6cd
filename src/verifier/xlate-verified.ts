import type { Btf } from '../btf/index.ts';
import {
  BPF_PSEUDO_BTF_ID,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_IDX,
  CALL,
  type Insn,
  LD_IMM64,
} from '../isa/index.ts';
import { defaultLayout } from '../kernels/index.ts';
import type { LineInfo } from '../object/index.ts';
import { bpf_map_type } from '../uapi/index.ts';
import { brandXlated } from './brand.ts';
import { mayAccessDirectPktData } from './check/packet-access.ts';
import { BPF_WRITE } from './check/pointer-kinds.ts';
import type { VerifierEnv } from './env.ts';
import { optimizeBpfLoop } from './fixups/bpf-loop.ts';
import type { FixupContext } from './fixups/context.ts';
import { convertCtxAccesses } from './fixups/ctx-access.ts';
import {
  hardWireDeadBranches,
  removeDeadCode,
  removeFastcallSpills,
  removeNops,
  sanitizeDeadCode,
} from './fixups/dead-code.ts';
import { loadImm64 } from './fixups/insns.ts';
import { halves, KernelAddresses } from './fixups/kernel-addresses.ts';
import { BtfOffsets } from './fixups/kernel-offsets.ts';
import { doMiscFixups } from './fixups/misc.ts';
import type { MiscContext } from './fixups/misc-context.ts';
import { FixupProgram } from './fixups/program.ts';
import { extendVerified } from './fixups/verified-zext.ts';
import { NEEDS_ZEXT } from './from-kernel.ts';
import type { VerifierMap, VerifyInput } from './input.ts';
import { LineTable } from './line-table.ts';
import { subprogOf } from './stages.ts';
import type { XlatedKfunc, XlatedMap, XlatedPlaces, XlatedProgram } from './types.ts';

/** Machines whose JIT reaches kernel functions at any distance: calls keep their id (`bpf_jit_supports_far_kfunc_call`). */
const FAR_KFUNCS: ReadonlySet<string> = new Set(['arm64', 's390x', 'ppc64']);
/** Machines whose JIT knows per-CPU addresses (`bpf_jit_supports_percpu_insn`). */
const PERCPU_INSN: ReadonlySet<string> = new Set(['x86_64', 'arm64', 'riscv64']);
const MAP_SPACING = 1n << 16n;
const VALUES_SPACING = 1n << 33n;
/** Below 2^47: where a loader's arena may be mapped. */
const DEFAULT_USER_VM_START = 0x7f0000000000n;
const ARENA_BELOW_END = 1n << 35n;

/**
 * What the kernel makes of a program its walk accepted, up to where the JIT takes it: bpf_loop inlined, dead code taken away,
 * context accesses converted, helper calls bound or inlined, zero extensions. Functions of the environment are changed in
 * place. Throws a Refusal where a fixup is not possible.
 *
 * Source: `kernel/bpf/verifier.c: bpf_check` behind `do_check`.
 */
export function xlateVerified(env: VerifierEnv, input: VerifyInput, places: XlatedPlaces = {}): XlatedProgram {
  const { kernel, prog } = env;
  const image = kernel.image;
  const maps = places.maps ?? placeMaps(input.maps, env);
  const arena = env.arena === undefined ? undefined : (places.arena ?? placeArena(env.arena, env));
  const program = new FixupProgram(env, new LineTable(input.lineInfo));
  const addresses = new KernelAddresses(image);
  const offsets = new BtfOffsets(kernel.btf);
  resolveImms(program, input, maps, arena?.userVmStart ?? 0n, addresses);

  removeFastcallSpills(program);
  optimizeBpfLoop(program);
  if (env.bpfCapable) {
    hardWireDeadBranches(program);
    removeDeadCode(program);
    removeNops(program);
  } else sanitizeDeadCode(program);
  convertCtxAccesses(program, offsets);
  const kfuncs = new KfuncTable(env);
  const fixups: FixupContext = {
    kernel: image,
    progType: prog.type,
    sleepable: prog.sleepable,
    distances: new Map(),
    helpers: new Map(),
    internalCalls: new Map(),
    stackDepthAt: idx => program.subprogs[env.subprogs.containing(idx)].stackDepthBytes,
  };
  const misc: MiscContext = {
    program,
    fixups,
    addresses,
    directTailCalls: 0,
    lookups: { fixups, offsets, bypassSpecV1: env.bypassSpecV1, percpuInsn: PERCPU_INSN.has(kernel.arch) },
    kfuncName: origIdx => env.kfuncs.nameAt(origIdx),
    kfuncCall: (insn, name) => kfuncs.call(insn, name),
  };
  const hiddenSubprogCount = doMiscFixups(misc);
  const needsZext = NEEDS_ZEXT[kernel.arch];
  extendVerified(program, needsZext);

  const { list } = env.subprogs;
  // Most who ask for a verdict never ask for the lines.
  let lineInfo: readonly LineInfo[] | undefined;
  return brandXlated({
    verified: true,
    name: input.name,
    type: input.type,
    gplCompatible: input.gplCompatible,
    insns: program.insns,
    subprogs: list.map(subprogOf),
    hiddenSubprogCount,
    kernel: image,
    maps,
    kfuncs: kfuncs.list,
    helpers: fixups.helpers,
    internalCalls: fixups.internalCalls,
    btf: input.btf,
    funcInfo: list.flatMap(({ start, func }) => (func === undefined ? [] : [{ insnIdx: start, typeId: func.typeId }])),
    get lineInfo() {
      lineInfo ??= program.lines.toList();
      return lineInfo;
    },
    verifierZext: needsZext,
    arena,
    original: input.insns,
  });
}

/** Maps in the linear mapping of memory, their values apart. */
function placeMaps(maps: readonly (VerifierMap | undefined)[], env: VerifierEnv): XlatedMap[] {
  const { linearMap } = defaultLayout(env.kernel.arch);
  const base = linearMap.start + (1n << 28n);
  const values = linearMap.start + (1n << 40n);
  return maps.map((map, place) => ({
    id: place + 1,
    name: map?.name ?? '',
    addr: base + BigInt(place) * MAP_SPACING,
    values: { start: values + BigInt(place) * VALUES_SPACING, sizeBytes: map?.valueSize ?? 0 },
  }));
}

function placeArena(map: VerifierMap, env: VerifierEnv): { kernVmStart: bigint; userVmStart: bigint } {
  return {
    kernVmStart: defaultLayout(env.kernel.arch).linearMap.end - ARENA_BELOW_END,
    userVmStart: map.mapExtra === 0n ? DEFAULT_USER_VM_START : map.mapExtra,
  };
}

/** Every `ld_imm64` but those of functions becomes a plain one. Source: `resolve_pseudo_ldimm64`, `convert_pseudo_ld_imm64`. */
function resolveImms(
  program: FixupProgram,
  input: VerifyInput,
  maps: readonly XlatedMap[],
  userVmStart: bigint,
  addresses: KernelAddresses,
): void {
  const { insns, aux, env } = program;
  for (let idx = 0; idx < insns.length; idx++) {
    const insn = insns[idx];
    if (insn.code !== LD_IMM64) continue;
    if (insn.src !== 0 && insn.src !== BPF_PSEUDO_FUNC) {
      let addr: bigint;
      if (insn.src === BPF_PSEUDO_BTF_ID) addr = symbolAddress(env.kernel.btf, insn.imm, addresses);
      else {
        const { mapIndex, mapOff } = aux[idx].detail;
        const map = maps[mapIndex];
        const isMap = insn.src === BPF_PSEUDO_MAP_FD || insn.src === BPF_PSEUDO_MAP_IDX;
        const isArena = input.maps[mapIndex]?.type === bpf_map_type.BPF_MAP_TYPE_ARENA;
        addr = isMap ? map.addr : (isArena ? userVmStart : (map.values?.start ?? map.addr)) + BigInt(mapOff);
      }
      [insns[idx], insns[idx + 1]] = loadImm64(insn.dst, ...halves(addr));
    }
    idx++;
  }
}

function symbolAddress(btf: Btf | undefined, id: number, addresses: KernelAddresses): bigint {
  const type = btf?.typeById(id);
  if (type?.kind === 'FUNC') return addresses.functionAt(type.name);
  return addresses.objectAt(type?.kind === 'VAR' ? type.name : id);
}

/** The kernel functions a program still calls. */
class KfuncTable {
  readonly list: XlatedKfunc[] = [];
  readonly #env: VerifierEnv;
  readonly #met = new Set<string>();

  constructor(env: VerifierEnv) {
    this.#env = env;
  }

  call(insn: Insn, name: string): Insn {
    const { kernel } = this.#env;
    const symbol = this.#specialized(name);
    const far = FAR_KFUNCS.has(kernel.arch);
    const call: Insn = {
      code: CALL,
      dst: 0,
      src: BPF_PSEUDO_KFUNC_CALL,
      off: insn.off,
      imm: far ? insn.imm : kernel.image.symbolOffset(symbol) | 0,
    };
    const key = `${call.imm}:${call.off}`;
    if (!this.#met.has(key)) {
      this.#met.add(key);
      const args = argsOf(kernel.btf, insn.imm);
      this.list.push({ imm: call.imm, off: call.off, name: symbol, ...(args === undefined ? {} : { args }) });
    }
    return call;
  }

  /** Source: `specialize_kfunc`. */
  #specialized(name: string): string {
    if (name !== 'bpf_dynptr_from_skb') return name;
    const env = this.#env;
    const { seenDirectWrite } = env;
    const writable = mayAccessDirectPktData(env, undefined, BPF_WRITE);
    env.seenDirectWrite = seenDirectWrite;
    return writable ? name : 'bpf_dynptr_from_skb_rdonly';
  }
}

/** Parameters of a kernel function by its id. Source: `btf_distill_func_proto`. */
function argsOf(btf: Btf | undefined, id: number): XlatedKfunc['args'] {
  if (btf === undefined || id <= 0 || id >= btf.typeCount) return undefined;
  const func = btf.typeById(id);
  const proto = func.kind === 'FUNC' ? btf.typeById(func.typeId) : undefined;
  if (proto?.kind !== 'FUNC_PROTO') return undefined;
  return proto.params.map(({ typeId }) => {
    const type = btf.typeById(btf.skipModifiers(typeId));
    const size = btf.trySizeOf(typeId);
    return { sizeBytes: typeof size === 'number' ? size : 8, signed: type.kind === 'INT' && type.signed };
  });
}
