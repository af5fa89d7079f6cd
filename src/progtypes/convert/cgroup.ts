import { BPF_DW, BPF_MEM, BPF_W, makeInsn } from '../../isa/index.ts';
import type { ConvertAccess } from '../contract.ts';
import { BPF_SOCKOPT, BPF_SYSCTL } from '../ctx-structs.ts';
import {
  at,
  type Conversion,
  converter,
  isBigEndian,
  load,
  loadMember,
  read,
  readWrite,
  sizeCode,
  sizeOfAccess,
  spareReg,
  store,
  through,
} from './rows.ts';

const SYSCTL = 'bpf_sysctl_kern';
const ACCESS_BYTES = [4, 2, 1, 8] as const;
/** `sizeof(loff_t)` */
const POS_BYTES = 8;

/** The position is a pointer to a longer number, whose low bytes are what the program sees. */
const filePos: Conversion = access => {
  const { insn, offsets, write, prog } = access;
  const { dst, src } = insn;
  const big = isBigEndian(prog);
  access.targetSizeBytes = 4;
  if (!write) {
    const bytes = ACCESS_BYTES[(insn.code >> 3) & 3];
    return [
      loadMember(access, [SYSCTL, 'ppos'], dst, src),
      load(sizeOfAccess(insn), dst, dst, big ? POS_BYTES - bytes : 0),
    ];
  }
  const tmp = spareReg(insn);
  const spill = offsets.offsetOf(SYSCTL, 'tmp_reg');
  return [
    store(BPF_DW, dst, tmp, spill),
    loadMember(access, [SYSCTL, 'ppos'], tmp, dst),
    makeInsn((insn.code & 7) | BPF_MEM | BPF_W, tmp, src, big ? POS_BYTES - 4 : 0, insn.imm),
    load(BPF_DW, tmp, dst, spill),
  ];
};

/** Source: `kernel/bpf/cgroup.c: sysctl_convert_ctx_access`. */
export const convertSysctl: ConvertAccess = converter([
  at(BPF_SYSCTL.write, access => {
    const { insn, offsets } = access;
    access.targetSizeBytes = offsets.sizeOf(SYSCTL, 'write');
    return [load(sizeOfAccess(insn), insn.dst, insn.src, offsets.offsetOf(SYSCTL, 'write'))];
  }),
  at(BPF_SYSCTL.file_pos, filePos),
]);

const SOCKOPT = 'bpf_sockopt_kern';

/** The call's result is kept with the task. */
const retval: Conversion = access => {
  const { insn, offsets, write } = access;
  const { dst, src } = insn;
  if (!write)
    return through([
      [SOCKOPT, 'current_task'],
      ['task_struct', 'bpf_ctx'],
      ['bpf_cg_run_ctx', 'retval'],
    ])(access, 0);
  const tmp = spareReg(insn);
  const spill = offsets.offsetOf(SOCKOPT, 'tmp_reg');
  const size = sizeCode(offsets.sizeOf('bpf_cg_run_ctx', 'retval'));
  return [
    store(BPF_DW, dst, tmp, spill),
    loadMember(access, [SOCKOPT, 'current_task'], tmp, dst),
    loadMember(access, ['task_struct', 'bpf_ctx'], tmp, tmp),
    makeInsn((insn.code & 7) | BPF_MEM | size, tmp, src, offsets.offsetOf('bpf_cg_run_ctx', 'retval'), insn.imm),
    load(BPF_DW, tmp, dst, spill),
  ];
};

/** Source: `kernel/bpf/cgroup.c: cg_sockopt_convert_ctx_access`. */
export const convertSockopt: ConvertAccess = converter([
  at(BPF_SOCKOPT.sk, read(SOCKOPT, 'sk')),
  at(BPF_SOCKOPT.level, readWrite([SOCKOPT, 'level'], false)),
  at(BPF_SOCKOPT.optname, readWrite([SOCKOPT, 'optname'], false)),
  at(BPF_SOCKOPT.optlen, readWrite([SOCKOPT, 'optlen'], false)),
  at(BPF_SOCKOPT.retval, retval),
  at(BPF_SOCKOPT.optval, read(SOCKOPT, 'optval')),
  at(BPF_SOCKOPT.optval_end, read(SOCKOPT, 'optval_end')),
]);
