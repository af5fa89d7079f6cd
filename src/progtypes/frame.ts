const ETH_P_802_3_MIN = 0x0600;
const ETH_P_802_3 = 0x0001;
const ETH_P_802_2 = 0x0004;
const PACKET_HOST = 0;
const PACKET_MULTICAST = 2;
const PACKET_OTHERHOST = 3;

/** `net/ethernet/eth.c: eth_type_trans`, for the loopback device, whose address is zero. */
export function classifyFrame(data: Uint8Array): { protocol: number; pktType: number } {
  const dst = data.subarray(0, 6);
  // lo's broadcast address is zero like its own, so ff:ff:… counts as multicast.
  const pktType = dst.every(b => b === 0) ? PACKET_HOST : (dst[0] & 1) === 0 ? PACKET_OTHERHOST : PACKET_MULTICAST;
  const type = (data[12] << 8) | data[13];
  if (type >= ETH_P_802_3_MIN) return { protocol: type, pktType };
  const novell = data.length >= 16 && data[14] === 0xff && data[15] === 0xff;
  return { protocol: novell ? ETH_P_802_3 : ETH_P_802_2, pktType };
}
