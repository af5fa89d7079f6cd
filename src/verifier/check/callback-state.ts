import {
  CONST_PTR_TO_MAP,
  PTR_TO_BTF_ID,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  SCALAR_VALUE,
} from '../../helpers/index.ts';
import { bpf_map_type } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { VerifierMap } from '../input.ts';
import type { FuncState, RetvalRange } from '../state/func-state.ts';
import { markRegGraphNode, markRegKnownZeroRaw, markRegNotInitRaw } from '../state/marks.ts';
import { BPF_RB_ROOT } from '../state/record.ts';
import { assignReg, BPF_DYNPTR_TYPE_LOCAL, btfInfo, mapInfo, type RegState } from '../state/reg.ts';
import { markDynptrCbReg } from './dynptr.ts';
import type { SetCalleeState } from './func-call.ts';
import { refSetNonOwning } from './kfunc-graph.ts';
import { regFindFieldOffset } from './reg-record.ts';

// What callbacks are handed, by who calls them back.

const CALLBACK_RETURNS: RetvalRange = { min: 0, max: 1 };

function unused(env: VerifierEnv, callee: FuncState, from: number): void {
  for (let regno = from; regno <= 5; regno++) markRegNotInitRaw(env, callee.regs[regno]);
}

function markPointer(reg: RegState, type: number, map: VerifierMap | undefined): void {
  reg.type = type;
  markRegKnownZeroRaw(reg);
  if (map !== undefined) reg.info = mapInfo(map);
}

/** A callback that runs now, in a frame above its caller. */
function sync(callee: FuncState): void {
  callee.changeHead({ inCallbackFn: true, callbackRetRange: CALLBACK_RETURNS });
}

/** Types whose elements `bpf_for_each_map_elem` can visit. */
const FOR_EACH_TYPES: ReadonlySet<number> = new Set([
  bpf_map_type.BPF_MAP_TYPE_HASH,
  bpf_map_type.BPF_MAP_TYPE_PERCPU_HASH,
  bpf_map_type.BPF_MAP_TYPE_LRU_HASH,
  bpf_map_type.BPF_MAP_TYPE_LRU_PERCPU_HASH,
  bpf_map_type.BPF_MAP_TYPE_ARRAY,
  bpf_map_type.BPF_MAP_TYPE_PERCPU_ARRAY,
]);

/** `callback(map, key, value, ctx)`. Source: `set_map_elem_callback_state, map_set_for_each_callback_args`. */
export const setMapElemCallbackState: SetCalleeState = (env, caller, callee, insnIdx) => {
  const map = env.insnAux[insnIdx].detail.mapPtr;
  if (map === undefined || !FOR_EACH_TYPES.has(map.type)) return env.refuse('callbackNotForMap');
  const passed = caller.regs[1].info.map;
  assignReg(callee.regs[1], caller.regs[1]);
  markPointer(callee.regs[2], PTR_TO_MAP_KEY, passed);
  markPointer(callee.regs[3], PTR_TO_MAP_VALUE, passed);
  assignReg(callee.regs[4], caller.regs[3]);
  unused(env, callee, 5);
  sync(callee);
};

/** `callback(index, ctx)`. Source: `set_loop_callback_state`. */
export const setLoopCallbackState: SetCalleeState = (env, caller, callee) => {
  callee.regs[1].type = SCALAR_VALUE;
  assignReg(callee.regs[2], caller.regs[3]);
  unused(env, callee, 3);
  sync(callee);
};

/** `callback(map, key, value)`, later. Also for work queues. Source: `set_timer_callback_state`. */
export const setTimerCallbackState: SetCalleeState = (env, caller, callee) => {
  const { map } = caller.regs[1].info;
  markPointer(callee.regs[1], CONST_PTR_TO_MAP, map);
  markPointer(callee.regs[2], PTR_TO_MAP_KEY, map);
  markPointer(callee.regs[3], PTR_TO_MAP_VALUE, map);
  unused(env, callee, 4);
  callee.changeHead({ inAsyncCallbackFn: true, callbackRetRange: CALLBACK_RETURNS });
};

/** `callback(task, vma, ctx)`. Source: `set_find_vma_callback_state`. */
export const setFindVmaCallbackState: SetCalleeState = (env, caller, callee) => {
  assignReg(callee.regs[1], caller.regs[1]);
  markPointer(callee.regs[2], PTR_TO_BTF_ID, undefined);
  const kernelBtf = env.kernel.btf;
  if (kernelBtf !== undefined) {
    callee.regs[2].info = btfInfo(kernelBtf, kernelBtf.findByName('vm_area_struct', 'STRUCT'));
  }
  assignReg(callee.regs[3], caller.regs[4]);
  unused(env, callee, 4);
  sync(callee);
};

/** `callback(dynptr, ctx)`. Source: `set_user_ringbuf_callback_state`. */
export const setUserRingbufCallbackState: SetCalleeState = (env, caller, callee) => {
  markRegNotInitRaw(env, callee.regs[0]);
  markDynptrCbReg(env, callee.regs[1], BPF_DYNPTR_TYPE_LOCAL);
  assignReg(callee.regs[2], caller.regs[3]);
  unused(env, callee, 3);
  sync(callee);
};

/**
 * `less(a, b)`: nodes of the tree in R1. The node given is released by now, so the tree says what they are.
 * Source: `set_rbtree_add_callback_state`.
 */
export const setRbtreeAddCallbackState: SetCalleeState = (env, caller, callee) => {
  const root = caller.regs[1];
  const graphRoot = regFindFieldOffset(root, root.off, BPF_RB_ROOT)?.graphRoot;
  if (graphRoot === undefined) return env.refuse('callbackGraphField');
  for (const regno of [1, 2]) {
    markRegGraphNode(callee.regs, regno, graphRoot);
    refSetNonOwning(env, callee.regs[regno]);
  }
  unused(env, callee, 3);
  sync(callee);
};
