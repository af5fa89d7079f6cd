// Instructions a second of the emulated PowerPC, by the process's own CPU time: a loop of loads, stores and arithmetic, and
// calls of kernel functions. Medians of rounds with their spread.
//   npm run build && node bench/emulated.mjs [ROUNDS]
import { createPpc64Cpu } from '../dist/engine/index.js';
import { LinearMemory } from '../dist/mem/index.js';

const rounds = Number(process.argv[2] ?? 9);
const TOC = 0xc000000002000000n;
const BASE = 0xc008000000010000n;
const GATE = 0xc000000000123400n;

// mtctr r4; again: ld r5,0(r3); addi; rlwinm; add; cmpldi; std r5,0(r3); beq; xor; bdnz again; mr; blr
const LOOP = [
  0x7c8903a6, 0xe8a30000, 0x38a50001, 0x54a6183e, 0x7ce73214, 0x28270000, 0xf8a30000, 0x41820008, 0x7ce82a78,
  0x4200ffe0, 0x7ce33b78, 0x4e800020,
];
// r2 = TOC, a frame, r30 = r4; again: r12 = r2 + offset; bctrl; r30 -= 1; bne again; the frame's end
const CALLS = [
  0xe84d0010, 0x7c0802a6, 0xf8010010, 0xfbc1fff0, 0x7c9e2378, 0xf821ff81, 0x3d82fe12, 0x398c3408, 0x7d8903a6,
  0x4e800421, 0x37deffff, 0x4082ffec, 0x38210080, 0xebc1fff0, 0xe8010010, 0x7c0803a6, 0x4e800020,
];

function measure(name, words, count, unit) {
  const mem = new LinearMemory('little');
  const data = mem.alloc(64);
  mem.addRegion({ kind: 'mem', name: 'data', start: data, sizeBytes: 64 });
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => {
    view.setUint32(4 * i, word, true);
  });
  const gate = {
    name: 'gate',
    call(_cpu, out) {
      out[0] = 0;
      out[1] = 0;
    },
  };
  const cpu = createPpc64Cpu({
    mem,
    order: 'little',
    abi: 'elfv2',
    cpu: 'power9',
    kernelToc: TOC,
    userLimit: 0n,
    code: { imageAt: at => (at >= BASE && at < BASE + BigInt(bytes.length) ? { addr: BASE, bytes } : undefined) },
    gates: { gateAt: at => (at === GATE ? gate : undefined) },
  });
  const samples = [];
  for (let round = -3; round < rounds; round++) {
    const from = process.cpuUsage().user;
    const result = cpu.call(BASE, [BigInt(data), BigInt(count)]);
    const us = process.cpuUsage().user - from;
    if (!result.ok) throw new Error(result.fault.message);
    if (round >= 0) samples.push(unit === 'call' ? (us * 1000) / count : result.insnCount / us);
  }
  samples.sort((a, b) => a - b);
  const [low, median, high] = [samples[0], samples[samples.length >> 1], samples.at(-1)].map(n => n.toFixed(0));
  console.log(
    `${name.padEnd(24)} ${median.padStart(5)} ${unit === 'call' ? 'ns a call' : 'M insns/s'}  (${low}..${high})`,
  );
}

console.log(`node ${process.version}, ${rounds} rounds`);
measure('loads, stores, arithmetic', LOOP, 2_000_000, 'insn');
measure('kernel functions', CALLS, 200_000, 'call');
