import { describe, expect, it } from 'vitest';
import { TestHelperEnv } from '../../test/support/helper-env.ts';
import { bpf_map_type, bpf_prog_type } from '../uapi/index.ts';
import { type ArgProto, HELPERS, type HelperDef, KFUNCS, ProgramFault } from './index.ts';

const M = bpf_map_type;
const SCRATCH_BYTES = 512;

/** Maps other than a small hash that a helper's map argument has to be. */
const MAP_OF: Readonly<
  Record<string, { type: number; keySizeBytes?: number; valueSizeBytes?: number; maxEntries?: number }>
> = {
  map_push_elem: { type: M.BPF_MAP_TYPE_QUEUE, keySizeBytes: 0 },
  map_pop_elem: { type: M.BPF_MAP_TYPE_QUEUE, keySizeBytes: 0 },
  map_peek_elem: { type: M.BPF_MAP_TYPE_QUEUE, keySizeBytes: 0 },
  map_lookup_percpu_elem: { type: M.BPF_MAP_TYPE_PERCPU_ARRAY },
  perf_event_output: { type: M.BPF_MAP_TYPE_PERF_EVENT_ARRAY, valueSizeBytes: 4 },
  ringbuf_output: { type: M.BPF_MAP_TYPE_RINGBUF, keySizeBytes: 0, valueSizeBytes: 0, maxEntries: 4096 },
  ringbuf_reserve: { type: M.BPF_MAP_TYPE_RINGBUF, keySizeBytes: 0, valueSizeBytes: 0, maxEntries: 4096 },
  ringbuf_reserve_dynptr: { type: M.BPF_MAP_TYPE_RINGBUF, keySizeBytes: 0, valueSizeBytes: 0, maxEntries: 4096 },
  ringbuf_query: { type: M.BPF_MAP_TYPE_RINGBUF, keySizeBytes: 0, valueSizeBytes: 0, maxEntries: 4096 },
  user_ringbuf_drain: { type: M.BPF_MAP_TYPE_USER_RINGBUF, keySizeBytes: 0, valueSizeBytes: 0, maxEntries: 4096 },
  redirect_map: { type: M.BPF_MAP_TYPE_DEVMAP, valueSizeBytes: 4 },
};
/** Helpers that first need something another helper made; families' own tests show their good use. */
const NEEDS_MORE = new Set([
  'bpf_throw',
  'ringbuf_submit',
  'ringbuf_discard',
  'spin_unlock',
  'sk_storage_get',
  'sk_storage_delete',
  'inode_storage_get',
  'inode_storage_delete',
  'task_storage_get',
  'task_storage_delete',
  'cgrp_storage_get',
  'cgrp_storage_delete',
  'get_local_storage',
  'redirect_map',
  'tail_call',
  'bpf_arena_alloc_pages',
  'bpf_arena_free_pages',
  'bpf_obj_new_impl',
  'bpf_percpu_obj_new_impl',
  'bpf_obj_drop_impl',
  'bpf_percpu_obj_drop_impl',
  'bpf_refcount_acquire_impl',
]);

interface Setting {
  readonly env: TestHelperEnv;
  readonly map: number;
  readonly args: bigint[];
}

const short = (def: HelperDef): string => (def.id === 0 ? def.name : def.name.slice('bpf_'.length));

/** An environment and arguments a helper must accept, from its contract alone. */
function setting(def: HelperDef): Setting {
  const packet = new Uint8Array(128);
  packet.set([8, 0, 0x45], 12);
  const xdp = def.name.includes('xdp');
  const type = xdp ? bpf_prog_type.BPF_PROG_TYPE_XDP : bpf_prog_type.BPF_PROG_TYPE_SCHED_CLS;
  const env = new TestHelperEnv().begin(type, packet);
  const spec = MAP_OF[short(def)] ?? { type: M.BPF_MAP_TYPE_HASH };
  const map = def.proto.args.some(arg => arg.type === 'ARG_CONST_MAP_PTR') ? env.create(spec).addr : 0;
  const args = def.proto.args.map(arg => BigInt(valueFor(env, map, arg)));
  return { env, map, args };
}

function valueFor(env: TestHelperEnv, map: number, arg: ArgProto): number {
  switch (arg.type) {
    case 'ARG_CONST_MAP_PTR':
      return map;
    case 'ARG_PTR_TO_CTX':
      return env.ctxAddr;
    case 'ARG_PTR_TO_FUNC':
      return env.memory(64, { kind: 'func' }).start;
    case 'ARG_CONST_SIZE':
    case 'ARG_CONST_SIZE_OR_ZERO':
      return 8;
    case 'ARG_ANYTHING':
    case 'ARG_CONST_ALLOC_SIZE_OR_ZERO':
      return 0;
    default:
      return env.memory(SCRATCH_BYTES).start;
  }
}

/** Values an argument of that kind must not be accepted with. */
function misuses(
  { env, args }: Setting,
  protos: readonly ArgProto[],
  i: number,
): Readonly<Record<string, bigint | undefined>> {
  const arg = protos[i];
  const good = args[i];
  const nullable = arg.flags?.includes('PTR_MAYBE_NULL') === true;
  const writes = arg.flags?.some(flag => flag === 'MEM_WRITE' || flag === 'MEM_UNINIT') === true;
  const wild = { 'a wild address': 0x7fff_0000n, 'a 64-bit address': good + (1n << 32n) };
  const memory = {
    ...wild,
    ...(nullable ? {} : { NULL: 0n }),
    'the end of its region': good + BigInt(SCRATCH_BYTES) - 1n,
    ...(writes ? { 'read-only memory': BigInt(env.memory(SCRATCH_BYTES, { writable: false }).start) } : {}),
  };
  switch (arg.type) {
    case 'ARG_CONST_MAP_PTR':
      return { ...wild, NULL: 0n, memory: BigInt(env.memory(64).start) };
    case 'ARG_PTR_TO_CTX':
      return { ...wild, ...(nullable ? {} : { NULL: 0n }), 'inside the context': good + 4n };
    case 'ARG_PTR_TO_MAP_KEY':
    case 'ARG_PTR_TO_MAP_VALUE': {
      const map = env.mapAt(Number(args[protos.findIndex(other => other.type === 'ARG_CONST_MAP_PTR')]));
      const size = arg.type === 'ARG_PTR_TO_MAP_KEY' ? map?.def.keySizeBytes : map?.def.valueSizeBytes;
      return size === 0 || map === undefined ? {} : memory;
    }
    case 'ARG_PTR_TO_MEM': {
      const sized = protos[i + 1]?.type.startsWith('ARG_CONST_SIZE') === true;
      if (arg.sizeBytes === undefined && !sized) return {};
      // Sized memory may be null only without bytes, and the size here is not 0.
      const misaligned = arg.flags?.includes('MEM_ALIGNED') === true ? { misaligned: good + 1n } : {};
      const atEnd = arg.sizeBytes === 1 ? { 'the end of its region': good + BigInt(SCRATCH_BYTES) } : {};
      return { ...memory, ...misaligned, ...atEnd, NULL: 0n };
    }
    case 'ARG_CONST_SIZE':
      return { zero: 0n, 'too much': BigInt(SCRATCH_BYTES) + 1n, 'a 64-bit size': 1n << 32n, negative: -1n };
    case 'ARG_CONST_SIZE_OR_ZERO':
      return { 'too much': BigInt(SCRATCH_BYTES) + 1n, 'a 64-bit size': 1n << 32n, negative: -1n };
    case 'ARG_PTR_TO_SPIN_LOCK':
    case 'ARG_PTR_TO_TIMER':
    case 'ARG_KPTR_XCHG_DEST':
      return {
        ...memory,
        misaligned: good + 1n,
        'read-only memory': BigInt(env.memory(64, { writable: false }).start),
      };
    case 'ARG_PTR_TO_DYNPTR':
      return { ...memory, misaligned: good + 4n };
    case 'ARG_PTR_TO_FUNC':
      return { ...wild, NULL: 0n, data: BigInt(env.memory(64).start) };
    case 'ARG_PTR_TO_CONST_STR':
      return { ...wild, NULL: 0n, 'no NUL': BigInt(env.memory(new Uint8Array(16).fill(1)).start) };
    case 'ARG_PTR_TO_STACK':
      return wild;
    default:
      return {};
  }
}

const ALL = [...HELPERS, ...KFUNCS.values()].filter(def => def !== undefined);
const IMPLEMENTED = ALL.filter(def => def.implemented !== false);

describe('contracts at run time', () => {
  it.each(IMPLEMENTED.filter(def => !NEEDS_MORE.has(short(def))).map(def => [def.name, def] as const))(
    '%s takes what its contract names',
    (_, def) => {
      const { env, args } = setting(def);
      const result = env.call(def, ...args);
      expect(result >= -(1n << 63n) && result < 1n << 64n).toBe(true);
    },
  );

  it.each(IMPLEMENTED.filter(def => def.proto.args.length > 0).map(def => [def.name, def] as const))(
    '%s refuses misuse of each argument',
    (_, def) => {
      def.proto.args.forEach((_arg, i) => {
        const base = setting(def);
        for (const [what, bad] of Object.entries(misuses(base, def.proto.args, i))) {
          if (bad === undefined) continue;
          const args = base.args.with(i, bad);
          let fault: unknown;
          try {
            base.env.call(def, ...args);
          } catch (error) {
            fault = error;
          }
          expect(fault, `argument ${i + 1}: ${what}`).toBeInstanceOf(ProgramFault);
        }
      });
    },
  );

  it.each(ALL.filter(def => def.implemented === false).map(def => [def.name, def] as const))(
    '%s says that it is not implemented',
    (_, def) => {
      expect(() => def.run(new TestHelperEnv(), 0, 0, 0, 0, 0)).toThrow(`${def.name} is not implemented`);
    },
  );
});
