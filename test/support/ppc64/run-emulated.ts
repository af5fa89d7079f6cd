import { Core } from '../../../src/engine/emu-ppc64/core.ts';
import { decodeAt } from '../../../src/engine/emu-ppc64/decode.ts';
import { CpuFault } from '../../../src/engine/emu-ppc64/fault.ts';
import { Op } from '../../../src/engine/emu-ppc64/op.ts';
import { CTR as CTR_REG, LR as LR_REG } from '../../../src/engine/emu-ppc64/regs.ts';
import type { Level } from '../../../src/engine/emu-ppc64/row.ts';
import type { EmuFaultKind } from '../../../src/engine/emu-types.ts';
import { LinearMemory } from '../../../src/mem/index.ts';
import { type ByteOrder, hi32, lo32, u64Of } from '../../../src/util/index.ts';
import {
  type Case,
  CELL_BYTES,
  CELLS_ADDR,
  CR,
  CTR,
  EXIT_ADDR,
  LR,
  STUB_WORDS,
  STUBS_ADDR,
  TAKEN_ADDR,
  XER,
} from './cases.ts';

export interface Outcome {
  /** As `Case.regs`. */
  readonly regs: readonly bigint[];
  readonly memory: Uint8Array;
  readonly taken: boolean;
  readonly fault?: EmuFaultKind;
}

/** The code of cases, one stub after the other. */
export function stubBytes(cases: readonly Case[], order: ByteOrder): Uint8Array {
  const bytes = new Uint8Array(4 * STUB_WORDS * cases.length);
  const view = new DataView(bytes.buffer);
  for (const { words, stubAddr } of cases) {
    words.forEach((word, i) => {
      view.setUint32(stubAddr - STUBS_ADDR + 4 * i, word, order === 'little');
    });
  }
  return bytes;
}

/** Runs each case on the emulator's core. */
export function runEmulated(cases: readonly Case[], order: ByteOrder, level: Level): Outcome[] {
  const mem = new LinearMemory(order);
  const cells = mem.alloc(CELL_BYTES * cases.length, 4096);
  if (cells !== CELLS_ADDR) throw new Error(`cells at ${cells}`);
  mem.addRegion({ kind: 'mem', name: 'cells', start: cells, sizeBytes: CELL_BYTES * cases.length });
  const bytes = stubBytes(cases, order);
  const addr = BigInt(STUBS_ADDR);
  const doors = new Map([
    [BigInt(EXIT_ADDR), { name: 'exit', call: () => {} }],
    [BigInt(TAKEN_ADDR), { name: 'taken', call: () => {} }],
  ]);
  const options = {
    mem,
    code: { imageAt: (at: bigint) => (at >= addr && at < addr + BigInt(bytes.length) ? { addr, bytes } : undefined) },
    gates: { gateAt: (at: bigint) => doors.get(at) },
    cpu: `power${level}`,
    kernelToc: 0n,
    userLimit: 0n,
  };
  const m = new Core(options, order, level, decodeAt);
  m.scratch = mem.alloc(16);
  let taken = false;
  m.onGate = target => {
    taken = target.gate?.name === 'taken';
    m.running = false;
  };
  m.refill = () => {
    m.left = 1000;
  };
  const start = new Op(() => {}, 0, 0);
  return cases.map(one => {
    load(m, one);
    mem.write(one.cellAddr, one.memory);
    let fault: EmuFaultKind | undefined;
    taken = false;
    try {
      m.running = true;
      m.branchTo(start, 0, one.stubAddr);
      m.run();
    } catch (error) {
      if (!(error instanceof CpuFault)) throw error;
      fault = error.fault.kind;
    }
    return { regs: registers(m), memory: mem.read(one.cellAddr, CELL_BYTES), taken, fault };
  });
}

function load(m: Core, { regs }: Case): void {
  for (let n = 0; n < 32; n++) set(m, 2 * n, regs[n]);
  set(m, LR_REG, regs[LR]);
  set(m, CTR_REG, regs[CTR]);
  m.cr = lo32(regs[CR]);
  const xer = lo32(regs[XER]);
  m.so = (xer >>> 31) & 1;
  m.ov = (xer >>> 30) & 1;
  m.ca = (xer >>> 29) & 1;
  m.ov32 = (xer >>> 19) & 1;
  m.ca32 = (xer >>> 18) & 1;
  m.xerCount = xer & 127;
  m.resvBytes = 0;
}
function set(m: Core, reg: number, value: bigint): void {
  m.r[reg] = lo32(value);
  m.r[reg + 1] = hi32(value);
}
function registers(m: Core): bigint[] {
  const xer32 = m.level >= 9 ? (m.ov32 << 19) | (m.ca32 << 18) : 0;
  const xer = (m.so << 31) | (m.ov << 30) | (m.ca << 29) | xer32 | m.xerCount;
  return [
    ...m.regs(),
    BigInt(m.cr >>> 0),
    BigInt(xer >>> 0),
    u64Of(m.r[LR_REG + 1], m.r[LR_REG]),
    u64Of(m.r[CTR_REG + 1], m.r[CTR_REG]),
  ];
}
