import { ETH_HEADER_BYTES, ETH_P_IP, ETH_P_IPV6, LOOPBACK, SK_BUFF, SK_BUFF_BYTES, XDP_MD } from '../helpers/index.ts';
import { type Insn, ProgramBuilder, R0, R1, R2, R3, R4, R5 } from '../isa/index.ts';

/**
 * What makes the context of a packet that comes without ctx_in, as a BPF function: R1 the context's address, R2 the
 * packet's, R3 its bytes. Engines that compile run many packets with it without leaving compiled code.
 */
export interface PacketContextFunction {
  readonly insns: readonly Insn[];
  readonly stackDepthBytes: number;
}

/** `net/bpf/test_run.c: bpf_prog_test_run_xdp` without ctx_in. */
export function xdpContextFunction(): PacketContextFunction {
  const b = new ProgramBuilder();
  b.store('w', R1, XDP_MD.data, R2);
  b.store('w', R1, XDP_MD.data_meta, R2);
  b.alu64('add', R2, R3);
  b.store('w', R1, XDP_MD.data_end, R2);
  b.store('w', R1, XDP_MD.ingress_ifindex, LOOPBACK.ifindex);
  b.store('dw', R1, XDP_MD.rx_queue_index, 0);
  return { insns: b.mov(R0, 0).exit().build(), stackDepthBytes: 0 };
}

const PACKET_MULTICAST = 2;
const PACKET_OTHERHOST = 3;
const ETH_P_802_3_MIN = 0x0600;
/** As they lie in memory, read by a little-endian machine. */
const ETH_P_802_3 = 0x0100;
const ETH_P_802_2 = 0x0400;
const AF_INET = 2;
const AF_INET6 = 10;
const bswap16 = (value: number): number => ((value & 0xff) << 8) | (value >> 8);

/**
 * `net/bpf/test_run.c: bpf_prog_test_run_skb` without ctx_in, for packets that are long enough for the headers their
 * Ethernet type says. Little-endian machines only.
 *
 * @param linkLayer whether programs of the type see the Ethernet header
 */
export function skbContextFunction(linkLayer: boolean): PacketContextFunction {
  const b = new ProgramBuilder();
  for (let at = 0; at < SK_BUFF_BYTES; at += 8) b.store('dw', R1, at, 0);
  // What programs see of it.
  b.mov(R4, R2).alu64('add', R4, R3).store('w', R1, SK_BUFF.data_end, R4);
  b.mov(R4, R2).mov(R5, R3);
  if (!linkLayer) b.alu64('add', R4, ETH_HEADER_BYTES).alu64('sub', R5, ETH_HEADER_BYTES);
  b.store('w', R1, SK_BUFF.data, R4).store('w', R1, SK_BUFF.data_meta, R4).store('w', R1, SK_BUFF.len, R5);
  b.store('w', R1, SK_BUFF.ifindex, LOOPBACK.ifindex);
  // To whom: the loopback device's address is zero.
  b.load('w', R4, R2, 0).load('h', R5, R2, 4).alu64('or', R5, R4);
  b.jumpIf('jeq', R5, 0, 'to-us');
  b.mov(R5, PACKET_OTHERHOST).alu64('and', R4, 1).jumpIf('jeq', R4, 0, 'to-others');
  b.mov(R5, PACKET_MULTICAST).label('to-others').store('w', R1, SK_BUFF.pkt_type, R5).label('to-us');
  // Its protocol, in network order.
  b.load('h', R4, R2, 12).mov(R5, R4).end('be', 16, R5);
  b.jumpIf('jge', R5, ETH_P_802_3_MIN, 'typed');
  b.mov(R4, ETH_P_802_2).jumpIf('jlt', R3, 16, 'typed').load('h', R5, R2, 14);
  b.jumpIf('jne', R5, 0xffff, 'typed').mov(R4, ETH_P_802_3).label('typed');
  b.store('h', R1, SK_BUFF.protocol, R4);
  // The run's socket has the packet's addresses, source as local and destination as remote.
  b.jumpIf('jeq', R4, bswap16(ETH_P_IP), 'ipv4').jumpIf('jne', R4, bswap16(ETH_P_IPV6), 'end');
  b.store('w', R1, SK_BUFF.family, AF_INET6);
  for (let at = 0; at < 16; at += 4) {
    b.load('w', R5, R2, ETH_HEADER_BYTES + 8 + at).store('w', R1, SK_BUFF.local_ip6 + at, R5);
    b.load('w', R5, R2, ETH_HEADER_BYTES + 24 + at).store('w', R1, SK_BUFF.remote_ip6 + at, R5);
  }
  b.jump('end').label('ipv4');
  b.store('w', R1, SK_BUFF.family, AF_INET);
  b.load('w', R5, R2, ETH_HEADER_BYTES + 12).store('w', R1, SK_BUFF.local_ip4, R5);
  b.load('w', R5, R2, ETH_HEADER_BYTES + 16).store('w', R1, SK_BUFF.remote_ip4, R5);
  return { insns: b.label('end').mov(R0, 0).exit().build(), stackDepthBytes: 0 };
}
