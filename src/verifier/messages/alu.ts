import { plain, row } from './row.ts';

const NOT_ROOT = 'pointer arithmetic with it prohibited for !root';

/** What arithmetic, sanitation, `ld_imm64` and packet loads say. Source: `check_alu_op` and all it calls, `check_ld_imm`, `check_ld_abs`. */
export const ALU_MESSAGES = {
  // reg_bounds_sanity_check
  regInvariants: row('EFAULT', (line: string) => line),

  // check_reg_sane_offset
  ptrMathConst: row('EINVAL', (type: string, val: string) => `math between ${type} pointer and ${val} is not allowed`),
  ptrMathOff: row('EINVAL', (type: string, off: number) => `${type} pointer offset ${off} is not allowed`),
  ptrMathUnbounded: row(
    'EINVAL',
    (type: string) => `math between ${type} pointer and register with unbounded min value is not allowed`,
  ),
  ptrMathOutOfBounds: row(
    'EINVAL',
    (type: string, val: string) => `value ${val} makes ${type} pointer be out of bounds`,
  ),

  // sanitize_err
  sanitizeBounds: row(
    'EACCES',
    (regno: number) => `R${regno} has unknown scalar with mixed signed bounds, ${NOT_ROOT}`,
  ),
  sanitizeType: row('EACCES', (regno: number) => `R${regno} has pointer with unsupported alu operation, ${NOT_ROOT}`),
  sanitizePaths: row(
    'EACCES',
    (regno: number, op: string) => `R${regno} tried to ${op} from different maps, paths or scalars, ${NOT_ROOT}`,
  ),
  sanitizeLimit: row(
    'EACCES',
    (regno: number, op: string) => `R${regno} tried to ${op} beyond pointer bounds, ${NOT_ROOT}`,
  ),
  sanitizeStack: row(
    'EACCES',
    (regno: number) => `R${regno} could not be pushed for speculative verification, ${NOT_ROOT}`,
  ),

  // check_stack_access_for_ptr_arithmetic, sanitize_check_bounds
  stackMathVariable: row(
    'EACCES',
    (regno: number, varOff: string, off: number) =>
      `R${regno} variable stack access prohibited for !root, var_off=${varOff} off=${off}`,
  ),
  stackMathRange: row(
    'EACCES',
    (regno: number, off: number) =>
      `R${regno} stack pointer arithmetic goes out of range, prohibited for !root; off=${off}`,
  ),
  mapMathRange: row(
    'EACCES',
    (regno: number) => `R${regno} pointer arithmetic of map value goes out of range, prohibited for !root`,
  ),

  // adjust_ptr_min_max_vals, adjust_reg_min_max_vals
  ptrMath32: row('EACCES', (regno: number) => `R${regno} 32-bit pointer arithmetic prohibited`),
  ptrMathNull: row(
    'EACCES',
    (regno: number, type: string) => `R${regno} pointer arithmetic on ${type} prohibited, null-check it first`,
  ),
  ptrMathType: row('EACCES', (regno: number, type: string) => `R${regno} pointer arithmetic on ${type} prohibited`),
  ptrFromScalar: row('EACCES', (regno: number) => `R${regno} tried to subtract pointer from scalar`),
  ptrSubStack: row('EACCES', (regno: number) => `R${regno} subtraction from stack pointer prohibited`),
  ptrBitwise: row('EACCES', (regno: number, op: string) => `R${regno} bitwise operator ${op} on pointer prohibited`),
  ptrOperator: row(
    'EACCES',
    (regno: number, op: string) => `R${regno} pointer arithmetic with ${op} operator prohibited`,
  ),
  ptrWithPtr: row('EACCES', (regno: number, op: string) => `R${regno} pointer ${op} pointer prohibited`),

  // check_alu_op
  negReserved: plain('EINVAL', 'BPF_NEG uses reserved fields'),
  endReserved: plain('EINVAL', 'BPF_END uses reserved fields'),
  ptrUnary: row('EACCES', (regno: number) => `R${regno} pointer arithmetic prohibited`),
  movReserved: plain('EINVAL', 'BPF_MOV uses reserved fields'),
  castSpaces: plain('EINVAL', 'addr_space_cast insn can only convert between address space 1 and 0'),
  castNoArena: plain('EINVAL', 'addr_space_cast insn can only be used in a program that has an associated arena'),
  movsxPointer: row('EACCES', (regno: number) => `R${regno} sign-extension part of pointer`),
  movPartPointer: row('EACCES', (regno: number) => `R${regno} partial copy of pointer`),
  aluOpcode: row('EINVAL', (opcode: number) => `invalid BPF_ALU opcode ${opcode.toString(16)}`),
  aluReserved: plain('EINVAL', 'BPF_ALU uses reserved fields'),
  divByZero: plain('EINVAL', 'div by zero'),
  shiftAmount: row('EINVAL', (amount: number) => `invalid shift ${amount}`),

  // check_pseudo_btf_id
  ksymModule: plain('EINVAL', 'invalid module BTF object FD specified.'),
  ksymNoBtf: plain('EINVAL', 'kernel is missing BTF, make sure CONFIG_DEBUG_INFO_BTF=y is specified in Kconfig.'),
  ksymId: row('ENOENT', (id: number) => `ldimm64 insn specifies invalid btf_id ${id}.`),
  ksymKind: row('EINVAL', (id: number) => `pseudo btf_id ${id} in ldimm64 isn't KIND_VAR or KIND_FUNC`),
  ksymAddress: row('ENOENT', (name: string) => `ldimm64 failed to find the address for kernel symbol '${name}'.`),
  ksymSize: row(
    'EINVAL',
    (name: string, err: number) => `ldimm64 unable to resolve the size of type '${name}': ${err}`,
  ),

  // check_map_prog_compatibility
  mapGraphTracing: plain('EINVAL', 'tracing progs cannot use bpf_{list_head,rb_root} yet'),
  mapLockSocketFilter: plain('EINVAL', 'socket filter progs cannot use bpf_spin_lock yet'),
  mapLockTracing: plain('EINVAL', 'tracing progs cannot use bpf_spin_lock yet'),
  mapTimerTracing: plain('EINVAL', 'tracing progs cannot use bpf_timer yet'),
  mapWqTracing: plain('EINVAL', 'tracing progs cannot use bpf_wq yet'),
  mapStructOps: plain('EINVAL', 'bpf_struct_ops map cannot be used in prog'),
  mapSleepable: plain('EINVAL', 'Sleepable programs can only use array, hash, ringbuf and local storage maps'),

  // resolve_pseudo_ldimm64
  mapFd: row('EBADF', (fd: number) => `fd ${fd} is not pointing to valid bpf_map`),
  directValueOff: row('EINVAL', (off: number) => `direct value offset of ${off} is not allowed`),
  directValueNone: plain('EINVAL', 'no direct value access support for this map type'),
  directValueAccess: row(
    'EINVAL',
    (valueSize: number, off: number) => `invalid access to map value pointer, value_size=${valueSize} off=${off}`,
  ),
  cgroupStorageTwice: plain('EBUSY', 'only one cgroup storage of each type is allowed'),
  arenaTwice: plain('EBUSY', 'Only one arena per program'),
  arenaCaps: plain('EPERM', 'CAP_BPF and CAP_PERFMON are required to use arena'),
  arenaNoJit: plain('EOPNOTSUPP', 'JIT is required to use arena'),
  arenaJitSupport: plain('EOPNOTSUPP', "JIT doesn't support arena"),

  // check_ld_imm
  ldImmSize: plain('EINVAL', 'invalid BPF_LD_IMM insn'),
  ldImm64Reserved: plain('EINVAL', 'BPF_LD_IMM64 uses reserved fields'),
  callbackNoInfo: plain('EINVAL', 'missing btf func_info'),
  callbackNotStatic: plain('EINVAL', 'callback function not static'),
  ldImmMisconfigured: plain('EINVAL', 'bpf verifier is misconfigured'),

  // check_ld_abs
  ldAbsProgType: plain('EINVAL', 'BPF_LD_[ABS|IND] instructions not allowed for this program type'),
  ldAbsReserved: plain('EINVAL', 'BPF_LD_[ABS|IND] uses reserved fields'),
  ldAbsReferences: plain('EINVAL', 'BPF_LD_[ABS|IND] cannot be mixed with socket references'),
  ldAbsLocked: plain('EINVAL', 'BPF_LD_[ABS|IND] cannot be used inside bpf_spin_lock-ed region'),
  ldAbsRcu: plain('EINVAL', 'BPF_LD_[ABS|IND] cannot be used inside bpf_rcu_read_lock-ed region'),
  ldAbsPreempt: plain('EINVAL', 'BPF_LD_[ABS|IND] cannot be used inside bpf_preempt_disable-ed region'),
  ldAbsCtx: plain('EINVAL', 'at the time of BPF_LD_ABS|IND R6 != pointer to skb'),
} as const;
