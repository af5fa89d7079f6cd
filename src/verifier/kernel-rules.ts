import { INSN_TABLE } from '../isa/index.ts';

/**
 * What the verifiers of different releases do differently: one field a difference, named after what changed or after the
 * kernel's function, with the release it came with. Code asks a field, never a version.
 *
 * Source: `kernel/bpf/*.c` of Debian's 6.1.176, 6.12.107 and 7.2.13.
 */
export interface KernelRules {
  /** 6012 for 6.12; see {@link releaseNumber}. */
  readonly release: number;
  /** Codes of instructions the kernel has, whatever their other fields. */
  readonly knownCodes: Uint8Array;
  /** Helpers have numbers below this (`__BPF_FUNC_MAX_ID`). */
  readonly helperCount: number;
  /** Sign-extending moves and loads, signed division, unconditional byte swaps, long jumps. 6.6. */
  readonly cpuV4: boolean;
  /** Programs of all kinds may ask who runs them (`bpf_base_func_proto`, `cgroup_current_func_proto`). 6.10. */
  readonly baseHelpersComplete: boolean;
  /** Helpers every kind of program may call, that only tracing programs could (`bpf_base_func_proto`). 6.16. */
  readonly tracingHelpersForAll: boolean;
  /** Every pointer handed to a kernel function has to be trusted (`KF_TRUSTED_ARGS` of all). 7.0. */
  readonly kfuncArgsTrusted: boolean;
  /** Raw tracepoints may call what tracing programs may, sock_ops programs what cgroup programs may. 6.13, 6.15. */
  readonly kfuncsForRawTracepoints: boolean;
  /** Bits of the linear range of flow keys: sums with variables (`check_flow_keys_access`). 7.1. */
  readonly flowKeysArithmetic: boolean;
  /** Comparisons of two variables teach something of both (`reg_set_min_max`). 6.8. */
  readonly comparesVariables: boolean;
  /** With CAP_PERFMON stack may be read that no instruction before reached (`check_stack_slot_within_bounds`). 6.8. */
  readonly readsUnallocatedStack: boolean;
  /** Comparing two pointers tells one cannot be NULL if the other cannot (`check_cond_jmp_op`). 6.2. */
  readonly infersNotNull: boolean;
  /** `_r`, `_w`, `_D` behind names of registers in the log (`print_liveness`). Until 6.17. */
  readonly printsLiveness: boolean;
  /**
   * Packets are regions of memory to `check_packet_access`: messages say which end of an access is outside. 7.1.
   */
  readonly packetsAreRegions: boolean;
  /** What may not be left open is checked in one place, which says who would leave it (`check_resource_leak`). 6.13. */
  readonly checksResourceLeak: boolean;
  /** What LSM programs return has to suit their hook (`bpf_lsm_get_retval_range`). 6.12. */
  readonly checksLsmReturn: boolean;
  /** Some LSM hooks are closed to programs (`bpf_lsm_disabled_hooks`). 6.12. */
  readonly disablesLsmHooks: boolean;
  /** Accesses of contexts become those of the kernel's structs as this project knows them: those of 6.12 and later. */
  readonly convertsContexts: boolean;
  /** Arguments of kernel functions are told by register, no longer by number (`reg_arg_name`). 7.1. */
  readonly namesRegisters: boolean;
  /** Without error injection, system calls may still be modified (`has_arch_syscall_prefix`). 7.1. */
  readonly modifiesSyscalls: boolean;
  /** A look-up in an array with a known key cannot fail (`can_elide_value_nullness`). 6.14. */
  readonly elidesNullOfLookups: boolean;
  /** Load-acquire and store-release (`check_atomic_load`, `check_atomic_store`). 6.15. */
  readonly acquireRelease: boolean;
  /** A helper the program's type does not have is refused in those words. 6.8. */
  readonly namesProgTypeOfHelper: boolean;
  /** What a helper only reads of the stack stays known, and messages tell reads and writes (`check_stack_range_initialized`). 6.14. */
  readonly tellsHelperReads: boolean;
  /** Names of LSM hooks no program may be attached to, that 6.12 takes. */
  readonly lsmDisabled: ReadonlySet<string>;
}

/** `6.12` as a number that compares: 6012. */
export function releaseNumber(version: string): number {
  const [major, minor = '0'] = version.split('.');
  return Number(major) * 1000 + Number.parseInt(minor, 10);
}

/** Codes a kernel knows; calls through registers no kernel takes. */
function knownCodes(release: number): Uint8Array {
  const known = new Uint8Array(256);
  for (const def of INSN_TABLE) {
    if (def.kind !== 'callx' && releaseNumber(def.since) <= release) known[def.code] = 1;
  }
  return known;
}

const NOTHING: ReadonlySet<string> = new Set();

const V6_12: KernelRules = {
  release: 6012,
  knownCodes: knownCodes(6012),
  helperCount: 212,
  baseHelpersComplete: true,
  cpuV4: true,
  tracingHelpersForAll: false,
  kfuncArgsTrusted: false,
  kfuncsForRawTracepoints: false,
  flowKeysArithmetic: false,
  comparesVariables: true,
  readsUnallocatedStack: true,
  infersNotNull: true,
  printsLiveness: true,
  packetsAreRegions: false,
  checksResourceLeak: false,
  checksLsmReturn: true,
  disablesLsmHooks: true,
  convertsContexts: true,
  namesRegisters: false,
  elidesNullOfLookups: false,
  acquireRelease: false,
  tellsHelperReads: false,
  namesProgTypeOfHelper: true,
  modifiesSyscalls: false,
  lsmDisabled: NOTHING,
};

const V6_1: KernelRules = {
  ...V6_12,
  release: 6001,
  knownCodes: knownCodes(6001),
  helperCount: 210,
  baseHelpersComplete: false,
  cpuV4: false,
  comparesVariables: false,
  readsUnallocatedStack: false,
  infersNotNull: false,
  checksLsmReturn: false,
  disablesLsmHooks: false,
  convertsContexts: false,
  namesProgTypeOfHelper: false,
};

const V7_2: KernelRules = {
  ...V6_12,
  release: 7002,
  knownCodes: knownCodes(7002),
  tracingHelpersForAll: true,
  kfuncArgsTrusted: true,
  kfuncsForRawTracepoints: true,
  flowKeysArithmetic: true,
  printsLiveness: false,
  packetsAreRegions: true,
  checksResourceLeak: true,
  namesRegisters: true,
  elidesNullOfLookups: true,
  acquireRelease: true,
  tellsHelperReads: true,
  modifiesSyscalls: true,
  lsmDisabled: new Set(['bpf_lsm_file_alloc_security']),
};

/** Newest first. */
const RULES: readonly KernelRules[] = [V7_2, V6_12, V6_1];

/** Releases whose rules are known, oldest first. */
export const RULED_RELEASES: readonly string[] = ['6.1', '6.12', '7.2'];

/** The rules of a release: those of the newest known one that is no newer; of older ones, the oldest known. */
export function kernelRules(version: string): KernelRules {
  const release = releaseNumber(version);
  return RULES.find(rules => rules.release <= release) ?? V6_1;
}

/** Rules of the release everything is measured against. */
export const DEFAULT_RULES: KernelRules = V6_12;
