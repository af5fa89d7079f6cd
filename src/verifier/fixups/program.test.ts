import { describe, expect, it } from 'vitest';
import { assemble } from '../../asm/index.ts';
import type { Insn } from '../../isa/index.ts';
import type { VerifierEnv } from '../env.ts';
import { InsnAux } from '../insn-aux.ts';
import { LineTable } from '../line-table.ts';
import { SubprogTable } from '../subprogs.ts';
import { hardWireDeadBranches, removeDeadCode, removeNops, sanitizeDeadCode } from './dead-code.ts';
import { aluImm, jump, OP } from './insns.ts';
import { FixupProgram } from './program.ts';

/** A program of which the walk has seen the slots in `seen`, each on a line of its own as `lines` says. */
function programOf(
  text: string,
  starts: readonly number[],
  dead: readonly number[],
  lines: readonly number[],
): FixupProgram {
  const insns = assemble(text, { dialect: 'kernel' }) as Insn[];
  const subprogs = new SubprogTable();
  for (const start of starts) subprogs.add(start);
  subprogs.close(insns.length);
  const insnAux = insns.map((_, idx) => {
    const aux = new InsnAux(idx);
    aux.seen = dead.includes(idx) ? 0 : 1;
    return aux;
  });
  // What the fixups of this file ask of an environment.
  const env = { insns, insnAux, subprogs } as unknown as VerifierEnv;
  const words = Uint32Array.from(lines.flatMap((insnIdx, i) => [insnIdx, 0, 0, i << 10]));
  return new FixupProgram(env, new LineTable({ recSizeBytes: 16, count: lines.length, words }));
}
const linesOf = (program: FixupProgram): number[][] =>
  program.lines.toList().map(({ insnIdx, line }) => [insnIdx, line]);

describe('dead code', () => {
  const text = `
    r0 = 1
    if r0 == 0x1 goto pc+2
    r1 = 5
    r1 = 6
    call pc+2
    r0 = 0
    exit
    r2 = 1
    exit
    r3 = 1
    exit`;

  it('goes, and takes functions and lines with it', () => {
    const program = programOf(text, [0, 7, 9], [2, 3, 9, 10], [0, 2, 3, 5, 7, 9]);
    hardWireDeadBranches(program);
    expect(program.insns[1]).toEqual(jump(2));
    removeDeadCode(program);
    expect(program.insns.length).toBe(7);
    expect(program.subprogs.map(({ start, end }) => [start, end])).toEqual([
      [0, 5],
      [5, 7],
    ]);
    // The line of the last slot that went is that of the call now; the third function's is gone.
    expect(linesOf(program)).toEqual([
      [0, 0],
      [2, 2],
      [3, 3],
      [5, 4],
    ]);
    expect(program.insns[2].imm).toBe(2);
    removeNops(program);
    expect(program.insns.map(({ code }) => code)).toEqual([0xb7, 0x85, 0xb7, 0x95, 0xb7, 0x95]);
    expect(program.insns[1].imm).toBe(2);
    expect(program.aux.map(({ origIdx }) => origIdx)).toEqual([0, 4, 5, 6, 7, 8]);
  });

  it('of a loader without rights is a trap', () => {
    const program = programOf(text, [0, 7, 9], [2, 3, 9, 10], []);
    sanitizeDeadCode(program);
    for (const idx of [2, 3, 9, 10]) expect(program.insns[idx]).toEqual(jump(-1));
    expect(program.insns.length).toBe(11);
  });
});

describe('patches', () => {
  it('keep what was known of the last instruction, and move functions, lines and calls', () => {
    const program = programOf('r0 = 1\ncall pc+2\nr0 = 0\nexit\nw2 = 1\nexit', [0, 4], [], [0, 1, 4]);
    const [, , third] = program.aux;
    const patch = [aluImm(false, OP.mov, 3, 1), aluImm(true, OP.mov, 4, 1), aluImm(true, OP.mov, 0, 0)];
    program.apply(new Map([[2, { insns: patch }]]), new Map([[4, [aluImm(true, OP.mov, 5, 1)]]]));
    expect(program.insns.length).toBe(9);
    expect(program.insns[1].imm).toBe(4);
    expect(program.aux[4]).toBe(third);
    // New slots are as live as the old one; 32-bit results of patches count as read.
    expect(program.aux.slice(2, 5).map(({ seen, zextDst }) => [seen, zextDst])).toEqual([
      [1, true],
      [1, false],
      [1, false],
    ]);
    expect(program.subprogs[1].start).toBe(6);
    expect(linesOf(program)).toEqual([
      [0, 0],
      [1, 1],
      [6, 2],
    ]);
  });

  it('are refused where a jump gets too long, at the first that does it', () => {
    const body = Array.from({ length: 0x4000 }, () => 'r1 = 1').join('\n');
    const program = programOf(`if r0 == 0x0 goto pc+${0x4000}\n${body}\nexit`, [0], [], []);
    const refused: unknown[] = [];
    Object.assign(program.env, {
      refuse: (...args: readonly unknown[]) => {
        refused.push(args);
        throw new Error('refused');
      },
    });
    const three = { insns: [1, 2, 3].map(imm => aluImm(true, OP.mov, 1, imm)) };
    const patches = new Map(Array.from({ length: 0x4000 }, (_, i) => [i + 1, three]));
    expect(() => program.apply(patches)).toThrow('refused');
    expect(refused).toEqual([['patchTooFar', 0x2000]]);
  });

  it('may add a function at the end', () => {
    const program = programOf('r0 = 1\nexit', [0], [], []);
    const hidden = program.addHidden([aluImm(true, OP.mov, 0, 7), { code: 0x95, dst: 0, src: 0, off: 0, imm: 0 }]);
    expect([hidden.start, hidden.end, program.subprogs.length]).toEqual([2, 4, 2]);
    expect(program.aux.length).toBe(4);
  });
});
