// Writes examples/traffic.pcap: a minute of small-office traffic, the same bytes every time.
//   node scripts/make-traffic.mjs [OUT]
import { writeFileSync } from 'node:fs';

const out = process.argv[2] ?? new URL('../examples/traffic.pcap', import.meta.url);
const bytes = (...parts) =>
  Buffer.concat(parts.map(part => (typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part))));
const be16 = value => [(value >> 8) & 255, value & 255];
const ipv4 = text => text.split('.').map(Number);
const mac = last => [2, 0, 0, 0, 9, last];

function checksum(data) {
  let sum = 0;
  for (let i = 0; i < data.length; i += 2) sum += (data[i] << 8) | (data[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

const ethernet = (type, payload, vlan) =>
  bytes(mac(1), mac(2), vlan === undefined ? [] : [0x81, 0x00, ...be16(vlan)], be16(type), payload);

function ip(protocol, from, to, payload, { id = 1, badChecksum = false } = {}) {
  const header = bytes(
    0x45,
    0,
    be16(20 + payload.length),
    be16(id),
    [0x40, 0],
    64,
    protocol,
    [0, 0],
    ipv4(from),
    ipv4(to),
  );
  header.writeUInt16BE(checksum(header) ^ (badChecksum ? 1 : 0), 10);
  return ethernet(0x0800, bytes(header, payload));
}

const tcp = (sport, dport, flags, data = []) =>
  bytes(be16(sport), be16(dport), [0, 0, 0, 1, 0, 0, 0, 0], 0x50, flags, be16(64240), [0, 0, 0, 0], data);
const udp = (sport, dport, data) => bytes(be16(sport), be16(dport), be16(8 + data.length), [0, 0], data);
const question = name =>
  bytes(
    [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0],
    ...name.split('.').map(label => bytes(label.length, label)),
    [0, 0, 1, 0, 1],
  );

const packets = [];
const VIP = '10.0.0.100';
packets.push(
  ethernet(0x0806, bytes([0, 1, 8, 0, 6, 4, 0, 1], mac(2), ipv4('10.0.0.7'), [0, 0, 0, 0, 0, 0], ipv4(VIP))),
);
packets.push(ip(17, '10.0.0.7', '10.0.0.53', udp(40000, 53, question('shop.example'))));
packets.push(
  ip(
    17,
    '10.0.0.53',
    '10.0.0.7',
    udp(53, 40000, bytes(question('shop.example'), [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4], ipv4(VIP))),
  ),
);
for (let flow = 0; flow < 12; flow++) {
  const from = `192.168.${flow % 3}.${10 + flow}`;
  const port = 41000 + 7 * flow;
  packets.push(ip(6, from, VIP, tcp(port, 443, 0x02), { id: flow }));
  packets.push(ip(6, from, VIP, tcp(port, 443, 0x10), { id: flow + 100 }));
  for (let n = 0; n <= flow % 4; n++) {
    packets.push(ip(6, from, VIP, tcp(port, 443, 0x18, Buffer.alloc(100 + 90 * n, 97 + n)), { id: flow + 200 + n }));
  }
}
packets.push(ip(17, '192.168.0.10', VIP, udp(5004, 5004, Buffer.alloc(160, 0x80))));
packets.push(ip(1, '10.0.0.7', '10.0.0.1', bytes([8, 0, 0, 0, 0, 7, 0, 1], Buffer.alloc(48, 0x61))));
packets.push(ip(6, '10.0.0.9', '10.0.0.7', tcp(22, 50022, 0x18, Buffer.from('SSH-2.0-office\r\n'))));
const v6 = (next, payload) =>
  bytes(
    [0x60, 0, 0, 0],
    be16(payload.length),
    next,
    64,
    [0xfe, 0x80],
    Buffer.alloc(13),
    7,
    [0xfe, 0x80],
    Buffer.alloc(13),
    1,
    payload,
  );
packets.push(ethernet(0x86dd, v6(58, bytes([135, 0, 0, 0, 0, 0, 0, 0], [0xfe, 0x80], Buffer.alloc(13), 1))));
packets.push(ethernet(0x86dd, v6(17, udp(546, 547, Buffer.alloc(40)))));
packets.push(ethernet(0x0800, ip(6, '10.1.0.4', '10.1.0.5', tcp(5555, 80, 0x02)).subarray(14), 42));
packets.push(ip(17, '10.0.0.66', '10.0.0.7', udp(9, 9, Buffer.alloc(12)), { badChecksum: true }));
packets.push(ip(6, '10.0.0.13', VIP, tcp(1, 2, 0x02)).subarray(0, 30));

const head = Buffer.alloc(24);
head.writeUInt32LE(0xa1b2c3d4, 0);
head.writeUInt16LE(2, 4);
head.writeUInt16LE(4, 6);
head.writeUInt32LE(65535, 16);
head.writeUInt32LE(1, 20);
const records = packets.map((packet, i) => {
  const record = Buffer.alloc(16);
  record.writeUInt32LE(1_700_000_000 + i, 0);
  record.writeUInt32LE((i * 7919) % 1_000_000, 4);
  record.writeUInt32LE(packet.length, 8);
  record.writeUInt32LE(packet.length, 12);
  return Buffer.concat([record, packet]);
});
writeFileSync(out, Buffer.concat([head, ...records]));
process.stdout.write(`${packets.length} packets\n`);
