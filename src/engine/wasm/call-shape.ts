import type { HelperDef } from '../../helpers/index.ts';
import type { CallShape } from '../../jit/index.ts';

/** Registers that carry arguments. */
export const MAX_ARGS = 5;
/** Reads what follows its format, which its contract does not name. */
const TRACE_PRINTK = 6;

/** How a helper is called: as many arguments as the longest of its contracts has. */
export function shapeOf(def: HelperDef | undefined): CallShape {
  if (def === undefined) return { args: MAX_ARGS, returns: true };
  const counts = [def.proto, ...(def.variants ?? []).map(({ proto }) => proto)].map(({ args }) => args.length);
  const args = def.id === TRACE_PRINTK ? MAX_ARGS : Math.min(MAX_ARGS, Math.max(...counts));
  return { args, returns: def.proto.ret !== 'RET_VOID' };
}
