import { plain, row } from './row.ts';

/** The walk itself. See `structure.ts`. */
export const WALK_MESSAGES = {
  programType: plain('EINVAL', ''),
  insnOutside: row('EFAULT', (idx: number, count: number) => `invalid insn idx ${idx} insn_cnt ${count}`),
  tooLarge: row('E2BIG', (count: number) => `BPF program is too large. Processed ${count} insn`),
  stxReserved: plain('EINVAL', 'BPF_STX uses reserved fields'),
  stReserved: plain('EINVAL', 'BPF_ST uses reserved fields'),
  callReserved: plain('EINVAL', 'BPF_CALL uses reserved fields'),
  jaReserved: plain('EINVAL', 'BPF_JA uses reserved fields'),
  usedInRegion: row('EINVAL', (who: string, region: string) => `${who} cannot be used inside ${region}-ed region`),
  leaksReference: row('EINVAL', (who: string) => `${who} would lead to reference leak`),
  exitReserved: plain('EINVAL', 'BPF_EXIT uses reserved fields'),
  callLocked: plain('EINVAL', 'function calls are not allowed while holding a lock'),
  ldMode: plain('EINVAL', 'invalid BPF_LD mode'),
  insnClass: row('EINVAL', (cls: number) => `unknown insn class ${cls}`),
} as const;
