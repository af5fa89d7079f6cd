import type { HelperDef } from '../../helpers/index.ts';
import type { CallShape } from '../../jit/index.ts';

/** Registers that carry arguments. */
export const MAX_ARGS = 5;
/** Reads what follows its format, which its contract does not name. */
const TRACE_PRINTK = 6;
/** Kernel functions have no number. Their contracts here name the arguments that are checked, not all. */
const KFUNC = 0;

/** How a helper is called: as many arguments as the longest of its contracts has, or its code takes. */
export function shapeOf(def: HelperDef | undefined): CallShape {
  if (def === undefined) return { args: MAX_ARGS, returns: true };
  const counts = [def.proto, ...(def.variants ?? []).map(({ proto }) => proto)].map(({ args }) => args.length);
  const any = def.id === TRACE_PRINTK || def.id === KFUNC;
  const args = any ? MAX_ARGS : Math.min(MAX_ARGS, Math.max(...counts, def.run.length - 1));
  return { args, returns: def.proto.ret !== 'RET_VOID' };
}
