import { describe, expect, it } from 'vitest';
import { TestHelperEnv } from '../../../test/support/helper-env.ts';
import { ProgramFault } from '../types.ts';
import { objectMaker } from './objects.ts';
import { dropFieldObjects, type LocalType } from './owned-objects.ts';

const EINVAL = -22n;
/** A list node, a tree node, a count of references, a pointer, a list of its own with the lock it needs. */
const NODE: LocalType = {
  name: 'node',
  sizeBytes: 96,
  fields: [
    { kind: 'list_node', offBytes: 0, sizeBytes: 24 },
    { kind: 'rb_node', offBytes: 24, sizeBytes: 32 },
    { kind: 'refcount', offBytes: 56, sizeBytes: 4 },
    { kind: 'kptr', offBytes: 64, sizeBytes: 8 },
    { kind: 'list_head', offBytes: 72, sizeBytes: 16 },
    { kind: 'spin_lock', offBytes: 88, sizeBytes: 4 },
  ],
};
const TREE = 24;
const COUNT = 56;
const KPTR = 64;
const INNER = 72;

function setting() {
  const env = new TestHelperEnv();
  const types = { struct: (id: number) => (id === 7 ? NODE : undefined) };
  const maker = objectMaker('bpf_obj_new_impl', types);
  const percpu = objectMaker('bpf_percpu_obj_new_impl', types);
  if (maker === undefined || percpu === undefined) throw new Error('no makers');
  const make = (): number => Number(env.call(maker, 7, 0));
  const head = env.memory(16).start;
  const alive = (addr: number): boolean => {
    try {
      env.call('bpf_refcount_acquire_impl', addr, 0);
      env.call('bpf_obj_drop_impl', addr, 0);
      return true;
    } catch (error) {
      if (error instanceof ProgramFault) return false;
      throw error;
    }
  };
  return { env, maker, percpu, make, head, alive, count: (at: number) => env.mem.view.getInt32(at + COUNT, true) };
}

describe('objects of own types', () => {
  it('begin with their special fields set up, and die with the last reference', () => {
    const { env, make, alive, count } = setting();
    const object = make();
    expect(count(object)).toBe(1);
    expect(env.mem.view.getUint32(object, true)).toBe(object);
    expect(env.mem.view.getUint32(object + TREE, true)).toBe(object + TREE);
    expect(env.call('bpf_refcount_acquire_impl', object, 0)).toBe(BigInt(object));
    env.call('bpf_obj_drop_impl', object, 0);
    expect(alive(object)).toBe(true);
    env.call('bpf_obj_drop_impl', object, 0);
    expect(alive(object)).toBe(false);
    expect(() => env.call('bpf_obj_drop_impl', object, 0)).toThrow(ProgramFault);
  });

  it('stay readable for a while after they died, and not for ever', () => {
    const { env, make } = setting();
    const object = make();
    env.call('bpf_obj_drop_impl', object, 0);
    expect(env.mem.accessible(object, 8, 'read')).toBeDefined();
    const churn = (): number => {
      for (let i = 0; i < 300; i++) env.call('bpf_obj_drop_impl', make(), 0);
      return env.mem.usedBytes;
    };
    expect(churn()).toBe(churn());
  });

  it('fail to be made when there are too many', () => {
    const { env, make } = setting();
    let made = 0;
    while (make() !== 0) made++;
    expect(made).toBeGreaterThan(100_000);
    expect(env.mem.usedBytes).toBeLessThan(200 << 20);
  });

  it('exist once for each CPU if they are per-CPU', () => {
    const { env, percpu } = setting();
    const object = env.call(percpu, 7, 0);
    const places = [0, 1, env.cpuCount - 1].map(cpu => env.call('bpf_per_cpu_ptr', object, cpu));
    expect(new Set(places).size).toBe(new Set([0, 1, env.cpuCount - 1]).size);
    expect(places.every(at => env.mem.accessible(Number(at), NODE.sizeBytes, 'write') !== undefined)).toBe(true);
    expect(env.call('bpf_per_cpu_ptr', object, env.cpuCount)).toBe(0n);
    expect(env.call('bpf_this_cpu_ptr', object)).toBe(places[0]);
  });

  it('are made of structs of the program only', () => {
    const { env, maker } = setting();
    expect(() => env.call(maker, 8, 0)).toThrow(/type 8 is no struct/);
    expect(() => env.call('bpf_obj_new_impl', 7, 0)).toThrow(/need the BTF/);
    expect(objectMaker('bpf_obj_drop_impl', { struct: () => NODE })).toBeUndefined();
  });
});

describe('lists', () => {
  it('take at both ends and give at both', () => {
    const { env, make, head } = setting();
    const [a, b, c] = [make(), make(), make()].map(BigInt);
    expect(env.call('bpf_list_pop_front', head)).toBe(0n);
    env.call('bpf_list_push_back_impl', head, b, 0, 0);
    env.call('bpf_list_push_back_impl', head, c, 0, 0);
    env.call('bpf_list_push_front_impl', head, a, 0, 0);
    expect(env.call('bpf_list_front', head)).toBe(a);
    expect(env.call('bpf_list_back', head)).toBe(c);
    expect(env.call('bpf_list_pop_back', head)).toBe(c);
    expect(env.call('bpf_list_pop_front', head)).toBe(a);
    expect(env.call('bpf_list_pop_front', head)).toBe(b);
    expect(env.call('bpf_list_pop_front', head)).toBe(0n);
  });

  it('refuse what is in a list, and drop the reference', () => {
    const { env, make, head, count } = setting();
    const object = make();
    env.call('bpf_list_push_back_impl', head, object, 0, 0);
    env.call('bpf_refcount_acquire_impl', object, 0);
    expect(count(object)).toBe(2);
    expect(env.call('bpf_list_push_front_impl', head, object, 0, 0)).toBe(EINVAL);
    expect(count(object)).toBe(1);
  });

  it('and pointers let go of everything when they die', () => {
    const { env, make, head, alive } = setting();
    const [outer, inner, kept, shared] = [make(), make(), make(), make()];
    env.call('bpf_list_push_back_impl', outer + INNER, inner, 0, 0);
    env.call('bpf_kptr_xchg', inner + KPTR, kept);
    env.call('bpf_refcount_acquire_impl', shared, 0);
    env.call('bpf_list_push_back_impl', outer + INNER, shared, 0, 0);
    env.call('bpf_list_push_back_impl', head, outer, 0, 0);
    dropFieldObjects(env, 'list_head', head);
    expect([outer, inner, kept, shared].map(alive)).toEqual([false, false, false, true]);
    expect(env.call('bpf_list_pop_front', head)).toBe(0n);
  });

  it('that lead outside or in circles end the run', () => {
    const { env, make, head } = setting();
    const [a, b] = [make(), make()];
    for (const node of [a, b]) env.call('bpf_list_push_back_impl', head, node, 0, 0);
    env.mem.view.setUint32(b, a, true);
    expect(() => dropFieldObjects(env, 'list_head', head)).toThrow(/no end/);
    env.mem.view.setUint32(head, 0x7000_0000, true);
    expect(() => env.call('bpf_list_pop_front', head)).toThrow(ProgramFault);
  });
});

describe('trees', () => {
  it('ask the program where nodes belong', () => {
    const { env, make, head } = setting();
    const less = env.memory(8, { kind: 'func' }).start;
    const [a, b] = [make() + TREE, make() + TREE];
    expect(env.call('bpf_rbtree_first', head)).toBe(0n);
    expect(env.call('bpf_rbtree_add_impl', head, a, less, 0, 0)).toBe(0n);
    env.returns.push(1);
    expect(env.call('bpf_rbtree_add_impl', head, b, less, 0, 0)).toBe(0n);
    expect(env.calls).toEqual([[b, a]]);
    expect(env.call('bpf_rbtree_first', head)).toBe(BigInt(b));
    expect(env.call('bpf_rbtree_root', head)).toBe(BigInt(a));
    expect(env.call('bpf_rbtree_left', head, a)).toBe(BigInt(b));
    expect(env.call('bpf_rbtree_right', head, a)).toBe(0n);
    expect(env.call('bpf_rbtree_remove', head, b)).toBe(BigInt(b));
    expect(env.call('bpf_rbtree_remove', head, b)).toBe(0n);
    expect(env.call('bpf_rbtree_first', head)).toBe(BigInt(a));
  });

  it('refuse what a tree holds, and let go of all when they die', () => {
    const { env, make, head, alive, count } = setting();
    const less = env.memory(8, { kind: 'func' }).start;
    const objects = Array.from({ length: 9 }, make);
    for (const object of objects) env.call('bpf_rbtree_add_impl', head, object + TREE, less, 0, 0);
    env.call('bpf_refcount_acquire_impl', objects[3], 0);
    expect(env.call('bpf_rbtree_add_impl', head, objects[3] + TREE, less, 0, 0)).toBe(EINVAL);
    expect(count(objects[3])).toBe(1);
    dropFieldObjects(env, 'rb_root', head);
    expect(objects.some(alive)).toBe(false);
    expect(env.call('bpf_rbtree_first', head)).toBe(0n);
  });
});
