import { R0, R1, R6 } from '../../../src/isa/index.ts';
import { FRAMES, MACS, pad, plain, type RunCase, SKB_FIELDS, SOCKET, TC, TC_FIELDS, V4, V6, XDP } from './shared.ts';

function ctxBytes(fields: Readonly<Record<number, number>>): Uint8Array {
  const bytes = new Uint8Array(192);
  const view = new DataView(bytes.buffer);
  for (const [off, value] of Object.entries(fields)) view.setUint32(Number(off), value, true);
  return bytes;
}

export function fields(): RunCase[] {
  const cases: RunCase[] = [];
  const given = ctxBytes({ 8: 0xabc, 32: 7, 36: 1, 40: 1, 48: 0x1111, 64: 0x5555, 160: 300, 164: 3 });
  for (const [frame, data] of Object.entries(FRAMES)) {
    for (const [field, off] of Object.entries({ ...SKB_FIELDS, ...TC_FIELDS })) {
      cases.push(plain(`tc ${field} of ${frame}`, TC, b => b.load('w', R0, R6, off), data));
      if (off in Object.values(TC_FIELDS) || frame !== 'v4') continue;
      cases.push(plain(`tc ${field} with ctx`, TC, b => b.load('w', R0, R6, off), data, given));
    }
    for (const [field, off] of Object.entries(SKB_FIELDS)) {
      cases.push(plain(`socket ${field} of ${frame}`, SOCKET, b => b.load('w', R0, R6, off), data));
    }
  }
  // Not tc_index: Linux keeps 16 bits of what is written there, a context of UAPI form all 32.
  for (const [field, off] of [
    ['mark', 8],
    ['priority', 32],
    ['cb', 52],
  ] as const) {
    cases.push(
      plain(
        `tc writes ${field}`,
        TC,
        b => b.mov(R1, 0x12345).store('w', R6, off, R1).load('w', R0, R6, off),
        V4,
        given,
      ),
    );
  }
  cases.push(plain('tc data_end - data', TC, b => b.load('w', R0, R6, 80).load('w', R1, R6, 76).alu64('sub', R0, R1)));
  return cases;
}

/** What a test run refuses, or barely takes: lengths of packets, fields of contexts. */
export function refusals(): RunCase[] {
  const cases: RunCase[] = [];
  const one = (label: string, type: number, data: Uint8Array, ctx?: Uint8Array): void => {
    cases.push(plain(label, type, b => b.mov(R0, 1), data, ctx));
  };
  for (const size of [1, 13, 14, 15, 33, 34, 3711, 3712, 3713]) {
    one(`tc ${size} bytes`, TC, V4.length >= size ? V4.subarray(0, size) : pad(`${MACS} 0900`, size));
    one(`socket ${size} bytes`, SOCKET, V4.length >= size ? V4.subarray(0, size) : pad(`${MACS} 0900`, size));
    one(`xdp ${size} bytes`, XDP, pad('', size));
  }
  one('tc 53 bytes of v6', TC, V6.subarray(0, 53));
  one('tc 54 bytes of v6', TC, V6.subarray(0, 54));
  for (let off = 0; off < 192; off += 4) one(`tc ctx word ${off}`, TC, V4, ctxBytes({ [off]: 1 }));
  one('tc ctx wire_len 159', TC, V4, ctxBytes({ 160: 159 }));
  one('tc ctx wire_len 160', TC, V4, ctxBytes({ 160: 160 }));
  one('tc ctx wire_len 65536', TC, V4, ctxBytes({ 160: 65536 }));
  one('tc ctx wire_len 65537', TC, V4, ctxBytes({ 160: 65537 }));
  one('tc ctx gso_segs 65535', TC, V4, ctxBytes({ 164: 65535 }));
  one('tc ctx gso_segs 65536', TC, V4, ctxBytes({ 164: 65536 }));
  one('tc ctx ifindex 2', TC, V4, ctxBytes({ 40: 2 }));
  one('tc ctx long, zeros', TC, V4, new Uint8Array(200));
  one('tc ctx long, not zeros', TC, V4, new Uint8Array(200).fill(1, 199));
  one('tc ctx short', TC, V4, new Uint8Array(12).fill(1, 8, 9));
  const md = (words: readonly number[]): Uint8Array => {
    const bytes = new Uint8Array(24);
    words.forEach((word, i) => {
      new DataView(bytes.buffer).setUint32(4 * i, word, true);
    });
    return bytes;
  };
  const contexts: readonly (readonly number[])[] = [
    [0, 160, 4],
    [0, 161],
    [164, 160],
    [2, 160],
    [0, 160, 0, 1],
    [0, 160, 0, 2],
    [0, 160, 0, 0, 1],
    [0, 160, 0, 0, 0, 1],
    [0, 0],
    [20, 30],
    [0, 100],
    [148, 160],
    [144, 160],
    [252, 400],
    [212, 400],
    [216, 400],
    [220, 400],
  ];
  for (const words of contexts)
    one(`xdp ctx ${words}`, XDP, pad('', Math.max(160, words[1] === 161 ? 0 : words[1])), md(words));
  return cases;
}
