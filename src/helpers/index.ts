/** One file a family of helpers: contract beside behaviour. `table.ts` has them all; `kfuncs/` holds kernel functions. */

export * from './arg-types.ts';
export { checkHelperArgs, DYNPTR_BYTES, defineHelper, SPIN_LOCK_BYTES, TIMER_BYTES } from './check.ts';
export * from './context-layout.ts';
export { KERNEL_PROTOS, type KernelProto, kernelProtoOf } from './kernel-protos.ts';
export * from './kfuncs/contracts.ts';
export { objectMaker } from './kfuncs/objects.ts';
export { dropFieldObjects, type LocalType, type LocalTypes } from './kfuncs/owned-objects.ts';
export { KFUNCS, kfuncDef, unknownKfunc } from './kfuncs/table.ts';
export { forgetWork } from './kfuncs/workqueue.ts';
export * from './lsm-hooks.ts';
export { mapGateDef } from './map-gates.ts';
export { type Redirect, redirectsOf } from './redirect.ts';
export * from './reg-types.ts';
export { takeSequence } from './sequence.ts';
export { DEFAULT_SYSCTL, type Sysctl } from './sysctl-setting.ts';
export { HELPERS, helperByName, helperDef } from './table.ts';
export { forgetTimer, timerExpired } from './timer.ts';
export { type RunAttributes, runAttributes } from './tracing.ts';
export * from './types.ts';
