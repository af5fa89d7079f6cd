import { bpf_prog_type, ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { ANY, BTF_SOCK, CTX, int, MEM_IN, MEM_OUT, SIZE } from './proto.ts';
import type { ArgProto, HelperDef, HelperEnv } from './types.ts';

const { EINVAL, ENOENT, ENOTSUPP } = ERRNO;

const LEVEL = { ip: 0, socket: 1, tcp: 6, ipv6: 41 } as const;
const SO_BINDTODEVICE = 25;
const TCP_CONGESTION = 13;
const TCP_SAVED_SYN = 28;
const TCP_BPF_SOCK_OPS_CB_FLAGS = 1008;
const ALL_CB_FLAGS = 0x7f;

/** Options of four bytes by level, with what a socket has where nobody set anything. */
const WORDS: Readonly<Record<number, Readonly<Record<number, number>>>> = {
  // REUSEADDR SNDBUF RCVBUF KEEPALIVE PRIORITY REUSEPORT RCVLOWAT MARK MAX_PACING_RATE BINDTOIFINDEX TXREHASH
  [LEVEL.socket]: { 2: 0, 7: 212992, 8: 212992, 9: 0, 12: 0, 15: 0, 18: 1, 36: 0, 47: -1, 62: 0, 74: 1 },
  // TOS
  [LEVEL.ip]: { 1: 0 },
  // TCLASS AUTOFLOWLABEL
  [LEVEL.ipv6]: { 67: 0, 70: 1 },
  // NODELAY MAXSEG KEEPIDLE KEEPINTVL KEEPCNT SYNCNT WINDOW_CLAMP THIN_LINEAR_TIMEOUTS USER_TIMEOUT NOTSENT_LOWAT SAVE_SYN
  [LEVEL.tcp]: { 1: 0, 2: 536, 4: 7200, 5: 75, 6: 9, 7: 6, 10: 0, 16: 0, 18: 0, 25: -1, 27: 0 },
};
/** Linux keeps twice what is asked of buffers, at least these. */
const BUFFERS: Readonly<Record<number, number>> = { 7: 4608, 8: 2304 };
/** IW, SNDCWND_CLAMP, DELACK_MAX and RTO_MIN: set only, and only to something. */
const BPF_ONLY: readonly number[] = [1001, 1002, 1003, 1004];
const CONGESTION_CONTROLS: readonly string[] = ['cubic', 'reno'];

interface Options {
  readonly words: Map<string, number>;
  congestion: string;
}

const OPTIONS = Symbol('options of the socket');
const optionsOf = (env: HelperEnv): Options =>
  env.state<Options>(OPTIONS, () => ({ words: new Map(), congestion: 'cubic' }));

const text = (bytes: Uint8Array): string => {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? bytes.length : end));
};

function setOption(env: HelperEnv, _sk: number, level: number, name: number, value: number, size: number): number {
  const options = optionsOf(env);
  if (level === LEVEL.socket && name === SO_BINDTODEVICE) return text(env.mem.read(value, size)) === 'lo' ? 0 : -ENOENT;
  if (level === LEVEL.tcp && name === TCP_CONGESTION) {
    if (size < 2) return -EINVAL;
    const wanted = text(env.mem.read(value, size));
    if (wanted === 'cdg') return -ENOTSUPP;
    if (!CONGESTION_CONTROLS.includes(wanted)) return -ENOENT;
    options.congestion = wanted;
    return 0;
  }
  if (size !== 4) return -EINVAL;
  const word = env.mem.view.getInt32(value, env.mem.littleEndian);
  const key = `${level} ${name}`;
  if (level === LEVEL.tcp && name === TCP_BPF_SOCK_OPS_CB_FLAGS) {
    if ((word & ~ALL_CB_FLAGS) !== 0) return -EINVAL;
    options.words.set(key, word);
    return 0;
  }
  if (level === LEVEL.tcp && BPF_ONLY.includes(name)) return word <= 0 ? -EINVAL : 0;
  if (WORDS[level]?.[name] === undefined) return -EINVAL;
  const buffer = level === LEVEL.socket ? BUFFERS[name] : undefined;
  options.words.set(key, buffer === undefined ? word : Math.max(2 * word, buffer));
  return 0;
}

function getOption(env: HelperEnv, _sk: number, level: number, name: number, value: number, size: number): number {
  const options = optionsOf(env);
  env.mem.u8.fill(0, value, value + size);
  if (level === LEVEL.tcp && name === TCP_CONGESTION) {
    if (size < 2) return -EINVAL;
    const name_ = options.congestion.slice(0, size - 1);
    env.mem.write(
      value,
      Uint8Array.from(name_, letter => letter.charCodeAt(0)),
    );
    return 0;
  }
  // No SYN was kept.
  if (size !== 4 || (level === LEVEL.tcp && name === TCP_SAVED_SYN)) return -EINVAL;
  const flags = level === LEVEL.tcp && name === TCP_BPF_SOCK_OPS_CB_FLAGS;
  const word = options.words.get(`${level} ${name}`) ?? (flags ? 0 : WORDS[level]?.[name]);
  if (word === undefined) return -EINVAL;
  env.mem.view.setInt32(value, word, env.mem.littleEndian);
  return 0;
}

/** Program types that name the socket by a pointer to it. */
const BY_SOCKET = [
  bpf_prog_type.BPF_PROG_TYPE_LSM,
  bpf_prog_type.BPF_PROG_TYPE_STRUCT_OPS,
  bpf_prog_type.BPF_PROG_TYPE_CGROUP_SOCKOPT,
  bpf_prog_type.BPF_PROG_TYPE_TRACING,
];
const args = (first: ArgProto, value: ArgProto): readonly ArgProto[] => [first, ANY, ANY, value, SIZE];

/**
 * Options of sockets (`net/core/filter.c: __bpf_setsockopt`). All programs of a machine set and read those of one TCP socket.
 *
 * Differs from Linux: limits of values other than their size are not kept, and every level is the socket's.
 */
export const SOCKOPT_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 49,
    name: 'bpf_setsockopt',
    since: '4.13',
    proto: int(args(CTX, MEM_IN)),
    variants: [{ progTypes: BY_SOCKET, proto: int(args(BTF_SOCK, MEM_IN)) }],
    run: setOption,
  }),
  defineHelper({
    id: 57,
    name: 'bpf_getsockopt',
    since: '4.15',
    proto: int(args(CTX, MEM_OUT)),
    variants: [{ progTypes: BY_SOCKET, proto: int(args(BTF_SOCK, MEM_OUT)) }],
    run: getOption,
  }),
];
