import { BPF_DW } from '../../isa/index.ts';
import type { ConvertAccess } from '../contract.ts';
import { type Access, load, loadMember } from './rows.ts';

const KERN = 'bpf_perf_event_data_kern';

/**
 * Registers are read from where they were saved; period and address, behind them, from the sample.
 * Source: `kernel/trace/bpf_trace.c: pe_prog_convert_ctx_access`.
 */
export const convertPerfEvent: ConvertAccess = (write, insn, prog, offsets) => {
  const access: Access = { write, insn, prog, offsets, targetSizeBytes: 0 };
  const { dst, src, off } = insn;
  for (const [member, field] of [
    ['sample_period', 'period'],
    ['addr', 'addr'],
  ] as const) {
    if (off !== offsets.offsetOf('bpf_perf_event_data', member)) continue;
    return {
      insns: [
        loadMember(access, [KERN, 'data'], dst, src),
        load(BPF_DW, dst, dst, offsets.offsetOf('perf_sample_data', field)),
      ],
      targetSizeBytes: 8,
    };
  }
  return { insns: [loadMember(access, [KERN, 'regs'], dst, src), load(BPF_DW, dst, dst, off)], targetSizeBytes: 0 };
};
