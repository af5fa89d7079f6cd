import { describe, expect, test } from 'vitest';
import { type Btf, BtfBuilder } from '../../btf/index.ts';
import {
  MEM_ALLOC,
  MEM_PERCPU,
  MEM_RCU,
  MEM_USER,
  PTR_TO_BTF_ID,
  PTR_UNTRUSTED,
  SCALAR_VALUE,
} from '../../helpers/index.ts';
import { Refusal, type VerifierEnv } from '../env.ts';
import { MESSAGES, type MessageArgs, type MessageId, messageText } from '../messages.ts';
import { btfInfo, RegState } from '../state/reg.ts';
import { btfNestedTypeIsTrusted, btfStructAccess, btfStructIdsMatch, btfTypeIdsNocastAlias } from './struct-access.ts';

/** As much of an environment as accesses by BTF ask for: it says what is wrong. */
class Listener {
  said: string[] = [];
  say<Id extends MessageId>(id: Id, ...args: MessageArgs<Id>): void {
    this.said.push(messageText(id, ...args));
  }
  fail(errno: number): never {
    throw new Refusal(errno);
  }
  refuse<Id extends MessageId>(id: Id, ...args: MessageArgs<Id>): never {
    this.say(id, ...args);
    throw new Refusal(MESSAGES[id].errno);
  }
  get env(): VerifierEnv {
    return this as unknown as VerifierEnv;
  }
}

type Member = readonly [name: string, typeId: number, offBytes: number, bits?: number, bitShift?: number];

class Types {
  readonly builder = new BtfBuilder();
  readonly int = this.number('int', 4);
  readonly long = this.number('long', 8);
  readonly char = this.number('char', 1);

  number(name: string, sizeBytes: number): number {
    const bits = sizeBytes * 8;
    return this.builder.add({
      kind: 'INT',
      name,
      sizeBytes,
      signed: true,
      char: false,
      bool: false,
      encoding: 1,
      bitOffset: 0,
      bits,
    });
  }
  struct(name: string, sizeBytes: number, members: readonly Member[], kind: 'STRUCT' | 'UNION' = 'STRUCT'): number {
    return this.builder.add({
      kind,
      name,
      sizeBytes,
      members: members.map(([member, typeId, off, bitSize = 0, shift = 0]) => ({
        name: member,
        typeId,
        bitOffset: off * 8 + shift,
        bitSize,
      })),
    });
  }
  array(typeId: number, nelems: number): number {
    return this.builder.add({ kind: 'ARRAY', name: '', typeId, indexTypeId: this.int, nelems });
  }
  pointer(typeId: number, tag?: string): number {
    const target =
      tag === undefined ? typeId : this.builder.add({ kind: 'TYPE_TAG', name: tag, typeId, isAttribute: false });
    return this.builder.add({ kind: 'PTR', name: '', typeId: target });
  }
  typedef(name: string, typeId: number): number {
    return this.builder.add({ kind: 'TYPEDEF', name, typeId });
  }
}

const t = new Types();
const task = t.struct('task', 16, [['id', t.int, 0]]);
const taskT = t.typedef('task_t', task);
const inner = t.struct('inner', 16, [
  ['a', t.int, 0],
  ['b', t.int, 4],
  ['next', t.pointer(task), 8],
]);
const either = t.struct(
  'either',
  8,
  [
    ['number', t.long, 0],
    ['task', t.pointer(task), 0],
  ],
  'UNION',
);
const single = t.struct('', 8, [['only', t.pointer(task), 0]], 'UNION');
const outer = t.struct('outer', 168, [
  ['first', inner, 0],
  ['plain', t.pointer(taskT), 16],
  ['user', t.pointer(task, 'user'), 24],
  ['percpu', t.pointer(task, 'percpu'), 32],
  ['rcu', t.pointer(task, 'rcu'), 40],
  ['other', t.pointer(task, 'something'), 48],
  ['nowhere', t.pointer(0), 56],
  ['cb', t.array(t.int, 4), 64],
  ['pair', t.array(t.typedef('inner_t', inner), 2), 80],
  ['either', either, 112],
  ['', single, 120],
  ['low', t.int, 128, 4, 0],
  ['high', t.int, 128, 20, 4],
  ['grid', t.array(t.array(t.char, 3), 2), 136],
  ['many', t.array(t.pointer(task), 2), 144],
]);
const tail = t.struct('tail', 8, [
  ['count', t.long, 0],
  ['items', t.array(inner, 0), 8],
]);
const bytesTail = t.struct('bytes_tail', 8, [
  ['count', t.long, 0],
  ['data', t.array(t.char, 0), 8],
]);
t.struct('outer__safe_rcu', 8, [['plain', t.pointer(taskT), 0]]);
const conn = t.struct('conn', 4, [['mark', t.int, 0]]);
const connInit = t.struct('conn___init', 4, [['mark', t.int, 0]]);
const btf: Btf = t.builder.build();

const SCALAR = { type: SCALAR_VALUE, btfId: 0, flag: 0, fieldName: '' };
const pointer = (fieldName: string, flag = 0) => ({ type: PTR_TO_BTF_ID, btfId: task, flag, fieldName });

describe('what an access to a struct gives', () => {
  test.each([
    ['a number in a struct inside', outer, 4, 4, SCALAR],
    ['a part of a number', outer, 5, 1, SCALAR],
    ['a pointer in a struct inside', outer, 8, 8, pointer('next')],
    ['a pointer, its target under a typedef', outer, 16, 8, pointer('plain')],
    ['a pointer to user memory', outer, 24, 8, pointer('user', MEM_USER)],
    ['a per-CPU pointer', outer, 32, 8, pointer('percpu', MEM_PERCPU)],
    ['a pointer RCU protects', outer, 40, 8, pointer('rcu', MEM_RCU)],
    ['a tag that says nothing', outer, 48, 8, pointer('other')],
    ['a pointer to void', outer, 56, 8, SCALAR],
    ['across elements of an array of numbers', outer, 66, 8, SCALAR],
    ['a struct in the middle of an array', outer, 80 + 16 + 8, 8, pointer('next')],
    ['a pointer in a union', outer, 112, 8, SCALAR],
    ['a pointer in a union of one', outer, 120, 8, pointer('only')],
    ['a bit-field', outer, 128, 4, SCALAR],
    ['whole bit-fields only', outer, 128, 1, SCALAR],
    ['an array of arrays', outer, 140, 2, SCALAR],
    ['a pointer in an array', outer, 152, 8, pointer('many')],
    ['an element behind the end', tail, 8 + 16 * 1000 + 8, 8, pointer('next')],
    ['bytes behind the end', bytesTail, 4000, 8, SCALAR],
  ] as const)('%s', (_what, struct, off, size, wanted) => {
    const listener = new Listener();
    for (let again = 0; again < 2; again++) {
      expect(btfStructAccess(listener.env, btf, struct, PTR_TO_BTF_ID, off, size)).toEqual(wanted);
    }
    expect(listener.said).toEqual([]);
  });

  test('a pointer that begins a union of several is one nobody vouches for', () => {
    const builder = new Types();
    const target = builder.struct('target', 4, [['x', builder.int, 0]]);
    const union = builder.struct(
      'u',
      8,
      [
        ['ptr', builder.pointer(target), 0],
        ['number', builder.long, 0],
      ],
      'UNION',
    );
    const access = btfStructAccess(new Listener().env, builder.builder.build(), union, PTR_TO_BTF_ID, 0, 8);
    expect(access).toEqual({ type: PTR_TO_BTF_ID, btfId: target, flag: PTR_UNTRUSTED, fieldName: 'ptr' });
  });

  test("a program's own object has no pointers to structs", () => {
    expect(btfStructAccess(new Listener().env, btf, outer, PTR_TO_BTF_ID | MEM_ALLOC, 16, 8)).toEqual(SCALAR);
  });
});

describe('what is refused', () => {
  test.each([
    [outer, 164, 8, 13, 'access beyond struct outer at off 164 size 8'],
    [outer, 16, 4, 13, 'cannot access ptr member plain with moff 16 in struct outer with off 16 size 4'],
    [outer, 20, 8, 13, 'cannot access ptr member plain with moff 16 in struct outer with off 20 size 8'],
    [outer, 152, 4, 13, 'cannot access ptr member many with moff 152 in struct outer with off 152 size 4'],
    [outer, 12, 4, 13, 'cannot access ptr member next with moff 8 in struct inner with off 12 size 4'],
    [outer, 76, 8, 13, 'access beyond the end of member cb (mend:80) in struct outer with off 76 size 8'],
    [outer, 160, 4, 22, "struct outer doesn't have field at offset 160"],
    [outer, 132, 4, 22, "struct outer doesn't have field at offset 132"],
    [outer, 129, 1, 22, "struct outer doesn't have field at offset 129"],
    [tail, 4, 16, 13, 'access beyond struct tail at off 4 size 16'],
    [t.long, 0, 4, 22, "Type 'long' is not a struct"],
  ] as const)('type [%i] at %i, %i bytes', (struct, off, size, errno, message) => {
    const listener = new Listener();
    let failure: unknown;
    try {
      btfStructAccess(listener.env, btf, struct, PTR_TO_BTF_ID, off, size);
    } catch (error) {
      failure = error;
    }
    expect(failure).toEqual(new Refusal(errno));
    expect(listener.said).toEqual([message]);
  });
});

describe('objects at offsets', () => {
  test.each([
    ['the struct itself', outer, 0, outer, true, true],
    ['its first member', outer, 0, inner, false, true],
    ['its first member, strictly', outer, 0, inner, true, false],
    ['an element of an array', outer, 96, inner, false, true],
    ['the middle of an element', outer, 100, inner, false, false],
    ['a number', outer, 4, inner, false, false],
    ['another struct', outer, 0, task, false, false],
  ] as const)('%s', (_what, struct, off, wanted, strict, matches) => {
    const said = new Listener();
    // Elements of the array are known by their typedef: the walk goes on from there.
    const need = off === 96 ? btf.findByName('inner_t') : wanted;
    expect(btfStructIdsMatch(said.env, btf, struct, off, btf, need, strict)).toBe(matches);
  });
});

test('pointers that the kernel lists are to be trusted, by name and type', () => {
  const reg = new RegState();
  reg.info = btfInfo(btf, outer);
  const { env } = new Listener();
  expect(btfNestedTypeIsTrusted(env, reg, 'plain', task, '__safe_rcu')).toBe(true);
  expect(btfNestedTypeIsTrusted(env, reg, 'user', task, '__safe_rcu')).toBe(false);
  expect(btfNestedTypeIsTrusted(env, reg, 'plain', inner, '__safe_rcu')).toBe(false);
  expect(btfNestedTypeIsTrusted(env, reg, 'plain', task, '__safe_trusted')).toBe(false);
});

test('a type and the same before its set-up are aliases; others are not', () => {
  const { env } = new Listener();
  expect(btfTypeIdsNocastAlias(env, btf, conn, btf, connInit)).toBe(true);
  expect(btfTypeIdsNocastAlias(env, btf, connInit, btf, conn)).toBe(true);
  expect(btfTypeIdsNocastAlias(env, btf, conn, btf, conn)).toBe(false);
  expect(btfTypeIdsNocastAlias(env, btf, task, btf, connInit)).toBe(false);
});
