import { expect, it } from 'vitest';
import { assemble } from '../../src/asm/index.ts';
import { type Insn, ProgramBuilder, R0, R1, R6, R7, R8 } from '../../src/isa/index.ts';
import { entryWord, type LinearRun, RUN_DATA, runLinear } from '../support/arm64/linear-exe.ts';
import { OPT_DATA_BYTES, optProgram } from '../support/opt-programs.ts';
import { interpret, type ProvenOutcome, runProven } from '../support/proven-run.ts';
import { Random } from '../support/random.ts';
import { requireTool } from '../support/tools.ts';

// Native code of arm64 under qemu-user against the interpreter. In a Node of its own test/tools/native-arm64.ts runs it.

const COUNT = Number(process.env.NATIVE_PROGRAMS ?? 600);
const SEED = Number(process.env.NATIVE_SEED ?? 1);
const DATA_BYTES = 64;
const llvm = (text: string): Insn[] => assemble(text, { dialect: 'llvm' }) as Insn[];
const subject = (insns: readonly Insn[]) => ({ insns, data: new Uint8Array(DATA_BYTES).map((_, k) => 7 * k) });

/** What was left, as the executable says it. */
const textOf = ([r0, ...bytes]: ProvenOutcome): string =>
  `${r0} ${bytes.map(byte => byte.toString(16).padStart(2, '0')).join('')}`;
/** What the interpreter leaves. */
const wanted = ({ insns, data }: LinearRun): string => textOf(interpret(insns, data));

const qemu = requireTool('qemu-aarch64', 'qemu-user');
if (qemu !== undefined) {
  it('generated programs leave what the interpreter does', () => {
    const seeds = Array.from({ length: COUNT }, (_, n) => SEED + n);
    const runs = seeds.map(seed => {
      const r = new Random(seed);
      return { insns: optProgram(r), data: r.bytes(OPT_DATA_BYTES) };
    });
    const found = runLinear(qemu, runs, OPT_DATA_BYTES);
    seeds.forEach((seed, n) => void expect([seed, found[n]]).toEqual([seed, wanted(runs[n])]));
  });

  /** A loop around more code than its branches reach, with branches across all of it. */
  function far(insns: number): Insn[] {
    const b = new ProgramBuilder().mov(R6, R1).mov(R0, 1).mov(R7, 3).load('dw', R8, R6, 0);
    b.label('again').alu64('and', R8, 0xffff).jumpIf('jset', R8, 1, 'odd').jumpIf('jsgt', R8, 1000, 'odd').mov(R0, 5);
    for (let n = 0; n < insns / 3; n++)
      b.alu64('mul', R0, R8)
        .alu64('xor', R0, R7)
        .store('w', R6, 4 * (n & 7), R0);
    b.label('odd').alu64('add', R8, R0).alu64('sub', R7, 1).jumpIf('jne', R7, 0, 'again').alu64('add', R0, R8).exit();
    return b.build();
  }

  it.each([300, 9000, 32_000])('branches over %i instructions', insns => {
    const run = subject(far(insns));
    expect(runLinear(qemu, [run], DATA_BYTES)).toEqual([wanted(run)]);
  });

  it('frames of functions that were put into others begin as zeros', () => {
    // Each reads 512 bytes of its frame that nobody has set, through a pointer, and sets them for the next.
    const fill = (name: string): string =>
      [
        `r2 = r10`,
        'r2 += -512',
        'r3 = 64',
        'r0 = 0',
        `${name}:`,
        'r4 = *(u64 *)(r2 + 0)',
        'r0 += r4',
        'r4 = 77',
        '*(u64 *)(r2 + 0) = r4',
        'r2 += 8',
        'r3 += -1',
        `if r3 != 0 goto ${name}`,
      ].join('\n');
    const text = `r6 = 3\nr7 = 0\nagain:\ncall f\nr7 += r0\nr6 += -1\nif r6 != 0 goto again\n${fill('own')}\nr0 += r7\nexit\nf:\n${fill('its')}\nexit`;
    const run = { ...subject(llvm(text)), stackDepths: [512, 512] };
    expect(wanted(run)).toMatch(/^0 /);
    expect(runLinear(qemu, [run], DATA_BYTES)).toEqual([wanted(run)]);
  });

  it('calls outside leave what functions keep, and R0', () => {
    const text = 'r6 = r1\nr2 = 5\nr1 = 0x100000002 ll\ncall 1\n*(u64 *)(r6 + 8) = r0\nr1 = r0\nr2 = 1\ncall 1\nexit';
    const [found] = runLinear(qemu, [subject(llvm(text))], DATA_BYTES);
    const data = '00070e151c232a31' + '0b00000003000000' + '70777e858c939aa1';
    expect(found.slice(0, 10 + data.length)).toBe(`900000022 ${data}`);
  });

  it.each([
    ['a load from nowhere', 'r1 = 0x7fff0000 ll\nr0 = *(u64 *)(r1 + 16)\nexit', 'signal 11 at 7fff0010'],
    ['a store', 'r1 = 0x7ffe0000 ll\n*(u32 *)(r1 + 0) = 1\nr0 = 0\nexit', 'signal 11 at 7ffe0000'],
    [
      'one of a function',
      'r6 = 7\nr1 = 0x50000 ll\ncall f\nexit\nf:\nr6 = 5\n*(u8 *)(r1 - 1) = r6\nr0 = 0\nexit',
      'signal 11 at 4ffff',
    ],
  ])('%s ends the run, and the next one goes on', (_, text, ends) => {
    const runs = [text, 'r0 = 42\nexit'].map(each => subject(llvm(each)));
    expect(runLinear(qemu, runs, DATA_BYTES).map(line => line.replace(/ [0-9a-f]{128}$/, ''))).toEqual([ends, '2a']);
  });

  it('addresses are 32 bits, as in WebAssembly', () => {
    // What is added leads out of them and back in.
    const runs = [0x10000, 0x7fff0000, -0x80000000, -0x7fff0000, -1, 255, -256, 4095, 32760].map(by => {
      const lines = ['r6 = r1', 'r0 = 0'];
      for (const off of [0, 1, 8, -8]) {
        lines.push('r1 = r6', `r1 += 24`, `w2 = ${by}`, 'r1 -= r2', `r1 += ${by}`);
        lines.push(`r3 = *(u32 *)(r1 + ${off})`, 'r0 += r3', 'r0 <<= 3');
      }
      return subject(llvm([...lines, 'exit'].join('\n')));
    });
    expect(runLinear(qemu, runs, DATA_BYTES)).toEqual(runs.map(run => textOf(runProven(run.insns, run.data))));
  });

  /*
   * Data of programs that tail-call each other: how many elements, three of them, a handle for each run and one that is not its
   * entry's, and what the programs count.
   */
  const LAYOUT = { maxEntries: 0, elements: 8, entry: 0 };
  const [HANDLES, COUNT_AT] = [32, 48];
  const tailData = (): Uint8Array => {
    const words = new Uint32Array(DATA_BYTES / 4);
    words[0] = 3;
    [0, 1, 3].forEach((run, slot) => {
      words[2 + 2 * slot] = RUN_DATA + HANDLES + 4 * run;
      words[HANDLES / 4 + run] = entryWord(run === 3 ? 0 : run);
    });
    return new Uint8Array(words.buffer);
  };
  /** What programs leave in R0, and how often one of them was entered. */
  const tails = (...programs: readonly (readonly string[])[]): string[] => {
    const runs = programs.map((lines, n) => ({
      ...subject(llvm(lines.join('\n'))),
      data: tailData(),
      handle: HANDLES + 4 * n,
    }));
    const found = runLinear(qemu, runs, DATA_BYTES, LAYOUT);
    return found.map(line => {
      const [r0, data = ''] = line.split(' ');
      return data.length === 2 * DATA_BYTES ? `${r0} ${data.slice(2 * COUNT_AT, 2 * COUNT_AT + 2)}` : line;
    });
  };
  const ENTER = ['r6 = r1', `r0 = *(u32 *)(r6 + ${COUNT_AT})`, 'r0 += 1', `*(u32 *)(r6 + ${COUNT_AT}) = r0`];
  const tail = (index: string, none = 100): string[] => [
    'r1 = r6',
    'r2 = r6',
    `r3 = ${index}`,
    `r0 = ${none}`,
    'call 12',
  ];

  it('tail calls that find their target are 33, and go on behind the last', () => {
    const again = (slot: number): string[] => [...ENTER, ...tail(`${slot}`, 7), 'exit'];
    expect(tails(again(0), again(1))).toEqual(['7 22', '7 22']);
    expect(tails(again(1), again(0))).toEqual(['7 22', '7 22']);
  });

  it('tail calls to nowhere leave R0, and what is no entry goes to the gate', () => {
    const ends = ['3', '-1', '0x100000003 ll'].map(index => [...ENTER, ...tail(index, 9), 'exit']);
    for (const lines of ends) expect(tails(lines)).toEqual(['9 01']);
    // Slot 2 names run 0's entry, which is another handle's: three times R1 and R2.
    expect(tails([...ENTER, ...tail('2'), 'r0 = 1', 'exit'])).toEqual([`${(4 * RUN_DATA).toString(16)} 01`]);
    expect(tails([...ENTER, ...tail('0x500000001 ll'), 'exit'], ['r0 = 5', 'exit'])).toEqual(['5 01', '5 00']);
  });

  it('tail calls of functions replace their frames, and return to their callers', () => {
    const callee = [
      'f:',
      'r6 = r1',
      'r7 = 70',
      'r8 = 71',
      'r9 = 72',
      '*(u64 *)(r10 - 16) = r7',
      ...tail('1'),
      'r0 = 0',
      'exit',
    ];
    const caller = [...ENTER, 'r7 = 2', 'r8 = 3', 'r9 = 4', '*(u64 *)(r10 - 8) = r9', 'r1 = r6', 'call f'];
    const after = ['r1 = *(u64 *)(r10 - 8)', 'r0 += r1', 'r0 += r7', 'r0 += r8', 'r0 += r9', 'exit'];
    const target = ['r6 = 1', 'r7 = 80', 'r8 = 81', 'r9 = 82', '*(u64 *)(r10 - 8) = r7', '*(u64 *)(r10 - 400) = r9'];
    expect(tails([...caller, ...after, ...callee], [...target, 'r0 = *(u64 *)(r10 - 400)', 'exit'])).toEqual([
      '5f 01',
      '52 00',
    ]);
    // Each calls a function that tail-calls it again.
    const both = [...ENTER, 'r1 = r6', 'call f', 'r1 = r6', 'call f', `r0 = *(u32 *)(r6 + ${COUNT_AT})`, 'exit'];
    expect(tails([...both, 'f:', 'r6 = r1', ...tail('0'), 'exit'])).toEqual(['22 22']);
  });
}
