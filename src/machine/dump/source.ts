import type { Btf } from '../../btf/index.ts';
import type { ProgInfo } from '../../jit/index.ts';
import type { KernelSpace } from '../../kernels/index.ts';
import type { ByteOrder } from '../../util/index.ts';

/** Kernel symbols as a tool reads them from `/proc/kallsyms`. */
export interface DumpSymbols {
  /** The symbol that begins exactly there; undefined for everything when addresses are hidden. */
  symbolAt(addr: bigint): string | undefined;
  /** Address of `__bpf_call_base`; 0 when addresses are hidden. */
  readonly callBase: bigint;
}

/** What a dump is made of: the kernel's answer about a program, its BTF, and symbols. */
export interface DumpSource {
  readonly info: ProgInfo;
  /** The program's own BTF. */
  readonly btf: Btf | undefined;
  readonly symbols: DumpSymbols;
  /** Byte order of the machine. Default little. */
  readonly order?: ByteOrder;
}

/** What a tool sees where `kernel.kptr_restrict` hides addresses. */
export const HIDDEN_SYMBOLS: DumpSymbols = { symbolAt: () => undefined, callBase: 0n };

/** The symbols of a simulated address space. */
export function symbolsOf(space: KernelSpace): DumpSymbols {
  return {
    callBase: space.callBase,
    symbolAt(addr) {
      const found = space.symbolize(addr);
      return found?.offBytes === 0 ? found.name : undefined;
    },
  };
}
