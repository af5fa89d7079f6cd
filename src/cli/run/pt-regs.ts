import type { Btf } from '../../btf/index.ts';
import { placeAt } from '../format/btf-place.ts';

/** Where `struct pt_regs` keeps the arguments of a function. */
export interface PtRegsLayout {
  /** Offset of each argument's register. */
  readonly args: readonly number[];
  /** Offset of the register of what the function returned. */
  readonly ret: number;
  readonly sizeBytes: number;
  /** Offsets of the arguments of a system call; undefined where its function is called with them as they are. */
  readonly syscallArgs: readonly number[] | undefined;
}

interface RegisterNames {
  /** A member by which one knows the machine. */
  readonly mark: string;
  readonly args: readonly string[];
  readonly ret: string;
  readonly syscallArgs?: readonly string[];
}

const items = (name: string, first: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${name}[${first + i}]`);

/** Source: `tools/lib/bpf/bpf_tracing.h: PT_REGS_PARM1 … PT_REGS_RC, PT_REGS_PARM1_SYSCALL …, PT_REGS_SYSCALL_REGS`. */
const MACHINES: readonly RegisterNames[] = [
  {
    mark: 'r10',
    args: ['di', 'si', 'dx', 'cx', 'r8', 'r9'],
    ret: 'ax',
    syscallArgs: ['di', 'si', 'dx', 'r10', 'r8', 'r9'],
  },
  {
    mark: 'pstate',
    args: items('regs', 0, 8),
    ret: 'regs[0]',
    syscallArgs: items('regs', 0, 6),
  },
  { mark: 'psw', args: items('gprs', 2, 5), ret: 'gprs[2]', syscallArgs: ['orig_gpr2', ...items('gprs', 3, 5)] },
  { mark: 'a7', args: ['a0', 'a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7'], ret: 'a0' },
  { mark: 'gpr', args: items('gpr', 3, 8), ret: 'gpr[3]' },
  { mark: 'csr_era', args: items('regs', 4, 8), ret: 'regs[4]' },
];

/** x86-64, for when no kernel's types are at hand. */
const X86_64: PtRegsLayout = {
  args: [112, 104, 96, 88, 72, 64],
  ret: 80,
  sizeBytes: 168,
  syscallArgs: [112, 104, 96, 56, 72, 64],
};

/** The registers of the machine a kernel's types are for; without any, of x86-64. */
export function ptRegsLayout(kernel: Btf | undefined): PtRegsLayout {
  const id = kernel?.findByName('pt_regs', 'STRUCT') ?? 0;
  if (kernel === undefined || id <= 0) return X86_64;
  const offsetOf = (name: string): number | undefined => {
    const place = placeAt(kernel, id, `.${name}`);
    return 'expected' in place ? undefined : place.bitOffset / 8;
  };
  const names = MACHINES.find(({ mark }) => offsetOf(mark) !== undefined);
  if (names === undefined) return X86_64;
  const offsets = (of: readonly string[]): number[] => of.flatMap(name => offsetOf(name) ?? []);
  return {
    args: offsets(names.args),
    ret: offsetOf(names.ret) ?? 0,
    sizeBytes: kernel.sizeOf(id),
    syscallArgs: names.syscallArgs === undefined ? undefined : offsets(names.syscallArgs),
  };
}
