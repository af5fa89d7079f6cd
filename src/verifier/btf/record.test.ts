import { describe, expect, test } from 'vitest';
import { type Btf, BtfBuilder } from '../../btf/index.ts';
import { bpf_map_type, ERRNO } from '../../uapi/index.ts';
import {
  BPF_KPTR_REF,
  BPF_KPTR_UNREF,
  BPF_LIST_HEAD,
  BPF_LIST_NODE,
  BPF_RB_NODE,
  BPF_SPIN_LOCK,
  BPF_TIMER,
} from '../state/record.ts';
import { recordOfMap } from './record.ts';
import { btfFindStructMeta, loadStructMetas } from './struct-metas.ts';

type Field = readonly [name: string, typeId: number, offBytes: number];

/** A program's BTF in the making, with the special structs in it. */
class Types {
  readonly builder = new BtfBuilder();
  readonly int = this.builder.add({
    kind: 'INT',
    name: 'int',
    sizeBytes: 4,
    signed: true,
    char: false,
    bool: false,
    encoding: 1,
    bitOffset: 0,
    bits: 32,
  });
  readonly lock = this.struct('bpf_spin_lock', 4, []);
  readonly timer = this.struct('bpf_timer', 16, []);
  readonly head = this.struct('bpf_list_head', 16, []);
  readonly node = this.struct('bpf_list_node', 24, []);
  readonly root = this.struct('bpf_rb_root', 16, []);
  readonly rbNode = this.struct('bpf_rb_node', 32, []);
  struct(name: string, sizeBytes: number, fields: readonly Field[]): number {
    const members = fields.map(([member, typeId, off]) => ({ name: member, typeId, bitOffset: off * 8, bitSize: 0 }));
    return this.builder.add({ kind: 'STRUCT', name, sizeBytes, members });
  }
  contains(typeId: number, componentIdx: number, what: string): void {
    this.builder.add({ kind: 'DECL_TAG', name: `contains:${what}`, typeId, componentIdx, isAttribute: false });
  }
  array(typeId: number, nelems: number): number {
    return this.builder.add({ kind: 'ARRAY', name: '', typeId, indexTypeId: this.int, nelems });
  }
  pointer(tag: string, typeId: number): number {
    const tagged = this.builder.add({ kind: 'TYPE_TAG', name: tag, typeId, isAttribute: false });
    return this.builder.add({ kind: 'PTR', name: '', typeId: tagged });
  }
  open(): Btf {
    return this.builder.build();
  }
}

function kernel(): Btf {
  const builder = new BtfBuilder();
  for (const name of ['task_struct', 'sk_buff']) builder.add({ kind: 'STRUCT', name, sizeBytes: 8, members: [] });
  const proto = builder.add({ kind: 'FUNC_PROTO', name: '', returnTypeId: 0, params: [] });
  builder.add({ kind: 'FUNC', name: 'bpf_task_release_dtor', typeId: proto, linkage: 0 });
  return builder.build();
}
const KERNEL = kernel();
const HASH = bpf_map_type.BPF_MAP_TYPE_HASH;

function recordFor(make: (types: Types) => number, mapType: number = HASH, mapFlags = 0) {
  const types = new Types();
  const valueTypeId = make(types);
  const btf = types.open();
  return recordOfMap({ btf, valueTypeId, valueSize: btf.sizeOf(valueTypeId), mapType, mapFlags, kernelBtf: KERNEL });
}

describe('records of map values', () => {
  test('fields by kind and offset, arrays of kptrs repeated', () => {
    const record = recordFor(t => {
      const task = t.struct('task_struct', 0, []);
      const kptrs = t.array(t.pointer('kptr', task), 2);
      return t.struct('value', 40, [
        ['timer', t.timer, 0],
        ['kptrs', kptrs, 16],
        ['lock', t.lock, 32],
      ]);
    });
    expect(record).toMatchObject({
      fieldMask: BPF_TIMER | BPF_KPTR_REF | BPF_SPIN_LOCK,
      timerOff: 0,
      spinLockOff: 32,
      wqOff: -ERRNO.EINVAL,
      fields: [
        { type: BPF_TIMER, offBytes: 0, sizeBytes: 16 },
        { type: BPF_KPTR_REF, offBytes: 16, kptr: { btf: KERNEL, btfId: 1 } },
        { type: BPF_KPTR_REF, offBytes: 24 },
        { type: BPF_SPIN_LOCK, offBytes: 32 },
      ],
    });
  });

  test('a nested struct counts, its fields at their offsets in the value', () => {
    const record = recordFor(t =>
      t.struct('value', 24, [
        ['a', t.int, 0],
        ['inner', t.struct('inner', 16, [['lock', t.lock, 8]]), 8],
      ]),
    );
    expect(record).toMatchObject({ spinLockOff: 16 });
  });

  test.each<[string, number | undefined, (t: Types) => number]>([
    [
      'two locks',
      -ERRNO.E2BIG,
      t =>
        t.struct('value', 8, [
          ['a', t.lock, 0],
          ['b', t.lock, 4],
        ]),
    ],
    ['a list without a lock', -ERRNO.EINVAL, t => list(t, [['head', t.head, 0]], 16)],
    [
      'a list of nothing',
      -ERRNO.EINVAL,
      t =>
        t.struct('value', 24, [
          ['lock', t.lock, 0],
          ['head', t.head, 8],
        ]),
    ],
    [
      'a kptr nobody releases',
      -ERRNO.ENOENT,
      t => t.struct('value', 8, [['p', t.pointer('kptr', t.struct('sk_buff', 0, [])), 0]]),
    ],
    ['a misplaced lock', -ERRNO.EFAULT, t => t.struct('value', 8, [['a', t.lock, 2]])],
    [
      'a kptr with a tag of its own',
      undefined,
      t => t.struct('value', 8, [['p', t.pointer('kptrs', t.struct('sk_buff', 0, [])), 0]]),
    ],
    ['an array of locks', undefined, t => t.struct('value', 8, [['a', t.array(t.lock, 2), 0]])],
    ['no struct', undefined, t => t.int],
  ])('%s: %s (the BTF is refused, or the value has no record)', (_name, expected, make) => {
    expect(recordFor(make)).toBe(expected);
  });

  test('an untrusted kptr needs nobody to release it', () => {
    const make = (t: Types): number =>
      t.struct('value', 8, [['p', t.pointer('kptr_untrusted', t.struct('sk_buff', 0, [])), 0]]);
    expect(recordFor(make)).toMatchObject({ fieldMask: BPF_KPTR_UNREF });
  });

  test('map types and flags that do not go with special fields', () => {
    const make = (t: Types): number => t.struct('value', 16, [['timer', t.timer, 0]]);
    expect(recordFor(make, bpf_map_type.BPF_MAP_TYPE_PERCPU_HASH)).toBe(-ERRNO.EOPNOTSUPP);
    expect(recordFor(make, HASH, 128)).toBe(-ERRNO.EACCES);
    expect(recordFor(make)).toMatchObject({ timerOff: 0 });
  });
});

function list(t: Types, fields: readonly Field[], sizeBytes: number): number {
  t.struct('elem', 32, [
    ['node', t.node, 0],
    ['n', t.int, 24],
  ]);
  const value = t.struct('value', sizeBytes, fields);
  t.contains(value, fields.length - 1, 'elem:node');
  return value;
}

describe('structs of the program', () => {
  test('lists know what they hold', () => {
    const record = recordFor(t =>
      list(
        t,
        [
          ['lock', t.lock, 0],
          ['head', t.head, 8],
        ],
        24,
      ),
    );
    expect(record).toMatchObject({
      fieldMask: BPF_SPIN_LOCK | BPF_LIST_HEAD,
      fields: [{}, { graphRoot: { nodeOffBytes: 0, valueRecord: { fieldMask: BPF_LIST_NODE } } }],
    });
  });

  test('a BTF whose list names no member is refused', () => {
    const t = new Types();
    t.struct('b', 32, [['node', t.rbNode, 0]]);
    const a = t.struct('a', 24, [
      ['lock', t.lock, 0],
      ['head', t.head, 8],
    ]);
    t.contains(a, 1, 'b:list');
    expect(loadStructMetas(t.open(), KERNEL)).toBe(-ERRNO.ENOENT);
  });

  test('types that are held may not hold types that hold', () => {
    const make = (holds: boolean): Btf => {
      const t = new Types();
      const a = t.struct('a', 48, [
        ['node', t.node, 0],
        ['lock', t.lock, 24],
        ['head', t.head, 32],
      ]);
      const fields: Field[] = [
        ['node', t.node, 0],
        ['lock', t.lock, 24],
        ['head', t.head, 32],
      ];
      t.struct('b', 48, holds ? fields : fields.slice(0, 1));
      const b = a + 1;
      t.contains(a, 2, 'b:node');
      if (holds) t.contains(b, 2, 'a:node');
      return t.open();
    };
    expect(loadStructMetas(make(true), KERNEL)).toBe(-ERRNO.ELOOP);
    const btf = make(false);
    expect(loadStructMetas(btf, KERNEL)).toBe(0);
    expect(btfFindStructMeta(btf, btf.findByName('b'))).toMatchObject({ fieldMask: BPF_LIST_NODE });
    expect(btfFindStructMeta(btf, btf.findByName('bpf_timer'))).toBeUndefined();
    expect(btfFindStructMeta(KERNEL, 1)).toBeUndefined();
  });

  test('in two kinds of collections at once only with a count of references', () => {
    const t = new Types();
    t.struct('both', 56, [
      ['node', t.node, 0],
      ['rb', t.rbNode, 24],
    ]);
    expect(loadStructMetas(t.open(), KERNEL)).toBe(-ERRNO.EINVAL);
    const one = new Types();
    one.struct('one', 32, [['rb', one.rbNode, 0]]);
    const btf = one.open();
    expect(loadStructMetas(btf, KERNEL)).toBe(0);
    expect(btfFindStructMeta(btf, btf.findByName('one'))).toMatchObject({ fieldMask: BPF_RB_NODE });
  });
});
