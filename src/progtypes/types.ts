import type { PacketAccess } from '../helpers/index.ts';
import type { LinearMemory, Region } from '../mem/index.ts';
import type { PacketContextFunction } from './packet-context.ts';

/** What a run is given, the bytes of `BPF_PROG_TEST_RUN`. */
export interface RunInput {
  /** The packet. */
  readonly dataIn?: Uint8Array;
  /** The context as user space writes it: `struct __sk_buff`, `struct xdp_md`, arguments … */
  readonly ctxIn?: Uint8Array;
}

/** Blocks of memory a machine sets aside for the packet and the context of the current run. */
export interface ContextHost {
  readonly mem: LinearMemory;
  /** Region that covers the accessible part of the context. */
  readonly ctxRegion: Region;
  readonly ctxStart: number;
  /** Region that covers the accessible part of the packet. */
  readonly packetRegion: Region;
  readonly packetStart: number;
}

/** Bytes set aside for a context: the largest a syscall program may have. */
export const CTX_BLOCK_BYTES = 65536;
/** Bytes set aside for a packet: four times the longest skb, so that there is always room to grow. */
export const PACKET_BLOCK_BYTES = 65536;

/** The context of one run, and what is left of it afterwards. */
export interface RunContext {
  /** R1. */
  readonly ctxAddr: number;
  readonly packet: PacketAccess | undefined;
  /** The packet after the run, as the kernel copies it out. */
  dataOut(): Uint8Array | undefined;
  /** The context after the run, as the kernel copies it out; undefined where it copies none. */
  ctxOut(): Uint8Array | undefined;
}

/** How packets without ctx_in become contexts in compiled code. */
export interface PacketContexts {
  /** Whether {@link make}'s function makes of a packet what `begin` would; others must go through `begin`. */
  takes(bytes: Uint8Array): boolean;
  make(): PacketContextFunction;
}

/** A row of the table of program types. */
export interface ProgTypeRow {
  /** `BPF_PROG_TYPE_*` */
  readonly type: number;
  /** As libbpf and bpftool print it: `xdp`, `sched_cls`, … */
  readonly name: string;
  /** The struct R1 points to; '' where it depends on the attach point. */
  readonly ctxStruct: string;
  /** Whether Linux has `BPF_PROG_TEST_RUN` for it. Differs from Linux: farcall runs the others too, on the context given. */
  readonly testRun: boolean;
  /** Whether its arguments are pointers to kernel objects, through which Linux reads without faulting. */
  readonly btfPointers: boolean;
  /** Whether a run wants a packet. */
  readonly packet: boolean;
  /** Lays the context and the packet of a run out in memory. Throws `run.data` and `run.ctx` for what Linux refuses. */
  begin(host: ContextHost, input: RunInput): RunContext;
  /** Of types that take packets, if their contexts can be made in compiled code. */
  readonly packets?: PacketContexts;
  /** Names of return values: XDP_PASS for 2. */
  readonly returns: Readonly<Record<number, string>>;
}
