import type { BpfMap, MapHost } from '../maps/index.ts';
import type { Region } from '../mem/index.ts';

/** `enum bpf_arg_type` of the kernel (`include/linux/bpf.h`), names verbatim. */
export type ArgType =
  | 'ARG_DONTCARE'
  | 'ARG_CONST_MAP_PTR'
  | 'ARG_PTR_TO_MAP_KEY'
  | 'ARG_PTR_TO_MAP_VALUE'
  | 'ARG_PTR_TO_MEM'
  | 'ARG_PTR_TO_ARENA'
  | 'ARG_CONST_SIZE'
  | 'ARG_CONST_SIZE_OR_ZERO'
  | 'ARG_PTR_TO_CTX'
  | 'ARG_ANYTHING'
  | 'ARG_PTR_TO_SPIN_LOCK'
  | 'ARG_PTR_TO_SOCK_COMMON'
  | 'ARG_PTR_TO_SOCKET'
  | 'ARG_PTR_TO_BTF_ID'
  | 'ARG_PTR_TO_RINGBUF_MEM'
  | 'ARG_CONST_ALLOC_SIZE_OR_ZERO'
  | 'ARG_PTR_TO_BTF_ID_SOCK_COMMON'
  | 'ARG_PTR_TO_PERCPU_BTF_ID'
  | 'ARG_PTR_TO_FUNC'
  | 'ARG_PTR_TO_STACK'
  | 'ARG_PTR_TO_CONST_STR'
  | 'ARG_PTR_TO_TIMER'
  | 'ARG_KPTR_XCHG_DEST'
  | 'ARG_PTR_TO_DYNPTR';

/** Flags or-ed to an argument's or return value's type, names verbatim. */
export type TypeFlag =
  | 'PTR_MAYBE_NULL'
  | 'MEM_RDONLY'
  | 'MEM_RINGBUF'
  | 'MEM_USER'
  | 'MEM_PERCPU'
  | 'OBJ_RELEASE'
  | 'PTR_UNTRUSTED'
  | 'MEM_UNINIT'
  | 'DYNPTR_TYPE_LOCAL'
  | 'DYNPTR_TYPE_RINGBUF'
  | 'DYNPTR_TYPE_SKB'
  | 'DYNPTR_TYPE_XDP'
  | 'MEM_ALLOC'
  | 'MEM_FIXED_SIZE'
  | 'MEM_WRITE'
  | 'MEM_ALIGNED'
  | 'PTR_TRUSTED'
  | 'MEM_RCU'
  | 'NON_OWN_REF';

/** `enum bpf_return_type`, names verbatim. */
export type RetType =
  | 'RET_INTEGER'
  | 'RET_VOID'
  | 'RET_PTR_TO_MAP_VALUE'
  | 'RET_PTR_TO_SOCKET'
  | 'RET_PTR_TO_TCP_SOCK'
  | 'RET_PTR_TO_SOCK_COMMON'
  | 'RET_PTR_TO_MEM'
  | 'RET_PTR_TO_MEM_OR_BTF_ID'
  | 'RET_PTR_TO_BTF_ID';

export interface ArgProto {
  readonly type: ArgType;
  readonly flags?: readonly TypeFlag[];
  /** `MEM_FIXED_SIZE` arguments: how many bytes. */
  readonly sizeBytes?: number;
  /** Kernel struct a BTF pointer must point to. */
  readonly btfName?: string;
}

/** What a contract may ask of the program that calls (part of `ProgFacts`). */
export interface HelperCaller {
  /** `BPF_PROG_TYPE_*` */
  readonly type: number;
  /** `BPF_*` attach type (`expected_attach_type`). */
  readonly attachType: number;
  /** The kernel function, tracepoint or hook the program is attached to; '' for none. */
  readonly attachFuncName: string;
  /** Attached to another BPF program. */
  readonly attachesToProg?: boolean;
}

/** The contract the verifier checks calls against (`struct bpf_func_proto`). */
export interface HelperProto {
  readonly ret: RetType;
  readonly retFlags?: readonly TypeFlag[];
  readonly retBtfName?: string;
  readonly args: readonly ArgProto[];
  readonly gplOnly?: boolean;
  readonly pktAccess?: boolean;
  readonly mightSleep?: boolean;
  readonly allowFastcall?: boolean;
  /** Whether programs attached like this one may call it; undefined: all may. */
  readonly allowed?: (prog: HelperCaller) => boolean;
}

/** Another contract the helper has in programs of some types. */
export interface ProtoVariant {
  /** `BPF_PROG_TYPE_*` */
  readonly progTypes: readonly number[];
  readonly proto: HelperProto;
}

/** A helper: contract beside behaviour. */
export interface HelperDef {
  readonly id: number;
  /** `bpf_map_lookup_elem` */
  readonly name: string;
  readonly proto: HelperProto;
  /** Contracts that differ from `proto` by program type; the first that names the type holds. */
  readonly variants?: readonly ProtoVariant[];
  /** First Linux release that has it. */
  readonly since: string;
  /** The argument checks compiled from `proto` and `variants` by `defineHelper`; what `checkHelperArgs` calls. */
  readonly check?: (env: HelperEnv) => void;
  /**
   * It reads or writes where a plain number says: an argument that is anything, or a word in memory it is given. Without this a helper
   * touches, of the program's memory, what its contract gives it.
   */
  readonly followsNumbers?: boolean;
  /** False where farcall has the contract but not the behaviour: calling it ends the run. */
  readonly implemented?: boolean;
  /**
   * What it does. Arguments are the low 32 bits of R1..R5, unsigned (an address in the linear memory is exactly that);
   * `env.arg64(n)` gives all 64. Memory arguments have been checked against `proto` before the call. The result is a
   * Number (a negative one is -errno, sign-extended to 64 bits) or a BigInt of 64 bits.
   */
  run(env: HelperEnv, r1: number, r2: number, r3: number, r4: number, r5: number): number | bigint;
}

/** Identity of the task a program runs in. */
export interface TaskInfo {
  readonly pid: number;
  readonly tgid: number;
  readonly uid: number;
  readonly gid: number;
  /** At most 15 bytes. */
  readonly comm: string;
  readonly cgroupId: bigint;
}

/** Packet bytes of the current run: an XDP frame or an skb, with room to grow at both ends. */
export interface PacketAccess {
  readonly region: Region;
  /** Addresses; `dataMeta <= data <= dataEnd`. */
  readonly data: number;
  readonly dataEnd: number;
  readonly dataMeta: number;
  /** The lowest address data may move to. */
  readonly hardStart: number;
  /** The highest address dataEnd may move to. */
  readonly hardEnd: number;
  /** Address of the link-layer header of an skb; before `data` for types that see the network layer. */
  macAddr: number;
  /** Address of the network header of an skb. */
  networkAddr: number;
  /** XDP: what follows the linear part; empty for packets that fit a page. */
  frags: Uint8Array;
  /** skb: depth of checksums the device has verified, as `csum_level` counts; -1 for CHECKSUM_NONE. */
  csumLevel: number;
  /** skb: whether an outer header has been pushed (`sk_buff.encapsulation`). */
  encapsulated: boolean;
  /** Moves the three bounds and everything in the context that mirrors them. */
  setBounds(dataMeta: number, data: number, dataEnd: number): void;
}

/** The machine as helpers see it; implemented in `machine/`. */
export interface HelperEnv extends MapHost {
  /** R0..R10 of the calling program, low halves at 2n and high halves at 2n + 1. */
  readonly regs: Int32Array;
  /** Argument 1..5 as 64 unsigned bits. */
  arg64(n: 1 | 2 | 3 | 4 | 5): bigint;
  readonly progType: number;
  /** Address of the context of the current run. */
  readonly ctxAddr: number;
  readonly packet: PacketAccess | undefined;
  readonly task: TaskInfo;
  /** CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME and CLOCK_TAI in ns, from the machine's clock. */
  now(clock: 'monotonic' | 'boottime' | 'realtime' | 'tai'): bigint;
  /** One line for the trace pipe, without the prefix the kernel puts before it. */
  trace(text: string): void;
  /** A record for the consumer of a perf event array. */
  perfOutput(map: BpfMap, cpu: number, data: Uint8Array): number;
  /** Calls the function at `funcAddr` (a `ld_imm64` of a subprogram); returns the low 32 bits of its R0, signed. */
  callFunc(funcAddr: number, ...args: readonly (number | bigint)[]): number;
  /** Arms a timer or forgets it; the machine runs due timers after the program. */
  setTimer(timerAddr: number, funcAddr: number, map: BpfMap, dueNs: bigint | undefined): void;
  /** State a helper family keeps for this machine, made on first use. */
  state<T>(key: symbol, make: () => T): T;
}

/** Why a run ended without a result. */
export type FaultKind =
  | 'out-of-bounds' // no region there, or past its end
  | 'write-protected' // the region is read-only for programs
  | 'bad-instruction' // unknown opcode, reserved field, jump outside
  | 'bad-call' // unknown helper, kfunc or function
  | 'bad-argument' // a helper was handed memory or a map it may not touch
  | 'too-deep' // more than 8 call frames
  | 'step-budget' // the instruction budget is spent
  | 'misaligned' // an atomic operation off its natural alignment
  | 'stack-overflow';

/**
 * Thrown by helpers and by memory checks to end a run; engines catch it and add the place. Never leaves `run()`.
 */
export class ProgramFault extends Error {
  override readonly name = 'ProgramFault';
  readonly kind: FaultKind;
  readonly addr: bigint | undefined;
  readonly sizeBytes: number | undefined;

  constructor(kind: FaultKind, message: string, addr?: bigint, sizeBytes?: number) {
    super(message);
    this.kind = kind;
    this.addr = addr;
    this.sizeBytes = sizeBytes;
  }
}

/**
 * Thrown by `bpf_throw`: the program ends at once, whatever its frames; engines run its exception callback on the cookie or,
 * without one, return the cookie. Never leaves `run()`.
 *
 * Source: `kernel/bpf/helpers.c: bpf_throw`.
 */
export class ProgramThrow extends Error {
  override readonly name = 'ProgramThrow';
  readonly cookie: bigint;

  constructor(cookie: bigint) {
    super('bpf_throw');
    this.cookie = cookie;
  }
}
