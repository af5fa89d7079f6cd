import { plain, row } from './row.ts';

/** What the fixups after the walk say when they cannot be made. Source: `convert_ctx_accesses`, `do_misc_fixups`. */
export const FIXUP_MESSAGES = {
  patchTooFar: row('ENOMEM', (idx: number) => `insn ${idx} cannot be patched due to 16-bit range`),
  arenaSignedLoad: plain('EOPNOTSUPP', 'sign extending loads from arena are not supported yet'),
  fixupMisconfigured: plain('EINVAL', 'bpf verifier is misconfigured'),
  kfuncNotEliminated: plain('EINVAL', 'invalid kernel function call not eliminated in verifier pass'),
  tailCallAbuse: plain('EINVAL', 'tail_call abusing map_ptr'),
  extraStack: row('EINVAL', (depth: number, extra: number) => `stack size ${depth}(extra ${extra}) is too large`),
} as const;
