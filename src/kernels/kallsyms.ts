import type { Ksym } from './types.ts';

export interface FormatKallsymsOptions {
  /** Print addresses as zeroes, as the kernel does for readers that `kptr_restrict` keeps them from. */
  readonly hide?: boolean;
}

/** One symbol as `/proc/kallsyms` has it, without the newline: address, kind, name, and a tab and `[module]` if any. */
export function formatKsym(ksym: Ksym, options: FormatKallsymsOptions = {}): string {
  const addr = (options.hide === true ? 0n : BigInt.asUintN(64, ksym.addr)).toString(16).padStart(16, '0');
  return `${addr} ${ksym.kind} ${ksym.name}${ksym.module === '' ? '' : `\t[${ksym.module}]`}`;
}

/** Symbols as `/proc/kallsyms` lists them, each line ended by a newline. Source: `kernel/kallsyms.c: s_show`. */
export function formatKallsyms(ksyms: readonly Ksym[], options: FormatKallsymsOptions = {}): string {
  return ksyms.map(ksym => `${formatKsym(ksym, options)}\n`).join('');
}

/** `KSYM_NAME_LEN`: bytes of a symbol's name with its NUL. */
const KSYM_NAME_BYTES = 512;

/**
 * The symbol of a compiled function: `bpf_prog_<tag>`, then `_<name>` if it has one. Source: `kernel/bpf/core.c:
 * bpf_prog_ksym_set_name`.
 *
 * @param tagHex 16 hex digits
 * @param name BTF name of the function where func_info has it, else `F` for a subprogram and the program's name for main
 */
export function bpfSymbolName(tagHex: string, name?: string): string {
  const symbol = `bpf_prog_${tagHex}${name === undefined || name === '' ? '' : `_${name}`}`;
  return symbol.slice(0, KSYM_NAME_BYTES - 1);
}
