import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { printInsn } from '../../src/asm/index.ts';
import { encodeInsns, INSN_TABLE, type Insn, type InsnDef, makeInsn } from '../../src/isa/index.ts';
import { toHex } from '../../src/util/index.ts';
import { requireTool } from '../support/tools.ts';

/** What LLVM does not know or prints with something left out, by kind or name of the row; docs/spec/asm.md says why. */
const UNLIKE =
  /^(load_acq\d+|store_rel\d+|gotox|ldind.*|lddw_map_value|lddw_map_idx_value|lddw_btf_id|call_local|call_kfunc)$/;
/** Without 32-bit registers LLVM reads 32-bit atomics wrongly or not at all. */
const NARROW_ATOMIC = /^lock_.*32$/;

/** LLVM before 19 knows less and prints numbers in decimal. */
function knownTo(version: number, def: InsnDef): boolean {
  if (UNLIKE.test(def.name) || (NARROW_ATOMIC.test(def.name) && def.name !== 'lock_add32')) return false;
  const [major, minor] = def.since.split('.').map(Number);
  const old = major < 6 || (major === 6 && minor < 6);
  return version >= 19 || (old && !/^(callx|st|mod|jset)/.test(def.name)) || def.kind === 'stx';
}

function* samples(def: InsnDef): Generator<Insn[]> {
  const pick = (use: string | number, value: number): number => (typeof use === 'number' ? use : value);
  const values = [
    [1, 2, 4, 7],
    [9, 10, -8, -5],
    [0, 0, 32767, 2147483647],
    [3, 6, -32768, -2147483648],
  ];
  for (const [dst, src, off, imm] of values) {
    const first = makeInsn(def.code, pick(def.dst, dst), pick(def.src, src), pick(def.off, off), pick(def.imm, imm));
    yield def.slots === 2 ? [first, makeInsn(0, 0, 0, 0, pick(def.imm2, imm))] : [first];
  }
}

const decimal = (text: string): string => text.replace(/0x[0-9a-f]+/g, hex => String(BigInt(hex)));

describe('the llvm dialect', () => {
  const objdump = requireTool('llvm-objdump', 'llvm');
  const mc = requireTool('llvm-mc', 'llvm');
  if (objdump === undefined || mc === undefined) return;

  it('prints what llvm-objdump prints, for every row of the instruction table', () => {
    const version = Number(/version (\d+)/.exec(execFileSync(objdump, ['--version'], { encoding: 'utf8' }))?.[1]);
    const insns = INSN_TABLE.filter(def => knownTo(version, def)).flatMap(def => [...samples(def)].flat());
    const dir = mkdtempSync(join(tmpdir(), 'farcall-objdump-'));
    try {
      const source = join(dir, 'rows.s');
      const object = join(dir, 'rows.o');
      const bytes = toHex(encodeInsns(insns)).match(/../g) ?? [];
      writeFileSync(source, `rows:\n${bytes.map(byte => `.byte 0x${byte}\n`).join('')}`);
      execFileSync(mc, ['-triple=bpfel', '-filetype=obj', '-o', object, source]);
      const dump = execFileSync(objdump, ['-d', '--no-show-raw-insn', object], { encoding: 'utf8' });
      const theirs = [...dump.matchAll(/^\s+(\d+):\t(.*?)(?: <[^ >]*>)?$/gm)].map(([, idx, text]) => ({
        idx: Number(idx),
        text,
      }));
      expect(theirs.length).toBeGreaterThan(400);
      const ours = theirs.map(({ idx }) => ({ idx, text: printInsn(insns, idx, { dialect: 'llvm' }) }));
      const shown = (lines: { idx: number; text: string }[]): string[] =>
        lines.map(({ idx, text }) => `${idx}: ${version >= 19 ? text : decimal(text)}`);
      expect(shown(ours)).toEqual(shown(theirs));
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
