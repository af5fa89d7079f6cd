import type { Btf } from '../../btf/index.ts';
import {
  baseType,
  MEM_PERCPU,
  MEM_RCU,
  MEM_RDONLY,
  MEM_RINGBUF,
  MEM_USER,
  PTR_MAYBE_NULL,
  PTR_TO_BTF_ID,
  PTR_TRUSTED,
  PTR_UNTRUSTED,
} from '../../helpers/index.ts';
import { BPF_ITER_STATE_ACTIVE, BPF_ITER_STATE_DRAINED } from '../state/reg.ts';

/** By base type. */
const NAMES = [
  '?',
  'scalar',
  'ctx',
  'map_ptr',
  'map_value',
  'map_key',
  'fp',
  'pkt_meta',
  'pkt',
  'pkt_end',
  'flow_keys',
  'sock',
  'sock_common',
  'tcp_sock',
  'tp_buffer',
  'xdp_sock',
  'ptr_',
  'mem',
  'arena',
  'buf',
  'func',
  'dynptr_ptr',
] as const;

const PREFIXES: readonly (readonly [flag: number, text: string])[] = [
  [MEM_RDONLY, 'rdonly_'],
  [MEM_RINGBUF, 'ringbuf_'],
  [MEM_USER, 'user_'],
  [MEM_PERCPU, 'percpu_'],
  [MEM_RCU, 'rcu_'],
  [PTR_UNTRUSTED, 'untrusted_'],
  [PTR_TRUSTED, 'trusted_'],
];

/** A register's type in the log: `map_value_or_null`, `trusted_ptr_`. Source: `kernel/bpf/log.c: reg_type_str`. */
export function regTypeStr(type: number): string {
  let text = '';
  for (const [flag, prefix] of PREFIXES) if ((type & flag) !== 0) text += prefix;
  text += NAMES[baseType(type)] ?? '';
  if ((type & PTR_MAYBE_NULL) !== 0) text += baseType(type) === PTR_TO_BTF_ID ? 'or_null_' : '_or_null';
  return text;
}

const DYNPTR_TYPES = ['<invalid>', 'local', 'ringbuf', 'skb', 'xdp'] as const;
/** Source: `dynptr_type_str`. */
export const dynptrTypeStr = (type: number): string => DYNPTR_TYPES[type] ?? '<unknown>';

const ITER_PREFIX_LENGTH = 'bpf_iter_'.length;
/** `num` of `struct bpf_iter_num`. Source: `iter_type_str`. */
export const iterTypeStr = (btf: Btf | undefined, btfId: number): string =>
  btf === undefined || btfId === 0 ? '<invalid>' : btf.nameOf(btfId).slice(ITER_PREFIX_LENGTH);

/** Source: `iter_state_str`. */
export const iterStateStr = (state: number): string =>
  state === BPF_ITER_STATE_ACTIVE ? 'active' : state === BPF_ITER_STATE_DRAINED ? 'drained' : '<invalid>';
