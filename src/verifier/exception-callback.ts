import { BTF_LINKAGE, type Btf } from '../btf/index.ts';
import type { FuncRecord } from './btf-info.ts';
import type { Rejection } from './types.ts';
import type { VerifierLog } from './verifier-log.ts';

const TAG = 'exception_callback:';

/** The names after `exception_callback:` in declaration tags of a function itself, ascending by the tags' ids. */
function callbackNames(btf: Btf, funcId: number): string[] {
  const names: string[] = [];
  for (let id = 1; id < btf.typeCount; id++) {
    if (btf.kindOf(id) !== 'DECL_TAG' || btf.types.third(id) !== funcId) continue;
    if (btf.types.extra(id, 0) !== 0xffffffff) continue;
    const tag = btf.nameOf(id);
    if (tag.startsWith(TAG)) names.push(tag.slice(TAG.length));
  }
  return names;
}

/**
 * Slot at which main's exception callback starts, 0 where it names none.
 *
 * Source: `kernel/bpf/verifier.c: bpf_find_exception_callback_insn_off`.
 */
export function findExceptionCallback(funcs: readonly FuncRecord[], log: VerifierLog): Rejection | number {
  if (funcs.length === 0) return 0;
  const { btf, typeId } = funcs[0];
  const [name, second] = callbackNames(btf, typeId);
  if (name === undefined) return 0;
  if (second !== undefined) return log.reject('exceptionCallbackTwice', []);
  const id = btf.findByName(name, 'FUNC');
  if (id === 0) return log.reject('exceptionCallbackMissing', [name]);
  if ((btf.types.vlen(id) & 0xffff) !== BTF_LINKAGE.global) return log.reject('exceptionCallbackLinkage', [name]);
  // Where several records are of that type the last one counts, as in the kernel.
  let slot = -1;
  let refused: Rejection | undefined;
  for (const func of funcs) {
    if (func.typeId !== id) continue;
    slot = func.insnIdx;
    if (slot === 0) refused = log.reject('exceptionCallbackFirst', []);
  }
  if (slot === 0 && refused !== undefined) return refused;
  return slot > 0 ? slot : log.reject('exceptionCallbackInfo', []);
}
