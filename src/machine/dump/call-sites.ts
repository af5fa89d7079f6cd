import { type CallSite, immTarget, type JitedFunc, type JitedProgram } from '../../jit/index.ts';
import type { KernelSpace } from '../../kernels/index.ts';

/** Where a JIT that trusts `imm` would have gone. */
export interface WrongTarget {
  readonly addr: bigint;
  /** `vmalloc_init+0x48`; undefined where nothing is. */
  readonly symbol: string | undefined;
}

/** A call of a compiled program, and how it reaches its callee. */
export interface CallReport {
  /** Number of the calling function. */
  readonly func: number;
  /** Slot in the program. */
  readonly insnIdx: number;
  readonly kind: CallSite['kind'];
  /** Symbol of the callee; of a tail call, which finds its callee in a map, ''. */
  readonly callee: string;
  /** Address of the first instruction of the call. */
  readonly addr: bigint;
  /** Where it goes; 0 for a tail call. */
  readonly target: bigint;
  /** From the call to the callee, in bytes. */
  readonly distance: bigint;
  /** The target's name of the form: `bl`, `toc`, `imm64` … */
  readonly form: string;
  /** Of the whole call: address, transfer, and what restores registers for it. */
  readonly bytes: Uint8Array;
  /** Of calls that may go anywhere; undefined where `imm` holds the whole distance from `__bpf_call_base`. */
  readonly wrong: WrongTarget | undefined;
}

const hex = (value: number): string => `0x${value.toString(16)}`;

/** What lies at an address; kernel text nobody recorded by its distance from the start of it. */
function symbolText(space: KernelSpace, addr: bigint): string | undefined {
  const { callBase, kernel } = space;
  const found = space.symbolize(addr);
  if (found !== undefined) return found.offBytes === 0 ? found.name : `${found.name}+${hex(found.offBytes)}`;
  const text = callBase + BigInt(kernel.textOffset);
  const inText = addr >= text && addr < callBase + BigInt(kernel.etextOffset);
  return inText ? `_text+${hex(Number(addr - text))}` : undefined;
}

/** The callee's own name: calls may enter it behind its first instructions. */
function calleeName({ space, funcs }: JitedProgram, site: CallSite): string {
  if (site.kind === 'tail_call') return '';
  if (site.kind === 'subprog') return funcs[site.subprog]?.symbol ?? '';
  return space.symbolize(site.target)?.name ?? `0x${site.target.toString(16)}`;
}

/**
 * Every call of a compiled program, function by function. For calls within the program and of kernel functions, which may lie
 * anywhere, also where their 32 bits of `imm` would lead: the mistake that 64-bit addresses through the shared table of
 * functions cure.
 */
export function callReports(prog: JitedProgram): CallReport[] {
  return prog.funcs.flatMap(func => func.sites.map(site => reportOf(prog, func, site)));
}

function reportOf(prog: JitedProgram, func: JitedFunc, site: CallSite): CallReport {
  const { space, funcs } = prog;
  const nowhere = site.kind === 'tail_call';
  const addr = func.addr + BigInt(site.offBytes);
  const target = nowhere ? 0n : site.target;
  // What pointers to the callee hold, which is what the kernel would put into `imm`.
  const pointer = site.kind === 'subprog' ? (funcs[site.subprog]?.bpfFunc ?? target) : target;
  const trusted = immTarget(space.callBase, pointer);
  const anywhere = site.kind === 'subprog' || site.kind === 'kfunc';
  return {
    func: func.index,
    insnIdx: func.start + site.insnIdx,
    kind: site.kind,
    callee: calleeName(prog, site),
    addr,
    target,
    distance: nowhere ? 0n : target - addr,
    form: site.form,
    bytes: func.bytes.subarray(site.offBytes, site.endBytes),
    wrong: anywhere && trusted !== pointer ? { addr: trusted, symbol: symbolText(space, trusted) } : undefined,
  };
}
