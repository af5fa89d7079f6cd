/** Packets of a little-endian classic pcap file of our own. */
export function pcapPackets(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const packets: Uint8Array[] = [];
  for (let at = 24; at < file.length; ) {
    const size = view.getUint32(at + 8, true);
    packets.push(file.slice(at + 16, at + 16 + size));
    at += 16 + size;
  }
  return packets;
}
