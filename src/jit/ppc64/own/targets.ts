import { ERRNO } from '../../../uapi/index.ts';
import { hi32, lo32 } from '../../../util/index.ts';
import { ir } from '../../rows/index.ts';
import { type Callee, type CallSite, type FuncInput, JitError, type TargetEnv } from '../../types.ts';

/** Where a call goes. */
export interface Target {
  readonly kind: CallSite['kind'];
  readonly hi: number;
  readonly lo: number;
  readonly address: bigint;
  /** Its number, or −1 outside the program. */
  readonly subprog: number;
  /** Outside the kernel's text or the object's: r2 has to be loaded again. On a kernel's ELFv1 the address is that of a descriptor. */
  readonly changesToc: boolean;
  /** Equal for calls of the same function. */
  readonly key: string;
}

function targetAt(
  kind: CallSite['kind'],
  address: bigint,
  key: string,
  more: Partial<Pick<Target, 'subprog' | 'changesToc'>>,
): Target {
  return { kind, hi: hi32(address), lo: lo32(address), address, key, subprog: -1, changesToc: false, ...more };
}

/**
 * Helpers and kfuncs a function calls, each once; `aux` of their rows becomes the index. No placement changes them.
 * Throws JitError for one nobody knows.
 */
export function kernelTargets(func: FuncInput, env: TargetEnv, rows: ir.Ir): readonly Target[] {
  const targets: Target[] = [];
  let helpers: Map<number, number> | undefined;
  let kfuncs: Map<string, number> | undefined;
  const { layout, kernel, callBase } = env.space;
  const changesToc = env.objectToc !== undefined;
  const { kind, imm, off, aux } = rows;
  for (let i = 0; i < rows.n; i++) {
    if (kind[i] === ir.CALL_HELPER) {
      helpers ??= new Map();
      let index = helpers.get(imm[i]);
      if (index === undefined) {
        index = targets.push(targetAt('helper', callBase + BigInt(imm[i]), `h${imm[i]}`, { changesToc })) - 1;
        helpers.set(imm[i], index);
      }
      aux[i] = index;
    } else if (kind[i] === ir.CALL_KFUNC) {
      const key = `k${imm[i]} ${off[i]}`;
      kfuncs ??= new Map();
      let index = kfuncs.get(key);
      if (index === undefined) {
        const address = func.kfuncAddr(imm[i], off[i]);
        if (address === undefined)
          throw new JitError(ERRNO.EINVAL, `insn ${i} calls kernel function #${imm[i]}, which nobody knows`);
        const textEnd = callBase + BigInt(kernel.syntheticEndOffset);
        const ofModule = address < layout.textBase || address >= textEnd;
        index = targets.push(targetAt('kfunc', address, key, { changesToc: changesToc || ofModule })) - 1;
        kfuncs.set(key, index);
      }
      aux[i] = index;
    }
  }
  return targets;
}

function calleeAt(callees: readonly Callee[], subprog: number): Callee {
  const callee = callees[subprog];
  if (callee === undefined) throw new JitError(ERRNO.EINVAL, `there is no function ${subprog}`);
  return callee;
}

/** What a pointer to a function of the program holds. */
export function functionPointer(
  callees: readonly Callee[],
  subprog: number,
): { readonly hi: number; readonly lo: number } {
  const { bpfFunc } = calleeAt(callees, subprog);
  return { hi: hi32(bpfFunc), lo: lo32(bpfFunc) };
}

/** Where a call of a subprog enters: behind what sets up r2 if the caller has it. */
export function subprogTarget(callees: readonly Callee[], subprog: number, toc: boolean): Target {
  const callee = calleeAt(callees, subprog);
  return targetAt('subprog', toc ? callee.localEntry : callee.entry, `s${subprog}`, { subprog });
}
