import { ERRNO } from '../../uapi/index.ts';
import { ANY, FUNC, fixed } from '../proto.ts';
import { type HelperDef, type HelperEnv, ProgramFault } from '../types.ts';
import { returning, silent } from './define.ts';
import { readLink, writeLink } from './links.ts';
import { addToList, listEnd, removeFromList } from './list-links.ts';
import { acquireObject, dropObject, type LocalTypes, newObject } from './owned-objects.ts';
import { eraseNode, firstNode, insertNode, leftOf, rightOf, topNode } from './rb-tree.ts';

const HEAD = fixed(16, 'MEM_WRITE');
const LIST_NODE = fixed(24, 'MEM_WRITE');
const RB_NODE = fixed(32, 'MEM_WRITE');
/** Where nodes say which list or tree holds them. */
const LIST_OWNER = 16;
const RB_OWNER = 24;
/** In a list or tree that is just being changed: no owner's address. */
const TAKEN = 1;

/** Marks a node as held; false, and its object dropped, if something holds it already. */
function take(env: HelperEnv, node: number, ownerAt: number): boolean {
  if (readLink(env, ownerAt) === 0) {
    writeLink(env, ownerAt, TAKEN);
    return true;
  }
  dropObject(env, node);
  return false;
}

function push(tail: boolean): HelperDef['run'] {
  return (env, head, node) => {
    listEnd(env, head, tail);
    if (!take(env, node, node + LIST_OWNER)) return -ERRNO.EINVAL;
    addToList(env, head, node, tail);
    writeLink(env, node + LIST_OWNER, head);
    return 0;
  };
}

function pop(tail: boolean): HelperDef['run'] {
  return (env, head) => {
    const node = listEnd(env, head, tail);
    if (node === 0 || readLink(env, node + LIST_OWNER) !== head) return 0;
    removeFromList(env, node);
    writeLink(env, node + LIST_OWNER, 0);
    return node;
  };
}

function addNode(env: HelperEnv, root: number, node: number, less: number): number {
  if (!take(env, node, node + RB_OWNER)) return -ERRNO.EINVAL;
  insertNode(env, root, node, (a, b) => env.callFunc(less, a, b) !== 0);
  writeLink(env, node + RB_OWNER, root);
  return 0;
}

function removeNode(env: HelperEnv, root: number, node: number): number {
  if (readLink(env, node + RB_OWNER) !== root) return 0;
  eraseNode(env, root, node);
  writeLink(env, node + RB_OWNER, 0);
  return node;
}

/** The neighbour of a node that some tree holds. */
function child(which: (env: HelperEnv, node: number) => number): HelperDef['run'] {
  return (env, root, node) => (readLink(env, node + RB_OWNER) === root ? which(env, node) : 0);
}

const untyped: HelperDef['run'] = () => {
  throw new ProgramFault('bad-call', 'objects of own types need the BTF of the program that makes them');
};

/** Objects of the program's own types, lists and trees of them (`kernel/bpf/helpers.c`). */
export const OBJECT_KFUNCS: readonly HelperDef[] = [
  returning('bpf_obj_new_impl', '6.2', [ANY, ANY], untyped),
  returning('bpf_percpu_obj_new_impl', '6.7', [ANY, ANY], untyped),
  silent('bpf_obj_drop_impl', '6.2', [ANY, ANY], (env, addr) => {
    dropObject(env, addr);
    return 0;
  }),
  silent('bpf_percpu_obj_drop_impl', '6.7', [ANY, ANY], (env, addr) => {
    dropObject(env, addr);
    return 0;
  }),
  returning('bpf_refcount_acquire_impl', '6.4', [ANY, ANY], acquireObject),
  returning('bpf_list_push_front_impl', '6.2', [HEAD, LIST_NODE, ANY, ANY], push(false)),
  returning('bpf_list_push_back_impl', '6.2', [HEAD, LIST_NODE, ANY, ANY], push(true)),
  returning('bpf_list_pop_front', '6.2', [HEAD], pop(false)),
  returning('bpf_list_pop_back', '6.2', [HEAD], pop(true)),
  returning('bpf_list_front', '6.16', [HEAD], (env, head) => listEnd(env, head, false)),
  returning('bpf_list_back', '6.16', [HEAD], (env, head) => listEnd(env, head, true)),
  returning('bpf_rbtree_add_impl', '6.3', [HEAD, RB_NODE, FUNC, ANY, ANY], addNode),
  returning('bpf_rbtree_remove', '6.3', [HEAD, RB_NODE], removeNode),
  returning('bpf_rbtree_first', '6.3', [HEAD], firstNode),
  returning('bpf_rbtree_root', '6.16', [HEAD], topNode),
  returning('bpf_rbtree_left', '6.16', [HEAD, RB_NODE], child(leftOf)),
  returning('bpf_rbtree_right', '6.16', [HEAD, RB_NODE], child(rightOf)),
];

/** Of the functions that make objects: whether copies exist for each CPU. */
const MAKERS: ReadonlyMap<string, boolean> = new Map([
  ['bpf_obj_new_impl', false],
  ['bpf_percpu_obj_new_impl', true],
]);

/** The kernel function `name` for programs of one BTF, if it makes objects of types that are in it. */
export function objectMaker(name: string, types: LocalTypes): HelperDef | undefined {
  const percpu = MAKERS.get(name);
  const known = OBJECT_KFUNCS.find(def => def.name === name);
  if (percpu === undefined || known === undefined) return undefined;
  return returning(name, known.since, [ANY, ANY], (env, typeId) => {
    const type = types.struct(typeId);
    if (type === undefined)
      throw new ProgramFault('bad-argument', `${name}: type ${typeId} is no struct of the program`);
    return newObject(env, type, percpu ? env.cpuCount : 0);
  });
}
