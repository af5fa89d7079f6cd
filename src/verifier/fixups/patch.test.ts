import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  CALL,
  EXIT,
  type Insn,
  isWide,
  LD_IMM64,
  makeInsn,
} from '../../isa/index.ts';
import { aluImm, exit, jump, jumpImm, jumpLong, OP } from './insns.ts';
import { applyPatches, type Patch } from './patch.ts';
import { RELATIVE, relativeOf, relativeTarget } from './relative.ts';

const nop = (n: number): Insn => aluImm(true, OP.mov, 0, n);
const LDDW = (n: number): Insn[] => [makeInsn(LD_IMM64, 1, 0, 0, n), makeInsn(0, 0, 0, 0, 0)];

/** Slots of a random program: what each is and where it goes, made to lead somewhere afterwards. */
const shape = fc.array(
  fc.record({
    kind: fc.constantFrom('nop', 'wide', 'ja', 'gotol', 'jcond', 'call', 'func'),
    target: fc.nat(),
    patch: fc.option(fc.integer({ min: 1, max: 5 }), { freq: 3 }),
    leaves: fc.boolean(),
  }),
  { minLength: 1, maxLength: 30 },
);

function build(items: readonly { kind: string; target: number }[]): Insn[] {
  const starts: number[] = [];
  let at = 0;
  for (const { kind } of items) {
    starts.push(at);
    at += kind === 'wide' || kind === 'func' ? 2 : 1;
  }
  const insns: Insn[] = [];
  items.forEach(({ kind, target }, i) => {
    const distance = starts[target % items.length] - starts[i] - 1;
    if (kind === 'nop') insns.push(nop(i));
    else if (kind === 'wide') insns.push(...LDDW(i));
    else if (kind === 'ja') insns.push(jump(distance));
    else if (kind === 'gotol') insns.push(jumpLong(distance));
    else if (kind === 'jcond') insns.push(jumpImm(true, OP.jeq, 0, i, distance));
    else if (kind === 'call') insns.push(makeInsn(CALL, 0, BPF_PSEUDO_CALL, 0, distance));
    else insns.push(makeInsn(LD_IMM64, 1, BPF_PSEUDO_FUNC, 0, distance), makeInsn(0, 0, 0, 0, 0));
  });
  return [...insns, exit()];
}

/** One patch at a time, as the kernel does it: every relative field of the whole program looked at anew. */
function naively(insns: readonly Insn[], patches: ReadonlyMap<number, Patch>): Insn[] {
  let out = [...insns];
  let delta = 0;
  for (const [old, patch] of [...patches].sort((a, b) => a[0] - b[0])) {
    const pos = old + delta;
    const grown = patch.insns.length - 1;
    const move = (slot: number): number => (slot > pos ? slot + grown : slot);
    const body = patch.insns.map((insn, i) =>
      patch.exit?.at === i ? { ...insn, off: move(patch.exit.target <= old ? -1 : 0) } : insn,
    );
    const next: Insn[] = [];
    for (let idx = 0; idx < out.length; idx++) {
      if (idx === pos) {
        next.push(...body);
        continue;
      }
      const insn = out[idx];
      const relative = relativeOf(insn);
      if (relative === RELATIVE.none) next.push(insn);
      else {
        const distance = move(relativeTarget(insn, idx, relative)) - move(idx) - 1;
        next.push(relative === RELATIVE.jumpOff ? { ...insn, off: distance } : { ...insn, imm: distance });
      }
      if (isWide(insn)) next.push(out[++idx]);
    }
    out = next;
    delta += grown;
  }
  return out;
}

describe('applyPatches', () => {
  it('gives in one pass what patching one by one gives', () => {
    fc.assert(
      fc.property(shape, items => {
        const insns = build(items);
        const patches = new Map<number, Patch>();
        let slot = 0;
        for (const { kind, patch } of items) {
          if (patch !== null && kind === 'nop') {
            patches.set(slot, { insns: Array.from({ length: patch }, (_, i) => nop(1000 + i)) });
          }
          slot += kind === 'wide' || kind === 'func' ? 2 : 1;
        }
        expect(applyPatches(insns, { patches }).insns).toEqual(naively(insns, patches));
      }),
    );
  });

  it('sends jumps to the beginning of a patch, and jumps out of it where they went', () => {
    //  0: goto 2   1: nop   2: (patched)   3: if r0 == 7 goto 2   4: exit
    const insns = [jump(1), nop(1), nop(2), jumpImm(true, OP.jeq, 0, 7, -2), exit()];
    const body = [nop(20), jumpImm(true, OP.jeq, 0, 0, 0), nop(21)];
    const { insns: out, entryOf } = applyPatches(insns, {
      patches: new Map([[2, { insns: body, exit: { at: 1, target: 4 } }]]),
    });
    expect([...entryOf]).toEqual([0, 1, 2, 5, 6, 7]);
    expect(out[0].off).toBe(1);
    expect(out[3].off).toBe(2);
    expect(out[5].off).toBe(-4);
  });

  it('puts prologues where calls enter and jumps do not', () => {
    //  0: call 2   1: exit   2: nop   3: goto 2
    const insns = [makeInsn(CALL, 0, BPF_PSEUDO_CALL, 0, 1), exit(), nop(2), jump(-2)];
    const { insns: out, entryOf } = applyPatches(insns, {
      patches: new Map(),
      prologues: new Map([[2, [nop(90), nop(91)]]]),
    });
    expect([...entryOf]).toEqual([0, 1, 2, 5, 6]);
    expect(out.map(insn => insn.imm)).toEqual([1, 0, 90, 91, 2, 0]);
    expect(out[5].off).toBe(-2);
  });

  it('makes jumps long that no longer fit', () => {
    const count = 30_000;
    const insns = [
      jump(count - 2),
      jumpImm(true, OP.jeq, 0, 5, count - 3),
      ...Array.from({ length: count - 3 }, (_, i) => nop(i)),
      jump(-count),
      exit(),
    ];
    const patches = new Map<number, Patch>();
    for (let idx = 2; idx < count - 1; idx += 2) patches.set(idx, { insns: [nop(1), nop(2)] });
    const { insns: out, entryOf } = applyPatches(insns, { patches });
    expect(out[0]).toEqual(jumpLong(entryOf[count - 1] - 1));
    expect(out.slice(1, 4)).toEqual([jumpImm(true, OP.jeq, 0, 5, 1), jump(1), jumpLong(entryOf[count - 1] - 4)]);
    const back = entryOf[count - 1];
    expect(out[back]).toEqual(jumpLong(-back - 1));
    expect(out[back + 1].code).toBe(EXIT);
    expect(out.length).toBe(entryOf[count + 1]);
  });

  it('makes long the jump that leaves a patch', () => {
    const count = 40_000;
    const insns = [nop(0), ...Array.from({ length: count }, (_, i) => nop(i)), exit()];
    const patch: Patch = {
      insns: [nop(7), jumpImm(true, OP.jne, 3, 1, 0), nop(8)],
      exit: { at: 1, target: count + 1 },
    };
    const { insns: out, entryOf } = applyPatches(insns, { patches: new Map([[0, patch]]) });
    expect(out.slice(0, 5)).toEqual([
      nop(7),
      jumpImm(true, OP.jne, 3, 1, 1),
      jump(1),
      jumpLong(entryOf[count + 1] - 4),
      nop(8),
    ]);
  });
});
