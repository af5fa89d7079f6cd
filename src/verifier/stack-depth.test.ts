import { describe, expect, it } from 'vitest';
import {
  addImm,
  addReg,
  call,
  exit,
  func,
  functionsBtf,
  helper,
  infoTable,
  mov,
  movx,
  program,
  spill,
  verdict,
  wide,
} from '../../test/support/structure-cases.ts';
import { type Insn, makeInsn } from '../isa/index.ts';
import { checkStructure, JIT_SUPPORT, roundStackDepth, type StructureInput, type StructureOptions } from './index.ts';

const ret = [mov(0, 0), exit];
/** A chain of `frames` functions, each using `depths[i]` bytes of stack. */
const chain = (frames: number, depths: readonly number[] = []): Insn[] =>
  program(
    ...Array.from({ length: frames }, (_, i) => [
      ...(depths[i] === undefined || depths[i] === 0 ? [] : [spill(-depths[i])]),
      ...(i + 1 < frames ? [i + 1] : []),
      ...ret,
    ]),
  );
/** func_info for a program of functions at `starts`; those named in `globals` are global. */
function described(insns: Insn[], starts: readonly number[], globals: readonly number[] = []): StructureInput {
  const own = functionsBtf(starts.map((_, id) => ({ name: `f${id}`, linkage: globals.includes(id) ? 1 : 0 })));
  const funcInfo = infoTable(
    starts.map((start, id) => [start, own.ids[`f${id}`]]),
    8,
  );
  return { insns, type: 6, btf: own.builder.build(), funcInfo };
}
const depthsOf = (input: Insn[] | StructureInput, options?: StructureOptions): number[] => {
  const result = checkStructure(Array.isArray(input) ? { insns: input, type: 6 } : input, options);
  if (!result.ok) throw new Error(result.message);
  return result.subprogs.map(subprog => subprog.stackDepthBytes);
};

describe('8 frames', () => {
  it('are accepted, a ninth is refused where paths are walked', () => {
    expect(verdict(chain(8))).toBe('accepted');
    expect(checkStructure({ insns: chain(9), type: 1 })).toMatchObject({
      errno: 7,
      message: 'the call stack of 9 frames is too deep',
      stage: 'do_check',
      insnIdx: 21,
    });
  });

  it('end recursion', () => {
    expect(verdict(program([1, ...ret], [1, ...ret]))).toBe('7 the call stack of 9 frames is too deep');
    expect(verdict(program([1, ...ret], [2, ...ret], [1, ...ret]))).toBe('7 the call stack of 9 frames is too deep');
  });

  it('synchronous callbacks are frames', () => {
    const callback = [mov(1, 1), ...func(2, 5), mov(3, 0), mov(4, 0), helper(181), ...ret];
    const nested = (n: number): Insn[] => [...Array.from({ length: n }, () => callback).flat(), ...ret];
    expect(verdict(nested(7))).toBe('accepted');
    expect(verdict(nested(8))).toBe('7 the call stack of 9 frames is too deep');
  });

  it('global functions begin chains of their own, until stacks are added up', () => {
    const insns = chain(9);
    const starts = Array.from({ length: 9 }, (_, i) => 3 * i);
    expect(checkStructure(described(insns, starts, [4]))).toMatchObject({
      errno: 7,
      message: 'the call stack of 8 frames is too deep !',
      stage: 'check_max_stack_depth',
    });
    expect(verdict(described(chain(8), starts.slice(0, 8), [4]))).toBe('accepted');
  });
});

describe('512/256-byte stack limits', () => {
  it.each<[string, number[], number[], string]>([
    ['one function', [512], [505, 0, 0, 16], '13 combined stack size of 4 calls is 528. Too large'],
    ['two functions', [256, 256], [256, 257], '13 combined stack size of 2 calls is 528. Too large'],
    ['steps of 16', [8, 8, 480], [8, 8, 481], '13 combined stack size of 3 calls is 528. Too large'],
    [
      'eight frames',
      [64, 64, 64, 64, 64, 64, 64, 64],
      [64, 64, 64, 64, 64, 64, 64, 72],
      '13 combined stack size of 8 calls is 528. Too large',
    ],
    [
      'the limit is met before the last call',
      [256, 256, 0],
      [256, 264, 500],
      '13 combined stack size of 2 calls is 528. Too large',
    ],
  ])('512 bytes: %s', (_, good, bad, refusal) => {
    const rounded = (depths: number[]): number[] => depths.map(depth => Math.ceil(depth / 8) * 8);
    expect(verdict(chain(good.length, rounded(good)))).toBe('accepted');
    expect(verdict(chain(bad.length, rounded(bad)))).toBe(refusal);
  });

  it('the interpreter takes steps of 32, at least one', () => {
    const interpreted = { jitRequested: false };
    expect(verdict(chain(8, [288]), interpreted)).toBe('accepted');
    expect(verdict(chain(8, [296]), interpreted)).toBe('13 combined stack size of 8 calls is 544. Too large');
    expect([0, 1, 32, 33].map(depth => roundStackDepth(depth, false))).toEqual([32, 32, 32, 64]);
    expect([0, 1, 16, 17].map(depth => roundStackDepth(depth, true))).toEqual([0, 16, 16, 32]);
  });

  it('frames one after another do not add up', () => {
    expect(verdict(program([spill(-256), 1, 2, ...ret], [spill(-256), ...ret], [spill(-256), ...ret]))).toBe(
      'accepted',
    );
  });

  const tailCalling = (callerDepth: number): StructureInput => {
    const insns = program(
      [...(callerDepth === 0 ? [] : [spill(-callerDepth)]), 1, ...ret],
      [...wide(2, 1, 3), mov(3, 0), helper(12), ...ret],
    );
    return described(insns, [0, callerDepth === 0 ? 3 : 4]);
  };
  it('256 bytes above a tail call', () => {
    expect(verdict(tailCalling(240))).toBe('accepted');
    expect(verdict(tailCalling(248))).toBe(
      '13 tail_calls are not allowed when call stack of previous frames is 256 bytes. Too large',
    );
  });
  it('in main they are free', () => {
    expect(verdict([spill(-512), ...wide(2, 1, 3), mov(3, 0), helper(12), ...ret])).toBe('accepted');
  });
  it('marks everyone above a tail call', () => {
    const insns = program([1, 2, ...ret], [3, ...ret], [...ret], [...wide(2, 1, 3), mov(3, 0), helper(12), ...ret]);
    const result = checkStructure(described(insns, [0, 4, 7, 9]));
    expect(result.ok && result.subprogs.map(s => s.tailCallReachable)).toEqual([true, true, false, true]);
    expect(result.ok && result.tailCallReachable).toBe(true);
  });
  it('a JIT without tail calls in functions refuses them beside functions', () => {
    const refusal = '22 tail_calls are not allowed in non-JITed programs with bpf-to-bpf calls';
    expect(verdict(tailCalling(0), { jit: JIT_SUPPORT.ppc64 })).toBe(refusal);
    expect(verdict(tailCalling(0), { jitRequested: false })).toBe(refusal);
    expect(verdict([...wide(2, 1, 3), mov(3, 0), helper(12), ...ret], { jit: JIT_SUPPORT.ppc64 })).toBe('accepted');
  });
});

describe('callbacks', () => {
  const later = (depth: number, callbackDepth: number): Insn[] => [
    spill(-depth),
    mov(1, 0),
    ...func(2, 3),
    helper(170),
    ...ret,
    spill(-callbackDepth),
    ...ret,
  ];
  it('asynchronous ones have a stack of their own', () => {
    expect(verdict(later(512, 512))).toBe('accepted');
    const loop = later(512, 512);
    loop[4] = helper(181);
    expect(verdict(loop)).toBe('13 combined stack size of 2 calls is 1024. Too large');
  });
  it('and are added up for themselves', () => {
    const insns = [mov(1, 0), ...func(2, 3), helper(170), ...ret, spill(-264), call(2), ...ret, spill(-264), ...ret];
    expect(verdict(insns)).toBe('13 combined stack size of 2 calls is 544. Too large');
  });

  const throwing = (id: number): StructureInput => {
    const insns = [
      mov(1, 1),
      ...func(2, 5),
      mov(3, 0),
      mov(4, 0),
      helper(181),
      ...ret,
      mov(1, 0),
      call(1),
      exit,
      mov(0, 0),
      makeInsn(0x85, 0, 2, 0, id),
      ...ret,
    ];
    return { ...described(insns, [0, 8, 11]), kfuncs: new Map([[12, id === 5 ? 'bpf_throw' : 'bpf_rcu_read_lock']]) };
  };
  it('nothing under them may throw', () => {
    expect(verdict(throwing(6))).toBe('accepted');
    expect(verdict(throwing(5))).toBe('22 bpf_throw kfunc (insn 12) cannot be called from callback subprog 2');
  });
  it('exceptions need a JIT that has them', () => {
    const insns = [mov(1, 0), makeInsn(0x85, 0, 2, 0, 5), ...ret];
    const input = { insns, type: 6, kfuncs: new Map([[1, 'bpf_throw']]) };
    expect(verdict(input)).toBe('accepted');
    expect(verdict(input, { jit: JIT_SUPPORT.ppc64 })).toBe('524 JIT does not support calling kfunc bpf_throw#5');
  });

  const exceptional = (main: Insn[], cb: Insn[]): StructureInput => {
    const insns = [...main, ...cb, ...wide(2, 1, 3), mov(3, 0), helper(12), ...ret];
    const starts = [0, main.length, main.length + cb.length];
    const own = functionsBtf([{ name: 'main', linkage: 1 }, { name: 'cb', linkage: 1 }, { name: 'tail' }]);
    own.builder.add({
      kind: 'DECL_TAG',
      name: 'exception_callback:cb',
      typeId: own.ids['main'],
      componentIdx: -1,
      isAttribute: false,
    });
    const names = ['main', 'cb', 'tail'];
    return {
      insns,
      type: 6,
      btf: own.builder.build(),
      funcInfo: infoTable(
        starts.map((start, id) => [start, own.ids[names[id]]]),
        8,
      ),
    };
  };
  it('exception callbacks make no tail calls and are called by nobody', () => {
    expect(verdict(exceptional([call(4), ...ret], [mov(0, 0), exit]))).toBe('accepted');
    expect(verdict(exceptional([call(5), ...ret], [call(2), ...ret]))).toBe('22 cannot tail call within exception cb');
    const direct = [call(5), call(2), mov(0, 0), exit];
    expect(verdict(exceptional(direct, [...ret]))).toBe('22 insn 1 cannot call exception cb directly');
  });
});

describe('estimated depths', () => {
  const store = (base: number, off: number): Insn => makeInsn(0x7a, base, 0, off, 0);
  const load = (dst: number, base: number, off: number): Insn => makeInsn(0x79, dst, base, off, 0);
  const random = helper(7);
  it.each<[string, Insn[], number[]]>([
    ['nothing', ret, [0]],
    ['whole slots', [makeInsn(0x72, 10, 0, -9, 1), ...ret], [16]],
    ['the deepest of many', [spill(-8), spill(-40), spill(-24), ...ret], [40]],
    ['a copy of R10', [movx(2, 10), addImm(2, -48), store(2, 0), ...ret], [48]],
    ['a constant in a register', [mov(3, -48), movx(2, 10), addReg(2, 3), store(2, 8), ...ret], [40]],
    ['addresses given to helpers', [movx(1, 10), addImm(1, -64), mov(2, 8), helper(113), ...ret], [64]],
    ['addresses nobody uses', [movx(1, 10), addImm(1, -64), ...ret], [0]],
    ['atomics', [mov(1, 1), makeInsn(0xdb, 10, 1, -24, 0), ...ret], [24]],
    [
      'an index not negative',
      [
        random,
        makeInsn(0x57, 0, 0, 0, 31),
        movx(2, 10),
        addImm(2, -32),
        addReg(2, 0),
        makeInsn(0x72, 2, 0, 0, 0),
        ...ret,
      ],
      [32],
    ],
    [
      'an index checked',
      [
        load(3, 1, 0),
        makeInsn(0x25, 3, 0, 3, 31),
        movx(2, 10),
        addImm(2, -32),
        addReg(2, 3),
        makeInsn(0x72, 2, 0, 0, 0),
        ...ret,
      ].toSpliced(5, 0),
      [32],
    ],
    ['an index without bounds', [load(3, 1, 0), movx(2, 10), addReg(2, 3), makeInsn(0x72, 2, 0, 0, 0), ...ret], [512]],
    [
      'pointers spilled and filled',
      [movx(2, 10), addImm(2, -80), makeInsn(0x7b, 10, 2, -8, 0), load(3, 10, -8), store(3, 0), ...ret],
      [80],
    ],
    [
      'two ways',
      [random, movx(2, 10), makeInsn(0x15, 0, 0, 1, 0), addImm(2, -16), addImm(2, -8), store(2, 0), ...ret],
      [24],
    ],
    ['a loop that goes down', [movx(2, 10), addImm(2, -8), makeInsn(0x15, 1, 0, -2, 0), store(2, 0), ...ret], [512]],
    [
      'a loop that goes up',
      [movx(2, 10), addImm(2, -72), addImm(2, 8), makeInsn(0x15, 1, 0, -2, 0), store(2, 0), ...ret],
      [64],
    ],
    ['frames of callers', [movx(1, 10), addImm(1, -32), call(2), ...ret, store(1, 8), ...ret], [24, 0]],
    ['below what callers gave', [movx(1, 10), addImm(1, -32), call(2), ...ret, store(1, -8), ...ret], [40, 0]],
    [
      'through two calls',
      [movx(1, 10), addImm(1, -32), call(2), ...ret, call(2), ...ret, store(1, 0), ...ret],
      [32, 0, 0],
    ],
    [
      'contexts of callbacks',
      [mov(1, 1), ...func(2, 6), movx(3, 10), addImm(3, -56), mov(4, 0), helper(181), ...ret, store(2, 0), ...ret],
      [56, 0],
    ],
    ['branches constants decide are not taken', [mov(0, 0), makeInsn(0x15, 0, 0, 1, 0), spill(-16), exit], [0]],
    ['others are', [random, makeInsn(0x15, 0, 0, 1, 0), spill(-16), exit], [16]],
  ])('%s', (_, insns, depths) => {
    expect(depthsOf(insns)).toEqual(depths);
  });

  it('recursion that goes down has no bound', () => {
    const insns = [
      movx(1, 10),
      call(2),
      ...ret,
      addImm(1, -8),
      store(1, 0),
      makeInsn(0x15, 1, 0, 1, 0),
      call(-4),
      ...ret,
    ];
    expect(verdict(insns)).toBe('7 the call stack of 9 frames is too deep');
  });

  it('spills around an inlined call go away', () => {
    const insns = [spill(-8), makeInsn(0x7b, 10, 1, -16, 0), helper(8), load(1, 10, -16), ...ret];
    expect(depthsOf(insns)).toEqual([8]);
    expect(depthsOf(insns, { jit: JIT_SUPPORT.ppc64 })).toEqual([16]);
    const used = [spill(-8), makeInsn(0x7b, 10, 1, -16, 0), helper(8), load(1, 10, -16), load(2, 10, -16), ...ret];
    expect(depthsOf(used)).toEqual([16]);
  });

  it('a walk of the paths replaces the estimate', () => {
    const flags = (...values: number[]): Uint8Array => Uint8Array.from(values);
    const options = (depth: number): StructureOptions => ({
      walk: () => ({ stackDepthBytes: [256, depth], isCallback: flags(0, 0), isAsyncCallback: flags(0, 0) }),
    });
    expect(verdict(chain(2), options(256))).toBe('accepted');
    expect(verdict(chain(2), options(264))).toBe('13 combined stack size of 2 calls is 528. Too large');
  });
});

describe('programs made to take long', () => {
  it('calls that branch at every level', () => {
    const wideChain = program(
      ...Array.from({ length: 8 }, (_, i) => [...(i < 7 ? new Array<number>(60).fill(i + 1) : []), ...ret]),
    );
    expect(verdict(wideChain)).toBe('accepted');
  });

  it('pointers that creep through a large function', () => {
    const body = Array.from({ length: 2000 }, (_, i) => [
      addImm(2, -1),
      makeInsn(0x15, 1, 0, -Math.min(i * 2 + 1, 3000), 0),
    ]);
    expect(depthsOf([movx(2, 10), ...body.flat(), makeInsn(0x72, 2, 0, 0, 0), ...ret])).toEqual([512]);
  });
});
