import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openBtf } from '../src/btf/index.ts';
import {
  BPF_B,
  BPF_DW,
  BPF_H,
  BPF_LDX,
  BPF_MEM,
  BPF_MEMSX,
  BPF_ST,
  BPF_STX,
  BPF_W,
  EXIT,
  encodeInsns,
  type Insn,
  makeInsn,
} from '../src/isa/index.ts';
import { kernelImage } from '../src/kernels/index.ts';
import { progTypeContract } from '../src/progtypes/index.ts';
import { verify } from '../src/verifier/index.ts';
import { ctxAccess, progFacts } from './support/prog-facts.ts';

/**
 * What Linux 6.12.107 of Debian for amd64 said of programs with one context access each: which were accepted, and what
 * became of them. Keys: r load into another register, q into R1 itself, x sign-extending, w store of a register, i of a
 * constant, s load into R9 from R9, v store with R8 and R9 in use; then offset, `:` and size, or size alone.
 */
interface Recorded {
  readonly type: number;
  readonly attach: number;
  /** Offsets by kind and size: `8-12 32`, in steps of the size (of 4 at least for q and i). */
  readonly accepted: Readonly<Record<string, string>>;
  /** Programs as the kernel rewrote them; those of the first type with that key, where a type has none of its own. */
  readonly xlated: Readonly<Record<string, string>>;
}

const read = (path: string): Buffer => readFileSync(new URL(path, import.meta.url));
const RECORDED: Readonly<Record<string, Recorded>> = JSON.parse(
  read('../testdata/kernel/ctx-access-6.12-amd64.json').toString(),
);
const image = kernelImage('6.12-amd64');
const btf = openBtf(gunzipSync(read('../assets/btf/vmlinux-6.12-amd64.btf.gz')));
const kernel = { version: '6.12', arch: image.arch, btf, image };

const SIZE: Readonly<Record<number, number>> = { 1: BPF_B, 2: BPF_H, 4: BPF_W, 8: BPF_DW };
const MOV_IMM = 0xb7;
const MOV_REG = 0xbf;
const ZERO = makeInsn(MOV_IMM, 0, 0, 0, 0);
const DONE = makeInsn(EXIT, 0, 0, 0, 0);

function program(kind: string, off: number, size: number): Insn[] {
  const mem = BPF_MEM | SIZE[size];
  switch (kind) {
    case 'r':
      return [makeInsn(BPF_LDX | mem, 0, 1, off, 0), ZERO, DONE];
    case 'q':
      return [makeInsn(BPF_LDX | mem, 1, 1, off, 0), ZERO, DONE];
    case 'x':
      return [makeInsn(BPF_LDX | BPF_MEMSX | SIZE[size], 0, 1, off, 0), ZERO, DONE];
    case 'w':
      return [ZERO, makeInsn(BPF_STX | mem, 1, 0, off, 0), DONE];
    case 'i':
      return [ZERO, makeInsn(BPF_ST | mem, 1, 0, off, 7), DONE];
    case 's':
      return [makeInsn(MOV_REG, 9, 1, 0, 0), makeInsn(BPF_LDX | mem, 9, 9, off, 0), ZERO, DONE];
    case 'v':
      return [
        makeInsn(MOV_REG, 9, 1, 0, 0),
        makeInsn(MOV_IMM, 8, 0, 0, 0x1ffff),
        makeInsn(BPF_STX | mem, 9, 8, off, 0),
        ZERO,
        DONE,
      ];
    default:
      throw new Error(`no program is called ${kind}`);
  }
}

function offsets(ranges: string, step: number): number[] {
  if (ranges === '') return [];
  return ranges.split(' ').flatMap(range => {
    const [from, to = from] = range.split('-').map(Number);
    return Array.from({ length: (to - from) / step + 1 }, (_, i) => from + i * step);
  });
}

/** Bytes asked about behind the struct's end. */
const BEHIND = 8;
const BYTES: Readonly<Record<string, number>> = { kprobe: 168, pe: 184, tp: 64, syscall: 64, rtp: 96, rtpw: 96 };

describe.each(Object.entries(RECORDED))('contexts of %s', (name, { type, attach, accepted, xlated }) => {
  const prog = progFacts(type, { attachType: attach, kernelBtf: btf });
  const contract = progTypeContract(type)!;

  it('are accessed as Linux allows', () => {
    const ours: Record<string, number[]> = {};
    const theirs: Record<string, number[]> = {};
    const end = (BYTES[name] ?? 224) + BEHIND;
    for (const kind of ['r', 'q', 'x', 'w', 'i']) {
      for (const size of kind === 'x' ? [1, 2, 4] : [1, 2, 4, 8]) {
        const key = `${kind}${size}`;
        const step = kind === 'q' || kind === 'i' ? Math.max(4, size) : size;
        theirs[key] = offsets(accepted[key] ?? '', step);
        ours[key] = [];
        for (let off = 0; off < end; off += step) {
          const access = ctxAccess(kind === 'x');
          const write = kind === 'w' || kind === 'i';
          if (contract.isValidAccess(off, size, write, prog, access)) ours[key].push(off);
        }
      }
    }
    expect(ours).toEqual(theirs);
  });

  if (Object.keys(xlated).length === 0) return;
  it('become what Linux makes of them', () => {
    const ours: Record<string, string> = {};
    for (const key of Object.keys(xlated)) {
      const [, kind, off, size] = /^([a-z])(\d+):(\d)$/.exec(key)!;
      const verdict = verify(
        {
          name: 'p',
          type,
          attachType: attach,
          flags: 0,
          gplCompatible: true,
          insns: program(kind, Number(off), Number(size)),
          maps: [],
        },
        { kernel },
      );
      ours[key] =
        verdict.xlated === undefined ? verdict.message : Buffer.from(encodeInsns(verdict.xlated.insns)).toString('hex');
    }
    expect(ours).toEqual(xlated);
  });
});
