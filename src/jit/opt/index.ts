/** An optimiser of functions as rows: each pass one file; nothing in here knows a CPU. */
export { foldBounds } from './bounds.ts';
export { callSites } from './call-sites.ts';
export { removeDead } from './dead.ts';
export { foldRows } from './fold.ts';
export { APART, calleesFirst, Inlining, inlineCalls, type OptFunction, SMALL_ROWS } from './inline.ts';
export { orderReaders } from './order.ts';
export { OPT_PASSES, type OptPass } from './passes.ts';
export { type FrameReach, frameReach } from './reach.ts';
export { type FramePlan, planFrame } from './slots.ts';
export { unrollLoops } from './unroll.ts';
export { unsetWords } from './unset.ts';
export { shareValues } from './values.ts';
