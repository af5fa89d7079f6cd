import type { PrintOptions } from '../../asm/index.ts';
import {
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_IDX_VALUE,
  BPF_PSEUDO_MAP_VALUE,
  type Insn,
  isPseudoCall,
  isPseudoFunc,
  isWide,
} from '../../isa/index.ts';
import type { DumpEncoding, ProgInfo } from '../../jit/index.ts';
import { helperName } from '../../uapi/index.ts';
import { hex64 } from '../../util/index.ts';
import type { DumpSource } from './source.ts';

/** A local call of a dump, whichever field holds what. */
export interface LocalCall {
  /** In slots, from the next one. */
  readonly distance: number;
  /** The callee's number. */
  readonly subprog: number;
}

/** The two halves of a local call in a dump. */
export function localCall(insn: Insn, encoding: DumpEncoding): LocalCall {
  return encoding === '6.12' ? { distance: insn.off, subprog: insn.imm } : { distance: insn.imm, subprog: insn.off };
}

/**
 * Which field of local calls holds the distance and which the callee's number. A dump does not say what kernel it is from,
 * so the values decide: where the distance leads, a function with that number has to begin. `6.12` for programs that fit
 * both, or neither: interpreted ones have no numbers, and distances beyond 16 bits are not whole.
 */
export function encodingOf(info: Pick<ProgInfo, 'xlated' | 'funcInfo'>): DumpEncoding {
  const calls = callsOf(info.xlated);
  const fits = (encoding: DumpEncoding): boolean => {
    const starts = functionStarts(info, encoding);
    return calls.every(({ idx, insn }) => {
      const { distance, subprog } = localCall(insn, encoding);
      const start = starts[subprog];
      if (start === undefined) return false;
      return start === idx + 1 + distance;
    });
  };
  return !fits('6.12') && fits('7.1') ? '7.1' : '6.12';
}

function callsOf(insns: readonly Insn[]): { idx: number; insn: Insn }[] {
  const calls: { idx: number; insn: Insn }[] = [];
  for (let idx = 0; idx < insns.length; idx++) {
    const insn = insns[idx];
    if (isPseudoCall(insn)) calls.push({ idx, insn });
    if (isWide(insn)) idx++;
  }
  return calls;
}

/** First slots of a program's functions: as func_info has them, else where calls and function addresses lead. */
export function functionStarts(info: Pick<ProgInfo, 'xlated' | 'funcInfo'>, encoding: DumpEncoding): number[] {
  if (info.funcInfo.length > 0) return info.funcInfo.map(func => func.insnIdx);
  const starts = new Set([0]);
  const { xlated } = info;
  for (let idx = 0; idx < xlated.length; idx++) {
    const insn = xlated[idx];
    const distance = isPseudoCall(insn)
      ? localCall(insn, encoding).distance
      : isPseudoFunc(insn)
        ? insn.imm
        : undefined;
    const start = distance === undefined ? -1 : idx + 1 + distance;
    if (start >= 0 && start < xlated.length) starts.add(start);
    if (isWide(insn)) idx++;
  }
  return [...starts].sort((a, b) => a - b);
}

const signed = (value: number): string => (value < 0 ? String(value) : `+${value}`);

export interface NamingOptions {
  /**
   * Byte for byte as bpftool 7.5 prints it, mistakes included. Default false.
   *
   * - Source lines are left out of a whole program when two of them share an address.
   * - Graphs: prototypes and source lines of every function are looked up by the slot counted from its start, as if it were
   *   main; `exit` leads to whatever block lies behind it, calls lead there twice, `gotol` to the next instruction.
   */
  readonly asBpftool?: boolean;
  /** Print instructions as this release does, `6.12`: `BUG_…` for those it has not got. Default: the newest. */
  readonly linux?: string;
}

/**
 * How a dump names callees and immediates. A callee's name comes from the addresses of functions, which `imm` could not
 * hold where images lie far from `__bpf_call_base`; only helpers are found at `__bpf_call_base + imm`.
 *
 * Source: `tools/bpf/bpftool/xlated_dumper.c: print_call, print_imm`.
 */
export function dumpNaming(source: DumpSource, options: NamingOptions = {}): PrintOptions {
  const { info, symbols } = source;
  const encoding = encodingOf(info);
  return {
    dialect: 'kernel',
    linux: options.linux,
    helperName,
    cbCall(insn) {
      const base = symbols.callBase + BigInt(insn.imm);
      if (insn.src !== BPF_PSEUDO_CALL) return symbols.symbolAt(base) ?? hex64(base);
      const { distance, subprog } = localCall(insn, encoding);
      if (info.jitedKsyms.length === 0) return signed(distance);
      const addr = info.jitedKsyms[subprog] ?? base;
      return `${signed(distance)}#${symbols.symbolAt(addr) ?? hex64(addr)}`;
    },
    cbImm(insn, imm64, idx) {
      const id = insn.imm >>> 0;
      const off = (info.xlated[idx + 1]?.imm ?? 0) >>> 0;
      switch (insn.src) {
        case BPF_PSEUDO_MAP_FD:
          return `map[id:${id}]`;
        case BPF_PSEUDO_MAP_VALUE:
          return `map[id:${id}][0]+${off}`;
        case BPF_PSEUDO_MAP_IDX_VALUE:
          return `map[idx:${id}]+${off}`;
        case BPF_PSEUDO_FUNC:
          return `subprog[${signed(insn.imm)}]`;
        default:
          return hex64(imm64);
      }
    },
  };
}
